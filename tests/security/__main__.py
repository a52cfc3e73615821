"""`make security`: every attack, against the gateway and against one without the defence.

    python -m tests.security            all that takes up to two minutes
    python -m tests.security --full     all of them
    python -m tests.security KEY …      these alone, whatever they take
    python -m tests.security --write    all of them; the table goes to docs/security.md

Exit status 1 where an attack gets through, or a control stays green.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable

from gateway import log
from tests.security import registry, report
from tests.security.case import Case, Outcome, When, run


def main(arguments: list[str]) -> int:
    asked = _asked(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server stays behind
    log.set_up(json=True)
    outcomes = list(_run(_chosen(asked)))
    if asked.write:
        report.DOCUMENT.write_text(report.written(report.DOCUMENT.read_text("utf-8"), outcomes), "utf-8")
    faults = sum(bool(outcome.fault) for outcome in outcomes)
    print(f"\n{len(outcomes)} cases, {faults} at fault")
    return 1 if faults else 0


def _asked(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.security", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("keys", nargs="*", metavar="KEY", help="all, where none is named")
    parser.add_argument("--full", action="store_true", help="also what takes longer than two minutes")
    parser.add_argument("--write", action="store_true", help="run all, and write the table of docs/security.md")
    asked = parser.parse_args(arguments)
    if asked.write and asked.keys:
        parser.error("--write runs all cases: name none")
    there = {case.key for case in registry.every()}
    for key in asked.keys:
        if key not in there:
            parser.error(f"no case {key}; there are {', '.join(sorted(there))}")
    return asked


def _chosen(asked: argparse.Namespace) -> tuple[Case, ...]:
    if asked.keys:
        return tuple(case for case in registry.every() if case.key in asked.keys)
    return registry.within(When.FULL if asked.full or asked.write else When.SECURITY)


def _run(cases: Iterable[Case]) -> Iterable[Outcome]:
    for case in cases:
        outcome = run(case)
        print(report.line(outcome), flush=True)
        yield outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
