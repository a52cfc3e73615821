"""Mails that take long to read come in: whoever else is connected is answered meanwhile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos import careless
from tests.chaos.aftermath import done
from tests.chaos.cases.kills import mails
from tests.fuzz.bombs import bombs
from tests.servers.crowd import Crowd, offer
from tests.servers.gateway import COMMAND, Gateway, configuration
from tests.trials.case import Case, Counted, When, scratch

_SMALL = 1_000_000  # octets of those that a daemon reads in its own process
_ALLOWED = 100  # ms
_BUSY = 2  # times what an answer takes beside: a machine that is busy delays whoever works more than whoever rests
_PATIENCE = 1_800.0  # seconds in which all are read
_ANSWERS = "answers"
_ROOT = Path(__file__).resolve().parents[3]


def _hostile() -> Iterator[bytes]:
    """As they come over the wire: what a bare LF ends is refused."""
    return (re.sub(rb"\r?\n", b"\r\n", raw) for _, raw in bombs())


def _answered(program: careless.Program, hostile: Sequence[bytes]) -> Counted:
    """How long one of a thousand answers takes, or longer, while all of them are taken and read.

    Twice what a daemon takes that is left alone, on the same machine at the same time, isn't counted.
    """
    with (
        scratch() as folder,
        Gateway(folder / "one", configuration(), program) as gateway,
        Gateway(folder / "other", configuration()) as bystander,
    ):
        for each in (gateway, bystander):
            each.start()
            assert offer(each.port, next(mails(1))).startswith("2")  # what is loaded with the first isn't a bomb's
            _await(lambda each=each: done(each.folder))  # type: ignore[misc]
        with _probed(gateway), _probed(bystander), Crowd(gateway.port, hostile, 2) as crowd:
            _await(lambda: crowd.done and done(gateway.folder))
        gateway.kill()
        ours, alone = _answers(gateway), _answers(bystander)
        slow, usual = (each[-len(each) // 1_000] for each in (ours, alone))
        return Counted(len(ours), round(max(0.0, slow - _BUSY * usual) * 1_000), f"ms (beside {usual * 1_000:.0f})")


@contextmanager
def _probed(gateway: Gateway) -> Iterator[None]:
    with (gateway.folder / _ANSWERS).open("wb") as file:
        probe = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.probe", str(gateway.port)], stdout=file, cwd=_ROOT
        )
        try:
            for pid in (gateway.pid, probe.pid):
                with suppress(PermissionError):  # what else the machine does isn't what is measured
                    os.setpriority(os.PRIO_PROCESS, pid, -10)
            yield
        finally:
            probe.kill()
            probe.wait()


def _answers(gateway: Gateway) -> list[float]:
    """Seconds, the longest last."""
    return sorted(map(float, (gateway.folder / _ANSWERS).read_text().split()))


def _await(true: Callable[[], object]) -> None:
    end = time.monotonic() + _PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.5)


CASES = (
    Case(
        key="bombs",
        trial="mails made to take time and memory are taken and read, and a client asks for nothing (NOOP) meanwhile",
        promise=f"999 of 1,000 answers come within {_ALLOWED} ms, and twice what a daemon takes that is left alone",
        defended=lambda: _answered((COMMAND,), list(_hostile())),
        control=lambda: _answered(careless.program("apart"), [raw for raw in _hostile() if len(raw) < _SMALL]),
        removed="reading in processes of their own; mails of up to 1 MB",
        allowed=_ALLOWED,
        when=When.FULL,
    ),
)
