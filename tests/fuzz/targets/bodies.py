"""What a mail holds: the whole of it, charsets, packed and wrapped files, HTML, quotes, forwards, reports."""

from __future__ import annotations

import binascii
import dataclasses
import json

from gateway.mail import charsets, forwards, notices, quotes, reports, uuencode
from gateway.mail.contents import calendars, rtf, tnef
from gateway.mail.html import page
from gateway.mail.html.tokens import characters, tokens
from gateway.mail.read import read
from gateway.model import Nature, Verdict
from tests.builders import DOMAIN
from tests.fuzz import seeds
from tests.fuzz.target import Target
from tests.fuzz.targets.fields import plain, text

_LABELS = ("utf-8", "iso-8859-1", "utf-7", "iso-2022-jp", "utf-16", "hz", "gb18030", "utf-32", "shift_jis", "x", "")
_RTF = (
    rb"{\rtf1\ansi\fromhtml1{\*\htmltag64 <p>}Bonjour \'e9\par\htmlrtf x\htmlrtf0\u233?}",
    b"\x20\0\0\0\x1c\0\0\0LZFu\0\0\0\0\x0a\0{\\rtf1 a}\x0d\xf0\x12\x34",
    b"\x20\0\0\0\x1c\0\0\0MELA\0\0\0\0{\\rtf1 a}",
)
_TNEF = (
    b"\x78\x9f\x3e\x22\0\0" + b"\x01\x03\x90\6\0\x10\0\0\0\1\0\0\0\x1e\0\x37\0\1\0\0\0\2\0\0\0a\0\0\0\x00\x00",
    b"\x78\x9f\x3e\x22\0\0" + b"\x02\x02\x90\6\0\x0e\0\0\0" + b"\0" * 16 + b"\x02\x0f\x80\6\0\3\0\0\0abc\x26\1",
)
_UU = (b"begin 644 a.txt\n#0V%T\n`\nend\n", b"begin-base64 644 a.bin\nQUJD\n====\n")
_CALENDAR = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Europe/Paris:20250301T093000\r\n"
    b"SUMMARY:R\xc3\xa9union\\, lundi\r\nLOCATION:Mairie\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def whole(data: bytes) -> None:
    """Reading never fails, says the same each time, can be stored, and vouches for none but a sure author."""
    mail = read(data, authserv_id="mx.example.org", domain=DOMAIN)
    assert read(data, authserv_id="mx.example.org", domain=DOMAIN) == mail
    stored = json.dumps(dataclasses.asdict(mail), default=str, ensure_ascii=False)
    stored.encode()
    assert "\\u0000" not in stored
    assert mail.author.sure or mail.authentication.verdict is Verdict.NONE
    assert mail.report is None or mail.nature in {Nature.BOUNCE, Nature.DELAY}
    assert not any(set(file.name) & set("/\\\r\n\0") for file in mail.attachments)


def characters_of(data: bytes) -> None:
    for label in (*_LABELS, text(data[:20])):
        codec = charsets.known(label)
        assert codec is None or "".encode(codec) is not None
        charsets.decode(data, label).encode()
    charsets.guess(data).encode()


def rich_text(data: bytes) -> None:
    assert len(rtf.unpacked(data)) <= rtf.MAX_UNPACKED
    rtf.to_text(data).encode()


def wrapped(data: bytes) -> None:
    opened = tnef.read(data)
    assert sum(len(file.data) for file in opened.files) <= len(data)
    for value in (opened.subject, opened.text, *(file.name for file in opened.files)):
        value.encode()


def encoded(data: bytes) -> None:
    kept, files = uuencode.taken_out(data)
    assert len(kept) + sum(len(file.name) for file in files) <= len(data)
    assert sum(len(file.data) for file in files) <= len(data) + len(files) * (uuencode.MOST_STRIPPED + 63)
    lines = [binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45)]
    assert uuencode.decode(b"begin 644 x\n" + b"".join(lines) + b"`\nend\n") == data


def calendar(data: bytes) -> None:
    found = calendars.event(text(data))
    found.line.encode()
    assert "\n" not in found.start


def hypertext(data: bytes) -> None:
    source = text(data)
    shown = page(source)
    shown.text.encode()
    assert not shown.kinds or len(shown.kinds) == shown.text.count("\n") + 1
    assert sum(len(value) for _, value in tokens(source)) <= len(source)
    characters(source).encode("utf-8", "replace")


def quoted(data: bytes) -> None:
    """Each line is the author's or another's, and none is made up."""
    said = text(data)
    lines = [line.strip() for line in said.split("\n")]
    for answers in (True, False):
        parted = quotes.cut(said, answers=answers)
        for line in (*parted.own.split("\n"), *parted.quoted.split("\n")):
            assert not line.strip() or line.strip() in lines
    assert all(0 <= span.start < span.stop <= len(lines) for span in notices.copies(lines))


def forwarded(data: bytes) -> None:
    found = forwards.inline(text(data), "TR: x")
    if found is not None:
        plain(found.subject)
        found.text.encode()
        assert found.date is None or found.date.tzinfo is not None
    reports.inline(text(data))


TARGETS = (
    Target("mail", whole, seeds.mails),
    Target("charsets", characters_of, lambda: [*seeds.texts(), b"\x1b$B\x81~{+AGE-", "é".encode("utf-16")]),
    Target("rtf", rich_text, lambda: _RTF),
    Target("tnef", wrapped, lambda: _TNEF),
    Target("uuencode", encoded, lambda: _UU),
    Target("calendars", calendar, lambda: [_CALENDAR]),
    Target("html", hypertext, seeds.pages),
    Target("quotes", quoted, seeds.texts),
    Target("forwards", forwarded, seeds.texts),
)
