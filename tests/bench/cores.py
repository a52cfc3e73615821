"""Programs that share a machine's cores, simulated: they compute, rest, wait for each other. Pure.

A program is an iterator of steps; between them it may look at `Machine.now`, in seconds. All that compute at a time
share the cores evenly; none has more than one.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Compute:
    """Seconds of a core, each part by a process of its own; until the last of them is done."""

    parts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """Until that time."""

    until: float


@dataclass(frozen=True, slots=True)
class Take:
    """Wait until nobody has it; those who wait have it in their order."""

    what: str


@dataclass(frozen=True, slots=True)
class Give:
    what: str


@dataclass(frozen=True, slots=True)
class Hear:
    """Wait until it rings; what rang since it was heard last is heard at once. A bell has one who hears it."""

    bell: str


@dataclass(frozen=True, slots=True)
class Ring:
    bell: str


Step = Compute | Rest | Take | Give | Hear | Ring
Program = Iterator[Step]


@dataclass(slots=True)
class _Sum:
    """What a program computes: so many parts aren't done."""

    program: Program
    parts: int


@dataclass(slots=True)
class Machine:
    """`run` goes on until all programs have ended, or those that are left wait for what doesn't come."""

    cores: int
    now: float = 0.0
    _had: float = 0.0  # what one who computes all the time has had of a core
    _ready: deque[Program] = field(default_factory=deque)
    _computing: list[tuple[float, int, _Sum]] = field(default_factory=list)  # a heap; by `_had` when it is done
    _resting: list[tuple[float, int, Program]] = field(default_factory=list)  # a heap; by time
    _taken: dict[str, deque[Program]] = field(default_factory=dict)
    _hearing: dict[str, Program] = field(default_factory=dict)
    _rung: set[str] = field(default_factory=set)
    _nth: Iterator[int] = field(default_factory=itertools.count)

    def run(self, *programs: Program) -> float:
        """Returns when it was over."""
        self._ready.extend(programs)
        while True:
            while self._ready:
                program = self._ready.popleft()
                step = next(program, None)
                if step is not None:
                    self._begin(program, step)
            if not (self._computing or self._resting):
                return self.now
            self._pass()

    def _pass(self) -> None:
        """Let time pass until the next of them is ready."""
        rate = min(1.0, self.cores / max(1, len(self._computing)))
        done = self.now + (self._computing[0][0] - self._had) / rate if self._computing else math.inf
        rested = self._resting[0][0] if self._resting else math.inf
        self._had += (min(done, rested) - self.now) * rate
        self.now = min(done, rested)
        if done > rested:
            self._ready.append(heapq.heappop(self._resting)[2])
            return
        self._had, _, whole = heapq.heappop(self._computing)
        whole.parts -= 1
        if not whole.parts:
            self._ready.append(whole.program)

    def _begin(self, program: Program, step: Step) -> None:
        match step:
            case Compute(parts):
                whole = _Sum(program, len(parts))
                for part in parts:
                    heapq.heappush(self._computing, (self._had + part, next(self._nth), whole))
            case Rest(until):
                heapq.heappush(self._resting, (max(until, self.now), next(self._nth), program))
            case Take(what):
                self._taken.get(what, self._ready).append(program)
                self._taken.setdefault(what, deque())
            case Give(what):
                self._ready.append(program)
                if self._taken[what]:
                    self._ready.append(self._taken[what].popleft())
                else:
                    del self._taken[what]
            case Hear(bell):
                if bell in self._rung:
                    self._rung.discard(bell)
                    self._ready.append(program)
                else:
                    self._hearing[bell] = program
            case Ring(bell):
                self._ready.append(program)
                if bell in self._hearing:
                    self._ready.append(self._hearing.pop(bell))
                else:
                    self._rung.add(bell)
