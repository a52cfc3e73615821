"""Threads of real mailing lists through the whole way in, in two orders: the same conversations and inboxes.

Once as they came, where all of it is a machine's mail, and once without the fields of lists, as if every member had
written to us alone: then who wrote to whom, what they cite and their subjects decide.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from gateway.commands.rethread import rethread
from gateway.context import Context
from gateway.store import arrivals
from gateway.store.database import Store
from tests import corpora
from tests.builders import NOW, emptied, file_all, incoming, keep, listed, make_context, opened, shown

MOST = 70  # mails of each list: neighbours in time, so that whole threads are among them
LISTS = ("list-usrp-2019-2021/mail", "list-linux-man-2021-2022/mail", "notmuch")
_LISTS = re.compile(
    rb"^(?:list-[\w-]+|precedence|x-mailman[\w-]*|x-beenthere|errors-to|x-list[\w-]*|mailing-list|x-mailing-list|sender"
    rb"|delivered-to|auto-submitted):.*\n(?:[ \t].*\n)*",
    re.IGNORECASE | re.MULTILINE,
)

Grouping = set[tuple[frozenset[str], str]]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    return make_context(tmp_path_factory.mktemp("context"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with opened(tmp_path_factory.mktemp("store")) as store:
        event.listen(store.engine, "connect", lambda driver, _: driver.execute("PRAGMA synchronous = OFF").close())
        store.engine.dispose()
        yield store


def mails(name: str) -> list[bytes]:
    found = corpora.mails(name)
    if not found:
        pytest.skip(f"no {name} in the corpora")
    start = max(0, len(found) - MOST) // 2
    return [path.read_bytes() for path in found[start : start + MOST]]


def plain(raw: bytes) -> bytes:
    """Without what says that a list sent it."""
    head, *rest = re.split(rb"(\r?\n\r?\n)", raw, maxsplit=1)
    return b"".join((_LISTS.sub(b"", head + b"\n").rstrip(b"\r\n"), *rest))


def grouped(store: Store, context: Context, order: list[bytes]) -> Grouping:
    emptied(store)
    keep(store, *(incoming(raw, envelope_sender=None) for raw in order))
    file_all(store, context)
    assert store.read_now(arrivals.aside) == []
    found: Grouping = set()
    for summary in listed(store):
        messages = shown(store, summary["reference"])["messages"]
        together = (f"{m['message_id']} {m['author']} {m['subject']} {m['text'][:80]}" for m in messages)
        found.add((frozenset(together), str(summary["inbox"])))
    return found


@pytest.mark.parametrize(("name", "people"), [(LISTS[0], False), *((name, True) for name in LISTS)])
def test_whatever_the_order(store: Store, context: Context, name: str, people: bool) -> None:
    order = [plain(raw) if people else raw for raw in mails(name)]
    expected = grouped(store, context, order)
    again = rethread(store, context, NOW, apply=False).document
    assert (again["differences"], again["read_otherwise"]) == ([], [])
    assert len(expected) < len(order)  # some of it is joined
    for seed in (1, 2):
        random.Random(seed).shuffle(order)
        assert grouped(store, context, order) == expected


def test_a_list_without_its_marks_is_peoples(store: Store, context: Context) -> None:
    """Else the test above would try machines' mail twice."""
    order = [plain(raw) for raw in mails(LISTS[0])]
    grouped(store, context, order)
    kinds = [m["kind"] for s in listed(store) for m in shown(store, s["reference"])["messages"]]
    assert kinds.count("external") > 0.8 * len(kinds)


def test_taking_marks_off_leaves_the_rest(tmp_path: Path) -> None:
    raw = b"From: a@x\r\nList-Id: <l.x>\r\n <folded>\r\nSubject: s\r\n\r\nList-Id: in the text\r\n"
    assert plain(raw) == b"From: a@x\r\nSubject: s\r\n\r\nList-Id: in the text\r\n"
