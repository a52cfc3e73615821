"""Asking clamd about octets, over its socket: INSTREAM (clamd(8), « COMMANDS »).

Ours rather than a library's: aioclamd knows no unix socket, and takes anything that ends in « : OK » for clean. Here
one answer alone means clean, given to the end, and only after all was sent. Everything else is « held », with why.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Iterable

from gateway.config.values import host_and_port
from gateway.model import Finding, Scan

# The test file of the antivirus industry (EICAR), in two pieces, so that no antivirus takes this module for it.
# Whoever doesn't find it has no signatures, and what it calls clean is not.
PROBE = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
_SILENCE = "no answer"
LATE = Scan(Finding.HELD, f"{_SILENCE} in time")
_CHUNK = 65_536
_LONGEST = 4_096  # octets of an answer
_FOUND = re.compile(r"stream: ([ -~]{1,200}) FOUND")
_NOT_LOOKED_AT = "Heuristics.Limits.Exceeded"  # with AlertExceedsMax: too large to be looked at, which isn't a virus


def silent(scan: Scan) -> bool:
    """Did it not answer at all? Else it's something about this mail alone that it didn't say."""
    return scan.finding is Finding.HELD and scan.name.startswith(_SILENCE)


async def scan(socket: str, pieces: Iterable[bytes], patience: float) -> Scan:
    """What clamd says of a mail: of all its pieces, and of the test file. Never raises, never longer than `patience`.

    `socket`: "unix:/path" or "host:port"; `patience` in seconds.
    """
    try:
        async with asyncio.timeout(patience):
            for piece in pieces:
                found = await _asked(socket, piece)
                if found.finding is not Finding.CLEAN:
                    return found
            probed = await _asked(socket, PROBE)
    except TimeoutError:
        return LATE
    except OSError as error:
        return Scan(Finding.HELD, f"{_SILENCE}: {error.strerror or type(error).__name__}")
    except (EOFError, asyncio.LimitOverrunError):
        return Scan(Finding.HELD, f"{_SILENCE} that ends")
    if probed.finding is Finding.INFECTED:
        return Scan(Finding.CLEAN)
    return Scan(Finding.HELD, probed.name or "it doesn't find the test file: it has no signatures")


async def _asked(socket: str, octets: bytes) -> Scan:
    reader, writer = await _connected(socket)
    try:
        answer = asyncio.ensure_future(reader.readuntil(b"\0"))
        try:
            early = await _sent(writer, octets, answer)
            return _understood(await answer, early=early)
        finally:
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)
    finally:
        writer.close()


async def _connected(socket: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if socket.startswith("unix:"):
        return await asyncio.open_unix_connection(socket.removeprefix("unix:"), limit=_LONGEST)
    host, port = host_and_port(socket)
    return await asyncio.open_connection(host, int(port), limit=_LONGEST)


async def _sent(writer: asyncio.StreamWriter, octets: bytes, answer: asyncio.Future[bytes]) -> bool:
    """Send all of it; True where the answer was there before its end: then it isn't about all of it."""
    writer.write(b"zINSTREAM\0")
    for start in range(0, len(octets), _CHUNK):
        chunk = octets[start : start + _CHUNK]
        writer.write(struct.pack("!I", len(chunk)) + chunk)
        try:
            await writer.drain()
        except ConnectionError:
            return True  # it may have said why before it hung up
        if answer.done():
            return True
    await asyncio.sleep(0)  # what has come already is seen
    early = answer.done()
    writer.write(struct.pack("!I", 0))
    return early


def _understood(answer: bytes, *, early: bool) -> Scan:
    words = answer.removesuffix(b"\0").decode("ascii", "replace")
    found = _FOUND.fullmatch(words)
    if found is not None:
        return Scan(Finding.HELD if found[1].startswith(_NOT_LOOKED_AT) else Finding.INFECTED, found[1])
    if words == "stream: OK" and not early:
        return Scan(Finding.CLEAN)
    if words == "INSTREAM size limit exceeded. ERROR":
        return Scan(Finding.HELD, "too large for it: raise its StreamMaxLength")
    return Scan(Finding.HELD, "it answered what can't be understood")
