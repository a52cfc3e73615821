"""Does the time that something takes tell two kinds of input apart? As dudect asks it: by Welch's t.

Both kinds are timed in one run, in an order drawn by chance, so that whatever else the machine does meets both alike.
What took longest, of both together, is left out: it tells of the machine (Reparaz, Balasch, Verbauwhede, « Dude, is
my code constant time? », 2017).
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Sequence
from math import sqrt
from statistics import fmean, variance
from time import perf_counter_ns

LEAK = 4.5  # where dudect begins to call it a leak
_KEPT = 0.5
_WARM_UP = 2000


def welch(work: Callable[[str], object], one: Sequence[str], other: Sequence[str], count: int) -> float:
    """Welch's t of the times that `work` takes on `count` inputs, drawn from two kinds by turns of chance."""
    chance = random.Random(7)
    order = [chance.randrange(2) for _ in range(_WARM_UP + count)]
    inputs = [chance.choice((one, other)[kind]) for kind in order]
    times = _timed(work, inputs)
    measured = list(zip(order, times, strict=True))[_WARM_UP:]
    limit = sorted(time for _, time in measured)[int(_KEPT * count)]
    return _t(*([time for kind, time in measured if kind == wanted and time <= limit] for wanted in (0, 1)))


def _timed(work: Callable[[str], object], inputs: Sequence[str]) -> list[int]:
    """Nanoseconds, one by one."""
    times = [0] * len(inputs)
    gc.disable()
    try:
        for n, text in enumerate(inputs):
            start = perf_counter_ns()
            work(text)
            times[n] = perf_counter_ns() - start
    finally:
        gc.enable()
    return times


def _t(one: Sequence[int], other: Sequence[int]) -> float:
    return (fmean(one) - fmean(other)) / sqrt(variance(one) / len(one) + variance(other) / len(other))
