"""Lineage against what Dovecot (THREAD REFS) and notmuch make of the same mails, and its independence of order.

A case is one mail whose Message-ID occurs once: right if it has the same company as in the peer's threads.
Where there is a derived partition (`threads-lenient.json`: notmuch's, and the links of ids without brackets), that
one counts; else both peers' do, each by itself.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gateway.mail import ids
from gateway.mail.headers import split
from gateway.threading.lineage import lineages
from tests import corpora
from tests.conformance.figure import Case, Figure, figure

SHUFFLINGS = 10
_ALLOWED = 0.001
_MBOX = re.compile(rb"^From ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Read:
    """What lineage needs of a mail. `name`: its path, with its number in an mbox. `own`: its id, or a made-up one."""

    name: str
    message_id: str
    cited: tuple[str, ...]
    loose: tuple[str, ...]

    @property
    def own(self) -> str:
        return self.message_id or f"mail {self.name}"


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer's threads of one corpus: mail → thread, both by the peer's own names."""

    name: str
    corpus: str
    files: Mapping[str, tuple[str, ...]]
    threads: Mapping[str, str]


def figures() -> tuple[Figure, ...]:
    """One figure for each collection that a peer has threaded, and one for the order of arrival."""
    found = sorted({path.parent.name for path in corpora.folder().glob("*/threads-*.json")})
    return (*(agreement(name) for name in found), order(found))


def agreement(collection: str) -> Figure:
    cases = (case for peer in peers(collection) for case in compared(peer, grouped(list(mails(peer)))))
    return figure(f"C1-{collection}", f"lineage of {collection}", 1 - _ALLOWED, cases)


def order(collections: list[str]) -> Figure:
    """Ten shufflings of each corpus: a case is one shuffling, right if every mail keeps the same company."""
    return figure(
        "C2-lineage", "lineage, whatever the order", 1.0, (c for name in collections for c in shuffled(name))
    )


def shuffled(collection: str) -> Iterator[Case]:
    for peer in peers(collection):
        read = list(mails(peer))
        expected = grouped(read)
        for seed in range(SHUFFLINGS):
            mixed = list(read)
            random.Random(seed).shuffle(mixed)
            yield Case(f"{collection} {peer.corpus} {peer.name} {seed}", grouped(mixed) == expected)


def peers(collection: str) -> Iterator[Peer]:
    """All partitions that count for a collection."""
    lenient = _json(collection, "lenient")
    for name, loaded in (
        (("lenient", lenient),)
        if lenient
        else (
            ("dovecot", _json(collection, "dovecot")),
            ("notmuch", _json(collection, "notmuch")),
        )
    ):
        for corpus, found in loaded.get("corpora", {}).items():
            files = {label: (at,) if isinstance(at, str) else tuple(at) for label, at in found["files"].items()}
            threaded = found["algorithms"]["REFS"] if "algorithms" in found else found
            yield Peer(name, corpus, files, threaded["message_to_thread"])


def mails(peer: Peer) -> Iterator[Read]:
    return (_read(name) for names in peer.files.values() for name in names)


def grouped(read: list[Read]) -> dict[str, str]:
    """Each mail's name → the group that it falls into."""
    loose = {(mail.own, identifier) for mail in read for identifier in mail.loose}
    found = lineages(((mail.own, mail.cited) for mail in read), loose)
    return {mail.name: found[mail.own] for mail in read}


def compared(peer: Peer, ours: Mapping[str, str]) -> Iterator[Case]:
    """A case for each mail that the peer knows, and whose id occurs once."""
    counts = Counter(mail.message_id for mail in mails(peer))
    known = {
        names[0]: peer.threads[label]
        for label, names in peer.files.items()
        if label in peer.threads and counts[_read(names[0]).message_id] == 1 and _read(names[0]).message_id
    }
    theirs, own = _company(known.__getitem__, known), _company(ours.__getitem__, known)
    for name in sorted(known):
        more, fewer = own[name] - theirs[name], theirs[name] - own[name]
        detail = f"joined besides: {sorted(more)[:3]}; not joined: {sorted(fewer)[:3]}" if more or fewer else ""
        yield Case(f"{name} {peer.name}", not detail, detail)


def _company(group: Callable[[str], Hashable], names: Mapping[str, str]) -> dict[str, set[str]]:
    members: dict[Hashable, set[str]] = defaultdict(set)
    for name in names:
        members[group(name)].add(name)
    return {name: members[group(name)] for name in names}


@cache
def _json(collection: str, peer: str) -> dict[str, Any]:
    path = corpora.folder() / collection / f"threads-{peer}.json"
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return loaded


@cache
def _read(name: str) -> Read:
    path, _, number = name.rpartition("#") if "#" in name else (name, "", "")
    head = split(_mbox(path)[int(number)] if number else (corpora.folder() / path).read_bytes())
    cited = (*ids.in_reply_to(head), *ids.references(head))
    return Read(name, ids.message_id(head), cited, ids.loose(cited, head))


@cache
def _mbox(path: str) -> tuple[bytes, ...]:
    raw = (corpora.folder() / Path(path)).read_bytes()
    starts = [match.start() for match in _MBOX.finditer(raw)]
    return tuple(raw[start:end] for start, end in zip(starts, [*starts[1:], len(raw)], strict=True))
