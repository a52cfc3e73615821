"""What came of checking a mail."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model import Result


@dataclass(frozen=True, slots=True)
class Examined:
    """The results. `undecided`: the DNS didn't answer, and the author isn't proven by what it did answer."""

    results: tuple[Result, ...]
    undecided: bool = False
