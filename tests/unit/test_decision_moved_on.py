"""Whom an agent's answer goes to: the person whom the notification named that she answers, or nobody.

Mail may join, part and move conversations between her being told and her answer. Then her answer is given back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from gateway import explaining, inbound
from gateway.commands.acts import act
from gateway.context import Context
from gateway.decision import Decision, Hints, valid
from gateway.desk.commands import parse
from gateway.mail.tokens import Token, TokenKind
from gateway.model import Conversation, InboxKind, Participation, Purpose, Recalled, Role
from gateway.store import arrivals, sending
from gateway.store.database import Store
from gateway.store.rows import conversation_by_id
from tests.builders import (
    INES,
    MANON,
    NOW,
    ULYSSE,
    conversation,
    deliveries_to,
    emptied,
    incoming,
    keep,
    listed,
    mail,
    make_context,
    opened,
    raw_mail,
    shown,
    take,
)
from tests.unit.test_placement_order import SLOW, World, mails, world

__all__ = ["world"]  # a fixture
VERA = "vera@usager.example.net"
MALLORY = "mallory@elsewhere.example"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    dossier = {"demarche": 42, "usager": ULYSSE, "state": "en_construction"}
    dossiers = [{**dossier, "number": 123}, {**dossier, "number": 124}]
    return make_context(tmp_path, dossiers=dossiers, desk={"bundle": "0s"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


# --- which tokens count ----------------------------------------------------------------------------------


def kept(participation: Participation, author: str, epoch: int = 0, **values: Any) -> list[Participation]:
    """What is left of a participation in a conversation of Ulysse's, for a mail of `author` with such a token."""
    found = Hints((), (Token(TokenKind.REPLY, participation.id, epoch),))
    there = conversation(1, usager=ULYSSE, **values)
    left = valid(Recalled(participations=((participation, there),)), mail(author), found, None, NOW)
    return [seen for seen, _ in left.participations]


HERS = Participation(7, 1, MANON, Role.AGENT, 0, ULYSSE)


def test_an_agents_token_names_her_and_whom_she_answers() -> None:
    assert kept(HERS, MANON) == [HERS]
    assert kept(replace(HERS, usager=VERA), MANON) == [replace(HERS, usager=VERA, stale="moved_on")]
    assert kept(replace(HERS, usager=""), MANON) == [replace(HERS, usager="", stale="moved_on")]


def test_where_nobody_wrote_down_whom_she_was_told_the_token_counts() -> None:
    """Given out before that was written down."""
    before = replace(HERS, usager=None)
    assert kept(before, MANON) == [before]


def test_a_revoked_token_is_told_to_its_agent_alone() -> None:
    revoked = replace(HERS, epoch=1)
    assert kept(revoked, MANON) == [replace(revoked, stale="token_revoked")]
    assert kept(revoked, MALLORY) == []


def test_an_usagers_token_names_no_other_person() -> None:
    """It says where her mail belongs; whose the conversation is by now changes nothing of that."""
    hers = Participation(8, 1, VERA, Role.USAGER, 0, VERA)
    assert kept(hers, VERA) == [hers]
    assert kept(replace(hers, epoch=1), VERA) == []


def test_a_valid_token_goes_before_a_stale_one() -> None:
    stale, good = replace(HERS, usager=VERA), replace(HERS, id=9, address=INES)
    there = conversation(1, usager=ULYSSE)
    found = Hints((), (Token(TokenKind.REPLY, 7, 0), Token(TokenKind.REPLY, 9, 0)))
    left = valid(Recalled(participations=((stale, there), (good, there))), mail(MANON), found, None, NOW)
    assert [(seen.id, seen.stale) for seen, _ in left.participations] == [(9, ""), (7, "moved_on")]


# --- what becomes of her answer --------------------------------------------------------------------------


def notified(store: Store, agent: str, words: str) -> Any:
    """The notification to an agent that shows these words."""
    return next(d for d in deliveries_to(store, agent) if words in d.draft.text)


def answered(
    store: Store, context: Context, note: Any, text: str = "Voici la réponse.", *, cites: bool = True
) -> Decision:
    raw = raw_mail(
        note.draft.to,
        note.reply_to,
        text=text,
        identifier=f"{note.id}{len(text)}{cites}@mairie",
        answers=note.message_id if cites else "",
    )
    (found,) = take(store, context, raw, recipients=(note.reply_to,), envelope_sender=note.draft.to)
    assert isinstance(found, Decision), found
    return found


def outward(found: Decision) -> list[str]:
    assert found.filing is not None
    drafts = (draft for _, drafts in found.filing.messages for draft in drafts)
    return [draft.to for draft in drafts if draft.purpose is Purpose.ANSWER]


def two_peoples(store: Store, context: Context) -> Any:
    """Ulysse's mail, of which Manon is told; then a late parent joins it with Véra's. That notification."""
    copies = f"{VERA}, {MALLORY}"
    take(store, context, raw_mail(identifier="u@x", answers="p@x", text="DE ULYSSE", subject="a"))
    take(store, context, raw_mail(VERA, identifier="v@x", answers="p@x", text="DE VERA", subject="b"))
    note = notified(store, MANON, "DE ULYSSE")
    take(store, context, raw_mail(MALLORY, identifier="p@x", Cc=f"{ULYSSE}, {copies}", text="PARENT", subject="c"))
    return note


def test_what_became_several_peoples_is_given_back(store: Store, context: Context) -> None:
    note = two_peoples(store, context)
    (together,) = listed(store)
    assert together["usager"] == ""
    for text in ("Pour Ulysse seul.", "@clore\n\nPour Ulysse seul.", "@note pour nous"):
        found = answered(store, context, note, text)
        assert outward(found) == []
        assert found.filing is not None
        (given_back,) = (draft for _, drafts in found.filing.messages for draft in drafts)
        assert (given_back.to, given_back.purpose) == (MANON, Purpose.NOTICE)
        assert text.split("\n")[-1] in given_back.text
        assert any("did not act" in event.what for event in found.filing.history)
    assert shown(store, together["reference"])["status"] == "active"


def test_without_citing_our_mail_too(store: Store, context: Context) -> None:
    note = two_peoples(store, context)
    assert outward(answered(store, context, note, cites=False)) == []


def test_a_late_parent_of_another_person_turns_no_answer(store: Store, context: Context) -> None:
    """What Ulysse opened stays his: the old notification and the new one reach him, and him alone."""
    take(store, context, raw_mail(identifier="u@x", answers="p@x", text="DE ULYSSE"))
    take(store, context, raw_mail(MALLORY, identifier="p@x", Cc=ULYSSE, text="PARENT"))
    for words in ("DE ULYSSE", "PARENT"):
        found = answered(store, context, notified(store, MANON, words), f"À propos de {words}.")
        assert set(outward(found)) <= {ULYSSE}


def test_a_forged_id_turns_no_answer(store: Store, context: Context) -> None:
    """Mallory was in Cc, so he knows the id; he dates his own mail before it."""
    early = {"Date": "Wed, 01 Jan 2025 10:00:00 +0100"}
    take(store, context, raw_mail(identifier="u@x", Cc=MALLORY, text="PREMIER"))
    take(store, context, raw_mail(MALLORY, identifier="u@x", Cc=ULYSSE, text="FORGED", **early))  # type: ignore[arg-type]
    take(store, context, raw_mail(identifier="w@x", answers="u@x", text="SECOND"))
    whose = {
        m["text"]: summary["usager"]
        for summary in listed(store)
        for m in shown(store, summary["reference"])["messages"]
    }
    assert whose == {"PREMIER": ULYSSE, "SECOND": ULYSSE, "FORGED": MALLORY}
    for words in ("PREMIER", "SECOND"):
        assert outward(answered(store, context, notified(store, MANON, words), words)) == [ULYSSE]


def test_an_uncertain_author_is_nobody_whoever_comes_later(store: Store, context: Context) -> None:
    """Nobody was named in the notification; a late parent names somebody: the old token doesn't reach them."""
    take(store, context, raw_mail(f"{ULYSSE}, autre@x.example", identifier="a@x", text="DEUX"))
    take(store, context, raw_mail(identifier="b@x", answers="p@x", references=("a@x", "p@x"), text="REPONSE"))
    note = notified(store, MANON, "REPONSE")
    take(store, context, raw_mail(MALLORY, identifier="p@x", Cc=ULYSSE, text="PARENT"))
    assert outward(answered(store, context, note)) == []


def test_an_answer_follows_the_mail_that_it_answers(store: Store, context: Context) -> None:
    """What parted since is answered where it stands now, to the same person, under its own reference."""
    take(store, context, raw_mail(identifier="u@x", answers="p@x", text="PREMIER"))
    take(store, context, raw_mail(identifier="w@x", answers="u@x", text="SECOND", subject="dossier n° 124"))
    note = notified(store, INES, "SECOND")
    take(store, context, raw_mail(identifier="p@x", text="PARENT", subject="dossier n° 123"))
    assert len(listed(store)) == 2
    found = answered(store, context, note)
    assert outward(found) == [ULYSSE]
    assert found.filing is not None
    assert found.filing.conversation.inbox.number == 124


def test_mail_that_leaves_for_another_dossier_is_not_put_before_these_agents(store: Store, context: Context) -> None:
    """The late parent is of dossier 123; what it parts off is of 124, and isn't shown with it."""
    take(store, context, raw_mail(identifier="u@x", answers="p@x", text="PREMIER"))
    take(store, context, raw_mail(identifier="w@x", answers="u@x", text="SECRET", subject="dossier n° 124"))
    before = {note.id for note in deliveries_to(store, INES)}
    take(store, context, raw_mail(identifier="p@x", text="PARENT", subject="dossier n° 123"))
    (note,) = (d for d in deliveries_to(store, INES) if d.id not in before)
    assert "PARENT" in note.draft.text
    assert "SECRET" not in note.draft.text


def test_a_machines_late_parent_hides_nothing(store: Store, context: Context) -> None:
    take(store, context, raw_mail(identifier="x@x", text="PREMIER"))
    take(store, context, raw_mail(identifier="u@x", answers="p@x", references=("x@x", "p@x"), text="SECOND"))
    take(store, context, raw_mail(MALLORY, identifier="p@x", Cc=ULYSSE, Auto_Submitted="auto-replied", text="ROBOT"))
    status = {m["text"]: s["status"] for s in listed(store) for m in shown(store, s["reference"])["messages"]}
    assert (status["PREMIER"], status["SECOND"]) == ("active", "active")


def test_what_somebody_else_writes_is_not_hidden_in_spam(store: Store, context: Context) -> None:
    """Mallory's mail to us, with Ulysse in Cc, was called spam; Ulysse answers it to all."""
    take(store, context, raw_mail(MALLORY, identifier="p@x", Cc=ULYSSE, text="SPAM"))
    act(store, context, listed(store)[0]["reference"], MANON, parse("@spam"), NOW)
    for name in ("SPAM encore", "DE ULYSSE"):
        sender = MALLORY if "SPAM" in name else ULYSSE
        take(store, context, raw_mail(sender, identifier=f"{name[:4]}@y", answers="p@x", text=name))
    status = {m["text"]: s["status"] for s in listed(store) for m in shown(store, s["reference"])["messages"]}
    assert (status["SPAM encore"], status["DE ULYSSE"]) == ("spam", "active")
    assert notified(store, MANON, "DE ULYSSE")


# --- whatever comes --------------------------------------------------------------------------------------


@given(found=mails(), cites=st.booleans())
@profile(max_examples=25, suppress_health_check=SLOW)
def test_no_answer_reaches_whom_its_notification_did_not_name(
    world: World, found: tuple[bytes, ...], cites: bool
) -> None:
    """But for those whom the dossier admits that the conversation stands in."""
    emptied(world.store)
    named: dict[int, str] = {}
    for raw in found:
        take(world.store, world.context, raw)
        named = {note.id: named.get(note.id, usager) for note, usager in _notifications(world.store)}
    for note, _ in _notifications(world.store):
        reply = raw_mail(
            note.draft.to,
            note.reply_to,
            text="Voici.",
            identifier="h@mairie",
            answers=note.message_id if cites else "",
        )
        decision = _explained(world, reply, note)
        assert decision.filing is not None
        assert set(outward(decision)) <= {named[note.id], *_admitted(world.context, decision.filing.conversation)}


def _notifications(store: Store) -> list[tuple[Any, str]]:
    """Every notification that waits, with the usager of its conversation by now."""
    due = store.read_now(lambda c: sending.due(c, NOW.replace(year=2026), 1000))
    usagers = {s["reference"]: s["usager"] for s in listed(store)}
    found = [note for note in due if note.draft.purpose is Purpose.NOTIFICATION]
    return [(note, usagers[_reference(store, note.conversation)]) for note in found]


def _reference(store: Store, conversation: int | None) -> str:
    assert conversation is not None
    return store.read_now(lambda c: conversation_by_id(c, conversation)).reference


def _explained(world: World, raw: bytes, note: Any) -> Decision:
    """What would become of a mail. The arrival is left behind: nothing is filed."""
    keep(world.store, incoming(raw, recipients=(note.reply_to,), envelope_sender=note.draft.to))
    work = world.store.write_now(lambda tx: arrivals.claim(tx, "test", NOW, 50))
    letter = inbound.read_arrival(world.store, work[0], world.context)
    assert not isinstance(letter, Exception)
    decision = world.store.read_now(lambda c: explaining.explain(c, work[0], letter, world.context, NOW))
    world.store.write_now(lambda tx: arrivals.set_aside(tx, work[0].id, "only looked at"))
    return decision


def _admitted(context: Context, there: Conversation) -> set[str]:
    dossier = context.directory.dossiers.get(there.inbox.number or 0)
    if dossier is None or there.inbox.kind is not InboxKind.DOSSIER:
        return set()
    return {dossier.usager, *dossier.invites}
