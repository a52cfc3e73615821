"""The daemon's side: a few workers, started when they are needed, each mail with its time.

    async with Readers() as readers:
        mail = await readers.read(raw, question)
    suspects = await readers.search(raw, search)

A worker that takes too long, ends or answers nonsense is killed, and the mail it had is unreadable: whoever asked
counts that. The next mail gets another worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.errors import Permanent, Temporary
from gateway.model import Mail
from gateway.reading import frames
from gateway.reading.question import Question, Search, Suspects

MOST_READERS = 2
_MOST_MAILS = 1_000  # that one worker reads: what it leaks ends with it
_START = 30.0  # seconds in which a worker must be ready
_LAST = 1.0  # seconds in which one that closed its pipes is to be gone
_SLACK = 3  # times the seconds of the processor that a search has: others want that, too
_BUFFER = 1 << 20  # octets of an answer that wait to be taken
COMMAND = (sys.executable, "-I", "-m", "gateway.reading")


class Unreadable(Permanent):
    """A mail that can't be read: it took too long or too much, or something in it isn't foreseen."""


@dataclass(frozen=True, slots=True)
class _Answer:
    mail: Mail | None = None
    failed: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    found: tuple[Suspects, ...] | None = None
    failed: str = ""


_A = TypeVar("_A")
_ANSWER, _FOUND = TypeAdapter(_Answer), TypeAdapter(_Found)


class Readers:
    """The workers. `command`: what is started, in the place of the real one."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        self._places = asyncio.Semaphore(MOST_READERS)
        self._idle: list[_Reader] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            await self._idle.pop().end()

    async def prepare(self) -> None:
        """Have a worker ready before the first mail comes. If none can be started, that mail will tell."""
        with contextlib.suppress(Temporary):
            async with self._places:
                self._idle.append(await self._next())

    async def read(self, raw: bytes, question: Question) -> Mail:
        """Read a mail.

        Raises:
            Unreadable: with the reason, in which nothing of the mail stands.
            Temporary: no worker can be started; that isn't the mail's fault.
        """
        answer = await self._asked(raw, question, question.seconds, _ANSWER)
        if answer.mail is None:
            raise Unreadable(f"reading it raised {answer.failed}")
        return answer.mail

    async def search(self, raw: bytes, search: Search) -> tuple[Suspects, ...]:
        """Search files of a mail; what is found of each, in the order of `search.parts`.

        Raises:
            Unreadable, Temporary: as `read` does.
        """
        answer = await self._asked(raw, search, search.seconds * _SLACK, _FOUND)
        if answer.found is None:
            raise Unreadable(f"searching its files raised {answer.failed}")
        if len(answer.found) != len(search.parts):
            raise Unreadable("the process that searched its files answered nonsense")
        return answer.found

    async def _asked(self, raw: bytes, question: Question | Search, seconds: float, answers: TypeAdapter[_A]) -> _A:
        async with self._places:
            reader = await self._next()
            try:
                answer = answers.validate_json(await reader.answer(raw, question, seconds), strict=True)
            except ValidationError as error:
                await reader.end()
                raise Unreadable("the process that read it answered nonsense") from error
            except BaseException:
                await reader.end()
                raise
            self._idle.append(reader)
        return answer

    async def _next(self) -> _Reader:
        while self._idle:
            reader = self._idle.pop()
            if reader.fit:
                return reader
            await reader.end()
        return await _started(self._command)


async def _started(command: Sequence[str]) -> _Reader:
    """A worker that is ready. It gets none of our environment but what names no secret, and none of our files."""
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL")}
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, cwd="/", limit=_BUFFER
        )
    except OSError as error:
        raise Temporary(f"no process to read mail can be started: {error.strerror}") from error
    reader = _Reader(process)
    try:
        async with asyncio.timeout(_START):
            await reader.ready()
    except (TimeoutError, EOFError) as error:
        await reader.end()
        raise Temporary(f"the process to read mail doesn't start: {reader.ended}") from error
    except BaseException:
        await reader.end()
        raise
    return reader


class _Reader:
    """One worker, and its pipes."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._questions, self._answers = process.stdin, process.stdout
        self._asked = 0

    @property
    def fit(self) -> bool:
        return self._process.returncode is None and self._asked < _MOST_MAILS

    @property
    def ended(self) -> str:
        """How it ended, in words."""
        status = self._process.returncode
        if status is not None and status < 0:
            return f"it was ended by {signal.Signals(-status).name}"
        return f"it ended with status {status}"

    async def ready(self) -> None:
        """Raises: EOFError: it has ended."""
        await self._answers.readexactly(len(frames.READY))

    async def answer(self, raw: bytes, question: Question | Search, seconds: float) -> bytes:
        """Raises: Unreadable."""
        self._asked += 1
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(raw, question)
        except TimeoutError as error:
            raise Unreadable(f"reading it took more than {seconds:g} s") from error
        except (EOFError, OSError) as error:
            raise Unreadable(f"the process that read it died: {await self._end_of_its_own()}") from error

    async def _end_of_its_own(self) -> str:
        """How it ended. It may only have closed its pipes, and live on: that isn't waited for."""
        try:
            async with asyncio.timeout(_LAST):
                await self._process.wait()
        except TimeoutError:
            return "it said no more"
        return self.ended

    async def _exchange(self, raw: bytes, question: Question | Search) -> bytes:
        self._questions.write(frames.asked(raw, question))
        self._questions.write(raw)
        await self._questions.drain()
        (size,) = frames.ANSWER.unpack(await self._answers.readexactly(frames.ANSWER.size))
        if size > frames.MOST_ANSWERED:
            raise Unreadable("the process that read it answered more than there can be")
        return await self._answers.readexactly(size)

    async def end(self) -> None:
        """End it, whatever it is doing, and wait for its end."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it went by itself
                self._process.kill()
        await self._process.communicate()  # what it still said: only then its pipes are done with
