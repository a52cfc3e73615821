"""What the interpreter and libraries say by themselves, as a process of its own says it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

SECRET = "hunter22-Bonjour"


def said(program: str, *, verbose: bool = False) -> tuple[str, list[dict[str, Any]]]:
    """What a process that is ours writes to standard error, and the events in it."""
    begin = f"""\
import asyncio, logging, resource, sys, threading, warnings
from gateway import log, outcries
log.set_up(json=True, verbose={verbose})
outcries.install(verbose={verbose})
SECRET = {SECRET!r}
"""
    done = subprocess.run(
        [sys.executable, "-c", begin + program], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stderr, [json.loads(line) for line in done.stderr.splitlines()]


PROGRAMS = {
    "uncaught": "raise ValueError(SECRET)",
    "chained": """
try:
    raise KeyError(SECRET)
except KeyError as error:
    raise ValueError(SECRET) from error
""",
    "thread": """
def work():
    raise ValueError(SECRET)
thread = threading.Thread(target=work)
thread.start()
thread.join()
""",
    "unraisable": """
class Odd:
    def __del__(self):
        raise ValueError(SECRET)
Odd()
""",
    "task": """
async def work():
    raise ValueError(SECRET)
async def main():
    task = asyncio.create_task(work())
    await asyncio.wait([task])
asyncio.run(main())
""",
    "library": "logging.getLogger('mail.log').warning('%r unrecognised: %s', 'peer', SECRET)",
    "f-string": "logging.getLogger('aioimaplib').error(f'Received: {SECRET}')",
    "exception": """
try:
    raise ValueError(SECRET)
except ValueError:
    logging.getLogger('x').exception(SECRET)
""",
    "warning": "warnings.warn(SECRET, stacklevel=1)",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_its_words_are_never_told_its_place_is(name: str) -> None:
    told, events = said(PROGRAMS[name])
    assert SECRET not in told
    (event,) = events
    assert event["event"] in {"defect", "library_spoke"}
    assert event["where"]
    if name not in {"library", "f-string", "warning"}:
        assert event["error"] == "ValueError"


def test_each_of_a_group_is_told() -> None:
    group = "raise ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)])"
    told, events = said(group)
    assert SECRET not in told
    assert [event["error"] for event in events] == ["ValueError", "KeyError", "ExceptionGroup"]


def test_what_libraries_do_is_told_when_asked_for_by_place_alone() -> None:
    program = "logging.getLogger('aioimaplib').debug('Sending: LOGIN %s', SECRET)"
    assert said(program)[1] == []
    told, events = said(program, verbose=True)
    assert SECRET not in told
    assert [event["logger"] for event in events] == ["aioimaplib"]


def test_no_core_file_is_left() -> None:
    told, _ = said("log.defect(error=str(resource.getrlimit(resource.RLIMIT_CORE)), where='')")
    assert json.loads(told)["error"] == "(0, 0)"
