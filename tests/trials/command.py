"""What `python -m` runs for a suite.

    python -m SUITE            all that takes up to two minutes
    python -m SUITE --full     all of them
    python -m SUITE KEY …      these alone, whatever they take
    python -m SUITE --write    all of them, or those named; the suite's document is told what came out

Exit status 1 where something goes wrong, or a control stays green. What this machine can't run is left out, and said.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable

from gateway import log
from tests.trials import report
from tests.trials.case import Case, Outcome, When, run
from tests.trials.suite import Suite


def main(suite: Suite, arguments: list[str]) -> int:
    asked = _asked(suite, arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server stays behind
    log.set_up(json=True)
    outcomes = list(_run(_chosen(suite, asked)))
    if asked.write:
        suite.path.write_text(report.written(suite, suite.path.read_text("utf-8"), outcomes), "utf-8")
    faults, left_out = (sum(map(bool, them)) for them in zip(*((o.fault, o.left_out) for o in outcomes), strict=True))
    print(f"\n{len(outcomes)} cases, {faults} at fault, {left_out} left out")
    return 1 if faults else 0


def _asked(suite: Suite, arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {suite.program}")
    parser.add_argument("keys", nargs="*", metavar="KEY", help="all, where none is named")
    parser.add_argument("--full", action="store_true", help="also what takes longer than two minutes")
    parser.add_argument("--write", action="store_true", help=f"write what comes out to docs/{suite.document}")
    asked = parser.parse_args(arguments)
    there = {case.key for case in suite.every()}
    for key in asked.keys:
        if key not in there:
            parser.error(f"no case {key}; there are {', '.join(sorted(there))}")
    return asked


def _chosen(suite: Suite, asked: argparse.Namespace) -> tuple[Case, ...]:
    if asked.keys:
        return tuple(case for case in suite.every() if case.key in asked.keys)
    return suite.within(When.FULL if asked.full or asked.write else When.SHORT)


def _run(cases: Iterable[Case]) -> Iterable[Outcome]:
    for case in cases:
        outcome = run(case)
        print(report.line(outcome), flush=True)
        yield outcome
