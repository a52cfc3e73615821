"""Questions and answers as octets.

A question is two lengths, the pickled question, and the raw mail: the worker may believe the daemon. An answer is a
length and JSON, because the daemon must not believe a worker, which a hostile mail may have taken over: every field
is checked against its type, and nothing but these types can come of it.
"""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any

from gateway.model import Mail
from gateway.reading.question import Question, Search, Suspects

READY = b"R"  # what a worker says once it has all that reading takes
MOST_ANSWERED = 32 << 20  # octets; four texts of a million characters each, and what is listed beside them
QUESTION = struct.Struct(">II")
ANSWER = struct.Struct(">I")


def asked(raw: bytes, question: Question | Search) -> bytes:
    """A question, but for the raw mail, which follows it."""
    about = pickle.dumps(question)
    return QUESTION.pack(len(about), len(raw)) + about


def question(about: bytes) -> Question | Search:
    found = pickle.loads(about)  # noqa: S301 (the daemon wrote it)
    assert isinstance(found, Question | Search)
    return found


def answer(mail: Mail) -> bytes:
    return _framed({"mail": mail})


def found(files: Iterable[Suspects]) -> bytes:
    return _framed({"found": list(files)})


def failure(error: Exception) -> bytes:
    """What reading raised: its type alone, since its words may hold what people wrote."""
    return _framed({"failed": type(error).__name__})


def _framed(document: dict[str, Any]) -> bytes:
    octets = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()
    return ANSWER.pack(len(octets)) + octets


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value):
        kind: Any = type(value)
        return {name: getattr(value, name) for name in _fields(kind)}
    raise TypeError(f"{type(value).__name__} isn't answered")


@cache
def _fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
