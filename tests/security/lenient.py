"""A smarthost that ends a mail wherever any server in the world would, reads commands however their lines end, and
keeps every octet it was sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_END = re.compile(rb"(?:\r*\n|\r)\0?\.\0?(?:\r*\n|\r)")
_LINE = re.compile(rb"\r*\n|\r")
_REPLIES = {b"EHLO": b"250-lenient\r\n250 SMTPUTF8", b"DATA": b"354 go on", b"QUIT": b"221 bye"}


@dataclass
class Lenient:
    """`mails` is how many it took, `recipients` all it was told of; `mail_octets` what came after each DATA."""

    port: int = 0
    mails: int = 0
    commands: list[bytes] = field(default_factory=list)
    mail_octets: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 lenient\r\n")
        buffer, inside = b"", False
        while chunk := await reader.read(65_536):
            buffer += chunk
            while found := (_END if inside else _LINE).search(buffer):
                taken, buffer = buffer[: found.end()], buffer[found.end() :]
                if inside:
                    self.mails += 1
                    self.mail_octets.append(taken)
                    writer.write(b"250 2.0.0 taken\r\n")
                    inside = False
                else:
                    inside = self._command(taken.strip(), writer)

    def _command(self, line: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer it; does a mail follow?"""
        verb = line[:4].upper()
        self.commands.append(line)
        writer.write(_REPLIES.get(verb, b"250 ok") + b"\r\n")
        return verb == b"DATA"


@asynccontextmanager
async def lenient() -> AsyncIterator[Lenient]:
    host = Lenient()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
