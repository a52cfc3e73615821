"""Hunt in one target, in a process of its own: by atheris where it is installed, else by hypothesis.

    python -m tests.fuzz.hunt TARGET SECONDS

atheris follows which lines of ours an input reaches, and keeps what reaches new ones in `.cache/fuzz/TARGET/`, for
the next hunt and for hypothesis. What breaks the target goes to `tests/fuzz/found/TARGET/`; status 1 then.
"""

from __future__ import annotations

import importlib
import logging
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.fuzz.target import FOUND, MOST, Target, found, inputs, judge, keep

CORPORA = FOUND.parent.parent.parent / ".cache" / "fuzz"
_WATCHED = 10.0  # how much slower our code is while atheris looks on
_LONGEST = 60  # seconds until an input counts as one that hangs


def corpus(name: str) -> Path:
    """Where inputs that led somewhere are kept; made if it's missing."""
    folder = CORPORA / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def by_atheris(atheris: Any, target: Target, seconds: int) -> None:
    """Never returns: libFuzzer ends the process, with 0 when the time is over."""
    folder = corpus(target.name)
    for number, seed in enumerate((*target.seeds(), *(path.read_bytes() for path in found(target)))):
        (folder / f"seed-{number}").write_bytes(seed[:MOST])

    def once(data: bytes) -> None:
        try:
            judge(target, data, _WATCHED)
        except BaseException:
            traceback.print_exc()
            print(f"kept as {keep(target, data)}", file=sys.stderr, flush=True)
            raise

    options = [f"-max_total_time={seconds}", f"-max_len={MOST}", f"-timeout={_LONGEST}", "-rss_limit_mb=2048"]
    options += [f"-artifact_prefix={folder}/broke-", "-print_final_stats=1", "-verbosity=1"]
    atheris.Setup([sys.argv[0], *options, str(folder)], once)
    atheris.Fuzz()


def by_hypothesis(target: Target, seconds: float) -> int:
    """How many inputs were tried.

    Raises:
        Exception: the smallest input that breaks the target was kept.
    """
    folder = corpus(target.name)
    seeds = [seed[:MOST] for seed in target.seeds()] + [p.read_bytes() for p in folder.iterdir() if p.is_file()]
    until, tries, last = time.monotonic() + seconds, 0, b""

    @settings(
        max_examples=200,
        deadline=None,
        database=DirectoryBasedExampleDatabase(folder / "hypothesis"),
        phases=set(Phase) - {Phase.explain},  # which would try others after the smallest
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(seeds))
    def some(data: bytes) -> None:
        nonlocal tries, last
        tries += 1
        try:
            judge(target, data)
        except Exception:
            last = data  # hypothesis ends with the smallest
            raise

    try:
        while time.monotonic() < until:
            some()
    except Exception:
        print(f"kept as {keep(target, last)}", file=sys.stderr, flush=True)
        raise
    return tries


def main(arguments: list[str]) -> int:
    name, seconds = arguments
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    atheris = None
    with suppress(ImportError):
        atheris = importlib.import_module("atheris")
    if atheris is None:
        print(f"{by_hypothesis(_target(name), float(seconds))} inputs tried")
        return 0
    with atheris.instrument_imports(include=["gateway"]):
        target = _target(name)
    by_atheris(atheris, target, int(float(seconds)))
    return 0


def _target(name: str) -> Target:
    return importlib.import_module("tests.fuzz.targets").every()[name]  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
