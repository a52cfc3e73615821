"""What leaves: exactly our header fields, whatever is written into them, and the text as it was meant."""

from __future__ import annotations

import email
import email.header
import hashlib
import re
import unicodedata
from dataclasses import replace
from email.message import Message
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.model import Attachment, Enclosure, Role
from gateway.relay import html
from gateway.relay.compose import compose
from gateway.relay.wire import WireError
from tests.builders import DOMAIN, draft, outgoing

FIELDS = ["From", "To", "Reply-To", "Subject", "Date", "Message-ID", "X-Gateway-Loop"]
FIELDS += ["Content-Language", "MIME-Version"]
WHOLE = [*FIELDS, "Content-Type"]
nasty = st.text(
    alphabet=st.one_of(
        st.characters(), st.sampled_from('\r\n\t\0 \u2028\u2029\x85\x0b\x0c\u202e\u200b\ufeffé=?<>"\\,;:@€\U0001f600')
    ),
    max_size=80,
)
injections = st.sampled_from(
    ["x\r\nBcc: evil@x", "x\nBcc: evil@x", "x\r\n\r\nbody", "=?utf-8?q?=0D=0ABcc:_evil?=", "\r\n.\r\nMAIL FROM:<a@b>"]
)
words = nasty | injections


def decoded(value: str) -> str:
    parts = email.header.decode_header(value.replace("\r\n", ""))
    return "".join(p.decode(c or "ascii") if isinstance(p, bytes) else p for p, c in parts)


def parsed(wire: bytes) -> Message:
    return email.message_from_bytes(wire)


@example(subject="a\0b", name="a\x07\x7fb", text="\0\x08", language="fr")
@example(subject="é\r\nBcc: evil@x", name="a\nBcc: evil@x", text="a\rb\r\n.\r\n", language="fr")
@given(subject=words, name=words, text=words, language=st.sampled_from(["fr", "en"]))
def test_our_fields_once_each_whatever_is_written(subject: str, name: str, text: str, language: str) -> None:
    letter = draft(subject=subject, from_name=name, text=text, language=language)
    wire = compose(outgoing(letter=letter), ())
    found = parsed(wire)
    assert found.keys() == WHOLE
    assert "evil@x" not in found["To"]
    assert f"reponse+abc@{DOMAIN}" in found["From"]
    assert not found.defects
    assert b"\r" not in wire.replace(b"\r\n", b"")
    assert b"\n" not in wire.replace(b"\r\n", b"")
    assert max(map(len, wire.split(b"\r\n"))) <= 998
    assert wire == compose(outgoing(letter=letter), ())


def leaves(wire: bytes) -> list[Message]:
    """The parts that hold something, in their order."""
    return [part for part in parsed(wire).walk() if not part.is_multipart()]


def content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


@given(words)
def test_the_text_comes_out_as_it_went_in(text: str) -> None:
    kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})
    for role in Role:
        first = leaves(compose(outgoing(letter=draft(text=text, role=role)), ()))[0]
        assert first.get_content_type() == "text/plain"
        assert content(first) == kept.replace("\n", "\r\n")


@given(words)
def test_people_may_read_it_as_html_agents_not(text: str) -> None:
    for role in (Role.USAGER, Role.GUEST):
        wire = compose(outgoing(letter=draft(text=text, role=role)), ())
        assert parsed(wire).get_content_type() == "multipart/alternative"
        plain, page = leaves(wire)
        assert (plain.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
        assert page.keys() == ["Content-Type", "Content-Transfer-Encoding"]
        assert content(page) == html.page(text, "Re: Une question", "fr").replace("\n", "\r\n")
    agents = parsed(compose(outgoing(letter=draft(text=text, role=Role.AGENT)), ()))
    assert agents.keys() == [*WHOLE, "Content-Transfer-Encoding"]
    assert agents.get_content_type() == "text/plain"


@given(words, st.booleans())
def test_lines_of_the_body_are_short(text: str, enclosed: bool) -> None:
    letter = draft(text=text * 20, enclosures=(enclosure("a.pdf", b"x" * 500),) if enclosed else ())
    body = compose(outgoing(letter=letter), (b"x" * 500,) if enclosed else ()).partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) <= 76


ends = st.sampled_from(["", " ", "\t", "é", ".", " \t", "€ "])


@given(st.lists(st.tuples(st.integers(0, 80), st.sampled_from("xé€"), ends), max_size=8))
def test_blanks_at_the_end_of_a_line_make_none_too_long(lines: list[tuple[int, str, str]]) -> None:
    text = "\n".join(letter * length + end for length, letter, end in lines)
    wire = compose(outgoing(letter=draft(text=text, role=Role.AGENT)), ())
    assert max(map(len, wire.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76
    assert content(leaves(wire)[0]) == text.replace("\n", "\r\n")


def test_the_language_of_the_page_is_the_mails() -> None:
    assert '<html lang="en">' in content(leaves(compose(outgoing(letter=draft(language="en")), ()))[1])


@pytest.mark.parametrize(("language", "told"), [("fr", "(sans objet)"), ("en", "(no subject)")])
def test_a_mail_without_a_subject_says_so(language: str, told: str) -> None:
    found = parsed(compose(outgoing(letter=draft(subject="\u200b\n", language=language)), ()))
    assert found["Subject"] == told


printable = st.text(alphabet=st.characters(blacklist_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Zs")), max_size=200)


@given(printable.filter(str.strip))
def test_subject_and_name_come_out_as_they_went_in(text: str) -> None:
    found = parsed(compose(outgoing(letter=draft(subject=text, from_name=text[:120])), ()))
    assert decoded(found["Subject"]) == text
    name, _, address = found["From"].replace("\r\n", "").rpartition(" ")
    assert address == f"<reponse+abc@{DOMAIN}>"
    plain = name[1:-1].replace('\\"', '"').replace("\\\\", "\\") if name.startswith('"') else decoded(name)
    assert plain == text[:120]


def test_a_long_subject_is_folded() -> None:
    subject = "mot " * 100
    wire = compose(outgoing(letter=draft(subject=subject)), ())
    header = wire.split(b"\r\n\r\n")[0]
    assert max(map(len, header.split(b"\r\n"))) <= 120
    assert parsed(wire)["Subject"].replace("\r\n", "") == subject.strip()


def test_marks_of_automatic_mail() -> None:
    silent = parsed(compose(outgoing(letter=draft(automatic=True, silent=True)), ()))
    assert (silent["Auto-Submitted"], silent["X-Auto-Response-Suppress"]) == ("auto-replied", "All")
    assert parsed(compose(outgoing(letter=draft(automatic=True)), ()))["Auto-Submitted"] == "auto-generated"
    assert "Auto-Submitted" not in parsed(compose(outgoing(), ()))
    assert silent["Precedence"] == "bulk"
    assert "Precedence" not in parsed(compose(outgoing(letter=draft(automatic=True, role=Role.AGENT)), ()))
    loop = [mail["X-Gateway-Loop"] for mail in (silent, parsed(compose(outgoing(), ())))]
    assert loop == [f"{DOMAIN}; automatic", DOMAIN]


def test_it_threads() -> None:
    wire = compose(outgoing(in_reply_to=("a@x",), references=("a@x", "b c@x", "b@x", "é@x", "c\r\nBcc: e@x")), ())
    found = parsed(wire)
    assert (found["In-Reply-To"], found["References"].split()) == ("<a@x>", ["<a@x>", "<b@x>"])
    assert found.keys() == [*FIELDS[:6], "In-Reply-To", "References", *FIELDS[6:], WHOLE[-1]]
    assert "References" not in parsed(compose(outgoing(references=("é@x",)), ()))


# --- attachments -----------------------------------------------------------------------------------------


def enclosure(name: str, content: bytes, kind: str = "application/pdf") -> Enclosure:
    digest = hashlib.sha256(content).hexdigest()
    return Enclosure("0" * 64, Attachment(name, kind, len(content), digest, 1))


@given(
    words, st.binary(max_size=300), st.sampled_from(["application/pdf", "image/png\r\nX: y", "message/rfc822", ""])
)
def test_attachments_come_out_as_they_went_in(name: str, content: bytes, kind: str) -> None:
    letter = draft(enclosures=(enclosure(name, content, kind), enclosure("b.txt", b"x")))
    wire = compose(outgoing(letter=letter), (content, b"x"))
    found = parsed(wire)
    assert found.keys() == WHOLE
    assert found.get_content_type() == "multipart/mixed"
    parts = found.get_payload()
    assert isinstance(parts, list)
    assert len(parts) == 3
    assert isinstance(parts[0], Message)
    assert parts[0].get_content_type() == "multipart/alternative"
    first = parts[1]
    assert isinstance(first, Message)
    assert first.keys() == ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]
    assert first.get_payload(decode=True) == content
    assert first.get_content_type() == (
        "application/pdf" if kind == "application/pdf" else "application/octet-stream"
    )
    assert first.get_filename()
    assert wire == compose(outgoing(letter=letter), (content, b"x"))


@pytest.mark.parametrize(
    ("name", "fallback"),
    [
        ("pièce jointe.pdf", "piece jointe.pdf"),
        ("Œuvre ﬁnale n°1.pdf", "_uvre finale n_1.pdf"),
        ("e\u0301te\u0301.pdf", "ete.pdf"),
        ("été" * 100 + ".pdf", "ete" * 48 + ".pdf"),
        ("a" * 400, "a" * 150),
        ("日本" * 80 + ".docx", "_" * 90 + ".docx"),
    ],
)
def test_names_of_attachments(name: str, fallback: str) -> None:
    """RFC 2231 for those who know it, an ASCII likeness for the others; a long one keeps its extension."""
    wire = compose(outgoing(letter=draft(enclosures=(enclosure(name, b"x"),))), (b"x",))
    parts = parsed(wire).get_payload()
    assert isinstance(parts, list)
    assert isinstance(parts[1], Message)
    field = parts[1]["Content-Disposition"]
    shown = unquote(field.partition("filename*=utf-8''")[2])
    assert (shown == name) == (len(name) < 50)
    assert name.startswith(shown[:80])
    assert shown.rpartition(".")[2] == name.rpartition(".")[2][:150]
    assert f'filename="{fallback}'[:60] in field


@pytest.mark.parametrize("letter", "eé文😀")
@pytest.mark.parametrize("ending", [".exe.no-program", f".exe.{'b' * 16}", ".exe no program", ".pdf"])
def test_the_end_of_a_name_is_never_cut_off(letter: str, ending: str) -> None:
    """What was looked at as one type doesn't become another on the wire."""
    for length in range(130, 151):
        name = letter * (length - len(ending)) + ending
        wire = compose(outgoing(letter=draft(enclosures=(enclosure(name, b"x"),))), (b"x",))
        for field in re.findall(rb"filename\*?=(?:utf-8'')?\"?([^\"\r]+)", wire):
            assert unquote(field.decode()).endswith(ending.replace("_", " ")[-15:]), field


def test_a_letter_that_becomes_many_in_ascii() -> None:
    wire = compose(outgoing(letter=draft(enclosures=(enclosure("\ufdfa" * 150 + ".pdf", b"x"),))), (b"x",))
    assert re.search(rb'filename="[ _]{140,146}\.pdf"', wire)


def test_a_missing_content_is_a_defect() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compose(outgoing(letter=draft(enclosures=(enclosure("a", b"x"), enclosure("b", b"y")))), (b"x",))


# --- addresses -------------------------------------------------------------------------------------------


def test_an_address_too_long_for_a_line_stays() -> None:
    with pytest.raises(WireError):
        compose(outgoing(letter=draft("x" * 1000 + "@x")), ())


@given(words, st.sampled_from(["to", "reply_to", "envelope_sender"]))
def test_an_address_writes_no_field_or_isnt_written_to(address: str, where: str) -> None:
    changed: dict[str, Any] = {where: f"r@x{address}"}
    mail = outgoing(letter=draft(f"a@x{address}")) if where == "to" else replace(outgoing(), **changed)
    try:
        wire = compose(mail, ())
    except WireError:
        return
    assert parsed(wire).keys() == WHOLE
    assert "\r" not in address


# A retry, be it after an upgrade, is to be the same mail to the octet: else what was shown to have been sent isn't.
_PINNED = {
    "to an agent": "56006d7c74700e01daf71d791dc1fdfad5273b8a1768885e400933223d7def3f",
    "to an usager": "0418f38599d08ab1ea4f9f4ae69b85e0679214462d3793071e40d2d6030637ee",
    "with a file": "7016715753acdaf4db358584fa42d0af1167331b291df48fc1624876c4fbad9b",
}


@pytest.mark.parametrize("which", _PINNED)
def test_a_later_version_composes_the_same_octets(which: str) -> None:
    """Where this has to change, mails that wait at an upgrade leave otherwise than they were tried: say so."""
    text = "Bonjour,\n\nVoilà « où » : https://example.org/é. \n" + "mot " * 60 + "\n.\n\tFin \x07=\n"
    subject = "Votre demande n° 12 : « reçue » " * 4
    letter = draft(text=text, subject=subject, from_name="Mairie d'Élan", automatic=True)
    contents: tuple[bytes, ...] = ()
    if which == "to an agent":
        letter = replace(letter, role=Role.AGENT, automatic=False)
    elif which == "with a file":
        file = Attachment("pièce n° 1.pdf", "application/pdf", 300, "", 1)
        letter, contents = replace(letter, enclosures=(Enclosure("ab" * 32, file),)), (bytes(range(256)) + b"x" * 44,)
    wire = compose(outgoing(7, letter, in_reply_to=("a@x",), references=("a@x", "b@x")), contents)
    assert hashlib.sha256(wire).hexdigest() == _PINNED[which]
