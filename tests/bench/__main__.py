"""`python -m tests.bench`: the figures, side by side with others in one run, as a Markdown table."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from gateway import log
from tests.bench.acceptance import accepted
from tests.bench.figures import LEAST, Figure, table
from tests.bench.filing import filed
from tests.bench.footprint import footprint
from tests.bench.latency import latency
from tests.bench.postfix import usable
from tests.bench.relaying import relayed

# Each is given how many times as much as usual it is to do.
MEASURES: dict[str, Callable[[int, int], list[Figure]]] = {
    "accept": lambda rounds, times: accepted(rounds, 4_000, {1: 150 * times, 10: 800 * times, 50: 1500 * times}),
    "accept-large": lambda rounds, times: accepted(rounds, 100_000, {10: 150 * times, 50: 200 * times}),
    "file": lambda rounds, times: filed(rounds, 250 * times),
    "latency": lambda _, times: latency(100 * times),
    "footprint": lambda rounds, times: footprint(rounds, 1500 * times),
    "relay": lambda rounds, times: relayed(rounds, 150 * times),
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=MEASURES, action="append", help="measure this alone; may be repeated")
    parser.add_argument("--rounds", type=int, default=LEAST, help=f"default {LEAST}")
    parser.add_argument("--times", type=int, default=1, help="as many mails as usual, so many times")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server stays behind
    log.set_up(json=True)
    if not usable():
        print("No Postfix that can be started here (it needs root): it is left out.")
    figures: list[Figure] = []
    for name in arguments.only or MEASURES:
        print(f"measuring: {name} ...", flush=True)
        figures += MEASURES[name](arguments.rounds, arguments.times)
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, median of {arguments.rounds}\n\n{table(figures)}")


if __name__ == "__main__":
    main()
