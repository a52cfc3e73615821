"""What is shown as the text: which parts, from which markup, with which line ends."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import html
from gateway.mail.bodies import clean, unflowed
from gateway.mail.contents import calendars
from gateway.mail.read import read

HEAD = b"From: claire@example.org\nSubject: x\n"


def alternative(plain: bytes, page: bytes) -> bytes:
    return (
        HEAD
        + b"Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n"
        + plain
        + b"\n--b\nContent-Type: text/html; charset=utf-8\n\n"
        + page
        + b"\n--b--\n"
    )


def test_of_alternatives_the_plain_one_is_shown() -> None:
    assert read(alternative("Voilà".encode(), b"<p>autre</p>")).text == "Voilà"


@pytest.mark.parametrize("empty", [b"", b"\n \n\n", "\xa0\n".encode()])
def test_html_is_shown_where_the_plain_part_is_empty(empty: bytes) -> None:
    assert read(alternative(empty, "<p>Voilà</p>".encode())).text == "Voilà"


@pytest.mark.parametrize(
    "stub",
    [
        "Votre logiciel de messagerie ne prend pas en charge le HTML.",
        "Votre messagerie ne permet pas d'afficher ce message au format HTML.",
        "Ce message est au format HTML.",
        "To view the message, please use an HTML compatible email viewer!",
        "Your email client does not support HTML messages",
        "Ihr E-Mail-Programm unterstützt leider keine HTML-Mails.",
        "Envoyé de mon iPhone",
        "\n\n-- \nEnvoyé depuis mon téléphone",
        "Sent from my Galaxy",
    ],
)
def test_html_is_shown_where_the_plain_part_says_nothing_of_its_own(stub: str) -> None:
    page = "<p>Où en est mon dossier ?</p><p>Envoyé de mon iPhone</p>"
    assert read(alternative(stub.encode(), page.encode())).text == "Où en est mon dossier ?\n\nEnvoyé de mon iPhone"


@pytest.mark.parametrize(
    ("text", "page"),
    [
        (
            "Votre logiciel ne prend pas en charge le HTML ?",
            "<p>Votre logiciel <b>ne prend pas</b> en charge le HTML ?",
        ),
        ("Votre logiciel ne prend pas en charge le HTML.", "<img src=x>"),
        ("Envoyé de mon iPhone", "<div>Envoyé de mon iPhone</div>"),
        ("Oui.\nEnvoyé de mon iPhone", "<p>Oui.</p><p>Envoyé de mon iPhone</p><p>pied</p>"),
        ("Envoyé par la poste le 3 mars", "<p>Envoyé par la poste le 3 mars</p><p>pied</p>"),
    ],
)
def test_a_short_plain_part_of_its_author_stays(text: str, page: str) -> None:
    assert read(alternative(text.encode(), page.encode())).text == text


@pytest.mark.parametrize(("second", "text"), [("deux", "un\n\ndeux"), ("un\n", "un"), ("", "un")])
def test_two_plain_parts_of_one_alternative_are_shown_unless_they_say_the_same(second: str, text: str) -> None:
    part = f"\n--b\nContent-Type: text/plain\n\n{second}\n--b\nContent-Type: text/html".encode()
    assert read(alternative(b"un", b"<p>trois</p>").replace(b"\n--b\nContent-Type: text/html", part)).text == text


def test_a_footer_does_not_replace_a_page_whose_plain_alternative_is_empty() -> None:
    inner = alternative(b" \n", "<p>Voilà</p>".encode()).removeprefix(HEAD).replace(b"boundary=b", b"boundary=i")
    inner = inner.replace(b"--b", b"--i")
    raw = HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + inner + b"--b\n\nliste@example.org\n--b--\n"
    assert read(raw).text == "Voilà\n\nliste@example.org"


def test_texts_around_a_picture_are_shown_in_order() -> None:
    raw = (
        HEAD
        + b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nun\n"
        + b"--b\nContent-Type: image/png\n\nx\n--b\n\ndeux\n"
        + b"--b\nContent-Type: application/pdf; name=a.pdf\n\nx\n"
        + b"--b\nContent-Type: text/html\n\n<p>trois</p>\n--b--\n"
    )
    assert read(raw).text == "un\n\ndeux\n\ntrois"


def test_an_attachment_alone_is_an_empty_mail() -> None:
    raw = HEAD + b"Content-Type: application/pdf; name=rib.pdf\nContent-Disposition: attachment\n\n%PDF\n"
    mail = read(raw)
    assert (mail.text, mail.own, [a.name for a in mail.attachments], mail.anomalies) == ("", "", ["rib.pdf"], ())


def test_related_without_a_root_is_read() -> None:
    raw = (
        HEAD
        + b"Content-Type: multipart/related; start=absent; boundary=b\n\n"
        + b"--b\nContent-Type: image/png\nContent-ID: <i>\n\nx\n"
        + b"--b\nContent-Type: text/html\n\n<p>a<img src='cid:i'></p>\n--b--\n"
    )
    mail = read(raw)
    assert (mail.text, mail.attachments[0].content_id) == ("a", "i")


INVITATION = """\
BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VTIMEZONE
DTSTART:19700101T000000
END:VTIMEZONE
BEGIN:VEVENT
DTSTART;TZID=Europe/Paris:20250203T101500
SUMMARY;LANGUAGE=fr:Point d'étape\\, dossier
  123
LOCATION:Mairie\\nsalle 2
END:VEVENT
BEGIN:VEVENT
SUMMARY:autre
DESCRIPTION:x
END:VEVENT
END:VCALENDAR
"""
LINE = "Point d'étape, dossier 123 · 2025-02-03 10:15 (Europe/Paris) · Mairie salle 2"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_invitation_alone_is_told_in_a_line(end: str) -> None:
    raw = HEAD + b"Content-Type: text/calendar; charset=utf-8\n\n" + INVITATION.replace("\n", end).encode()
    assert read(raw).text == LINE
    assert calendars.event(INVITATION.replace("\n", end)).method == "REQUEST"


def test_only_the_first_event_is_told() -> None:
    text = "BEGIN:VEVENT\nSUMMARY:un\nEND:VEVENT\nBEGIN:VEVENT\nSUMMARY:deux\nLOCATION:ailleurs\nEND:VEVENT"
    assert calendars.event(text).line == "un"


def test_an_invitation_beside_a_text_leaves_the_text() -> None:
    raw = alternative(b"Bonjour", b"<p>x</p>").replace(
        b"--b--", b"--b\nContent-Type: text/calendar\n\n" + INVITATION.encode() + b"\n--b--"
    )
    assert read(raw).text == "Bonjour"


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("DTSTART:20250203T101500Z", "2025-02-03 10:15 (UTC)"),
        ("DTSTART:20250203T1015", "2025-02-03 10:15"),
        ("dtstart;VALUE=DATE:20250203", "2025-02-03"),
        ("DTSTART:demain", ""),
    ],
)
def test_when_an_event_begins(line: str, start: str) -> None:
    assert calendars.event(f"BEGIN:VEVENT\n{line}\nEND:VEVENT").start == start


@given(st.text(alphabet="BEGINVT:;=\\n\r\n SUMARYD20T", max_size=200))
def test_no_calendar_raises(text: str) -> None:
    assert "\n" not in calendars.event(text).line


def test_a_text_of_another_type_is_shown_where_it_is_all() -> None:
    assert read(HEAD + b"Content-Type: text/enriched\n\n<bold>Bonjour</bold>\n").text == "<bold>Bonjour</bold>"
    joined = b"Content-Type: text/plain; name=a.txt\nContent-Disposition: attachment\n\nx\n"
    assert read(HEAD + joined).text == ""


def test_texts_of_a_mixed_mail_are_joined_and_named_ones_are_attachments() -> None:
    raw = (
        HEAD
        + b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nun\n"
        + b"--b\nContent-Type: text/plain; name=notes.txt\n\nnotes\n"
        + b"--b\nContent-Type: text/html\n\n<p>deux</p>\n--b--\n"
    )
    mail = read(raw)
    assert mail.text == "un\n\ndeux"
    assert [a.name for a in mail.attachments] == ["notes.txt"]


def test_line_ends_and_control_characters() -> None:
    mail = read(HEAD + "\na\r\nb\rc\x00\x1b[31m\td\u2028e\xa0!\n".encode().replace(b"Subject: x\n", b""))
    assert mail.text == "a\nb\nc[31m\td\ne\xa0!"


def test_characters_that_reorder_what_is_shown_are_left_out() -> None:
    text = "le fichier \u202efdp.exe\u202c, \u2066x\u2069 \U0001f468\u200d\U0001f469"
    shown = "le fichier fdp.exe, x \U0001f468\u200d\U0001f469"  # what joins an emoji stays
    assert read(HEAD + b"Content-Type: text/plain; charset=utf-8\n\n" + text.encode()).text == shown


def test_a_long_text_is_cut_and_told() -> None:
    mail = read(HEAD + b"\n" + b"mot " * 400_000)
    assert len(mail.text) == 1_000_000
    assert any("1 MB" in a for a in mail.anomalies)


@pytest.mark.parametrize(
    ("flowed", "text"),
    [
        ("Bonjour \nClaire\n\nMerci", "Bonjour Claire\n\nMerci"),
        ("> cité \n> suite\nréponse", "> cité suite\nréponse"),
        ("> cité \nréponse", "> cité \nréponse"),
        (">> deux\n> un", ">> deux\n> un"),
        ("fin \n-- \nClaire", "fin \n-- \nClaire"),
        (" étoffé", "étoffé"),
    ],
)
def test_flowed_text(flowed: str, text: str) -> None:
    assert unflowed(flowed) == text


def test_flowed_text_without_the_space() -> None:
    assert unflowed("Bonj \nour", delsp=True) == "Bonjour"
    raw = HEAD + b"Content-Type: text/plain; format=flowed; delsp=yes\n\nBonj \nour\n"
    assert read(raw).text == "Bonjour"


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>Un</p><p>Deux<br>Trois</p>", "Un\n\nDeux\nTrois"),
        ("<div>Un</div><div>Deux</div>", "Un\nDeux"),
        ('Voir <a href="https://example.org/d/1">le dossier</a>.', "Voir le dossier <https://example.org/d/1>."),
        ('<a href="https://example.org/">https://example.org</a>', "https://example.org"),
        ('<a href="javascript:alert(1)">ici</a>', "ici"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        (
            "<table><tr><td>Nom</td><td>Petit</td></tr><tr><td>Ville</td><td>Évry</td></tr></table>",
            "Nom  Petit\nVille  Évry",
        ),
        ("oui<blockquote>cité<br>suite</blockquote>non", "oui\n\n> cité\n> suite\n\nnon"),
        ("<blockquote>a<blockquote>b</blockquote></blockquote>", "> a\n>\n> > b"),
        ("<style>p{}</style><script>alert('<p>')</script>a", "a"),
        ("<head><title>t</title></head><body>a", "a"),
        ("a &lt;b&gt; &eacute;&nbsp;&euro;", "a <b> é\xa0€"),
        ("a <!-- b --> c", "a c"),
        ("3 < 4 et <3", "3 < 4 et <3"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ('<img alt="Logo" src="http://x/">a', "[Logo]a"),
        ('<a title="x > y" href="http://e.org">a</a>', "a <http://e.org>"),
        ("<b>gras</b> et <i>autre</i>", "gras et autre"),
    ],
)
def test_html_to_text(page: str, text: str) -> None:
    assert html.to_text(page) == text


def test_the_page_says_its_charset_where_the_field_does_not() -> None:
    page = "<meta charset=iso-8859-15><p>50 €</p>".encode("iso-8859-15")
    assert read(HEAD + b"Content-Type: text/html\n\n" + page).text == "50 €"


@given(st.text(alphabet="<>/!-abpli \n\"'=&;#1quotbrscripthref", max_size=400))
def test_html_to_text_never_raises_and_leaves_no_script(page: str) -> None:
    html.to_text(page)
    assert "secret" not in html.to_text(f"<script>secret</script>{page}")


_ENDS = re.compile(r"\r\n|[\r\x85\u2028\u2029\x0b\x0c]")
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@given(st.text(alphabet="aé \t\r\n\xa0\xad\x00\x0b\x0c\x1f\x7f\x85\u2028\u202e\u2066\ufeff", max_size=12))
def test_a_text_that_is_clean_stays_and_any_other_is_made_so(text: str) -> None:
    assert clean(text) == _UNSEEN.sub("", _ENDS.sub("\n", text)).removeprefix("\ufeff")


@given(st.one_of([st.text(alphabet=letters, max_size=12) for letters in ("a ", "a \t\r\n\f\xa0\x00\x9f\u202e")]))
def test_blanks_of_a_page_are_one(text: str) -> None:
    shown = re.sub("[ \t\r\n\f]+", " ", re.sub("[\u202e]", "", re.sub(r"[\x00\x9f]", " ", text)))
    assert html.to_text(f"x{text}y") == f"x{shown}y"
