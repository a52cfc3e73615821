"""Bad input: real mails broken in every way, and bombs made by hand, filed through a real store.

None raises, each is filed (or found to be a duplicate) with its octets as they came, none takes over 5 s or 256 MB,
and a good mail that comes after them is filed at once. `make check-full` does ten times as many.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import corpora
from tests.builders import make_context, opened, raw_mail
from tests.fuzz import bombs, filing, mutations

pytestmark = pytest.mark.alone
MUTATIONS = 500
RUNS = {"bombs": ("bombs",), "first": ("0", str(MUTATIONS // 2)), "second": (str(MUTATIONS // 2), str(MUTATIONS))}


def start(arguments: tuple[str, ...]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.fuzz.filing", *arguments]
    return subprocess.Popen(command, cwd=corpora.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", RUNS)
def test_each_is_filed_whole_in_bounded_time_and_memory(name: str) -> None:
    """One run after the other: beside others it would take longer, also of the processor."""
    corpora.folder()
    with start(RUNS[name]) as run:
        printed, trouble = run.communicate()
    *faults, totals = [json.loads(line) for line in printed.splitlines()] or [{}]
    assert not faults, "\n".join(f"{fault['fault']}: {fault['name']}: {fault['because']}" for fault in faults[:20])
    assert run.returncode == 0, trouble[-2_000:]
    assert set(totals["states"]) <= {"filed", "duplicate"}
    assert totals["mails"] >= MUTATIONS // 2 or name == "bombs"
    assert totals["megabytes"] > 1  # it is measured


# --- the measuring itself ------------------------------------------------------------------------------------


def measured(folder: Path, raw: bytes) -> filing.Outcome:
    with opened(folder) as store:
        return filing.outcome(store, make_context(folder), "x", raw)


def test_an_ordinary_mail_is_at_no_fault(tmp_path: Path) -> None:
    found = measured(tmp_path, raw_mail())
    assert (found.state, found.whole, found.because, found.fault) == ("filed", True, "", "")


def test_what_reading_raises_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("no")

    monkeypatch.setattr("gateway.reading.answering.read", broken)
    found = measured(tmp_path, raw_mail())
    assert (found.state, found.because, found.fault) == ("aside", "ValueError: no", "it was set aside")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"whole": False}, "its octets aren't those that came"),
        ({"seconds": 5.1}, "it took more than 5 s"),
        ({"megabytes": 257.0}, "it took more than 256 MB"),
    ],
)
def test_what_is_a_fault(values: dict[str, Any], fault: str) -> None:
    ordinary = {"name": "x", "size": 1, "state": "filed", "because": "", "whole": True, "seconds": 0, "megabytes": 0}
    assert filing.Outcome(**{**ordinary, **values}).fault == fault


def test_memory_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = filing.take

    def wasteful(*arguments: Any) -> Any:
        assert len(bytearray(b"x") * 80_000_000) == 80_000_000
        return read(*arguments)

    monkeypatch.setattr(filing, "take", wasteful)
    assert 70 < measured(tmp_path, raw_mail()).megabytes < 150


def test_mutations_are_the_same_every_time_and_change_the_mail() -> None:
    mails = corpora.sample(20)
    first = [mutations.mutation(number, mails) for number in range(60)]
    assert first == [mutations.mutation(number, mails) for number in range(60)]
    whole = {hashlib.sha256(path.read_bytes()).digest() for path in mails}
    assert sum(hashlib.sha256(raw).digest() not in whole for _, raw in first) >= 50
    assert {kind.__name__ for kind in mutations.KINDS} - {
        word for n, _ in first for word in n.split(": ")[2].split(", ")
    } <= {kind.__name__ for kind in mutations.KINDS[:8]}


def test_each_bomb_has_a_name_of_its_own() -> None:
    names = [name for name, raw in bombs.bombs(every=True) if len(raw) < 25_000_000]
    assert len(names) == len(set(names)) >= 200
