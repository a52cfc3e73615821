"""All cases there are: the `CASES` of every module in `tests/security/cases/`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from tests.security import cases
from tests.security.case import Case, When


def every() -> tuple[Case, ...]:
    """In the order of their keys.

    Raises:
        ValueError: two have one key.
    """
    found = sorted(_found(), key=lambda case: case.key)
    keys = [case.key for case in found]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise ValueError(f"two cases have one key: {', '.join(sorted(twice))}")
    return tuple(found)


def within(when: When) -> tuple[Case, ...]:
    return tuple(case for case in every() if case.when <= when)


def _found() -> Iterator[Case]:
    for module in pkgutil.iter_modules(cases.__path__):
        yield from importlib.import_module(f"{cases.__name__}.{module.name}").CASES
