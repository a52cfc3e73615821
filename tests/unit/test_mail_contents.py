"""What parts contain: files in texts, wrapped, signed and attached mails; found again by their number; bounded."""

from __future__ import annotations

import base64
import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import contents, uuencode
from gateway.mail.contents import MAX_LEVELS, content
from gateway.mail.headers import split
from gateway.mail.parts import MAX_PARTS, tree
from gateway.mail.read import read
from gateway.model import Protection
from tests.unit.test_mail_sealed import enveloped, signed
from tests.unit.test_mail_tnef import file, message, wrapped

HEAD = b"From: claire@example.org\nSubject: Pi\xc3\xa8ces\nMIME-Version: 1.0\n"
PDF = b"Content-Type: application/pdf; name=rib.pdf\nContent-Transfer-Encoding: base64\n\nJVBERg==\n"
TEXT = b"Content-Type: text/plain; charset=utf-8\n\nBonjour\n"
UU = b"begin 644 plan.txt\n'0F]N:F]U<@``\n`\nend\n"


def mixed(*parts: bytes, kind: bytes = b"mixed", boundary: bytes = b"b") -> bytes:
    body = b"".join(b"--%s\n%s\n" % (boundary, part) for part in parts)
    return b"Content-Type: multipart/%s; boundary=%s\n\n%s--%s--\n" % (kind, boundary, body, boundary)


def encoded(kind: bytes, data: bytes, name: bytes = b"") -> bytes:
    named = b'; name="%s"' % name if name else b""
    return b"Content-Type: %s%s\nContent-Transfer-Encoding: base64\n\n%s" % (kind, named, base64.encodebytes(data))


def files(raw: bytes) -> list[tuple[str, bytes, str]]:
    """Each attachment's name, its bytes as they're found again, and what it's inside of."""
    mail = read(raw)
    for attachment in mail.attachments:
        data = content(raw, attachment.part)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (attachment.size, attachment.sha256)
    return [(a.name, content(raw, a.part), a.inside) for a in mail.attachments]


# --- files in texts -----------------------------------------------------------------------------------------


def test_uuencoded_files_are_taken_out_of_the_text() -> None:
    raw = HEAD + b"\nVoici le plan.\n\n" + UU + b"\nClaire\n" + UU.replace(b"plan", b"autre")
    assert read(raw).text == "Voici le plan.\n\n\nClaire"
    assert files(raw) == [("plan.txt", b"Bonjour", ""), ("autre.txt", b"Bonjour", "")]


def test_an_empty_line_of_a_uuencoded_file_holds_nothing() -> None:
    """`binascii.a2b_uu` makes 32 zeros of it."""
    assert uuencode.taken_out(b"begin 644 x\n\nend\n") == (b"", (uuencode.File(b"x", b""),))


def test_a_uuencoded_file_in_one_of_two_texts() -> None:
    raw = HEAD + mixed(TEXT, b"Content-Type: text/plain\n\nsuite\n" + UU, PDF)
    assert read(raw).text == "Bonjour\n\nsuite"
    assert files(raw) == [("plan.txt", b"Bonjour", ""), ("rib.pdf", b"%PDF", "")]
    assert read(raw).attachments[1].part == 3


@pytest.mark.parametrize(
    "text",
    [
        b"On va\nbegin 644 le_plan\nde bonne heure, et finir.\nend\n",
        b"On va\nbegin the day\nend\n",
        b"On va\nbegin 644 plan.txt\n",
        b"On va\n> " + UU.replace(b"\n", b"\n> "),
    ],
)
def test_words_like_begin_are_left_in_the_text(text: bytes) -> None:
    mail = read(HEAD + b"\n" + text)
    assert mail.attachments == ()
    assert "begin" in mail.text


def test_a_file_that_was_cut_is_still_one() -> None:
    lines = b"M" + b"!" * 60 + b"\n"
    ((name, data, _),) = files(HEAD + b"\nbegin 644 long.bin\n" + lines * 5)
    assert (name, len(data)) == ("long.bin", 225)


def test_base64_between_begin_and_end() -> None:
    raw = HEAD + b"\nbegin-base64 644 plan.txt\nQm9uam91cg==\n====\nsuite\n"
    assert (files(raw), read(raw).text) == ([("plan.txt", b"Bonjour", "")], "suite")


# --- winmail.dat --------------------------------------------------------------------------------------------


def test_winmail_dat_gives_way_to_its_files() -> None:
    dat = wrapped(message("texte de côté"), file("plan.pdf", b"%PDF"), file("été.png", b"png", content_id="i1"))
    raw = HEAD + mixed(TEXT, encoded(b"application/ms-tnef", dat, b"winmail.dat"))
    assert files(raw) == [("plan.pdf", b"%PDF", ""), ("été.png", b"png", "")]
    mail = read(raw)
    assert mail.text == "Bonjour"
    assert [(a.type, a.inline, a.content_id) for a in mail.attachments] == [
        ("application/pdf", False, ""),
        ("image/png", True, "i1"),
    ]


@pytest.mark.parametrize("kind", [b"application/ms-tnef", b"application/vnd.ms-tnef", b"application/octet-stream"])
def test_winmail_dat_gives_the_text_where_there_is_no_other(kind: bytes) -> None:
    dat = wrapped(message("Où en est ma demande ?"), file("plan.pdf", b"%PDF"))
    for raw in (
        HEAD + encoded(kind, dat, b"winmail.dat"),
        HEAD + mixed(b"\n\n", encoded(kind, dat, b"winmail.dat")),
    ):
        assert read(raw).text == "Où en est ma demande ?"
        assert files(raw) == [("plan.pdf", b"%PDF", "")]


def test_winmail_dat_that_holds_nothing_or_is_broken_stays() -> None:
    for dat, odd in ((wrapped(message("x")), False), (b"junk", True), (wrapped(message("x"))[:-9], True)):
        mail = read(HEAD + mixed(TEXT, encoded(b"application/ms-tnef", dat, b"winmail.dat")))
        assert [a.name for a in mail.attachments] == ["winmail.dat"]
        assert any("winmail.dat" in a for a in mail.anomalies) is odd


def test_of_a_broken_winmail_dat_the_files_and_itself_are_kept() -> None:
    dat = wrapped(message("texte"), file("a.pdf", b"%PDF"), file("b.pdf", b"%PDF"))[:-20]
    found = files(HEAD + mixed(TEXT, encoded(b"application/ms-tnef", dat, b"winmail.dat")))
    assert [name for name, _, _ in found][:2] == ["winmail.dat", "a.pdf"]


def test_of_two_texts_in_winmail_dat_the_attached_mails_is_a_file() -> None:
    inner = wrapped(message("Le texte joint", subject="Demande"))
    raw = HEAD + encoded(b"application/ms-tnef", wrapped(message("Voici"), file("Demande", inner, mail=True)))
    assert (read(raw).text, files(raw)) == ("Voici", [("Demande.txt", b"Le texte joint", "")])


def test_a_mail_that_was_attached_in_winmail_dat_becomes_a_text() -> None:
    inner = wrapped(message("Bonjour, le texte joint", subject="Demande"), file("rib.pdf", b"%PDF"))
    raw = HEAD + mixed(TEXT, encoded(b"application/ms-tnef", wrapped(file("Demande", inner, mail=True))))
    assert files(raw) == [("rib.pdf", b"%PDF", ""), ("Demande.txt", b"Bonjour, le texte joint", "")]


# --- signed and encrypted -----------------------------------------------------------------------------------


def test_what_an_smime_object_signed_is_read_and_the_object_kept() -> None:
    raw = HEAD + encoded(b"application/pkcs7-mime; smime-type=signed-data", signed(mixed(TEXT, PDF)), b"smime.p7m")
    assert read(raw).text == "Bonjour"
    assert read(raw).protection is Protection.SIGNED
    assert [(name, inside) for name, _, inside in files(raw)] == [("smime.p7m", ""), ("rib.pdf", "smime.p7m")]
    assert read(raw).anomalies == ()


def test_an_encrypted_mail_is_said_to_be() -> None:
    mail = read(HEAD + encoded(b"application/x-pkcs7-mime", enveloped(), b"smime.p7m"))
    assert (mail.text, mail.protection, [a.name for a in mail.attachments]) == (
        "",
        Protection.ENCRYPTED,
        ["smime.p7m"],
    )
    assert any("encrypted" in a for a in mail.anomalies)


def test_signed_within_signed_is_encrypted_if_one_is() -> None:
    raw = HEAD + encoded(b"application/pkcs7-mime", signed(encoded(b"application/pkcs7-mime", enveloped())))
    assert read(raw).protection is Protection.ENCRYPTED


# --- attached mails -----------------------------------------------------------------------------------------


def test_the_files_of_an_attached_mail_and_not_its_pictures() -> None:
    picture = b"Content-Type: image/png\nContent-ID: <logo>\n\npng\n"
    inner = b"Subject: =?utf-8?q?Demande_n=C2=B0_1/2?=\n" + mixed(TEXT, picture, PDF, boundary=b"i")
    raw = HEAD + mixed(TEXT, b"Content-Type: message/rfc822\n\n" + inner)
    found = files(raw)
    assert [(name, inside) for name, _, inside in found] == [
        ("Demande n° 1_2.eml", ""),
        ("rib.pdf", "Demande n° 1_2.eml"),
    ]
    assert found[0][1].strip() == inner.strip()
    assert read(raw).text == "Bonjour"


def test_an_eml_file_is_a_mail_whatever_its_type() -> None:
    inner = HEAD + mixed(TEXT, PDF, boundary=b"i")
    raw = HEAD + mixed(TEXT, encoded(b"application/octet-stream", inner, b"Demande.EML"))
    assert [(name, inside) for name, _, inside in files(raw)] == [("Demande.EML", ""), ("rib.pdf", "Demande.EML")]


@pytest.mark.parametrize("kind", [b"report; report-type=delivery-status", b"digest"])
def test_mails_that_reports_and_digests_bring_are_not_looked_into(kind: bytes) -> None:
    inner = b"Content-Type: message/rfc822\n\nSubject: Rendu\n" + mixed(TEXT, PDF, boundary=b"i")
    assert [name for name, _, _ in files(HEAD + mixed(TEXT, inner, kind=kind))] == ["Rendu.eml"]


def test_a_mail_within_a_mail_within_winmail_dat_within_a_signature() -> None:
    inner = HEAD + mixed(TEXT, encoded(b"application/ms-tnef", wrapped(file("plan.pdf", b"%PDF"))), boundary=b"i")
    middle = mixed(TEXT, b"Content-Type: message/rfc822\n\n" + inner, boundary=b"m")
    raw = HEAD + encoded(b"application/pkcs7-mime", signed(middle), b"smime.p7m")
    assert [(n, i) for n, _, i in files(raw)] == [
        ("smime.p7m", ""),
        ("Pièces.eml", "smime.p7m"),
        ("plan.pdf", "Pièces.eml"),
    ]


def test_names_for_what_has_none() -> None:
    invitation = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Point d'\xc3\xa9tape\nEND:VEVENT\nEND:VCALENDAR\n"
    raw = HEAD + mixed(
        TEXT,
        b"Content-Type: text/calendar; charset=utf-8; method=REQUEST\n\n" + invitation,
        b"Content-Type: text/calendar\n\nx",
        b"Content-Type: message/rfc822\n\n\nsans sujet",
        b"Content-Type: application/pkcs7-signature\n\nx",
        b"Content-Type: text/x-autre\n\nx",
    )
    assert [name for name, _, _ in files(raw)] == [
        "Point d'étape.ics",
        "attachment-2.ics",
        "attachment-3.eml",
        "attachment-4.p7s",
        "attachment-5.txt",
    ]


# --- bounds -------------------------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    raw = HEAD + b"\nau fond\n"
    for _ in range(depth):
        raw = HEAD + encoded(b"message/rfc822", raw)
    return raw


def test_attached_mails_are_opened_four_levels_deep() -> None:
    assert len(files(nested(9))) == MAX_LEVELS + 1


def test_parts_of_attached_mails_are_bounded() -> None:
    one = b"Content-Type: message/rfc822\n\n" + HEAD + mixed(*[PDF] * 400, boundary=b"i")
    begun = time.process_time()
    mail = read(HEAD + mixed(*[one] * 100))
    assert MAX_PARTS <= len(mail.attachments) < MAX_PARTS + 100
    assert time.process_time() - begun < 6


def test_what_is_opened_is_bounded() -> None:
    one = encoded(b"application/ms-tnef", wrapped(*[file(f"{n}.txt", b"x") for n in range(400)]))
    mail = read(HEAD + mixed(*[one] * 5))
    assert any("too complex" in a for a in mail.anomalies)
    assert len(mail.attachments) < MAX_PARTS


def test_the_bytes_that_are_opened_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = HEAD + mixed(TEXT, encoded(b"application/ms-tnef", wrapped(file("a.pdf", b"a" * 500)), b"winmail.dat"))
    assert [name for name, _, _ in files(raw)] == ["a.pdf"]
    monkeypatch.setattr(contents, "MAX_OPENED", 400)
    assert [a.name for a in read(raw).attachments] == ["winmail.dat"]
    assert any("too complex" in a for a in read(raw).anomalies)


def test_the_mails_own_parts_keep_their_numbers() -> None:
    dat = encoded(b"application/ms-tnef", wrapped(file("plan.pdf", b"%PDF"), file("b.pdf", b"b")))
    raw = HEAD + mixed(TEXT, dat, b"Content-Type: text/plain\n\n" + UU, PDF)
    own = {part.number for part in tree(raw, split(raw)).parts}
    assert [a.part for a in read(raw).attachments if a.part in own] == [4]
    assert [a.part % 1024 for a in read(raw).attachments] == [2, 2, 3, 4]


PIECES = (TEXT, PDF, UU, b"\n" + UU, wrapped(file("a", b"b")), signed(mixed(TEXT, PDF, boundary=b"s")), HEAD, b"\n")


@given(
    st.lists(
        st.builds(
            lambda kind, data, cut: encoded(kind, data[: len(data) - cut]),
            st.sampled_from((b"application/ms-tnef", b"application/pkcs7-mime", b"message/rfc822", b"text/plain")),
            st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map(b"".join),
            st.integers(0, 40),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_inside_is_found_again(parts: list[bytes]) -> None:
    raw = HEAD + mixed(*parts)
    files(raw)
    numbers = [a.part for a in read(raw).attachments]
    assert len(set(numbers)) == len(numbers)


@given(st.integers(0, 1 << 62))
def test_no_number_raises(number: int) -> None:
    raw = HEAD + mixed(TEXT, encoded(b"application/ms-tnef", wrapped(file("plan.pdf", b"%PDF"))), PDF)
    assert content(raw, number) in (b"", b"%PDF", b"Bonjour\n") or number in (0, 2)
