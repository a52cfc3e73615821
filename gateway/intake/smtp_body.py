"""What comes between 354 and CRLF.CRLF, taken as it arrives, in pieces of any size.

Only CRLF.CRLF ends a mail (RFC 5321 §4.1.1.4), and a mail with a bare CR, a bare LF or a NUL is refused:
servers differ on what these mean, and what is one mail here and two elsewhere is how mail is smuggled.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

_END = b"\r\n.\r\n"
_LINE_END = b"\r\n"
BLOCK = 1 << 19  # octets that are looked at in one go
_HARMLESS = bytes(set(range(256)) - {0, 10, 13})


class Flaw(Enum):
    """Why a mail isn't taken; the value is the reply."""

    TOO_BIG = "552 5.3.4 Message too big"
    NO_ROOM = "452 4.3.1 Too much mail at once, try again later"
    MALFORMED = "521 5.6.11 Lines must end with CRLF, and NUL may not occur"


class Body:
    """One mail while it arrives. Linear in time; in memory one mail, or hardly a thing once it is refused."""

    def __init__(self, limit: int) -> None:
        """`limit` in octets, without the transparency dots (RFC 1870 §3)."""
        self._limit = limit
        self._flaw: Flaw | None = None
        self._buffer = bytearray(_LINE_END)  # so that the first line is like every other

    @property
    def held(self) -> int:
        """Octets in memory."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> bytes | None:
        """Take a piece. Gives what follows the final dot (the next commands), or None before it."""
        start = max(0, len(self._buffer) - len(_END) + 1)
        self._buffer += chunk
        end = self._buffer.find(_END, start)
        if end >= 0:
            rest = bytes(memoryview(self._buffer)[end + len(_END) :])
            del self._buffer[end + len(_LINE_END) :]
            return rest
        if self._flaw or len(self._buffer) > self._limit * 4 // 3 + 8:  # of « .. CR LF » 3 in 4 count
            self.refuse(self._flaw or Flaw.TOO_BIG)
        return None

    def refuse(self, flaw: Flaw) -> None:
        """Keep no more of this mail than it takes to see its end."""
        self._flaw = flaw
        del self._buffer[: -len(_END) + 1]

    def take(self) -> bytes | Flaw:
        """The mail, as it was before its dots were doubled (RFC 5321 §4.5.2), or why it isn't taken."""
        buffer, self._buffer = self._buffer, bytearray()
        if self._flaw:
            return self._flaw
        if buffer.find(b"\r\n.") >= 0:
            buffer = buffer.replace(b"\r\n.", _LINE_END)
        if len(buffer) - len(_LINE_END) > self._limit:
            return Flaw.TOO_BIG
        if is_malformed(buffer):
            return Flaw.MALFORMED
        return bytes(memoryview(buffer)[len(_LINE_END) :])


def is_malformed(raw: bytes | bytearray) -> bool:
    """Is there a CR without its LF, a LF without its CR, or a NUL?

    Two passes at the speed of C: what is left of it without all other octets must be nothing but pairs, as
    many of them as there are in the whole. Block by block, so that a large mail lets other threads have their turn.
    """
    return any(map(_is_block_malformed, _blocks(raw)))


def _is_block_malformed(block: bytes | bytearray) -> bool:
    return block.translate(None, _HARMLESS) != _LINE_END * block.count(_LINE_END)


def _blocks(raw: bytes | bytearray) -> Iterator[bytes | bytearray]:
    """The octets, some at a time; none ends between CR and what follows it."""
    start = 0
    while start < len(raw):
        end = start + BLOCK
        yield raw[start : (end := end + (raw[end - 1 : end] == b"\r"))]
        start = end
