"""Lineage and base subjects on real mailing lists, against what Dovecot and notmuch made of them."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from gateway.mail.headers import split
from gateway.mail.subjects import base
from tests import corpora
from tests.conformance import threads
from tests.conformance.figure import Figure

LISTS = ("list-usrp-2019-2021", "list-linux-man-2021-2022")
SMALL = ("dovecot-imaptest", "mail-thread-perl", "mu", "notmuch")


def there(collection: str) -> str:
    if not list(corpora.folder().glob(f"{collection}/threads-*.json")):
        pytest.skip(f"no threads of {collection} in the corpora")
    return collection


def unexplained(figure: Figure) -> list[str]:
    return [f"{case.name}: {case.detail}" for case in figure.wrong]


@pytest.mark.parametrize("name", LISTS + SMALL)
def test_the_same_threads(name: str) -> None:
    """But for the differences that are listed, each with its reason."""
    figure = threads.agreement(there(name))
    assert len(figure.cases) > (5000 if name in LISTS else 5)
    assert not unexplained(figure)


@pytest.mark.parametrize("name", LISTS + SMALL)
def test_a_listed_difference_is_one(name: str) -> None:
    figure = threads.agreement(there(name))
    assert set(figure.listed) == {case.name for case in figure.kept}


@pytest.mark.parametrize("name", LISTS + SMALL)
def test_whatever_the_order(name: str) -> None:
    figure = threads.order([there(name)])
    assert len(figure.cases) >= threads.SHUFFLINGS
    assert not unexplained(figure)


def test_unbracketed_ids_join_what_both_peers_tear_apart() -> None:
    path = corpora.folder() / there(LISTS[0]) / "threads-lenient.json"
    links = json.loads(path.read_text("utf-8"))["links"]
    (peer,) = threads.peers(LISTS[0])
    ours = threads.grouped(list(threads.mails(peer)))
    parents = [peer.files[link["parent"]][0] for link in links]
    assert len(links) > 100
    assert [
        link["file"] for link, parent in zip(links, parents, strict=True) if ours[link["file"]] != ours[parent]
    ] == []


def test_base_subjects_join_what_the_rfc_joins() -> None:
    """Roots that Dovecot's THREAD REFERENCES puts together by their base subject have one base here too."""
    found = json.loads((corpora.folder() / there(LISTS[0]) / "threads-dovecot.json").read_text("utf-8"))["corpora"][
        "all"
    ]
    joined = found["algorithms"]["REFERENCES"]["message_to_thread"]
    bases: dict[str, set[str]] = defaultdict(set)
    for root in found["algorithms"]["REFS"]["threads"]:
        head = split((corpora.folder() / found["files"][root]).read_bytes())
        bases[joined[root]].add(base(head.text("subject")).text)
    assert len(bases) > 1000
    assert {thread: texts for thread, texts in bases.items() if len(texts) > 1} == {}
