"""`python -m tests.bench`: the figures, side by side with others in one run; `--write` takes them into the documents.

What is measured is kept in `.cache/bench.json`, each measure as soon as it is done; one that is made again takes the
place of what it said before. `--write` measures nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from gateway import log
from tests.bench import chart, record, report
from tests.bench.acceptance import accepted
from tests.bench.catchup import caught_up, told_by_idle
from tests.bench.figures import LEAST, Figure
from tests.bench.filing import filed
from tests.bench.footprint import footprint
from tests.bench.growth import grown
from tests.bench.latency import latency
from tests.bench.placing import placed
from tests.bench.processing import processed
from tests.bench.relaying import relayed
from tests.bench.several import several
from tests.bench.sizing import sized
from tests.bench.starting import starting

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / ".cache" / "bench.json"
LOG = ROOT / ".cache" / "bench.log"  # what the parts say that run in this process
DOCS = ROOT / "docs"
KEPT = DOCS / "performance.json"

# Each is given the rounds, and how many times as much as usual it is to do.
MEASURES: dict[str, Callable[[int, float], list[Figure]]] = {
    "accept": lambda rounds, n: accepted(rounds, 4_000, {1: int(400 * n), 10: int(800 * n), 50: int(1500 * n)}),
    "accept-large": lambda rounds, n: accepted(rounds, 100_000, {10: int(400 * n), 50: int(200 * n)}),
    "file": lambda rounds, n: filed(rounds, int(250 * n)),
    "several": lambda rounds, n: several(rounds, int(500 * n)),
    "latency": lambda rounds, n: latency(rounds, int(100 * n)),
    "footprint": lambda rounds, n: footprint(rounds, int(1500 * n)),
    "grow": lambda rounds, n: grown(rounds, int(1_000_000 * n), int(250 * n), "SQLite"),
    "grow-postgresql": lambda rounds, n: grown(rounds, int(1_000_000 * n), int(250 * n), "PostgreSQL"),
    "size": lambda rounds, n: sized(rounds, int(500 * n)),
    "start": lambda rounds, _: starting(rounds),
    "imap": lambda rounds, n: caught_up(rounds, int(20_000 * n)),
    "idle": lambda rounds, n: told_by_idle(rounds, int(40 * n)),
    "process": lambda rounds, n: processed(rounds, int(1000 * n), int(200 * n)),
    "place": lambda rounds, n: placed(rounds, int(10_000 * n)),
    "relay": lambda rounds, n: relayed(rounds, int(400 * n)),
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=MEASURES, action="append", help="measure this alone; may be repeated")
    parser.add_argument("--rounds", type=int, default=LEAST, help=f"default {LEAST}")
    parser.add_argument("--times", type=float, default=1, help="as many mails as usual, so many times; 0.1 to try")
    parser.add_argument("--data", type=Path, default=DATA, help="default .cache/bench.json")
    parser.add_argument("--write", action="store_true", help="draw the documents from the data, and measure nothing")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    if arguments.write:
        write(arguments.data)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server stays behind
    DATA.parent.mkdir(exist_ok=True)
    with LOG.open("w", buffering=1) as lines, contextlib.redirect_stderr(lines):
        log.set_up(json=True)
        _measure(arguments)


def _measure(arguments: argparse.Namespace) -> None:
    for name in arguments.only or MEASURES:
        print(f"measuring: {name} ...", flush=True)
        measured = record.measure(name, arguments.rounds, partial(MEASURES[name], arguments.rounds, arguments.times))
        run = replace(record.load(arguments.data), machine=record.machine(), versions=record.versions())
        record.save(arguments.data, record.added(run, measured, list(MEASURES)))
        print(report.table(record.Run(measured=(measured,))), flush=True)


def write(data: Path) -> None:
    """Take the data into the documents, and draw table and chart from it."""
    shutil.copyfile(data, KEPT)
    run = record.load(KEPT)
    document = DOCS / "performance.md"
    document.write_text(report.written(document.read_text(), run))
    (DOCS / report.CHART).write_text(chart.chart(report.bars(run)))


if __name__ == "__main__":
    main()
