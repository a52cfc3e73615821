"""A reading process that a mail can make misbehave, by its subject: what the real one must survive.

`COMMAND` starts it in the place of the real one. « poison abort » and so on; any other mail is read.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gateway.model import Mail
from gateway.reading import worker
from gateway.reading.answering import answered
from gateway.reading.question import Question

_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from tests.servers import poisoned; poisoned.main()"
COMMAND = (sys.executable, "-I", "-c", _PROGRAM)


def _loop() -> None:
    while True:
        pass


def _recurse() -> None:
    _recurse()


def _grow() -> None:
    held = []
    while True:
        held.append(bytearray(50 << 20))


def _lie() -> None:
    os.write(3, b'\x00\x00\x00\x0a{"mail":12}'[:14])


def _flood() -> None:
    os.write(3, b"\xff\xff\xff\xff" + b"x" * 1_000)


def _leave() -> None:
    os.close(3)
    while True:
        signal.pause()


POISONS: dict[str, Callable[[], object]] = {
    "abort": os.abort,
    "loop": _loop,
    "recurse": _recurse,
    "grow": _grow,
    "leave": _leave,
    "exit": lambda: os._exit(0),
    "lie": _lie,
    "flood": _flood,
    "raise": lambda: 1 // 0,
    "open": lambda: Path("/etc/hostname").read_bytes(),
    "write": lambda: Path("/tmp/poisoned").write_bytes(b"x"),
    "connect": lambda: socket.create_connection(("127.0.0.1", 25)),
    "run": lambda: subprocess.run(["/bin/true"], check=True),
    "print": lambda: print("x" * 100_000, flush=True),
}


def main() -> None:
    worker.main(read)


def read(raw: bytes, question: Question) -> Mail:
    mail = answered(raw, question)
    if question.whole and mail.subject.startswith("poison "):
        POISONS[mail.subject.partition(" ")[2]]()
    return mail
