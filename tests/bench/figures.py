"""What a measurement says: our numbers and others', round by round, and what they are held against. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

LEAST = 5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else, or ourselves under other circumstances: `values` in the rounds in which ours were found."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Goal:
    """`bound` of our median or, with `peer`, of our value over the peer's: at least so much, or at most."""

    bound: float
    peer: str = ""
    least: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class Figure:
    """`values`: ours, one of each round, in `unit`. `without`: peers that are missing, each with the reason."""

    what: str
    unit: str
    values: tuple[float, ...]
    peers: tuple[Peer, ...] = ()
    goals: tuple[Goal, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def more_is_better(self) -> bool:
        """A rate; everything else is a cost: seconds, octets."""
        return self.unit.endswith("/s")

    @property
    def ours(self) -> Spread:
        return spread(self.values)

    def ratio(self, peer: Peer) -> Spread:
        """Our value over the peer's, within each round."""
        return spread([a / b for a, b in zip(self.values, peer.values, strict=True)])

    def met(self, goal: Goal) -> bool | None:
        """None: who it is held against is missing."""
        if not goal.peer:
            return _within(goal, self.ours.median)
        return next((_within(goal, self.ratio(peer).median) for peer in self.peers if peer.name == goal.peer), None)


def _within(goal: Goal, value: float) -> bool:
    return value >= goal.bound if goal.least else value <= goal.bound


def spread(values: Sequence[float]) -> Spread:
    return Spread(min(values), statistics.median(values), max(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The least value that so many percent are not above (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


# Starts what is to be measured, and gives what is called with each round's number.
Contender = Callable[[], AbstractContextManager[Callable[[int], T]]]


@dataclass(slots=True)
class Found(Generic[T]):
    """What each contender came to, round by round; and why others are missing."""

    values: dict[str, list[T]] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)

    def peers(self, of: Callable[[T], float], *ours: str) -> tuple[Peer, ...]:
        """All but ours."""
        others = (name for name in self.values if name not in ours)
        return tuple(Peer(name, tuple(map(of, self.values[name]))) for name in others)


def interleaved(rounds: int, ours: Mapping[str, Contender[T]], peers: Mapping[str, Contender[T]]) -> Found[T]:
    """Each contender once a round, one after the other, so that all suffer the same noise.

    A peer that doesn't start, or fails in a round, is left out, with the reason; a failure of ours is raised.
    """
    found: Found[T] = Found()
    with ExitStack() as stack:
        running: dict[str, Callable[[int], T]] = {}
        for name, contender in {**ours, **peers}.items():
            with _forgiven(found, name, name in peers):
                running[name] = stack.enter_context(contender())
                found.values[name] = []
        for number in range(rounds):
            for name in list(found.values):
                with _forgiven(found, name, name in peers):
                    found.values[name].append(running[name](number))
    return found


@contextmanager
def _forgiven(found: Found[T], name: str, may_be: bool) -> Iterator[None]:
    """Note that somebody failed, and go on without them, if that may be."""
    try:
        yield
    except Exception as error:
        if not may_be:
            raise
        found.values.pop(name, None)
        found.without.append(f"{name}: {reason(error)}")


def reason(error: BaseException) -> str:
    """One line of what was wrong."""
    lines = str(error).strip().splitlines()
    return lines[-1][:200] if lines else type(error).__name__
