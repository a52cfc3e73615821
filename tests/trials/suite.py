"""The cases that belong together: the `CASES` of every module in one package, and the document that tells of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tests.trials.case import Case, When

_DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


@dataclass(frozen=True, slots=True)
class Suite:
    """`program` is what `python -m` runs, `through` the heading of the figures: what they count."""

    cases: ModuleType
    program: str
    document: str
    trial: str
    through: str

    @property
    def path(self) -> Path:
        """The document."""
        return _DOCS / self.document

    def every(self) -> tuple[Case, ...]:
        """In the order of their keys.

        Raises:
            ValueError: two have one key.
        """
        found = sorted(self._found(), key=lambda case: case.key)
        keys = [case.key for case in found]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise ValueError(f"two cases have one key: {', '.join(sorted(twice))}")
        return tuple(found)

    def within(self, when: When) -> tuple[Case, ...]:
        return tuple(case for case in self.every() if case.when <= when)

    def _found(self) -> Iterator[Case]:
        for module in pkgutil.iter_modules(self.cases.__path__):
            yield from importlib.import_module(f"{self.cases.__name__}.{module.name}").CASES
