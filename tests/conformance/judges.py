"""All figures that there are, and what is at fault with them: too few right, or differences that are none."""

from __future__ import annotations

import importlib
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from tests.conformance.figure import Figure

FLOORS = Path(__file__).parent / "floors.toml"
DIFFERENCES = Path(__file__).parent / "differences"


@dataclass(frozen=True, slots=True)
class Judge:
    """A module of this package that measures: its name, what it says of its truth, its figures."""

    name: str
    truth: str
    figures: tuple[Figure, ...]


def names() -> tuple[str, ...]:
    """The modules that have `figures()`, in the order of the alphabet."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    return tuple(path.stem for path in modules if "\ndef figures(" in path.read_text("utf-8"))


@cache
def measured(wanted: tuple[str, ...]) -> tuple[Judge, ...]:
    """What these judges find; once in a process, and as many at a time as there are processors: it takes a minute."""
    if len(wanted) < 2:
        return tuple(map(judge, wanted))
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return tuple(pool.map(judge, wanted))


def judge(name: str) -> Judge:
    """What one judge finds."""
    module = importlib.import_module(f"{__package__}.{name}")
    return Judge(name, (module.__doc__ or "").strip(), tuple(module.figures()))


def floors() -> dict[str, float]:
    """Figure → the share that was reached once, and mustn't be fallen short of."""
    loaded = tomllib.loads(FLOORS.read_text("utf-8")) if FLOORS.is_file() else {}
    return {key: float(share) for key, share in loaded.items()}


def faults(figure: Figure, lowest: Mapping[str, float]) -> Iterator[str]:
    """What is wrong with a figure, but for its target: that isn't a fault while it is on its way there."""
    counts = Counter(case.name for case in figure.cases)
    if not figure.cases:
        yield f"{figure.key} has no cases"
    if figure.key not in lowest:
        yield f"{figure.key} has no floor in {FLOORS.name}; it reaches {floor(figure):.4f}"
    elif figure.reached < lowest[figure.key]:
        yield f"{figure.key} reaches {figure.reached:.4f}, less than its floor of {lowest[figure.key]}"
    for name, count in counts.items():
        if count > 1:
            yield f"{figure.key} has {count} cases called {name!r}"
    yield from unused(figure)


def unused(figure: Figure) -> Iterator[str]:
    """Listed differences that are none: right now, or no case at all."""
    states = {case.name: case.right for case in figure.cases}
    for name in figure.listed:
        if states.get(name, True):
            why = "is right now" if name in states else "is no case"
            yield f"differences/{figure.key}.toml lists {name!r}, which {why}"


def floor(figure: Figure) -> float:
    """What is reached, rounded down."""
    return int(figure.reached * 10_000) / 10_000
