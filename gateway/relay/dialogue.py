"""Commands and mails go out, a server's answers come back in their order. It knows nothing of what they mean.

Several commands may be said at once, where the server takes that (PIPELINING, RFC 2920): the answers are counted.
What comes unasked ends the dialogue: no answer is ever taken for that of another command.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import cast

_LONGEST = 32_768  # octets of an answer that isn't complete
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?")
_NO_ANSWER = "it answers something that is no answer"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer (RFC 5321 §4.2), its lines joined by blanks; octets that aren't UTF-8 as U+FFFD."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


@dataclass(frozen=True, slots=True)
class Answers:
    """What came. `broken`: why no more will come, "" where none is missing."""

    replies: list[Reply]
    broken: str = ""


class Dialogue(asyncio.Protocol):
    """One side of a connection that was made, greeted and secured already: it takes the transport over."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._received = b""
        self._lines: list[bytes] = []  # of an answer that goes on
        self._replies: list[Reply] = []
        self._awaited = 0
        self._broken = ""
        self._changed: asyncio.Future[None] | None = None
        transport.set_protocol(self)

    @property
    def broken(self) -> str:
        """Why it is over, "" while it isn't."""
        return self._broken or ("the connection is closed" if self._transport.is_closing() else "")

    async def ask(self, octets: bytes, answers: int, patience: float) -> Answers:
        """Say something, and wait for so many answers to it; `patience` in seconds.

        What is broken is over and closed: nothing was said if it was before.
        """
        if self.broken:
            return Answers([], self.broken)
        self._replies, self._awaited = [], answers
        self._transport.write(octets)
        late = asyncio.get_running_loop().call_later(patience, self._end, f"no answer within {patience:g} s")
        try:
            while len(self._replies) < answers and not self._broken:
                self._changed = asyncio.get_running_loop().create_future()
                await self._changed
        finally:
            late.cancel()
            self._awaited = 0
        return Answers(self._replies, self._broken if len(self._replies) < answers else "")

    def close(self) -> None:
        """End the connection without a word; what wasn't written yet is dropped."""
        self._transport.abort()

    def _end(self, why: str) -> None:
        self._broken = self._broken or why
        self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    # --- what the transport tells ------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._take(line.rstrip(b"\r"))
        if len(self._received) + sum(map(len, self._lines)) > _LONGEST:
            self._end("it answers without end")
        if len(self._replies) >= self._awaited:
            self._wake()

    def _take(self, line: bytes) -> None:
        found = _LINE.fullmatch(line)
        if found is None:
            self._end(_NO_ANSWER)
            return
        code, goes_on, text = found.groups(b"")
        self._lines.append(text.strip())
        if goes_on == b"-":
            return
        words, self._lines = b" ".join(self._lines), []
        reply = Reply(int(code), words.decode("utf-8", "replace"))
        if len(self._replies) < self._awaited:
            self._replies.append(reply)
        else:
            self._end(f"it says something unasked: {reply}")

    def eof_received(self) -> bool:
        self._end("it ended the connection")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._end(f"the connection was lost{f': {error}' if error else ''}")


def taken_over(transport: asyncio.BaseTransport) -> Dialogue:
    """A dialogue that goes on where somebody else had the connection."""
    return Dialogue(cast(asyncio.Transport, transport))
