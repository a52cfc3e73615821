"""aioimaplib's protocol with its receiving half replaced, and one command at a time.
aioimaplib 2.0.3 recurses once per line received, buffers whatever is announced, and waits for ever when the
server goes away. Here lines and literals are split in a loop, what is kept of them has a limit, and any
trouble (broken rules included) ends the connection: `Wire.run` then raises errors.Temporary, also for all
later calls.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aioimaplib import aioimaplib

from gateway.errors import Temporary
from gateway.intake.imap_grammar import Reply, announced, numbered

MAX_LINE = 1_000_000
MAX_UNTAGGED = 500_000
SMALL = 1_000_000
EARLY = "the server spoke before TLS was set up"


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended: OK, NO or BAD, the text after that, and the replies that were wanted."""

    status: str
    text: bytes
    replies: tuple[Reply, ...]


def _all(line: bytes) -> bool:
    return True


class Wire(aioimaplib.IMAP4ClientProtocol):  # type: ignore[misc]  # aioimaplib has no types
    """One connection. `news` is set by each EXISTS that announces more messages than before."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.greeting: asyncio.Future[bytes] = self.loop.create_future()
        self.over: asyncio.Future[None] = self.loop.create_future()
        self.closed = asyncio.Event()
        self.news = asyncio.Event()
        self.exists = 0
        self.octets = 0  # received
        self.silent = False
        self._idling = asyncio.Event()
        self._answers: list[bytes] = []
        self._buffer = bytearray()
        self._searched = 0
        self._literal: list[bytes] = []
        self._missing = 0
        self._reply: list[bytes] = []
        self._wanted: Callable[[bytes], bool] = _all
        self._replies: list[Reply] = []
        self._allowance = SMALL
        self._untagged = 0

    # --- receiving ---------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.over.done():
            return
        self.octets += len(data)
        if self.silent:
            self.fail(EARLY)
            return
        self._buffer += data
        try:
            self._split()
        except (aioimaplib.AioImapException, ValueError) as error:
            self.fail(str(error))

    def _split(self) -> None:
        """Cut the buffer into lines and literals, as far as it goes."""
        at = 0
        while not self.over.done() and not self.silent:
            if self._missing:
                piece = bytes(self._buffer[at : at + self._missing])
                at += len(piece)
                if not self._take_literal(piece):
                    break
            end = self._buffer.find(b"\r\n", max(at, self._searched))
            if end < 0:
                break
            line, at = bytes(self._buffer[at:end]), end + 2
            self._take_line(line)
        del self._buffer[:at]
        self._searched = 0 if self._missing else max(len(self._buffer) - 1, 0)
        if self.silent and self._buffer:
            self.fail(EARLY)
        if len(self._buffer) > MAX_LINE:
            self.fail("a line without end")

    def _take_literal(self, piece: bytes) -> bool:
        """True once the literal is complete."""
        self._literal.append(piece)
        self._missing -= len(piece)
        if not self._missing:
            self._reply.append(b"".join(self._literal))
            self._literal.clear()
        return not self._missing

    def _take_line(self, line: bytes) -> None:
        size = announced(line) if self._reply or line.startswith(b"* ") else None
        self._reply.append(line)
        self._spend(len(line) + (size or 0))
        if size is None:
            reply, self._reply = tuple(self._reply), []
            self._dispatch(reply)
        elif size:
            self._missing = size
        else:
            self._reply.append(b"")

    def _spend(self, octets: int) -> None:
        """Called before anything announced is read: it never fills the memory."""
        held = sum(map(len, self._reply)) + octets
        if held > self._allowance + MAX_LINE:
            self.fail(f"an answer of {held} octets, more than was asked for")

    def _dispatch(self, reply: Reply) -> None:
        line = reply[0]
        if not self.greeting.done():
            self.greeting.set_result(line)
        elif line.startswith(b"* "):
            self._hear(reply)
        elif line.startswith(b"+"):
            self._continuation(line)
        elif line:
            self._end(line)

    def _hear(self, reply: Reply) -> None:
        """An untagged reply. Most are other people's doings: counted, not kept."""
        self._untagged += 1
        if self._untagged > MAX_UNTAGGED:
            self.fail("untagged replies without end")
        counted = numbered(reply[0])
        if counted:
            self._count(*counted)
        elif self._wanted(reply[0]):
            self._allowance -= sum(map(len, reply))
            self._replies.append(reply)
        if self._allowance < 0:
            self.fail("more replies than were asked for")

    def _count(self, number: int, name: bytes) -> None:
        if name == b"EXPUNGE":
            self.exists = max(self.exists - 1, 0)
            return
        if number > self.exists:
            self.news.set()
        self.exists = number

    def _continuation(self, line: bytes) -> None:
        if self._answers:
            self.transport.write(self._answers.pop(0))
        elif self.has_pending_idle_command():
            self._idling.set()
        else:
            self.fail("the server asks for more where there is no more")

    def _end(self, line: bytes) -> None:
        """The tagged status. Nothing may follow STARTTLS's in the clear (RFC 3501 §6.2.1)."""
        name = self.pending_sync_command.name if self.pending_sync_command else ""
        self._response_done(line)
        self.silent = name == "STARTTLS"
        if name in ("SELECT", "EXAMINE"):
            self.news.clear()

    # --- the end -----------------------------------------------------------------------------------------

    def fail(self, reason: str) -> None:
        """End the connection at once; the first reason is the one that is told."""
        if not self.over.done():
            self.over.set_exception(Temporary(reason))
            self.over.exception()  # whoever waits is told; nobody has to wait
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(f"the connection is lost: {exc or 'the server closed it'}")
        self.closed.set()

    # --- sending -----------------------------------------------------------------------------------------

    def send(self, line: str, scrub: str | None = None) -> None:
        """Nothing sent is logged: aioimaplib's scrubbing misses a password with quotes in it."""
        self.transport.write(f"{line}\r\n".encode())

    async def run(
        self,
        name: str,
        *args: str,
        prefix: str = "",
        deadline: float,
        wanted: Callable[[bytes], bool] = _all,
        allowance: int = SMALL,
        answers: Iterable[bytes] = (),
    ) -> Answer:
        """Run one command and wait for its end.
        Of the untagged replies those whose first line is `wanted` are kept, at most `allowance` octets;
        `answers` are sent one by one when the server asks for more. Raises errors.Temporary when the
        connection is over, or the command doesn't end within `deadline` seconds: the connection is over then.
        """
        self._expect(wanted, allowance, answers)
        command = aioimaplib.Command(name, self.new_tag(), *args, prefix=prefix, loop=self.loop)
        await self._finish(asyncio.ensure_future(self.execute(command)), deadline, name)
        replies, self._replies = tuple(self._replies), []
        return Answer(command.response.result.upper(), bytes(command.response.lines[-1]), replies)

    def _expect(self, wanted: Callable[[bytes], bool], allowance: int, answers: Iterable[bytes]) -> None:
        self._wanted, self._allowance, self._answers = wanted, allowance, list(answers)
        self._replies, self._untagged = [], 0

    async def _finish(self, task: asyncio.Future[Any], deadline: float, name: str) -> None:
        """Wait for `task`, for the end of the connection, or for the deadline, whichever comes first."""
        try:
            await self.first(task, seconds=deadline)
            if not task.done():
                self.fail(f"no answer to {name} within {deadline:g} s")
                await self.over
            await task
        except aioimaplib.AioImapException as error:
            self.fail(str(error))
            await self.over
        finally:
            task.cancel()

    async def first(self, *tasks: asyncio.Future[Any], seconds: float) -> None:
        """Wait for any of `tasks`, for the end of the connection, or for `seconds`."""
        await asyncio.wait({*tasks, self.over}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    async def idle(self, seconds: float, deadline: float) -> bool:
        """IDLE until there is news, at most for `seconds` (RFC 2177). False if the server won't.

        Raises errors.Temporary like `run`.
        """
        self._expect(lambda line: False, SMALL, ())
        self._idling.clear()
        command = aioimaplib.Command("IDLE", self.new_tag(), loop=self.loop)
        task = asyncio.ensure_future(self.execute(command))
        ready, news = (asyncio.ensure_future(event.wait()) for event in (self._idling, self.news))
        try:
            await self.first(task, ready, seconds=deadline)
            if ready.done():
                await self.first(task, news, seconds=seconds)
                self.send("DONE")
            await self._finish(task, deadline, "IDLE")
        finally:
            for each in (task, ready, news):
                each.cancel()
        return self._idling.is_set()


def harmless(text: str | bytes) -> str:
    """What a server said, as it may stand in a log: short, printable, without addresses."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    printable = "".join(char if char.isprintable() else " " for char in words[:500])
    return re.sub(r"\S+@\S+", "…", printable)[:200]
