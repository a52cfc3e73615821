"""`make conformance`: what the gateway makes of real mail, held against what others state of it.

    python -m tests.conformance                    measure all, print the table
    python -m tests.conformance threads forwards   measure these judges alone
    python -m tests.conformance --wrong KEY        print the wrong cases of one figure
    python -m tests.conformance --write            write docs/conformance.md, and raise the floors

Exit status 1 where a target isn't met, a listed difference is none, or there are no corpora.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import pytest

from tests import corpora
from tests.conformance import judges, report
from tests.conformance.figure import Figure
from tests.conformance.judges import Judge


def main(arguments: list[str]) -> int:
    asked = _asked(arguments)
    try:
        corpora.folder()
    except pytest.skip.Exception as missing:
        print(missing, file=sys.stderr)
        return 1
    measured = judges.measured(tuple(asked.judges) or judges.names())
    figures = [figure for judge in measured for figure in judge.figures]
    if asked.wrong:
        return _print_wrong(figures, asked.wrong)
    print("\n".join(report.table(figures)))
    if asked.write:
        _write(measured, figures)
    return _verdict(figures)


def _asked(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("judges", nargs="*", metavar="JUDGE", help="all, where none is named")
    parser.add_argument("--wrong", metavar="KEY", help="print the wrong cases of this figure")
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md, and raise the floors")
    asked = parser.parse_args(arguments)
    there = judges.names()
    for name in asked.judges:
        if name not in there:
            parser.error(f"no judge {name}; there are {', '.join(there)}")
    if asked.write and asked.judges:
        parser.error("--write measures all judges: name none")
    return asked


def _print_wrong(figures: list[Figure], key: str) -> int:
    found = [figure for figure in figures if figure.key == key]
    for figure in found:
        print("\n".join(report.wrong(figure)))
    if not found:
        print(f"no figure {key}; there are {', '.join(figure.key for figure in figures)}", file=sys.stderr)
    return 0 if found else 1


def _write(measured: Sequence[Judge], figures: list[Figure]) -> None:
    document = report.written(report.DOCUMENT.read_text("utf-8"), measured)
    report.DOCUMENT.write_text(document, "utf-8")
    judges.FLOORS.write_text(report.raised(judges.floors(), figures), "utf-8")


def _verdict(figures: list[Figure]) -> int:
    """Say what is at fault; nothing is said of a missing floor, which is the tests' to look at."""
    found = [fault for figure in figures for fault in judges.unused(figure)]
    found += [f"{figure.key} misses its target: --wrong {figure.key}" for figure in figures if not figure.met]
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
