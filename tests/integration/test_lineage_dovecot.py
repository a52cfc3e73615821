"""Lineage against a real Dovecot's `THREAD REFS` (RFC 5256 without its subject step), on threads made up by chance.

Each reply cites its ancestors, nearest last; how they write that down differs as clients differ. Two things are left
out, where Dovecot does what the RFC says, and tears apart what belongs together: ids without brackets, and a reply to
a mail that never came which cites that mail alone.
"""

from __future__ import annotations

import imaplib
import random
import re
from collections.abc import Callable, Iterator

import pytest

from gateway.mail import ids
from gateway.mail.headers import split
from gateway.threading.lineage import lineages
from tests.servers import dovecot as servers
from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.skipif(servers.DOVECOT is None, reason=servers.MISSING)

PASSWORD = "secret"
USER = "threads@support.example.org"
MAILS = 200
GONE = 0.15  # the share of mails that never came: their replies cite them all the same
SEEDS = range(5)

Write = Callable[[list[str]], str]


def references(between: str) -> Write:
    return lambda cited: "References: " + between.join(f"<{i}>" for i in cited)


def answered(form: str) -> Write:
    """In-Reply-To alone: the nearest ancestor."""
    return lambda cited: "In-Reply-To: " + form.format(cited[-1])


WHOLE: dict[str, Write] = {
    "spaces": references(" "),
    "folded": references("\r\n "),
    "folded twice, with a tab": references("\r\n \r\n\t"),
    "commas": references(", "),
    "nothing between": references(""),
    "both fields": lambda cited: f"{references(' ')(cited)}\r\n{answered('<{}>')(cited)}",
    "each twice": lambda cited: references(" ")([i for i in cited for _ in range(2)]),
    "junk between": references(" and then "),
}
PARTLY: dict[str, Write] = {
    "truncated in the middle": lambda cited: references(" ")(cited[:1] + cited[-1:]),
    "the answered one alone": answered("<{}>"),
    "folded before": answered("\r\n <{}>"),
    "a phrase before": answered('Your message of "Tue, 3 Feb 2026 10:00:00 +0100." <{}>'),
    "a comment behind": answered('<{}> (Ulysse\'s message of "Tue, 3 Feb 2026")'),
}


def conversation(chance: random.Random) -> list[bytes]:
    """A forest: each mail begins a thread, or answers an earlier one, which may never have come."""
    ancestors: dict[str, list[str]] = {}
    gone: set[str] = set()
    came = []
    for number in range(MAILS):
        own = f"{number:03}.{chance.getrandbits(40):x}@{chance.choice(('a', 'b.c'))}.example.org"
        parent = chance.choice(list(ancestors)) if ancestors and chance.random() < 0.8 else None
        ancestors[own] = [*ancestors[parent], parent] if parent else []
        write = chance.choice(list((WHOLE if parent in gone else WHOLE | PARTLY).values()))
        lines = ["From: a@example.org", f"Message-ID: <{own}>", f"Subject: {number}"]
        lines += [write(ancestors[own])] if parent else []
        if chance.random() < GONE:
            gone.add(own)
        else:
            came.append("\r\n".join((*lines, "", "Bonjour", "")).encode())
    return came


def parsed(response: bytes) -> frozenset[frozenset[int]]:
    """The threads of a THREAD response, each as the set of its sequence numbers."""
    groups: list[set[int]] = []
    depth = 0
    for token in re.findall(rb"[()]|\d+", response):
        if token == b"(":
            groups += [set()] if depth == 0 else []
            depth += 1
        elif token == b")":
            depth -= 1
        else:
            groups[-1].add(int(token))
    return frozenset(map(frozenset, groups))


def threaded(server: Dovecot, mails: list[bytes], folder: str) -> frozenset[frozenset[int]]:
    """What Dovecot makes of them, by their position."""
    server.doveadm("mailbox", "create", "-u", USER, folder)
    server.fill(USER, mails, folder)
    with imaplib.IMAP4(server.host, server.imap_port) as client:
        client.login(USER, PASSWORD)
        assert client.select(folder, readonly=True)[1] == [str(len(mails)).encode()]
        return parsed(client.thread("REFS", "UTF-8", "ALL")[1][0])


def ours(mails: list[bytes]) -> frozenset[frozenset[int]]:
    heads = [split(raw) for raw in mails]
    own = [ids.message_id(head) for head in heads]
    found = lineages((i, (*ids.in_reply_to(head), *ids.references(head))) for i, head in zip(own, heads, strict=True))
    groups: dict[str, set[int]] = {}
    for number, identifier in enumerate(own, 1):
        groups.setdefault(found[identifier], set()).add(number)
    return frozenset(map(frozenset, groups.values()))


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    dovecot = Dovecot()
    dovecot.add_user(USER, PASSWORD)
    yield dovecot
    dovecot.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_threads(server: Dovecot, seed: int) -> None:
    chance = random.Random(seed)
    mails = conversation(chance)
    chance.shuffle(mails)
    found = threaded(server, mails, f"seed{seed}")
    assert len(mails) > MAILS / 2
    assert len(found) > 10
    assert ours(mails) == found
