"""Lineage: the groups that ids alone give, whatever their order and number."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import MOST_BEARERS
from gateway.threading.lineage import lineages

names = st.sampled_from([f"{n}@x" for n in range(12)])
threads = st.lists(st.tuples(names, st.lists(names, max_size=3)), max_size=15)


@given(threads, st.randoms(use_true_random=False))
def test_the_order_means_nothing(mails: list[tuple[str, list[str]]], chance: random.Random) -> None:
    shuffled = list(mails)
    chance.shuffle(shuffled)
    assert lineages(mails) == lineages(shuffled)


@given(threads)
def test_the_groups_are_the_connected_ones(mails: list[tuple[str, list[str]]]) -> None:
    near: dict[str, set[str]] = defaultdict(set)
    for own, cited in mails:
        near[own].add(own)
        for other in cited:
            near[own].add(other)
            near[other].add(own)
    found = lineages(mails)
    for start in near:
        reached, waiting = {start}, [start]
        while waiting:
            fresh = near[waiting.pop()] - reached
            reached |= fresh
            waiting += fresh
        assert {identifier for identifier in found if found[identifier] == found[start]} == reached
        assert found[start] == min(reached)


def test_replies_to_a_mail_that_never_came_belong_together() -> None:
    found = lineages([("b", ["a"]), ("c", ["a"]), ("d", [])])
    assert found["b"] == found["c"] != found["d"]


def test_a_mail_that_cites_itself_and_circles() -> None:
    assert lineages([("a", ["a"])]) == {"a": "a"}
    assert set(lineages([("a", ["b"]), ("b", ["c"]), ("c", ["a"])]).values()) == {"a"}


def test_ten_thousand_ids_in_one_mail() -> None:
    found = lineages([("m", [f"{n}" for n in range(10_000)])])
    assert set(found.values()) == {"0"}


@pytest.mark.parametrize("order", ["forwards", "backwards", "mixed"])
def test_a_thread_of_a_hundred_thousand(order: str) -> None:
    """Each mail cites the one before it alone: the longest way to the root. Quadratic cost would take hours."""
    chain = [(f"{n:06}", [f"{n - 1:06}"]) for n in range(1, 100_001)]
    if order == "mixed":
        random.Random(1).shuffle(chain)
    found = lineages(reversed(chain) if order == "backwards" else chain)
    assert len(found) == 100_001
    assert set(found.values()) == {"000000"}


def test_an_id_that_many_bear_links_nothing() -> None:
    printers = [("scan@printer", [f"{n}@x"]) for n in range(MOST_BEARERS + 1)]
    strangers = [("s1@x", ["scan@printer"]), ("s2@x", ["scan@printer"])]
    found = lineages([*printers, *strangers])
    assert found["s1@x"] != found["s2@x"]
    assert len({found[f"{n}@x"] for n in range(MOST_BEARERS + 1)}) == MOST_BEARERS + 1
    as_often_as_one_mail_comes = lineages([*printers[1:], *strangers])
    assert len(set(as_often_as_one_mail_comes.values())) == 1


def test_an_empty_id_links_nothing() -> None:
    found = lineages([("a", [""]), ("b", [""]), ("", ["a"]), ("", ["b"])])
    assert found["a"] != found["b"]


def test_a_mail_that_comes_twice_brings_both_its_citations() -> None:
    """A copy that a list cut the references of, and the whole one."""
    found = lineages([("m", ["a"]), ("m", ["b"]), ("x", ["b"])])
    assert len(set(found.values())) == 1


@given(threads, st.lists(names, min_size=1, max_size=5))
def test_a_mail_more_never_parts_what_was_together(mails: list[tuple[str, list[str]]], cited: list[str]) -> None:
    before, after = lineages(mails), lineages([*mails, ("new@x", cited)])
    for one in before:
        for other in before:
            assert before[one] != before[other] or after[one] == after[other]
    assert len({after[other] for other in ("new@x", *cited)}) == 1
