"""Whatever the order in which mails come, and however they are batched: the same conversations and inboxes.

Whom an answer goes to is another matter: whoever opened a conversation stays its usager, whatever comes later, so
that no mail turns answers to somebody else. That is tested for every order too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import event, select

from gateway.commands.rethread import rethread
from gateway.context import Context
from gateway.store import tables
from gateway.store.database import Store
from gateway.threading.partition import counts
from tests.builders import (
    DOMAIN,
    NOW,
    ULYSSE,
    deliveries_to,
    emptied,
    file_all,
    incoming,
    keep,
    listed,
    make_context,
    opened,
    raw_mail,
    settings,
    shown,
    take,
)

VERA, HUGO = "vera@usager.example.net", "hugo@elsewhere.example"
PEOPLE = (ULYSSE, VERA, HUGO)
ADDRESSES = ("contact", "demarche+42", "demarche+43", "dossier+123", "dossier+125")
SUBJECTS = (
    "Une question",
    "Re: Une question",
    "RE : Une question",
    "dossier n° 123",
    "Re: dossier n° 124",
    "mon dossier n° 125 et dossier n° 126",
)
OUTLOOK = ("AQHVabcdefghijklmnopqrstuvwxyz0=", "AQHVabcdefghijklmnopqrstuvwxyz0AAAAAAA==")

Grouping = set[tuple[frozenset[str], str]]


@dataclass(frozen=True, repr=False)
class World:
    store: Store
    context: Context


def _context(folder: Path) -> Context:
    """Dossiers of two démarches: two of Ulysse's, one of Véra's where he is a guest, one of hers alone."""
    base = settings(folder)
    organisation = base.organisations[0].siret
    other = {"number": 43, "title": "Autre", "organisation": organisation, "administrateurs": ["bob@m.example"]}
    owners: tuple[tuple[int, int, str, list[str]], ...] = (
        (123, 42, ULYSSE, []),
        (124, 42, ULYSSE, []),
        (125, 43, VERA, [ULYSSE]),
        (126, 43, VERA, []),
    )
    dossiers = [
        {"number": number, "demarche": demarche, "usager": usager, "invites": guests, "state": "en_construction"}
        for number, demarche, usager, guests in owners
    ]
    return make_context(
        folder, demarches=[asdict(base.demarches[0]), other], dossiers=dossiers, desk={"bundle": "0s"}
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("order")
    with opened(folder) as store:
        event.listen(store.engine, "connect", lambda driver, _: driver.execute("PRAGMA synchronous = OFF").close())
        store.engine.dispose()  # the connections that it has: nothing here must survive a power cut
        yield World(store, _context(folder))


# --- mails -----------------------------------------------------------------------------------------------


@st.composite
def mails(draw: st.DrawFn, most: int = 6) -> tuple[bytes, ...]:
    """Mails that cite each other in any way: what never comes, what comes later, rings, one id on several."""
    count = draw(st.integers(2, most))
    return tuple(draw(_one(number, count)) for number in range(count))


@st.composite
def _one(draw: st.DrawFn, number: int, count: int) -> bytes:
    sender = draw(st.sampled_from((ULYSSE, *PEOPLE)))
    copies = draw(st.lists(st.sampled_from(PEOPLE), max_size=2, unique=True))
    cited = draw(st.lists(st.integers(0, count), max_size=3, unique=True))
    own = draw(st.sampled_from((number, number, number, number, 0)))
    fields = {
        "Date": f"{draw(st.integers(1, 28)):02} Mar 2025 10:00:00 +0100",
        "Cc": ", ".join(copies),
        "Thread-Index": draw(st.sampled_from(("", "", "", *OUTLOOK))),
        "Auto-Submitted": draw(st.sampled_from(("",) * 7 + ("auto-replied",))),
    }
    return raw_mail(
        sender,
        f"{draw(st.sampled_from((*ADDRESSES, 'contact', 'contact')))}@{DOMAIN}",
        draw(st.sampled_from((*SUBJECTS, SUBJECTS[0], SUBJECTS[1]))),
        f"mail {number}",
        f"m{own}@x",
        f"m{cited[0]}@x" if cited else "",
        tuple(f"m{other}@x" for other in reversed(cited[1:])),
        **{name.replace("-", "_"): value for name, value in fields.items()},
    )


# --- what comes out --------------------------------------------------------------------------------------


def taken(world: World, order: tuple[bytes, ...], batch: bool = True) -> None:
    emptied(world.store)
    if batch:
        keep(world.store, *map(incoming, order))
        file_all(world.store, world.context)
    else:
        take(world.store, world.context, *order)


def grouped(world: World) -> Grouping:
    """Which mails stand together (by their text: ids may be the same), and in which inbox."""
    found: Grouping = set()
    for summary in listed(world.store):
        messages = shown(world.store, summary["reference"])["messages"]
        found.add((frozenset(m["text"] for m in messages), str(summary["inbox"])))
    return found


def stored(world: World) -> list[Any]:
    return world.store.read_now(lambda c: list(c.execute(select(tables.messages))))


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


@given(found=mails(), data=st.data())
@profile(max_examples=60, suppress_health_check=SLOW)
def test_the_order_of_arrival_means_nothing(world: World, found: tuple[bytes, ...], data: st.DataObject) -> None:
    taken(world, found)
    expected = grouped(world)
    order = data.draw(st.permutations(found))
    taken(world, tuple(order), batch=data.draw(st.booleans()))
    assert grouped(world) == expected


def scene(*letters: tuple[str, str, str, dict[str, str]]) -> tuple[bytes, ...]:
    """Mails as (id, ids cited, sender, fields)."""
    return tuple(
        raw_mail(
            sender,
            fields.pop("to", f"contact@{DOMAIN}"),
            text=f"mail {name}",
            identifier=f"{name}@x",
            references=tuple(f"{cited}@x" for cited in reversed(answers.split())),
            **{"subject": f"Sujet {name}", "Date": f"{day:02} Mar 2025 10:00:00 +0100", **fields},
        )
        for day, (name, answers, sender, fields) in enumerate(letters, start=1)
    )


DEMARCHE = f"demarche+43@{DOMAIN}"
SCENES = {
    "it answers, of another dossier": scene(
        ("a", "", ULYSSE, {"subject": "dossier n° 123"}),
        ("b", "a", ULYSSE, {"subject": "dossier n° 124"}),
        ("c", "b", ULYSSE, {}),
    ),
    "it answers, and brings its conversation closer": scene(
        ("a", "", ULYSSE, {}), ("b", "a", ULYSSE, {"to": DEMARCHE}), ("c", "a", ULYSSE, {"subject": "dossier n° 123"})
    ),
    "two dossiers, one parent": scene(
        ("a", "", ULYSSE, {}),
        ("b", "a", ULYSSE, {"subject": "dossier n° 123"}),
        ("c", "a", ULYSSE, {"subject": "dossier n° 124"}),
    ),
    "two people, who were in copy": scene(
        ("a", "", HUGO, {"Cc": ULYSSE, "subject": "dossier n° 125"}),
        ("b", "a", ULYSSE, {}),
        ("c", "b", ULYSSE, {"to": f"dossier+125@{DOMAIN}"}),
    ),
    "a machine among them": scene(
        ("a", "", ULYSSE, {"Cc": VERA}),
        ("b", "a", VERA, {"Auto_Submitted": "auto-replied", "to": DEMARCHE, "Cc": ULYSSE}),
        ("c", "b a", ULYSSE, {}),
    ),
    "a response without ids between two it might answer": scene(
        ("a", "", ULYSSE, {"subject": "Une question"}),
        ("b", "", ULYSSE, {"subject": "Une question", "to": DEMARCHE}),
        ("c", "", ULYSSE, {"subject": "RE : Une question"}),
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_every_order_of_a_scene(world: World, name: str) -> None:
    outcomes = []
    for order in itertools.permutations(SCENES[name]):
        taken(world, order)
        outcomes.append(grouped(world))
    assert outcomes == [outcomes[0]] * len(outcomes)


@given(found=mails())
@profile(max_examples=40, suppress_health_check=SLOW)
def test_placing_all_anew_changes_nothing(world: World, found: tuple[bytes, ...]) -> None:
    taken(world, found)
    again = rethread(world.store, world.context, NOW, apply=False).document
    assert (again["differences"], again["read_otherwise"]) == ([], [])


@given(found=mails())
@profile(max_examples=40, suppress_health_check=SLOW)
def test_what_is_linked_is_one_conversation_or_related(world: World, found: tuple[bytes, ...]) -> None:
    """Every link that counts, whichever of its mails came first, is seen by the agents."""
    taken(world, found)
    rows = stored(world)
    ids = {row.id: set(_cited(world, row.id)) for row in rows}
    related = _related(world)
    apart = [
        (later.text, earlier.text)
        for later, earlier in itertools.permutations(rows, 2)
        if earlier.message_id in ids[later.id]
        and counts(later.author, later.sure, earlier.author, earlier.people)
        and not (earlier.kind == "machine" != later.kind and earlier.author != later.author)  # nobody's beginning
        and later.conversation != earlier.conversation
        and frozenset((later.conversation, earlier.conversation)) not in related
    ]
    assert apart == []


@given(found=mails())
@profile(max_examples=40, suppress_health_check=SLOW)
def test_no_conversation_is_of_two_dossiers(world: World, found: tuple[bytes, ...]) -> None:
    """What belongs to another dossier by itself stands elsewhere; nobody is answered whom it doesn't admit."""
    taken(world, found)
    directory = world.context.directory
    for summary in listed(world.store):
        number = summary["inbox"]["number"]
        if summary["inbox"]["kind"] != "dossier":
            continue
        assert not summary["usager"] or directory.admitted(summary["usager"], directory.dossiers[number])
        here = {message["id"] for message in shown(world.store, summary["reference"])["messages"]}
        mine = [row.evidence for row in stored(world) if row.id in here and row.kind == "external"]
        assert all(number in its["named"] for its in mine if its["kind"] == "dossier" and its["named"])


@given(found=mails(), data=st.data())
@profile(max_examples=30, suppress_health_check=SLOW)
def test_an_answer_to_our_mail_changes_nothing_of_that(
    world: World, found: tuple[bytes, ...], data: st.DataObject
) -> None:
    """Her first mail is acknowledged, she answers with the token in it; the rest comes in any order."""
    first, cited = raw_mail(text="first", identifier="m0@x", subject="Une question"), data.draw(st.integers(0, 5))
    outcomes = []
    for order in (found, tuple(data.draw(st.permutations(found)))):
        taken(world, (first,))
        (acknowledged,) = deliveries_to(world.store, ULYSSE)
        answer = raw_mail(
            to=acknowledged.reply_to,
            text="answer",
            identifier="r@x",
            answers=acknowledged.message_id,
            references=(f"m{cited}@x",),
            subject="Re: Une question",
            Date="20 Mar 2025 10:00:00 +0100",
        )
        take(world.store, world.context, answer, *order)
        outcomes.append(grouped(world))
    assert outcomes[0] == outcomes[1]


@given(found=mails())
@profile(max_examples=25, suppress_health_check=SLOW)
def test_no_mail_turns_answers_to_somebody_else(world: World, found: tuple[bytes, ...]) -> None:
    """An usager wrote in her conversation; what stood in its author's own never stands in another person's."""
    emptied(world.store)
    own: dict[str, str] = {}
    for raw in found:
        take(world.store, world.context, raw)
        for text, author, usager, authors in _whose(world):
            assert usager in {"", *authors}
            assert usager in {"", own.get(text, usager)}
            if author == usager:
                own[text] = author


def _whose(world: World) -> Iterator[tuple[str, str, str, set[str]]]:
    """Each person's mail: its text and author, the usager of its conversation, and who wrote there."""
    for summary in listed(world.store):
        messages = shown(world.store, summary["reference"])["messages"]
        authors = {message["author"] for message in messages}
        for message in messages:
            if message["kind"] == "external":
                yield message["text"], message["author"], summary["usager"], authors


def _cited(world: World, message: int) -> list[str]:
    query = select(tables.citations.c.cited).where(tables.citations.c.message == message)
    return world.store.read_now(lambda c: list(c.scalars(query)))


def _related(world: World) -> set[frozenset[int]]:
    """Pairs of conversations that are related, by the ids that they go by now."""
    rows = world.store.read_now(lambda c: c.execute(select(tables.related)).all())
    into = dict(
        world.store.read_now(
            lambda c: c.execute(select(tables.conversations.c.id, tables.conversations.c.merged_into)).all()
        )
    )

    def now(identifier: int) -> int:
        while into[identifier] is not None:
            identifier = into[identifier]
        return identifier

    return {frozenset((now(row.conversation), now(row.other))) for row in rows}
