"""How fast mail leaves, and whose turn it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Attempt, DeliveryState, Outgoing
from gateway.relay import pace
from gateway.relay.pace import Pace
from tests.builders import NOW, draft, outgoing

SENT, DEFERRED = DeliveryState.SENT, DeliveryState.DEFERRED
DOWN = Attempt(DEFERRED, "421 down", "mx:25", wide=True)
LATER = Attempt(DEFERRED, "450 later", "mx:25")
TAKEN = Attempt(SENT, "250 Ok", "mx:25")
SECOND = timedelta(seconds=1)


def failed(times: int) -> Pace:
    found, now = Pace(4), NOW
    for _ in range(times):
        found = pace.after(found, DOWN, now, 0.0, 4)
        assert found.until is not None
        now = found.until
    return found


def test_where_the_smarthost_fails_nothing_leaves_for_a_while_that_grows() -> None:
    once = failed(1)
    assert (once.lanes, once.until, once.since, once.said) == (1, NOW + 5 * SECOND, NOW, "421 down")
    assert (once.rests(NOW), once.rests(NOW + 5 * SECOND)) == (True, False)
    pauses = [(failed(n + 1).until or NOW) - (failed(n).until or NOW) for n in range(1, 9)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(minutes=5)
    assert failed(9).since == NOW
    assert (pace.after(once, DOWN, NOW + 5 * SECOND, 1.0, 4).until or NOW) - NOW == 17.5 * SECOND


def test_others_that_were_under_way_say_nothing_new() -> None:
    once = failed(1)
    assert pace.after(once, DOWN, NOW, 0.0, 4) is pace.after(once, TAKEN, NOW, 0.0, 4) is once


def test_once_it_answers_there_are_more_connections_each_time() -> None:
    found, lanes = failed(3), []
    for answer in (TAKEN, LATER, TAKEN, TAKEN):
        found = pace.after(found, answer, NOW + timedelta(hours=1), 0.0, 10)
        lanes.append(found.lanes)
    assert lanes == [2, 4, 8, 10]
    assert (found.since, found.until, found.failures) == (None, None, 0)


def test_what_never_came_to_the_smarthost_says_nothing_of_it() -> None:
    for attempt in (Attempt(DEFERRED, "its attachments"), Attempt(DeliveryState.CANCELLED, "withdrawn")):
        assert pace.after(failed(2), attempt, NOW, 0.0, 4) == failed(2)


@pytest.mark.parametrize(
    ("attempt", "seconds", "slow"), [(TAKEN, 1, False), (TAKEN, 6, True), (LATER, 0, True), (DOWN, 0, False)]
)
def test_a_domain_that_is_slow_or_defers(attempt: Attempt, seconds: int, slow: bool) -> None:
    assert pace.is_slow(attempt, seconds * SECOND) is slow


def mails(*domains: str) -> list[Outgoing]:
    return [outgoing(n, draft(f"a@{name}")) for n, name in enumerate(domains, start=1)]


@pytest.mark.parametrize(
    ("waiting", "running", "slow", "expected"),
    [
        ("a b", {}, "", 1),
        ("a b", {"a": 3}, "", 2),  # one connection is left to the others
        ("a a", {"a": 3}, "", None),  # be it that they come later
        ("q q", {"q": 3}, "", 1),  # but one that is quick won't keep them waiting
        ("q b", {"q": 3}, "", 2),
        ("q q", {"q": 3}, "q", None),
        ("a b", {"a": 3, "b": 1}, "", None),
        ("a b", {"a": 1}, "a", 2),
        ("a a", {"a": 1}, "a", None),
        ("A a", {"a": 1}, "a", None),
        ("a a", {}, "a", 1),
        ("", {}, "", None),
    ],
)
def test_whose_turn_it_is(waiting: str, running: dict[str, int], slow: str, expected: int | None) -> None:
    found = pace.turn(mails(*waiting.split()), running, set(slow.split()), {"q"}, 4)
    assert (found.id if found else None) == expected


@given(
    st.lists(st.sampled_from("abc"), max_size=12),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)),
    st.sets(st.sampled_from("abc")),
    st.sets(st.sampled_from("abc")),
    st.integers(1, 6),
)
def test_there_are_never_too_many_and_nobody_waits_for_nothing(
    waiting: list[str], running: dict[str, int], slow: set[str], quick: set[str], lanes: int
) -> None:
    def ready(name: str) -> bool:
        most = lanes if name in quick else max(1, lanes - 1)
        return running.get(name, 0) < (1 if name in slow else most)

    found = pace.turn(mails(*waiting), running, slow, quick, lanes)
    free = sum(running.values()) < lanes
    assert (found is not None) is (free and any(ready(name) for name in waiting))
    assert found is None or ready(pace.domain(found.draft.to))


def test_with_one_connection_slow_domains_have_their_turn() -> None:
    assert pace.turn(mails("a", "b"), {}, {"a"}, set(), 1) is not None
