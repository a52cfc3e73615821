"""One trial: what is promised, how it is counted, and its control, which shows that the count can differ."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


class When(IntEnum):
    """In which run a case takes part; each run holds those before it."""

    TEST = 1  # with all tests: a few seconds
    SHORT = 2  # `make security`, `make chaos`: up to two minutes
    FULL = 3  # `make check-full`


@dataclass(frozen=True, slots=True)
class Counted:
    """What a run came to: how much was tried, and how much of it went wrong. `unit` is of the latter."""

    tries: int
    through: float
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.through:g}{' ' if self.unit else ''}{self.unit} of {self.tries:,}".replace(",", " ")


def nothing() -> str:
    """What a case lacks that needs nothing."""
    return ""


@dataclass(frozen=True, slots=True)
class Case:
    """A trial. `defended` and `control` count the same thing, the latter without the defence (`removed` names it).

    `trial`: what is done. `allowed`: how much may go wrong. `key` is stable; `when` the first run that it takes
    part in. `lacks` says what the case needs and this machine doesn't have, "" for nothing: then it is left out.
    """

    key: str
    trial: str
    promise: str
    defended: Callable[[], Counted]
    control: Callable[[], Counted]
    removed: str
    allowed: float = 0
    when: When = When.SHORT
    lacks: Callable[[], str] = nothing


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case that was run, and what is wrong with it, "" for nothing. Nothing was counted where it was left out."""

    case: Case
    defended: Counted | None = None
    control: Counted | None = None
    left_out: str = ""

    @property
    def fault(self) -> str:
        if self.defended is None or self.control is None:
            return ""
        if not self.defended.tries or not self.control.tries:
            return "nothing was tried"
        if self.defended.through > self.case.allowed:
            return f"{self.defended} got through"
        if self.control.through <= self.case.allowed:
            return f"its control stays green ({self.control}): it proves nothing"
        return ""


def run(case: Case) -> Outcome:
    if lacking := case.lacks():
        return Outcome(case, left_out=lacking)
    return Outcome(case, case.defended(), case.control())


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one run."""
    with tempfile.TemporaryDirectory(prefix="gateway-trial-") as folder:
        yield Path(folder)
