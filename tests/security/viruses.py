"""Mails that bring a virus, hidden in every way in which mail carries files; and what of it a gateway sends on.

The virus is EICAR's test file: a text that every antivirus finds, and that does nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import email
import struct
from collections.abc import Awaitable, Callable, Iterable
from email.message import Message
from pathlib import Path

from gateway import inbound
from gateway.antivirus import Antivirus
from gateway.context import Context
from gateway.inspection import clamd
from gateway.model import Arrival, Mail, Scan
from gateway.outbound import Relay
from gateway.relay.maildir import MaildirTransport
from gateway.store import arrivals
from gateway.store.database import Store
from tests.builders import ALICE, DOMAIN, NOW, ULYSSE, deliveries_to, incoming, keep, raw_mail

Ask = Callable[[str, Iterable[bytes], float], Awaitable[Scan]]
VIRUS = clamd.PROBE
TO = f"vegetaliser@{DOMAIN}"
_ENCODED = base64.encodebytes(VIRUS)
_PDF = 'application/pdf; name="facture.pdf"'


# --- the mails --------------------------------------------------------------------------------------------------


def mails(author: str = ULYSSE, to: str = TO) -> dict[str, bytes]:
    """Each way of hiding it, by name."""

    def mail(kind: str, body: bytes = _ENCODED, encoding: str = "base64") -> bytes:
        return _mail(author, to, kind, body, encoding)

    inner = mail(_PDF)
    return {
        "as it is": mail(_PDF, VIRUS, "7bit"),
        "base64": mail(_PDF),
        "quoted-printable": mail(_PDF, b"".join(b"=%02X" % octet for octet in VIRUS), "quoted-printable"),
        "renamed": mail('image/png; name="photo.png"'),
        "without a name": mail("application/octet-stream"),
        "in winmail.dat": mail("application/ms-tnef; name=winmail.dat", base64.encodebytes(_winmail(VIRUS))),
        "uuencoded": mail("text/plain", _uuencoded(VIRUS), "7bit"),
        "in an attached mail": mail("message/rfc822", inner, "7bit"),
        "in a mail in a mail": mail("message/rfc822", mail("message/rfc822", inner, "7bit"), "7bit"),
        "in an attached mail, encoded": mail("message/rfc822", base64.encodebytes(inner)),
        "in a mail sent as a file": mail('application/octet-stream; name="message.eml"', base64.encodebytes(inner)),
        "in a part that is never closed": mail(_PDF).rpartition(b"--b--")[0],
        "with spaces in its base64": mail(_PDF, _ENCODED.replace(b"Q", b" Q ")),
        "with a comment in its encoding": mail(_PDF, encoding="base64 (gzip)"),
        "with two encodings": mail(_PDF, encoding="base64\r\nContent-Transfer-Encoding: 7bit"),
        "with two types": mail(f"{_PDF}\r\nContent-Type: text/plain"),
        "with a type that is none": mail("a; b=; =c; name*0=facture; name*1=.pdf"),
        "with two boundaries": mail(_PDF).replace(b'boundary="b"', b'boundary="b"; boundary=c', 1),
        "with line ends of two kinds": mail(_PDF).replace(b"\r\n\r\nWDV", b"\n\nWDV"),
    }


def _mail(author: str, to: str, kind: str, body: bytes, encoding: str) -> bytes:
    head = f"From: {author}\r\nTo: {to}\r\nSubject: Facture\r\nMIME-Version: 1.0\r\n"
    head += 'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nVoici.\r\n--b\r\n'
    part = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return f"{head}{part}".encode() + body.rstrip(b"\r\n") + b"\r\n--b--\r\n"


def _uuencoded(data: bytes) -> bytes:
    lines = [binascii.b2a_uu(data[start : start + 45]) for start in range(0, len(data), 45)]
    return b"Voici.\r\n\r\nbegin 644 facture.pdf\r\n" + b"".join(lines).replace(b"\n", b"\r\n") + b"`\r\nend\r\n"


def _winmail(data: bytes) -> bytes:
    """[MS-OXTNEF] with one attached file."""

    def attribute(level: int, name: int, value: bytes) -> bytes:
        return struct.pack("<BHHI", level, name, 6, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)

    file = attribute(2, 0x9002, bytes(14)) + attribute(2, 0x8010, b"facture.pdf\0") + attribute(2, 0x800F, data)
    return b"\x78\x9f\x3e\x22\x01\x00" + attribute(1, 0x9006, b"\0\0\1\0") + file


# --- what a gateway makes of them -------------------------------------------------------------------------------


class Passage:
    """A store through which mails pass, from the way in to the relay's folder, with an antivirus that is asked so."""

    def __init__(self, store: Store, context: Context, folder: Path, ask: Ask) -> None:
        self._store, self._context, self._folder = store, context, folder
        self._gate = Antivirus(store, lambda: context, now=lambda: NOW, ask=ask)

    async def take(self, raws: Iterable[bytes], author: str = ULYSSE, to: str = TO) -> None:
        """Mails come in, and whatever may leaves."""
        await self._file(raws, author, to)
        await self._gate.again()
        relay = Relay(self._store, lambda: self._context, MaildirTransport(self._folder), now=lambda: NOW)
        while await relay.once():
            pass

    async def answer_to(self) -> str:
        """Where an agent answers to: the address in the notification of a mail that brought nothing."""
        await self._file([raw_mail(to=TO)], ULYSSE, TO)
        return (await asyncio.to_thread(deliveries_to, self._store, ALICE))[0].reply_to

    async def _file(self, raws: Iterable[bytes], author: str, to: str) -> None:
        await asyncio.to_thread(keep, self._store, *(incoming(raw, (to,), envelope_sender=author) for raw in raws))
        work = await self._store.write(lambda tx: arrivals.claim(tx, "test", NOW, 100))
        mails = [(arrival, await asyncio.to_thread(self._read, arrival)) for arrival in work]
        await self._gate.look(mails)
        await self._store.write(lambda tx: inbound.file_batch(tx, mails, self._context, NOW))

    def _read(self, arrival: Arrival) -> Mail | Exception:
        return inbound.read_arrival(self._store, arrival, self._context)

    def relayed(self) -> int:
        """How many of the mails that left hold the virus, however deep."""
        return sum(holds(path.read_bytes()) for path in (self._folder / "new").glob("*"))


def holds(raw: bytes) -> bool:
    """Is it in a mail, as a file, in an attached mail, or in one that is sent as a file?"""
    return any(_carries(part) for part in email.message_from_bytes(raw).walk())


def _carries(part: Message) -> bool:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return False
    return VIRUS in payload or (str(part.get_filename("")).endswith(".eml") and holds(payload))
