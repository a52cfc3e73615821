"""Servers between us and the ones we meant, and the certificates that they show."""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import trustme

HOST = "127.0.0.1"
WAIT = 0.3  # seconds in which somebody who believed what was injected would have gone on


@cache
def authority(name: str) -> trustme.CA:
    """The authority that we trust, or another."""
    return trustme.CA(organization_name=name)


@cache
def certificate(kind: str = "sound") -> ssl.SSLContext:
    """What a server shows: `sound`, `strange` (nobody's authority), `elsewhere` (another name), `old`."""
    issuer = authority("strange" if kind == "strange" else "ours")
    until = datetime(2020, 1, 1, tzinfo=UTC) if kind == "old" else None
    issued = issuer.issue_cert("elsewhere.example" if kind == "elsewhere" else HOST, not_after=until)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    return context


@contextmanager
def trusting() -> Iterator[ssl.SSLContext]:
    """The system trusts our authority meanwhile; a client's context that does too."""
    before = os.environ.get("SSL_CERT_FILE")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ca.pem"
        authority("ours").cert_pem.write_to_path(str(path))
        os.environ["SSL_CERT_FILE"] = str(path)
        try:
            yield ssl.create_default_context(cafile=str(path))
        finally:
            del os.environ["SSL_CERT_FILE"]
            if before is not None:
                os.environ["SSL_CERT_FILE"] = before


def trusting_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass
class Between:
    """A server of SMTP or IMAP whose TLS isn't what was asked for. `heard` is all that it was told, line by line.

    `starttls`: `tls` starts it with `shown`; `refuse` and `hide` don't; `pretend` grants it and goes on in the clear.
    `implicit`: TLS from the first octet (with `shown`). `injected` follows the answer to STARTTLS in the clear;
    nothing is answered after TLS then, so that whoever says more than one line has believed it.
    """

    protocol: str = "smtp"
    starttls: str = "tls"
    shown: str = "sound"
    implicit: bool = False
    injected: bytes | None = None
    greeting: bytes = b""
    port: int = 0
    heard: list[bytes] = field(default_factory=list)
    secured: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.write(self.greeting or {"smtp": b"220 x ESMTP\r\n", "imap": b"* OK hello\r\n"}[self.protocol])
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.heard.append(line)
            verb = (line.split() or [b""])[1 if self.protocol == "imap" and b" " in line else 0].upper()
            if verb == b"STARTTLS" and await self._start_tls(line, reader, writer):
                return
            if verb != b"STARTTLS":
                writer.write(self._answer(line, verb))

    def _answer(self, line: bytes, verb: bytes) -> bytes:
        offered = self.starttls != "hide"
        if self.protocol == "smtp":
            hello = b"250-x\r\n" + (b"250-STARTTLS\r\n" if offered else b"") + b"250 AUTH PLAIN LOGIN\r\n"
            return {b"EHLO": hello, b"DATA": b"354 go\r\n", b"AUTH": b"235 ok\r\n"}.get(verb, b"250 ok\r\n")
        tag = line.split(b" ")[0]
        told = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN" + (b" STARTTLS" if offered else b"") + b"\r\n"
        return (told if verb == b"CAPABILITY" else b"") + tag + b" OK done\r\n"

    async def _start_tls(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer STARTTLS; is the rest of the session told?"""
        smtp, tag = self.protocol == "smtp", line.split(b" ")[0]
        if self.starttls in {"refuse", "hide"}:
            writer.write(b"454 not now\r\n" if smtp else tag + b" NO not today\r\n")
            return False
        writer.write((b"220 go\r\n" if smtp else tag + b" OK begin\r\n") + self._after(tag))
        await writer.drain()
        if self.starttls == "pretend":
            return False
        await writer.start_tls(certificate(self.shown))
        if self.injected is not None:
            await self._listen(reader)
        return self.injected is not None

    def _after(self, tag: bytes) -> bytes:
        """What is injected; TAG+1 and so on stand for the tags that come next."""
        injected = self.injected or b""
        if self.protocol == "imap" and tag[-1:].isdigit():
            letters = tag.rstrip(b"0123456789")
            number = int(tag[len(letters) :])
            for more in (1, 2, 3):
                injected = injected.replace(b"TAG+%d" % more, b"%b%d" % (letters, number + more))
        return injected

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Say nothing, and hear what is said all the same."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT):
                while line := await reader.readline():
                    self.secured.append(line)


@asynccontextmanager
async def between(server: Between) -> AsyncIterator[Between]:
    context = certificate(server.shown) if server.implicit else None
    listening = await asyncio.start_server(server.serve, HOST, 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
