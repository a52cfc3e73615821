"""One attack: what is promised, how it is counted, and its control, which shows that the count can differ."""

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
    SECURITY = 2  # `make security`: up to two minutes
    FULL = 3  # `make check-full`


@dataclass(frozen=True, slots=True)
class Counted:
    """What a run came to: how much was tried, and how much of it got through. `unit` is of the latter."""

    tries: int
    through: float
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.through:g}{' ' if self.unit else ''}{self.unit} of {self.tries:,}".replace(",", " ")


@dataclass(frozen=True, slots=True)
class Case:
    """An attack. `defended` and `control` count the same thing, the latter without the defence (`removed` names it).

    `allowed`: how much may get through. `key` is stable; `when` the first run that it takes part in.
    """

    key: str
    attack: str
    promise: str
    defended: Callable[[], Counted]
    control: Callable[[], Counted]
    removed: str
    allowed: float = 0
    when: When = When.SECURITY


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case that was run, and what is wrong with it, "" for nothing."""

    case: Case
    defended: Counted
    control: Counted

    @property
    def fault(self) -> str:
        if not self.defended.tries or not self.control.tries:
            return "nothing was tried"
        if self.defended.through > self.case.allowed:
            return f"{self.defended} got through"
        if self.control.through <= self.case.allowed:
            return f"its control stays green ({self.control}): it proves nothing"
        return ""


def run(case: Case) -> Outcome:
    return Outcome(case, case.defended(), case.control())


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one run."""
    with tempfile.TemporaryDirectory(prefix="gateway-security-") as folder:
        yield Path(folder)
