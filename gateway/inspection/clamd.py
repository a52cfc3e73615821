"""Asking clamd about octets, over its socket: INSTREAM (clamd(8), « COMMANDS »).

Ours rather than a library's: aioclamd knows no unix socket, and takes anything that ends in « : OK » for clean. Here
one answer alone means clean, given to the end, and only after all was sent. Everything else is « held », with why.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import struct
from collections.abc import Iterable
from typing import Any

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


async def scan(address: str, pieces: Iterable[bytes], patience: float) -> Scan:
    """What clamd says of a mail: of all its pieces, and of the test file. Never raises, never longer than `patience`.

    `address`: "unix:/path" or "host:port"; `patience` in seconds.
    """
    try:
        async with asyncio.timeout(patience):
            for piece in pieces:
                found = await _asked(address, piece)
                if found.finding is not Finding.CLEAN:
                    return found
            probed = await _asked(address, PROBE)
    except TimeoutError:
        return LATE
    except OSError as error:
        return Scan(Finding.HELD, f"{_SILENCE}: {error.strerror or type(error).__name__}")
    except EOFError:
        return Scan(Finding.HELD, f"{_SILENCE} that ends")
    if probed.finding is Finding.INFECTED:
        return Scan(Finding.CLEAN)
    return Scan(Finding.HELD, probed.name or "it doesn't find the test file: it has no signatures")


async def _asked(address: str, octets: bytes) -> Scan:
    with await _connected(address) as connection:
        early = await _sent(connection, octets)
        return _understood(await _answer(connection), early=early)


async def _connected(address: str) -> socket.socket:
    if address.startswith("unix:"):
        return await _opened(socket.AF_UNIX, address.removeprefix("unix:"))
    loop = asyncio.get_running_loop()
    refused: OSError = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    for family, _, _, _, found in await loop.getaddrinfo(*host_and_port(address), type=socket.SOCK_STREAM):
        try:
            return await _opened(family, found)
        except OSError as error:
            refused = error
    raise refused


async def _opened(family: int, address: Any) -> socket.socket:
    connection = socket.socket(family)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


async def _sent(connection: socket.socket, octets: bytes) -> bool:
    """Send all of it; True where the answer was there before its end: then it isn't about all of it."""
    loop = asyncio.get_running_loop()
    head = b"zINSTREAM\0"
    try:
        for start in range(0, len(octets), _CHUNK):
            chunk = octets[start : start + _CHUNK]
            await loop.sock_sendall(connection, head + struct.pack("!I", len(chunk)) + chunk)
            head = b""
            if _spoke(connection):
                return True
        await loop.sock_sendall(connection, head + struct.pack("!I", 0))
    except ConnectionError:
        return True  # it may have said why before it hung up
    return False


def _spoke(connection: socket.socket) -> bool:
    """Has it said something, or hung up, by now? Asked of the kernel: a loop that is busy learns it later."""
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True


async def _answer(connection: socket.socket) -> bytes:
    answer = b""
    while b"\0" not in answer and len(answer) <= _LONGEST:
        more = await asyncio.get_running_loop().sock_recv(connection, _LONGEST)
        if not more:
            raise EOFError
        answer += more
    return answer.partition(b"\0")[0]


def _understood(answer: bytes, *, early: bool) -> Scan:
    words = answer.decode("ascii", "replace")
    found = _FOUND.fullmatch(words)
    if found is not None:
        return Scan(Finding.HELD if found[1].startswith(_NOT_LOOKED_AT) else Finding.INFECTED, found[1])
    if words == "stream: OK" and not early:
        return Scan(Finding.CLEAN)
    if words == "INSTREAM size limit exceeded. ERROR":
        return Scan(Finding.HELD, "too large for it: raise its StreamMaxLength")
    return Scan(Finding.HELD, "it answered what can't be understood")
