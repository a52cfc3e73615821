"""Small causes, large effects: mails made by hand, each to break one way of reading. One is in memory at a time."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator

from tests.fuzz.bombs_texts import ADDRESSES, MARKUP, TEXTS

HEAD = b"From: ulysse@usager.example.net\nTo: contact@support.example.org\n"
TYPE = b"MIME-Version: 1.0\nContent-Type: "
_PREFIXES = (b"", b"Re: ", b"TR: ")


def bombs(*, every: bool = False) -> Iterator[tuple[str, bytes]]:
    """(name, octets of a mail). `every`: texts as new mail, as a reply and as a forward, else as one of the three."""
    yield from _fields()
    yield from _addresses()
    yield from _structures()
    yield from _contents()
    yield from _texts(every=every)
    yield from _markup()


def _subject(value: bytes) -> bytes:
    return HEAD + b"Subject: " + value + b"\n\nBonjour\n"


def _fields() -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    yield "a newline", b"\n"
    yield "NULs", b"\x00" * 1_000_000
    yield "243 kB of encoded words", _subject(b"=?utf-8?q?=C3=A9?= " * 12_800)
    yield "encoded words without a space", _subject(b"=?utf-8?b?w6k=?=" * 100_000)
    yield "encoded words, never closed", _subject(b"=?utf-8?q?" * 100_000)
    yield "a subject folded over 3.9 MB", _subject(b"mot\n " * 780_000)
    yield "a subject of 20 MB", _subject(b"a" * 20_000_000)
    yield "a subject of prefixes", _subject(b"Re: " * 250_000)
    yield "a subject of list tags", _subject(b"[a] " * 250_000)
    yield "a subject of open brackets", _subject(b"[" * 500_000)
    yield "a subject of numbers", _subject(b"dossier n\xc2\xb0 1 234 " * 50_000)
    yield (
        "100,000 References",
        HEAD + b"References: " + b"".join(b"<%d@x>\n " % n for n in range(100_000)) + b"\n\nx\n",
    )
    yield "References of one id", HEAD + b"References: " + b"<a@x> " * 300_000 + b"\n\nx\n"
    yield "References of angles", HEAD + b"References: " + b"<" * 1_000_000 + b"\n\nx\n"
    yield "an id of angles", HEAD + b"Message-ID: <<<<\n\nx\n"
    yield "an id of a megabyte", HEAD + b"Message-ID: <" + b"a" * 1_000_000 + b"@x>\n\nx\n"
    yield "100,000 fields", HEAD + b"".join(b"X-%d: y\n" % n for n in range(100_000)) + b"\nx\n"
    yield "10,000 Received", b"Received: from a by b; Mon, 3 Feb 2025 10:12:00 +0100\n" * 10_000 + HEAD + b"\nx\n"
    yield "a header of 20 MB", b"a" * 20_000_000
    yield "a header of colons", b":\n" * 1_000_000
    yield "continuations alone", HEAD + b" \n" * 1_000_000
    yield "a date of digits", HEAD + b"Date: " + b"1" * 1_000_000 + b"\n\nx\n"
    yield "a year of digits", HEAD + b"Date: Mon, 3 Feb 99999999999999999999 10:12:00 +9999999\n\nx\n"
    yield (
        "Authentication-Results",
        b"Authentication-Results: mx.example.org; " + b"dkim=pass (" * 100_000 + b"\n" + HEAD + b"\nx\n",
    )
    yield "Thread-Index", HEAD + b"Thread-Index: " + b"A" * 1_000_000 + b"\n\nx\n"


def _addresses() -> Iterator[tuple[str, bytes]]:
    for name, (unit, times) in ADDRESSES.items():
        value = unit * times
        yield f"From: {name}", b"From: " + value + b"\nTo: contact@support.example.org\n\nx\n"
        yield f"To: {name}", b"From: u@x.example\nTo: " + value + b"\nCc: " + value + b"\n\nx\n"


def _nested(depth: int, kind: bytes = b"multipart/mixed") -> bytes:
    heads = [TYPE + kind + b"; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth)]
    return HEAD + b"".join(heads) + b"\nfond\n" + b"".join(b"--b%d--\n" % n for n in reversed(range(depth)))


def _parts(part: bytes, count: int = 1, kind: bytes = b"multipart/mixed") -> bytes:
    return HEAD + TYPE + kind + b"; boundary=b\n\n" + (b"--b\n" + part + b"\n") * count + b"--b--\n"


def _encoded(kind: bytes, content: bytes) -> bytes:
    return _parts(TYPE + kind + b"\nContent-Transfer-Encoding: base64\n\n" + content)


def _structures() -> Iterator[tuple[str, bytes]]:
    for depth in (100, 1_000, 5_000, 50_000):
        yield f"{depth} levels", _nested(depth)
    yield "5,000 alternatives in each other", _nested(5_000, b"multipart/alternative")
    yield "5,000 mails in each other", HEAD + (TYPE + b"message/rfc822\n\n") * 5_000 + b"Subject: x\n\nfond\n"
    yield "1,000 reports in each other", _nested(1_000, b"multipart/report; report-type=delivery-status")
    yield "300 signed mails in each other", _nested(300, b"multipart/signed; protocol=application/pkcs7-signature")
    yield "100,000 parts", _parts(b"\nx", 100_000)
    yield "100,000 empty parts", _parts(b"", 100_000)
    yield "a million delimiters of nothing", HEAD + TYPE + b"multipart/mixed; boundary=b\n\n" + b"--c\n" * 1_000_000
    yield "900 attached mails", _parts(TYPE + b"message/rfc822\n\nFrom: a@b.fr\nSubject: x\n\ny", 900)
    yield "900 alternatives", _parts(TYPE + b"text/html\n\n<p>x</p>", 900, b"multipart/alternative")
    yield "900 texts of 20 kB", _parts(b"\n" + b"Bonjour, une ligne.\n" * 1_000, 900)
    yield (
        "a boundary of a megabyte",
        HEAD + TYPE + b"multipart/mixed; boundary=" + b"b" * 1_000_000 + b"\n\n--b\n\nx\n",
    )
    yield "100,000 parameters", HEAD + TYPE + b"text/plain" + b"; a=b" * 100_000 + b"\n\nx\n"
    continued = b"".join(b"; name*%d=a" % n for n in range(100_000))
    yield "100,000 continued parameters", _parts(TYPE + b"application/pdf" + continued)
    path = b"../" * 300_000
    yield "a file name of a megabyte", _parts(b"Content-Disposition: attachment; filename=" + path + b"\n\nx", 2)


def _contents() -> Iterator[tuple[str, bytes]]:
    group = b"Final-Recipient: rfc822; a@b.fr\nAction: failed\n\n"
    report = TYPE + b"message/delivery-status\n\n" + group * 100_000
    yield "100,000 recipients reported", _parts(report, 1, b"multipart/report; report-type=delivery-status")
    yield "20 MB of base64", _encoded(b"application/pdf", b"QUJD" * 5_000_000)
    yield "base64 of junk", _encoded(b"text/plain", b"!\xff=" * 3_000_000)
    yield "50 MB packed", _encoded(b"application/gzip", base64.encodebytes(gzip.compress(b"\0" * 50_000_000)))
    for name, attribute in (
        ("attributes without an end", b"\x02\x05\x90\6\0\xff\xff\xff\x7f" * 100_000),
        ("empty attributes", b"\x02\x05\x90\6\0\0\0\0\0\0\0" * 300_000),
        ("properties without an end", b"\x01\x03\x90\6\0\x80\x96\x98\0" + b"\xff" * 1_000_000),
    ):
        tnef = base64.encodebytes(b"\x78\x9f\x3e\x22\0\0" + attribute)
        yield f"TNEF: {name}", _encoded(b"application/ms-tnef; name=winmail.dat", tnef)
    yield "soft line breaks", HEAD + b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=\n" * 1_000_000
    yield "uuencode without an end", HEAD + b"\n" + b"begin 644 a.bin\n" * 100_000
    yield "uuencode of short lines", HEAD + b"\nbegin 644 a.bin\n" + b"M\n" * 4_000_000
    yield "a calendar", HEAD + TYPE + b"text/calendar; method=REPLY\n\n" + b"BEGIN:VEVENT\n" * 300_000
    for charset in (b"utf-7", b"iso-2022-jp", b"utf-16", b"hz", b"gb18030", b"utf-32"):
        junk = b"\x1b$B\x81~{+AGE-\xff\xfe" * 300_000
        yield f"3 MB of {charset.decode()}", HEAD + TYPE + b"text/plain; charset=" + charset + b"\n\n" + junk


def _texts(*, every: bool) -> Iterator[tuple[str, bytes]]:
    for number, (name, (unit, times, after)) in enumerate(TEXTS.items()):
        text = (unit * times + after).encode()
        for prefix in _PREFIXES if every else (_PREFIXES[number % 3],):
            fields = b"Subject: " + prefix + b"x\n" + (b"In-Reply-To: <a@x>\n" if prefix == b"Re: " else b"")
            yield f"{prefix.decode()}{name}", HEAD + fields + TYPE + b"text/plain; charset=utf-8\n\n" + text


def _markup() -> Iterator[tuple[str, bytes]]:
    for name, (unit, times, after) in MARKUP.items():
        text = (unit * times + after).encode()
        yield f"HTML: {name}", HEAD + TYPE + b"text/html; charset=utf-8\n\n" + text
