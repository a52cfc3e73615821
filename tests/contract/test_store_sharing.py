"""Two daemons file at the same time, and come to what one would have come to: mails that have to do with each other
wait for each other, and others don't."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from gateway import inbound
from gateway.context import Context
from gateway.model import Arrival, Mail
from gateway.store import arrivals, audit, evidence, reach, tables, turns
from gateway.store.database import Store, Tx
from gateway.store.turns import Entangled
from tests.builders import (
    DOMAIN,
    NOW,
    ULYSSE,
    Databases,
    incoming,
    keep,
    make_context,
    opened,
    raw_mail,
    settings,
    take,
)

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
NAIMA, BOB = "naima.kone@mairie-exemple.fr", "bob@m.example"
PEOPLE = (ULYSSE, "vera@usager.example.net", "hugo@elsewhere.example", NAIMA)
ADDRESSES = ("contact", "demarche+42", "demarche+43", "dossier+123", "dossier+125")
SUBJECTS = ("Une question", "Re: Une question", "dossier n° 123", "Re: dossier n° 125")
# Far from every cap; near to them, on which all mails bear; as they are shipped.
FAR = dict.fromkeys(("acknowledgements_per_minute", "alarm_above", "notifications_per_agent"), 1_000_000)
NEAR = {**FAR, "acknowledgements_per_minute": 4, "notifications_per_agent": 5}
SEEDS = int(os.environ.get("GATEWAY_SHARING_SEEDS", "1"))  # make check-full wants more
NAMED = "advisory"  # what PostgreSQL calls waiting for a lock on a name; on a row it is another's `transactionid`
Batch = list[tuple[Arrival, Mail | Exception]]


def context(folder: Path, limits: dict[str, int] = FAR, **trust: str) -> Context:
    base = settings(folder)
    other = {"number": 43, "title": "Autre", "organisation": base.organisations[0].siret, "administrateurs": [BOB]}
    dossiers = [
        {"number": number, "demarche": demarche, "usager": usager, "state": "en_construction"}
        for number, demarche, usager in ((123, 42, ULYSSE), (125, 43, PEOPLE[1]))
    ]
    return make_context(
        folder,
        demarches=[asdict(base.demarches[0]), other],
        dossiers=dossiers,
        desk={"bundle": "0s"},
        limits=limits,
        trust=trust,
    )


@dataclass
class Daemon:
    """It files what waits, a few at a time. `order`: each batch that was filed, in the order of its end."""

    store: Store
    context: Context
    order: list[list[str]]
    shared: Counter[bool] = field(default_factory=Counter)

    def run(self, chance: random.Random) -> None:
        while True:
            size = chance.randint(1, 4)
            work = self.store.submit(
                lambda tx, n=size: arrivals.claim(tx, "test", NOW + timedelta(seconds=1), n),  # type: ignore[misc]
                beside=True,
            ).result()
            if not work:
                return
            self.file([(arrival, inbound.read_arrival(self.store, arrival, self.context)) for arrival in work])

    def file(self, batch: Batch) -> None:
        try:
            self._filed(batch, inbound.file_beside, sharing=True)
        except Entangled:
            self._filed(batch, inbound.file_batch, sharing=False)

    def _filed(self, batch: Batch, how: Callable[..., Any], *, sharing: bool) -> None:
        def work(tx: Tx) -> None:
            how(tx, batch, self.context, NOW + timedelta(seconds=1))
            self.order.append([arrival.digest for arrival, _ in batch])

        self.store.submit(work, sharing=sharing).result()
        self.shared[sharing] += 1


def many(chance: random.Random, count: int) -> list[bytes]:
    """Mails that cite each other in any way."""
    return [_one(chance, number, count) for number in range(count)]


def _one(chance: random.Random, number: int, count: int) -> bytes:
    cited = [f"m{chance.randrange(count)}@x" for _ in range(chance.choice((0, 0, 1, 1, 2)))]
    return raw_mail(
        chance.choice(PEOPLE),
        f"{chance.choice(ADDRESSES)}@{DOMAIN}",
        chance.choice((*SUBJECTS, f"Sujet {number}")),
        f"mail {number}",
        f"m{chance.choice((number, number, number, chance.randrange(count)))}@x",
        cited[0] if cited else "",
        tuple(cited[1:]),
        Date=f"{chance.randint(1, 28):02} Mar 2025 10:00:00 +0100",
        Cc=chance.choice(("", "", chance.choice(PEOPLE))),
        Auto_Submitted=chance.choice(("", "", "", "", "auto-replied")),
    )


def answers(store: Store, chance: random.Random) -> dict[tuple[str, str, str], bytes]:
    """What people and agents answer to some of the mails that they were sent, by what these are."""
    rows = _rows(store, _SENT)
    texts = ("Merci.", "@clore", "@note à voir", "Bonne réponse.", "@pending\n\nQu'en pensez-vous ?")
    return {
        (row.text, row.recipient, row.purpose): raw_mail(
            row.recipient,
            row.reply_to,
            "Re: Une question",
            f"{chance.choice(texts)}\n{row.purpose} {row.recipient} {row.text}",
            f"r{number}@x",
            row.message_id,
        )
        for number, row in enumerate(sorted(rows, key=lambda row: (row.text, row.recipient, row.purpose)))
        if chance.random() < 0.4
    }


_SENT = (
    select(tables.deliveries, tables.messages.c.text)
    .join(tables.messages, tables.messages.c.id == tables.deliveries.c.message)
    .order_by(tables.deliveries.c.id)
)


def _rows(store: Store, query: Any) -> Sequence[Any]:
    return store.read_now(lambda connection: connection.execute(query).all())


def outcome(store: Store) -> dict[str, Any]:
    """All that was decided, without ids and references, which hang on who came first."""
    mails = _rows(store, select(tables.messages))
    conversations = {row.id: row for row in _rows(store, select(tables.conversations))}
    groups: dict[int, frozenset[str]] = {
        each: frozenset(mail.text for mail in mails if mail.conversation == each) for each in conversations
    }
    return {
        "conversations": Counter(
            (
                groups[row.id],
                row.inbox_kind,
                row.inbox_number,
                row.status,
                row.usager,
                row.assignee,
                tuple(row.guests),
            )
            for row in conversations.values()
            if row.merged_into is None
        ),
        "related": {
            frozenset((groups[row.conversation], groups[row.other])) for row in _rows(store, select(tables.related))
        },
        "sent": Counter((row.text, row.recipient, row.purpose) for row in _rows(store, _SENT)),
        "held": Counter((row.agent, groups[row.conversation]) for row in _rows(store, select(tables.notices))),
        "ends": Counter(row.state for row in _rows(store, select(tables.arrivals))),
        "acts": Counter((row.by, row.proof) for row in _rows(store, select(tables.audit))),
    }


def by_two(one: Store, other: Store, situation: Context, seed: int) -> list[list[str]]:
    """File what waits; the order in which the batches were filed."""
    order: list[list[str]] = []
    daemons = [Daemon(store, situation, order) for store in (one, other)]
    work = [
        threading.Thread(target=daemon.run, args=(random.Random(seed + nth),)) for nth, daemon in enumerate(daemons)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert daemons[0].shared[True] + daemons[1].shared[True]
    last = {batch[0]: nth for nth, batch in enumerate(order)}  # one that was run again is there twice
    return [batch for nth, batch in enumerate(order) if last[batch[0]] == nth]


def by_one(store: Store, situation: Context, order: list[list[str]]) -> None:
    """File what waits in that order."""
    work = store.write_now(lambda tx: arrivals.claim(tx, "test", NOW + timedelta(seconds=1), 1000))
    by_digest = {arrival.digest: arrival for arrival in work}
    for batch in order:
        mails = [(by_digest[d], inbound.read_arrival(store, by_digest[d], situation)) for d in batch]
        store.write_now(lambda tx, m=mails: inbound.file_batch(tx, m, situation, NOW + timedelta(seconds=1)))  # type: ignore[misc]


@pytest.fixture
def pair(store: Store, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """Two daemons' ways to one store."""
    other = Store(Databases.of(tmp_path), tmp_path / "raw")
    yield store, other
    other.close()


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("limits", [FAR, NEAR, {}], ids=["far", "near", "shipped"])
def test_two_come_to_what_one_comes_to(
    pair: tuple[Store, Store], tmp_path: Path, seed: int, limits: dict[str, int]
) -> None:
    one, other = pair
    situation, chance = context(tmp_path, limits), random.Random(seed)
    mails = many(chance, 24)
    alone = tmp_path / "alone"
    alone.mkdir()
    with opened(alone) as single:
        for store in (one, single):
            keep(store, *map(incoming, mails))
        by_one(single, situation, by_two(one, other, situation, seed))
        assert outcome(one) == outcome(single)
        here, there = (answers(store, random.Random(seed)) for store in (one, single))
        assert list(here) == list(there)
        assert here
        keep(one, *map(incoming, here.values()))
        keep(single, *map(incoming, there.values()))
        same = {sha(mine): sha(theirs) for mine, theirs in zip(here.values(), there.values(), strict=True)}
        order = by_two(one, other, situation, seed)
        by_one(single, situation, [[same[digest] for digest in batch] for batch in order])
        found, expected = outcome(one), outcome(single)
        acts, expected_acts = found.pop("acts"), expected.pop("acts")
        assert found == expected
        assert sum(acts.values()) == sum(expected_acts.values())
    for verified in (one.read_now(audit.verified), *one.read_now(evidence.verified).values()):
        assert not verified.fault


def sha(raw: bytes) -> str:
    return incoming(raw).digest.hex()


class Scene:
    """The first daemon has decided about a mail and not committed when the second one begins with another."""

    def __init__(self, pair: tuple[Store, Store], situation: Context, first: bytes, second: bytes) -> None:
        self._pair, self._context = pair, situation
        self.waited = ""
        self.second = Daemon(pair[1], situation, [])
        self._second_done = threading.Event()
        keep(pair[0], incoming(first), incoming(second))
        work = pair[0].write_now(lambda tx: arrivals.claim(tx, "test", NOW + timedelta(seconds=1), 2))
        self._first, self._second = ([(each, inbound.read_arrival(pair[0], each, situation))] for each in work)

    def play(self) -> Scene:
        decided = threading.Event()

        def first(tx: Tx) -> None:
            inbound.file_beside(tx, self._first, self._context, NOW + timedelta(seconds=1))
            decided.set()
            self.waited = until_it_waits_or(self._pair[0], self._second_done.is_set)

        def second() -> None:
            self.second.file(self._second)
            self._second_done.set()

        done = self._pair[0].submit(first, sharing=True)
        assert decided.wait(60)
        thread = threading.Thread(target=second)
        thread.start()
        done.result(60)
        thread.join(60)
        return self


def until_it_waits_or(store: Store, done: Callable[[], bool]) -> str:
    """Wait until a transaction waits for another, and tell for what; "" where it is `done` without."""
    waiting = text(
        "SELECT wait_event FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    deadline = time.monotonic() + 60
    while not done():
        if found := store.read_now(lambda connection: connection.scalar(waiting)):
            return str(found)
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return ""


VERA = PEOPLE[1]
QUESTION = raw_mail(text="question", identifier="m0@x", Cc=VERA)
RELATED = {
    "its answer": raw_mail(VERA, text="answer", identifier="m1@x", answers="m0@x", subject="Autre chose"),
    "the same matter": raw_mail(VERA, text="answer", identifier="m1@x", subject="Re: Une question", Cc=ULYSSE),
    "the same author": raw_mail(text="more", identifier="m1@x", subject="Autre chose"),
    "the same mail": QUESTION + b"\r\n",
}
STRANGE = raw_mail(PEOPLE[2], f"demarche+43@{DOMAIN}", "Autre chose", "strange", "m2@x")


@pytest.mark.parametrize("name", RELATED)
def test_what_has_to_do_with_it_waits(pair: tuple[Store, Store], tmp_path: Path, name: str) -> None:
    assert Scene(pair, context(tmp_path), QUESTION, RELATED[name]).play().waited == NAMED


def test_what_has_nothing_to_do_with_it_does_not(pair: tuple[Store, Store], tmp_path: Path) -> None:
    assert Scene(pair, context(tmp_path), QUESTION, STRANGE).play().waited == ""


@pytest.mark.parametrize("cap", FAR)
def test_near_a_cap_it_waits(pair: tuple[Store, Store], tmp_path: Path, cap: str) -> None:
    """What one daemon is just writing may be what reaches it."""
    everyone = f"contact@{DOMAIN}"
    other = raw_mail(PEOPLE[2], everyone, "Autre chose", "strange", "m2@x")
    assert Scene(pair, context(tmp_path, {**FAR, cap: 10}), QUESTION, other).play().waited == NAMED


def test_without_names_an_answer_misses_its_question(
    pair: tuple[Store, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the names are for: the same two mails, and nobody waits."""
    monkeypatch.setattr(turns, "share", lambda connection, names: None)
    assert Scene(pair, context(tmp_path), QUESTION, RELATED["its answer"]).play().waited == ""
    assert len(outcome(pair[0])["conversations"]) == 2


def test_with_names_it_joins_it(pair: tuple[Store, Store], tmp_path: Path) -> None:
    """In turn: when it said what it touches, the question's conversation wasn't there."""
    scene = Scene(pair, context(tmp_path), QUESTION, RELATED["its answer"]).play()
    assert list(outcome(pair[0])["conversations"].values()) == [1]
    assert scene.second.shared == {False: 1}


def test_two_parts_of_one_conversation_wait_for_each_other(pair: tuple[Store, Store], tmp_path: Path) -> None:
    """They cite other mails, by other people: the conversation is all that they have in common."""
    situation = context(tmp_path)
    take(pair[0], situation, raw_mail(text="question", identifier="m0@x", Cc=VERA))
    take(pair[0], situation, raw_mail(text="more", identifier="m1@x", answers="m0@x", Cc=VERA))
    first = raw_mail(text="first", identifier="m2@x", answers="m0@x", subject="Re: Un")
    second = raw_mail(VERA, text="second", identifier="m3@x", answers="m1@x", subject="Re: Deux")
    scene = Scene(pair, situation, first, second).play()
    assert scene.waited == NAMED
    assert scene.second.shared == {True: 1}
    assert list(outcome(pair[0])["conversations"].values()) == [1]


def test_the_same_mail_waits_whoever_is_taken_for_its_author(pair: tuple[Store, Store], tmp_path: Path) -> None:
    """It has no From field and no id: the way it came tells who wrote, and it came by two."""
    mail = f"To: contact@{DOMAIN}\r\nSubject: a\r\n\r\nBonjour\r\n".encode()
    first, second = (f"Return-Path: <{author}>\r\n".encode() + mail for author in PEOPLE[:2])
    scene = Scene(pair, context(tmp_path), first, second).play()
    assert (scene.waited, scene.second.shared) == (NAMED, {True: 1})
    assert outcome(pair[0])["ends"] == {"filed": 1, "duplicate": 1}


def test_what_leads_to_more_than_is_named_is_filed_in_turn(
    pair: tuple[Store, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    situation = context(tmp_path)
    take(pair[0], situation, QUESTION)
    monkeypatch.setattr(reach, "MOST", 0)
    assert Scene(pair, situation, STRANGE, RELATED["its answer"]).play().second.shared == {False: 1}


def test_acts_follow_each_other_in_the_audit(pair: tuple[Store, Store]) -> None:
    """Neither is run again: where a mail is filed with it, that would set the mail aside."""
    recorded, finished, ran = threading.Event(), threading.Event(), Counter[str]()

    def act(by: str, after: Callable[[], object]) -> Callable[[Tx], None]:
        def work(tx: Tx) -> None:
            ran[by] += 1
            audit.record(tx, at=NOW, by=by, what="closed it", proof="a mail")
            after()

        return work

    def wait() -> None:
        recorded.set()
        assert until_it_waits_or(pair[0], finished.is_set) == NAMED

    first = pair[0].submit(act("one", wait), sharing=True)
    assert recorded.wait(60)
    second = pair[1].submit(act("other", finished.set), sharing=True)
    first.result(60)
    second.result(60)
    assert ran == {"one": 1, "other": 1}
    assert not pair[0].read_now(audit.verified).fault


def test_an_agents_word_leads_to_what_she_was_asked_about(pair: tuple[Store, Store], tmp_path: Path) -> None:
    """By the address that she answers alone: her program cites nothing."""
    situation = context(tmp_path, agent_proof="authenticated")
    take(pair[0], situation, raw_mail(to=f"dossier+123@{DOMAIN}", text="question", identifier="m0@x"))
    notified = _delivery(pair[0], "notification")
    take(pair[0], situation, raw_mail(notified.recipient, notified.reply_to, "Re: Un", "Bonne.", "m1@x"))
    asked = _delivery(pair[0], "confirmation")
    word = raw_mail(asked.recipient, asked.reply_to, "Re: Deux", "oui", "m2@x")
    more = raw_mail(text="more", identifier="m3@x", answers="m0@x", subject="Re: Trois")
    scene = Scene(pair, situation, more, word).play()
    assert (scene.waited, scene.second.shared) == (NAMED, {True: 1})


def _delivery(store: Store, purpose: str) -> Any:
    return next(row for row in _rows(store, _SENT) if row.purpose == purpose)
