"""The process that reads: asked on its standard input, it answers on its standard output, until its input ends.

Before the first mail it gives up all that reading doesn't take: it can open no file and no socket, start no process,
write no core, and hold no more than `MOST_MEMORY`. It was started without the daemon's environment, and never held
its keys or its store.
"""

from __future__ import annotations

import math
import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from gateway.allocator import hold_little
from gateway.mail import charsets, lookalikes
from gateway.model import Mail
from gateway.reading import frames
from gateway.reading.answering import answered
from gateway.reading.question import Question, Search
from gateway.reading.searching import searched

MOST_MEMORY = 640 << 20  # octets of address space; some 60 MB of them are the interpreter's and the libraries'
_NICENESS = 5
_SPENT = 70  # exit status: the memory didn't suffice (EX_SOFTWARE)
_TRIAL = b"From: =?utf-8?q?=C3=A9?= <a@\xc3\xa9.example>\r\nDate: Mon, 3 Feb 2025 10:12:00 +0100\r\n\r\nBonjour\r\n"


def main(read: Callable[[bytes, Question], Mail] = answered) -> None:
    """Answer until nobody asks any more. `read`: how, in the place of the real reading."""
    answers = _own_output()
    hold_little()
    _prepare()
    with suppress(PermissionError):  # gateway.service denies it: no matter, but where mail comes in a rush
        os.nice(_NICENESS)  # somebody waits for mail to be taken, nobody for its being read
    _confine()
    answers.write(frames.READY)
    while answer := _answer(sys.stdin.buffer, read):
        answers.write(answer)


def _own_output() -> BinaryIO:
    """The way to the daemon, which nothing that prints by mistake gets into. No other file of the daemon's stays."""
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    ours = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)
    return os.fdopen(ours, "wb", buffering=0)


def _prepare() -> None:
    """Load what is loaded at its first use: once confined, no file can be opened."""
    charsets.load()
    lookalikes.letters()
    for whole in (True, False):
        answered(_TRIAL, Question(whole=whole))
    searched(_TRIAL, Search((0,), "é.example", ("a+",), (0,), frozenset({"b.example"})))


def _confine() -> None:
    free = os.dup(0)  # the lowest number that no file has
    os.close(free)
    _limit(resource.RLIMIT_NOFILE, free)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, MOST_MEMORY)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _answer(questions: BinaryIO, read: Callable[[bytes, Question], Mail]) -> bytes:
    """The answer to the next question, b"" where there is none."""
    lengths = questions.read(frames.QUESTION.size)
    if len(lengths) < frames.QUESTION.size:
        return b""
    about, size = frames.QUESTION.unpack(lengths)
    question = frames.question(questions.read(about))
    _until(question.seconds)
    raw = questions.read(size)
    try:
        if isinstance(question, Search):
            return frames.found(searched(raw, question))
        return frames.answer(read(raw, question))
    except MemoryError:
        os._exit(_SPENT)
    except Exception as error:  # noqa: BLE001 (the daemon decides what becomes of the mail)
        return frames.failure(error)


def _until(seconds: float) -> None:
    """Let the kernel end this process should it go on for longer: the daemon may be gone by then."""
    end = math.ceil(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (end, resource.getrlimit(resource.RLIMIT_CPU)[1]))
