"""Work in a process of its own: nothing of it stays, what goes wrong is told, and it ends with who waits for it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.errors import Permanent
from gateway.store.apart import apart
from tests.builders import ROOT

# A process that is killed while another one works for it, which holds a pipe open for as long as it lives.
_KILLED = """
import os, signal, sys, time
from gateway.store.apart import apart
def work():
    os.write(1, b"working")
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)
apart(work)
"""
_LOADED = """
import sys
from gateway.store.apart import apart
apart(lambda: __import__("colorsys"))
print(*sys.modules)
"""


def test_what_it_does_is_done_once_and_what_it_changes_here_is_not(tmp_path: Path) -> None:
    done, kept = tmp_path / "done", list[int]()

    def work() -> None:
        kept.append(1)
        with done.open("a") as file:
            file.write(f"{os.getpid()}\n")

    apart(work)
    assert kept == []
    (worker,) = done.read_text().split()
    assert int(worker) != os.getpid()


def test_what_it_loads_is_not_loaded_here() -> None:
    done = subprocess.run([sys.executable, "-c", _LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"gateway.store.apart", "ctypes"} <= set(done.stdout.split())
    assert "colorsys" not in done.stdout.split()


def test_an_error_of_ours_comes_out_of_it() -> None:
    def work() -> None:
        raise Permanent("restore it from a backup")

    with pytest.raises(Permanent, match=r"^restore it from a backup$"):
        apart(work)


def test_trouble_with_a_file_comes_out_of_it_whole() -> None:
    def work() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "gateway.db")

    with pytest.raises(OSError, match="No space") as caught:
        apart(work)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "gateway.db")


def test_a_defect_is_told_where_it_is_and_ends_what_waits(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise KeyError("a defect")

    with pytest.raises(RuntimeError, match=r"ended with 1$"):
        apart(work)
    assert "KeyError: 'a defect'" in capfd.readouterr().err


def test_a_defect_is_told_by_whoever_tells_what_nobody_catches(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its words may be what people wrote, and a traceback would have them in the log."""

    def work() -> None:
        raise KeyError("what people wrote")

    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: os.write(2, kind.__name__.encode()))
    with pytest.raises(RuntimeError, match=r"ended with 1$"):
        apart(work)
    assert capfd.readouterr().err == "KeyError"


def test_if_it_is_killed_that_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"ended with -9$"):
        apart(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_it_dies_with_who_waits_for_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", _KILLED], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        said, _ = process.communicate(timeout=120)  # the end of the pipe, which both hold
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    assert said == b"working"
    assert process.returncode == -signal.SIGKILL
