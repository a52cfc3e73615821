"""What hunting begins with: mails, their fields and texts, as they come and as they were made to break things."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import corpora
from tests.builders import raw_mail
from tests.fuzz.bombs_texts import ADDRESSES, MARKUP, TEXTS
from tests.fuzz.target import MOST

_EVERY = 40  # of the corpora's mails, one in so many
_NESTED = (
    b"From: a@b.fr\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/html\n\n"
    b"<p>Bonjour</p><blockquote>Le 3 mars, X a \xc3\xa9crit :</blockquote>\n--x\nContent-Type: message/rfc822\n\n"
    b"Subject: =?utf-8?q?=C3=A9?=\n\ny\n--x\nContent-Type: application/pdf; name*=utf-8''%C3%A9.pdf\n"
    b"Content-Transfer-Encoding: base64\n\nQUJD\n--x--\n"
)
_BOUNCE = (
    b"From: <MAILER-DAEMON@mx.example>\nSubject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\n"
    b"MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\nSorry\n"
    b"--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
    b"Final-Recipient: rfc822; a@b.fr\n"
    b"Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 nobody\n--x\nContent-Type: text/rfc822-headers\n\n"
    b"Message-ID: <1.abc@support.example.org>\n--x--\n"
)
_WRAPPED = (
    b"From: a@b.fr\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n"
    b"Authentication-Results: mx.example.org; dmarc=pass header.from=b.fr\n"
    b"Thread-Index: AdABCDEFGHIJKLMNOPQRSTUVWXYZab==\nReferences: <a@x> <b@x>\n\nBonjour =E9\n\n"
    b"begin 644 a.txt\n#0V%T\n`\nend\n"
)


def mails() -> Iterator[bytes]:
    """Whole mails: the tests' own, and of the corpora where they are."""
    yield from (raw_mail(), _NESTED, _BOUNCE, _WRAPPED, raw_mail(answers="1.abc@support.example.org"))
    yield from (raw_mail(text=text.decode()) for text in texts())
    try:
        paths = corpora.mails()[::_EVERY]
    except pytest.skip.Exception:
        return
    yield from (raw for path in paths if len(raw := path.read_bytes()) <= MOST)


def texts() -> Iterator[bytes]:
    """Texts of mails."""
    for unit, _, after in TEXTS.values():
        yield (unit[:200] * 3 + after[:9]).encode()
    yield "@affecter a@b.fr\n\nMerci.\n\nLe lun. 3 févr. 2025 à 10:12, X <x@y.fr> a écrit :\n> Oui\n".encode()
    yield b"From: a <a@b.fr>\nSent: Monday, February 3, 2025 10:12\nTo: c\nSubject: d\n\nText\n"


def pages() -> Iterator[bytes]:
    """HTML."""
    for unit, _, after in MARKUP.values():
        yield (unit[:200] * 3 + after[:9]).encode()
    yield b'<html><body><p>a<br>b</p><ul><li>c</ul><table><tr><td>d<td>e</table><div class="gmail_quote">f</div>'


def fields() -> Iterator[bytes]:
    """Values of address fields."""
    for unit, _ in ADDRESSES.values():
        yield unit[:200] * 3
    yield b'"Ulysse" <ulysse@usager.example.net>, =?utf-8?q?=C3=A9?= <e@x.fr>, g: h@x.fr;'
