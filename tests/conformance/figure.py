"""One figure of agreement with a corpus: its cases, how each came out, and the differences that are ours to keep."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DIFFERENCES = Path(__file__).parent / "differences"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is stated of one mail. `name` is stable: a path in the corpora, with a suffix where needed.

    `detail` says, of a wrong one, what was expected and what came out.
    """

    name: str
    right: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """What is counted. `target` is the share of cases, between 0 and 1, that may not be fallen short of.

    `listed`: case → who is right, for differences that were looked at, mail by mail.
    """

    key: str
    title: str
    target: float
    cases: tuple[Case, ...]
    listed: dict[str, str]

    @property
    def right(self) -> int:
        return sum(case.right for case in self.cases)

    @property
    def kept(self) -> tuple[Case, ...]:
        """Differences that are listed with their reason."""
        return tuple(case for case in self.cases if not case.right and case.name in self.listed)

    @property
    def wrong(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if not case.right and case.name not in self.listed)

    @property
    def reached(self) -> float:
        """The share that isn't wrong; 1.0 where there is no case."""
        return 1 - len(self.wrong) / len(self.cases) if self.cases else 1.0

    @property
    def met(self) -> bool:
        return self.reached >= self.target


def figure(key: str, title: str, target: float, cases: Iterable[Case]) -> Figure:
    """A figure with the differences listed under its key: `differences/KEY.toml`, `"case" = "reason"`."""
    return Figure(key, title, target, tuple(cases), listed(key))


@cache
def listed(key: str) -> dict[str, str]:
    path = _DIFFERENCES / f"{key}.toml"
    return {} if not path.is_file() else {str(k): str(v) for k, v in tomllib.loads(path.read_text()).items()}
