"""A flood on loopback: `python -m tests.security.flood PORT`. Says « ready » once all were tried, and goes on.

4,000 connections that say nothing, 500 that say an octet at a time and come back when they are sent away, 20 that ask
for one recipient after the other; from ten addresses of 127.0.0.0/8, none of which is the one that servers trust.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

IDLE, SLOW, RECIPIENTS, ADDRESSES = 4_000, 500, 20, 10
_PAUSE = 0.5  # seconds between two octets of a slow one
_RETURN = 2.0  # seconds until who was sent away comes back
_BATCH, _BETWEEN = 50, 0.05  # connections at a time, and the seconds between: a queue of connections isn't overrun
Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing until we are sent away; then don't come back."""
    while await reader.read(1_000):
        pass
    await asyncio.Event().wait()


async def _slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for octet in itertools.cycle(b"EHLO slow "):
        writer.write(bytes([octet]))
        await writer.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PAUSE):
                if not await reader.read(1_000):
                    return


async def _asking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"EHLO c\r\nMAIL FROM:<a@example.org>\r\n")
    for number in itertools.count():
        writer.write(b"".join(b"RCPT TO:<contact+%d.%d@support.example.org>\r\n" % (number, n) for n in range(50)))
        await writer.drain()
        if not await reader.read(65_536):
            return


async def _client(port: int, number: int, say: Say, tried: asyncio.Semaphore) -> None:
    """One connection after the other, from one address."""
    local = f"127.1.0.{number % ADDRESSES + 1}"
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(local, 0))
            tried.release()
            try:
                await say(reader, writer)
            finally:
                writer.close()
        await asyncio.sleep(_RETURN)


async def main(port: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tried = asyncio.Semaphore(0)
    kinds = [_idle] * IDLE + [_slow] * SLOW + [_asking] * RECIPIENTS
    clients = []
    for number, say in enumerate(kinds):
        clients.append(asyncio.create_task(_client(port, number, say, tried)))
        if number % _BATCH == 0:
            await asyncio.sleep(_BETWEEN)
    with suppress(TimeoutError):
        async with asyncio.timeout(30):  # a server that is full lets them wait
            for _ in kinds:
                await tried.acquire()
    print("ready", flush=True)
    await asyncio.gather(*clients)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
