"""SMTP and LMTP as they are spoken: a client that sends what it is told to, octet by octet."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.config.settings import SmtpIntake
from gateway.intake.keep import Keep
from gateway.intake.smtp import Listener, serve
from gateway.intake.smtp_limits import Limits
from gateway.model import Incoming
from tests.patience import PATIENCE

OURS = "contact@support.example.org"
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
MAIL = b"From: a@example.org\r\nSubject: Bonjour\r\n\r\n.Un point\r\n"


@dataclass
class Client:
    """One connection. Every answer is waited for, no longer than `PATIENCE`."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: str = ""

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def reply(self) -> str:
        """The next reply, all of its lines; "" when the connection is closed."""
        lines = []
        async with asyncio.timeout(PATIENCE):
            while line := (await self.reader.readline()).decode():
                lines.append(line.removesuffix("\r\n"))
                if line[3:4] != "-":
                    break
        return "\n".join(lines)

    async def replies(self) -> AsyncIterator[str]:
        """All that is still said until the connection is closed."""
        while reply := await self.reply():
            yield reply

    async def say(self, *commands: str | bytes) -> str:
        """Send commands one by one; the reply to the last."""
        reply = ""
        for command in commands:
            await self.send(command if isinstance(command, bytes) else f"{command}\r\n".encode())
            reply = await self.reply()
        return reply

    async def offer(self, mail: bytes, recipient: str = OURS) -> str:
        """A whole transaction, dots doubled; the reply to DATA's end."""
        await self.say("MAIL FROM:<a@example.org>", f"RCPT TO:<{recipient}>", "DATA")
        return await self.say(stuffed(mail))

    async def closed(self) -> bool:
        async with asyncio.timeout(PATIENCE):
            try:
                return not await self.reader.read()
            except ConnectionResetError:
                return True

    def reset(self) -> None:
        """Vanish: unlike a closed connection, which may be half-closed for all the server knows."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()


def stuffed(mail: bytes) -> bytes:
    """As it goes over the wire (RFC 5321 §4.5.2), its end included. `mail` is empty or ends with CRLF."""
    lines = mail.split(b"\r\n")[:-1]
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


@dataclass
class Server:
    """A listener under test, and what it kept."""

    listener: Listener
    kept: list[Incoming] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    async def connect(self, *hello: str, local: str | None = None) -> Client:
        """A client that has been greeted, and has said `hello`."""
        address = self.listener.address
        if address.startswith("/"):
            streams = await asyncio.open_unix_connection(address)
        else:
            host, _, port = address.rpartition(":")
            streams = await asyncio.open_connection(
                host.strip("[]"), int(port), local_addr=(local, 0) if local else None
            )
        client = Client(*streams)
        self.clients.append(client)
        client.greeting = await client.reply()
        await client.say(*hello)
        return client


@asynccontextmanager
async def running(
    *,
    keep: Keep | None = None,
    accepts: Callable[[str], bool] = OURS.__eq__,
    limits: Limits | None = None,
    **settings: Any,
) -> AsyncIterator[Server]:
    """A listener on a free port of loopback, with everything that came in; closed in the end."""
    kept: list[Incoming] = []

    async def remember(incoming: Incoming) -> None:
        kept.append(incoming)

    listener = await serve(
        SmtpIntake(**{"listen": "127.0.0.1:0", **settings}),
        hostname="mx.support.example.org",
        keep=keep or remember,
        accepts=accepts,
        now=lambda: NOW,
        limits=limits or Limits(),
    )
    server = Server(listener, kept)
    try:
        yield server
    finally:
        for client in server.clients:
            client.close()
        await listener.close()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until it is so, no longer than `PATIENCE`."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (anything may be waited for)
            await asyncio.sleep(0)
