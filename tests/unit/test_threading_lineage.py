"""Lineage: the groups that ids alone give, whatever their order and number."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import ids
from gateway.mail.headers import split
from gateway.threading.lineage import lineages
from tests import corpora

names = st.sampled_from([f"{n}@x" for n in range(12)])
threads = st.lists(st.tuples(names, st.lists(names, max_size=3)), max_size=15)


@given(threads, st.randoms(use_true_random=False))
def test_the_order_means_nothing(mails: list[tuple[str, list[str]]], chance: object) -> None:
    shuffled = list(mails)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
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


@pytest.mark.parametrize("backwards", [False, True])
def test_a_chain_of_a_hundred_thousand(backwards: bool) -> None:
    chain = [(f"{n:06}", [f"{n - 1:06}"]) for n in range(1, 100_000)]
    started = time.perf_counter()
    found = lineages(reversed(chain) if backwards else chain)
    assert set(found.values()) == {"000000"}
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("name", ["list-usrp-2019-2021", "list-linux-man-2021-2022"])
def test_real_threads(name: str) -> None:
    """A mailing list's mails fall into the groups that a careful reference finds."""
    reference = corpora.folder() / name / "threads-lenient.json"
    if not reference.is_file():
        pytest.skip(f"no reference of threads for {name} in the corpora")
    expected = json.loads(reference.read_text("utf-8"))["corpora"]["all"]["message_to_thread"]
    heads = [split(path.read_bytes()) for path in corpora.mails(name + "/")]
    found = lineages((ids.message_id(head), (*ids.in_reply_to(head), *ids.references(head))) for head in heads)
    pairs = {(found[message], thread) for message, thread in expected.items()}
    threads, groups = Counter(thread for _, thread in pairs), Counter(group for group, _ in pairs)
    assert len(threads) > 1000
    assert max(threads.values()) == 1  # no thread is torn apart
    assert sum(count > 1 for count in groups.values()) <= len(threads) / 1000  # and hardly any joined with another
