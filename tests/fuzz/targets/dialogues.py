"""Whole SMTP and LMTP sessions: said in pieces, with TLS in the middle, cut short, while keeping works or fails.

An input is a session: its first octet says which protocol, and whether what comes in can be kept; the rest is what
the client says, in pieces where 0xFE stands. A piece that is STARTTLS alone is followed by a handshake, if granted.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import ssl
from functools import cache

import trustme

from gateway.config.settings import SmtpIntake
from gateway.intake.smtp_body import is_malformed
from gateway.intake.smtp_limits import Limits, Room
from gateway.intake.smtp_service import LATER, Service
from gateway.intake.smtp_session import LmtpSession, SmtpSession
from gateway.model import Incoming
from tests.builders import NOW
from tests.dialogue import OURS
from tests.fuzz.target import Target

_CUT = b"\xfe"
_HOST = "mx.support.example.org"
_PATIENCE = 60.0
_GRANT = b"220 2.0.0 Go ahead\r\n"
_REPLY = re.compile(rb"[2-5]\d\d[ -][ -~]*\r\n")
_KEPT = re.compile(rb"250 2\.0\.0 Kept as (\w+)\r\n")
_MAIL = b"MAIL FROM:<a@b.fr>\r\nRCPT TO:<%b>\r\nDATA\r\n" % OURS.encode()
_SEEDS = (
    b"\0EHLO c\r\n" + _CUT + _MAIL + _CUT + b"Subject: x\r\n\r\n.y\r\n.\r\n" + _CUT + b"QUIT\r\n",
    b"\1EHLO c\r\n" + _MAIL + b"Subject: x\r\n\r\ny\r\n.\r\nNOOP\r\n",
    b"\2LHLO c\r\n" + _MAIL + b"x\r\n.\r\n" + _MAIL + b"y\n.\nz\r\n.\r\n",
    b"\0EHLO c\r\n" + _CUT + b"STARTTLS\r\n" + _CUT + b"EHLO c\r\n" + _MAIL + b"x\r\n.\r\nQUIT\r\n",
    b"\0EHLO c\r\n" + _CUT + b"STARTTLS\r\nMAIL FROM:<>\r\n",
    b"\0EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<x@y.fr>\r\nRSET\r\nVRFY a\r\nHELP\r\nDATA\r\nBDAT 3 LAST\r\n",
)


class _Smtp(SmtpSession):
    """Tells how far it is."""

    heard = 0  # octets

    def data_received(self, data: bytes) -> None:
        self.heard += len(data)
        super().data_received(data)

    @property
    def shakes_hands(self) -> bool:
        return self._handshake is not None

    @property
    def at_work(self) -> bool:
        return self._occupied

    @property
    def left(self) -> bool:
        return self._ended


class _Lmtp(LmtpSession, _Smtp):
    pass


def spoken(data: bytes) -> None:
    """It ends; each reply has its form; what was acknowledged was kept, whole; trouble of ours is « later »."""
    how, script = (data[0], data[1:]) if data else (0, b"")
    with asyncio.Runner() as runner:
        said, kept = runner.run(_session(script.split(_CUT), lmtp=bool(how & 2), failing=bool(how & 1)))
    assert not _REPLY.sub(b"", said), said
    told = _KEPT.findall(said)
    if how & 1:
        assert (told, kept) == ([], [])
    else:
        assert LATER.encode() not in said
        digests = [hashlib.sha256(mail.raw).hexdigest()[:16].encode() for mail in kept]
        assert set(told) <= set(digests)
        assert len(set(digests)) == len(set(told)) or how & 2 or not said.endswith(b"\n")
    assert not any(is_malformed(mail.raw) or not mail.envelope.recipients for mail in kept)


async def _session(pieces: list[bytes], *, lmtp: bool, failing: bool) -> tuple[bytes, list[Incoming]]:
    kept: list[Incoming] = []

    async def keep(incoming: Incoming) -> None:
        if failing:
            raise OSError("no space left on device")
        kept.append(incoming)

    theirs, ours = socket.socketpair()
    service = _service(keep)
    session = (_Lmtp if lmtp else _Smtp)(service)
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(sock=theirs)
    await loop.connect_accepted_socket(lambda: session, ours)
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _talk(pieces, reader, writer, session), kept
    finally:
        writer.transport.abort()
        await asyncio.gather(*service.keeping, *([session.gone] if session.gone else []), return_exceptions=True)


def _service(keep: object) -> Service:
    settings, limits = SmtpIntake(listen="127.0.0.1:0", max_size=20_000), Limits()
    return Service(
        source="smtp:fuzz",
        hostname=_HOST,
        max_size=settings.max_size,
        trusted=(),
        authserv_id="",
        verify=settings.verify,
        tls=_contexts()[0],
        keep=keep,  # type: ignore[arg-type]
        accepts=OURS.__eq__,
        now=lambda: NOW,
        limits=limits,
        room=Room(limits, settings.max_size),
    )


async def _talk(
    pieces: list[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: _Smtp
) -> bytes:
    said, sent, secured = b"", 0, False
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
            if piece.upper() == b"STARTTLS\r\n" and not secured and await _granted(session, sent):
                said += await reader.readuntil(_GRANT)
                await writer.start_tls(_contexts()[1], server_hostname=_HOST)
                secured = True
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.write(b"\r\n.\r\nQUIT\r\n")  # TLS can't be half-closed
        while more := await reader.read(65_536):
            said += more
    except (ConnectionError, ssl.SSLError):
        pass
    return said


async def _granted(session: _Smtp, sent: int) -> bool:
    """Once all has come and been taken that was sent: does it wait for a handshake?"""
    while not (session.shakes_hands or session.left) and (session.heard < sent or session.at_work):  # noqa: ASYNC110
        await asyncio.sleep(0)
    return session.shakes_hands


@cache
def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(_HOST).configure_cert(server)
    authority.configure_trust(client)
    return server, client


TARGETS = (Target("dialogues", spoken, lambda: _SEEDS),)
