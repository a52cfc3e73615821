"""From an address to a Session: connection, TLS, greeting, log in; and the orderly end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aioimaplib.aioimaplib import NONAUTH

from gateway.config.settings import ImapIntake
from gateway.errors import Temporary
from gateway.intake.imap_client import Session, granted
from gateway.intake.imap_wire import Wire, harmless

LONGEST_CLOSE = 1.0
KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 3}


@asynccontextmanager
async def connect(settings: ImapIntake, tls: ssl.SSLContext | None, deadline: float) -> AsyncIterator[Session]:
    """A session, logged in. Certificates are verified by `tls`, or by the system's authorities."""
    context = tls or ssl.create_default_context()
    wire = await _reach(settings, context, deadline)
    try:
        await _greeted(wire, settings, deadline)
        if settings.security == "starttls":
            await _start_tls(wire, settings.host, context, deadline)
        session = Session(wire, deadline)
        await session.capability()
        await session.login(settings.user, settings.password.get_secret_value())
        yield session
    finally:
        await _leave(wire)


async def _reach(settings: ImapIntake, context: ssl.SSLContext, deadline: float) -> Wire:
    loop = asyncio.get_running_loop()
    secure = context if settings.security == "tls" else None
    try:
        async with asyncio.timeout(deadline):
            transport, wire = await loop.create_connection(Wire, settings.host, settings.port, ssl=secure)
    except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
        raise Temporary(f"can't connect: {error or type(error).__name__}") from None
    keep_alive(transport.get_extra_info("socket"))
    return wire


def keep_alive(connection: socket.socket) -> None:
    """Let the kernel notice a peer that is gone without a word, within two minutes."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def _greeted(wire: Wire, settings: ImapIntake, deadline: float) -> None:
    """Only OK will do: PREAUTH would leave no room for STARTTLS, and would be somebody else's session."""
    await wire.first(wire.greeting, seconds=deadline)
    if not wire.greeting.done():
        wire.fail(f"no greeting within {deadline:g} s")
        await wire.over
    greeting = wire.greeting.result()
    if not greeting.upper().startswith(b"* OK"):
        raise Temporary(f"the server greets with: {harmless(greeting)}")
    wire.state = NONAUTH


async def _start_tls(wire: Wire, host: str, context: ssl.SSLContext, deadline: float) -> None:
    """STARTTLS. Whatever came before it is forgotten, capabilities too: they are asked for again."""
    answer = await wire.run("STARTTLS", deadline=deadline)
    granted("STARTTLS", answer)
    if wire.over.done():
        await wire.over
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(deadline):
            transport = await loop.start_tls(wire.transport, wire, context, server_hostname=host)
    except (OSError, TimeoutError) as error:
        raise Temporary(f"TLS fails: {error or type(error).__name__}") from None
    if transport is None or wire.over.done():
        await wire.over
    wire.transport, wire.silent = transport, False


async def _leave(wire: Wire) -> None:
    """Close in order where the server plays along, at once where it doesn't."""
    if not wire.over.done():
        wire.send(f"{wire.new_tag()} LOGOUT")
        wire.transport.close()
    try:
        async with asyncio.timeout(LONGEST_CLOSE):
            await wire.closed.wait()
    except TimeoutError:
        wire.fail("closed")
