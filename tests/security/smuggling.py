"""One mail here and two elsewhere: the sequences that some server or other takes for the end of a mail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

from tests.dialogue import OURS
from tests.patience import PATIENCE

SMUGGLERS = [
    b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\n\n.\r\n",
]  # fmt: skip
HARMLESS = [b"\r\n\x0b.\x0b\r\n", b"\r\n\xc2\x85.\xc2\x85\r\n", b"\r\n\xe2\x80\xa8.\r\n", b"\r\n . \r\n"]
SEQUENCES = (*SMUGGLERS, *HARMLESS)
_ENVELOPE = f"MAIL FROM:<evil@example.org>\r\nRCPT TO:<{OURS}>\r\nDATA\r\n".encode()
TAKEN = b"250 2.0.0 "


def body(sequence: bytes) -> bytes:
    """A mail that holds another, with all that would make the other one a mail."""
    return b"Subject: outer\r\n\r\none" + sequence + _ENVELOPE + b"Subject: inner\r\n\r\ntwo\r\n"


def ways(sequence: bytes) -> Iterator[list[bytes]]:
    """How the session arrives, in pieces; before each piece but the first a reply is waited for."""
    hello, end = b"EHLO c\r\n", b".\r\nQUIT\r\n"
    mail = body(sequence)
    yield [hello, _ENVELOPE, mail + end]
    yield [hello, _ENVELOPE + mail + end]  # the mail before it is asked for (RFC 2920 forbids it)
    cuts = [0, *(mail.index(b"one" + sequence) + 3 + n for n in range(len(sequence) + 1)), len(mail)]
    yield [hello, _ENVELOPE, *(mail[a:b] for a, b in pairwise(cuts)), end]


async def taken(port: int, pieces: list[bytes]) -> int:
    """How many mails a server says it took. Pieces of the mail itself are sent one by one, each for itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    try:
        async with asyncio.timeout(PATIENCE):
            said += await reader.readline()
            for number, piece in enumerate(pieces):
                writer.write(piece)
                await writer.drain()
                if number < 2:
                    said += await _until(reader, b"354" if b"DATA" in piece else b"250 ")
                await asyncio.sleep(0)
            said += await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
    return said.count(TAKEN)


async def _until(reader: asyncio.StreamReader, sign: bytes) -> bytes:
    """The replies up to one that begins so, or the end."""
    said = b""
    while line := await reader.readline():
        said += line
        if line.startswith((sign, b"4", b"5")):
            break
    return said
