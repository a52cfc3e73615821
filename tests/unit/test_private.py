"""What stands in a mail and is its holder's alone isn't shown to anybody, and files that tell it aren't sent on."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import private
from gateway.mail import tokens
from gateway.mail.read import read
from gateway.mail.scrub import tells
from gateway.mail.tokens import Token, TokenKind
from gateway.mail.views import without_tags
from gateway.model import Mail
from gateway.reading.searching import MOST, searched
from tests.builders import DOMAIN, INES, KEYS, ULYSSE, make_context, raw_mail

CONTEXT = make_context()
SECRET = tokens.sign(Token(TokenKind.REPLY, 7, 0), KEYS)
REPLY, PUBLIC = f"reponse+{SECRET}@{DOMAIN}", f"contact@{DOMAIN}"


def cleaned(raw: bytes) -> Mail:
    mail = read(raw, domain=DOMAIN)
    search = private.search(mail, CONTEXT, 60)
    return private.cleaned(mail, searched(raw, search) if search else (), CONTEXT)


def with_file(data: bytes, kind: str, name: str, encoding: str = "base64", author: str = ULYSSE) -> bytes:
    body = base64.encodebytes(data) if encoding == "base64" else data
    edge = f"b{len(data)}"
    part = f'--{edge}\nContent-Type: {kind}; name="{name}"\nContent-Disposition: attachment\n'.encode()
    part += f"Content-Transfer-Encoding: {encoding}\n\n".encode() + body
    head = f"From: {author}\nTo: {PUBLIC}\nSubject: s\nContent-Type: multipart/mixed; boundary={edge}\n\n"
    return f"{head}--{edge}\nContent-Type: text/plain\n\nVoici.\n".encode() + part + f"\n--{edge}--\n".encode()


def test_no_text_of_a_mail_shows_a_token() -> None:
    quoted = f"Bonjour, {REPLY}\n\nLe 1 mars, Mairie <{REPLY}> a écrit :\n> Écrivez à {REPLY}\n"
    mail = cleaned(raw_mail(f'"{REPLY}" <{ULYSSE}>', subject=f"Re: {REPLY}", text=quoted))
    for text in (mail.text, mail.own, mail.quoted, mail.subject, mail.author.name):
        assert SECRET not in text
        assert PUBLIC in text
    assert mail.author.address == ULYSSE


def test_ids_and_recipients_stay() -> None:
    identifier = tokens.message_id(5, tokens.sign(Token(TokenKind.MESSAGE, 7, 0), KEYS), DOMAIN)
    mail = cleaned(raw_mail(to=REPLY, answers=identifier))
    assert (mail.to[0].address, mail.in_reply_to) == (REPLY, (identifier,))


def test_what_holds_no_token_is_as_it_was() -> None:
    raw = raw_mail(text="Bonjour, écrivez à ines.instruit@mairie.example.org ou dossier+123@support.example.org.")
    assert cleaned(raw) == read(raw, domain=DOMAIN)


LETTER = f"From: Mairie <{REPLY}>\nTo: {ULYSSE}\nSubject: Re\n"
INNER = f"{LETTER}\nBonjour".encode()
PLAIN = f"{LETTER.replace(REPLY, PUBLIC)}Content-Transfer-Encoding: "


@pytest.mark.parametrize(
    ("data", "kind", "name"),
    [
        (REPLY.encode(), "text/plain", "note.txt"),
        (REPLY.encode("utf-16"), "text/plain", "note.txt"),
        (f"<p>reponse+{SECRET[:9]}<wbr>{SECRET[9:]}@{DOMAIN}".encode(), "text/html", "page.html"),
        (f"ORGANIZER:mailto:{REPLY[:30]}\r\n {REPLY[30:]}".encode(), "text/calendar", "rdv.ics"),
        (f"EMAIL:{REPLY}".encode(), "text/vcard", "carte.vcf"),
        (f'"a";"{REPLY}"'.encode(), "application/octet-stream", "liste.csv"),
        (INNER, "message/rfc822", "mail.eml"),
        (INNER, "application/octet-stream", "mail.eml"),
        (f"{PLAIN}base64\n\n".encode() + base64.encodebytes(REPLY.encode()), "message/rfc822", "mail.eml"),
        (f"{PLAIN}quoted-printable\n\n".encode() + quopri.encodestring(REPLY.encode()), "message/rfc822", "mail.eml"),
        (with_file(INNER, "message/rfc822", "m.eml"), "message/rfc822", "mail.eml"),
        (with_file(REPLY.encode(), "text/plain", "m.txt"), "application/octet-stream", "mail.eml"),
    ],
)
def test_a_file_that_holds_a_token_is_held(data: bytes, kind: str, name: str) -> None:
    encoding = "8bit" if kind == "message/rfc822" else "base64"
    mail = cleaned(with_file(data, kind, name, encoding))
    assert mail.attachments[0].held == "token"


def test_a_file_that_holds_what_only_looks_like_a_token_is_sent_on() -> None:
    forged = SECRET[:-1] + ("a" if SECRET[-1] != "a" else "b")
    assert not cleaned(with_file(f"code {forged}".encode(), "text/plain", "note.txt")).attachments[0].held


def test_a_file_of_an_agent_that_names_her_is_held_and_an_usagers_is_not() -> None:
    data = f"Contact : {INES}".encode()
    held = {
        who: cleaned(with_file(data, "text/plain", "a.txt", author=who)).attachments[0].held for who in (INES, ULYSSE)
    }
    assert held == {INES: "address", ULYSSE: ""}
    public = cleaned(with_file(b"accueil@mairie.example.org", "text/plain", "a.txt", author=INES))
    assert not public.attachments[0].held


def test_a_token_is_found_wherever_it_stands_in_a_long_file() -> None:
    for before in (99_950, 99_999, 103_999, 250_000):
        data = "a " * (before // 2) + " \r\n ".join(REPLY) + " b" * 60_000
        assert cleaned(with_file(data.encode(), "text/plain", "note.txt")).attachments[0].held == "token", before


def test_a_file_that_takes_too_long_to_search_is_held() -> None:
    raw = with_file(b"Bonjour", "text/plain", "note.txt")
    mail = read(raw, domain=DOMAIN)
    for seconds, held in ((0.0, "unsearched"), (60.0, "")):
        search = private.search(mail, CONTEXT, seconds)
        assert search is not None
        assert private.cleaned(mail, searched(raw, search), CONTEXT).attachments[0].held == held


@pytest.mark.parametrize("author", [INES, ULYSSE])
def test_a_file_of_more_suspects_than_are_judged_is_held(author: str) -> None:
    """Whatever they are: to judge a million takes minutes. That they name her isn't all that they may tell."""
    head = SECRET[:4]
    looks = "\n".join(
        f"{head}{base64.b32encode(bytes([*n.to_bytes(2)] * 10)).decode().lower()[:28]}" for n in range(MOST + 1)
    )
    named = "\n".join((INES, *(f"x{n}@{INES.partition('@')[2]}" for n in range(MOST + 1))))
    for data, held in ((looks, "unsearched"), (named, "unsearched" if author == INES else "")):
        assert cleaned(with_file(data.encode(), "text/plain", "a.txt", author=author)).attachments[0].held == held


def test_a_files_name_is_freed_of_tokens() -> None:
    assert cleaned(with_file(b"%PDF", "application/pdf", f"{SECRET}.pdf")).attachments[0].name == f"{PUBLIC}.pdf"


_PIECES = st.sampled_from(
    [
        *(
            REPLY,
            SECRET,
            SECRET.upper(),
            SECRET[:-1],
            SECRET[:20],
            SECRET[20:],
            "reponse+",
            f"@{DOMAIN}",
            f"reponse+x@{DOMAIN}",
        ),
        *(INES, INES.partition("@")[0], "@mairie.example.org", "accueil@mairie.example.org", f"dossier+1@{DOMAIN}"),
        *(" ", "\n> ", "=\n", "<b>", "</b>", "%40", "&#64;", " [at] ", "x", "é", ".", "\u200b", "mailto:", ",", "="),
    ]
)


@given(st.lists(_PIECES, max_size=12).map("".join), st.sampled_from([INES, ULYSSE]))
def test_what_is_suspect_is_judged_as_if_the_keys_had_been_where_it_was_searched(text: str, author: str) -> None:
    said = (text, without_tags(text))
    held = "address" if author == INES and any(CONTEXT.anonymous(one) != one for one in said) else ""
    if any(tells(one, CONTEXT.tokens) for one in said):
        held = "token"
    file = with_file(text.encode(), "text/html", "a.html", author=author)
    assert cleaned(file).attachments[0].held == held
