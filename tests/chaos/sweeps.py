"""Cases that end a process at one step after the other: at some of them for a short run, at each for the full one."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos import careless
from tests.chaos.trace import lacking
from tests.servers.gateway import COMMAND
from tests.trials.case import Case, Counted, When

Swept = Callable[[careless.Program, int], Counted]
"""Ends such a program before each n-th of its steps."""


def swept(
    key: str,
    trial: str,
    promise: str,
    run: Swept,
    few: int,
    defence: str,
    removed: str,
    lacks: Callable[[], str] = lacking,
) -> tuple[Case, Case]:
    """`key`: before each `few`-th step, and `key`-all: before each; the control, without `defence`, as the first.

    `trial`: what is done, with {} for before which steps.
    """

    def case(name: str, which: str, every: int, when: When) -> Case:
        return Case(
            key=name,
            trial=trial.format(which),
            promise=promise,
            defended=lambda: run((COMMAND,), every),
            control=lambda: run(careless.program(defence), few),
            removed=removed,
            when=when,
            lacks=lacks,
        )

    return case(key, f"every {few}th", few, When.SHORT), case(f"{key}-all", "each", 1, When.FULL)
