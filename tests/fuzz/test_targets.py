"""What once broke a target, a few new inputs for each, and that a broken one would be seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import hunt, target, targets
from tests.fuzz.target import FOUND, Target, found, inputs, judge

pytestmark = pytest.mark.alone  # sessions have deadlines

EVERY = list(targets.every().values())
SLOW = {"mail": 15, "headers": 15, "configuration": 15, "dialogues": 15}  # of the others fifty


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_what_once_broke_it_doesnt_any_more(one: Target) -> None:
    for path in found(one):
        judge(one, path.read_bytes())


def test_what_was_found_belongs_to_a_target() -> None:
    assert {path.name for path in FOUND.glob("*")} <= {one.name for one in EVERY}


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_what_must_hold_holds(one: Target) -> None:
    seeds = [seed[: target.MOST] for seed in list(one.seeds())[:40]]

    @settings(max_examples=SLOW.get(one.name, 50), suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(seeds) | inputs(seeds))
    def holds(data: bytes) -> None:
        judge(one, data)

    holds()


def test_a_target_that_breaks_is_seen_and_its_input_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small one; and it is tried again."""
    monkeypatch.setattr(target, "FOUND", tmp_path / "found")
    monkeypatch.setattr(hunt, "CORPORA", tmp_path / "corpora")

    def no_brackets(data: bytes) -> None:
        assert b"<" not in data

    broken = Target("broken", no_brackets, lambda: [b"abc"])
    with pytest.raises(AssertionError):
        hunt.by_hypothesis(broken, 30)
    (path,) = found(broken)
    assert b"<" in path.read_bytes()
    assert len(path.read_bytes()) < 30


def test_an_input_that_takes_too_long_is_a_fault() -> None:
    def slow(data: bytes) -> None:
        sum(a == b for a in data for b in data)

    with pytest.raises(AssertionError, match="octets"):
        judge(Target("slow", slow, lambda: [b""]), b"x" * 1_000, patience=0.001)
