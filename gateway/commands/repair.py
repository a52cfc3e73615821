"""`split` and `merge`: what was threaded wrongly is mended by whoever is responsible for it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import datetime

from gateway import acting, telling
from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.output import Shown
from gateway.commands.situation import situated
from gateway.context import Context
from gateway.desk import states
from gateway.desk.rights import Action, may
from gateway.errors import Refused
from gateway.model import Conversation, Direction, Event, Filing, Inbox, InboxKind, Kind, Message, Problem, Status
from gateway.relay import plan
from gateway.store import filing, notices, references, repair, views
from gateway.store.database import Store, Tx
from gateway.threading.place import joined


def _split_parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_split)
    made.add_argument("reference", metavar="REF", help=typed.REF)
    made.add_argument("message", type=int, metavar="MESSAGE", help="its number, as `show` names it: 17 for #17")
    made.add_argument("--to", metavar="REF", help="into this conversation, else into one of its own")
    made.add_argument("--as", dest="agent", metavar="AGENT", required=True, help=typed.WHOSE)


def _merge_parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_merge)
    made.add_argument("reference", metavar="REF", help=typed.REF)
    made.add_argument("other", metavar="OTHER", help="the other conversation")
    made.add_argument("--as", dest="agent", metavar="AGENT", required=True, help=typed.WHOSE)


OFFERED = {"split": _split_parser, "merge": _merge_parser}


def _split(options: argparse.Namespace) -> Shown:
    with situated(options) as (store, context):
        return split(
            store,
            context,
            options.reference,
            options.message,
            options.to,
            options.agent,
            utc_now(),
            proof=typed.typed_by(options).proof,
        )


def _merge(options: argparse.Namespace) -> Shown:
    with situated(options) as (store, context):
        now, proof = utc_now(), typed.typed_by(options).proof
        return merge(store, context, options.reference, options.other, options.agent, now, proof=proof)


def split(
    store: Store,
    context: Context,
    reference: str,
    message: int,
    to: str | None,
    agent: str,
    now: datetime,
    *,
    proof: str = "command line",
) -> Shown:
    """Take a message off a conversation: into one of its own, or into the conversation `to`.

    What waits for an answer waits on where it comes to, and its agents are told if they weren't yet.

    Raises:
        NotFound: there is no such conversation or message.
        Refused: she may not; it is the only message; or the other conversation is of another dossier, or usager.
    """
    agent = agent.strip().lower()

    def work(tx: Tx) -> str:
        here = _responsible(tx, context, reference, agent)
        moved = repair.message(tx.connection, here.id, message)
        if moved.kind is Kind.EVENT:
            raise Refused("it is the trace of a command: that stays where the command was given")
        waiting = repair.unanswered(tx.connection, here.id)
        if to is not None:
            there = _other(tx, context, here, to, moved, agent)
        elif repair.count(tx.connection, here.id) < 2:
            raise Refused("it is the only message there: there is nothing to split")
        else:
            there = _own(context, here, moved, references.unused(tx.connection), now)
        after = _filed(tx, context, here, there, message, agent, now, proof, waits=message in waiting)
        if message in waiting and after.status is Status.ACTIVE:
            known = notices.told_of(tx.connection, message) if there.status is Status.ACTIVE else ()
            reason = plan.Reason.MOVED
            telling.put_before(tx, context, after, (moved,), message, now, reason=reason, by=agent, but=known)
        if waiting == (message,) and here.status is Status.ACTIVE:
            _nothing_left(tx, context, here, now)
        return after.reference

    found = store.write_now(work)
    return Shown({"reference": found}, (f"Message {message} is in {found} now.",))


def _other(tx: Tx, context: Context, here: Conversation, to: str, moved: Message, agent: str) -> Conversation:
    there = _responsible(tx, context, to, agent)
    if there.id == here.id:
        raise Refused("it is there already")
    _same_dossier(here, there)
    _same_people(here, there, moved)
    return there


def _filed(
    tx: Tx,
    context: Context,
    here: Conversation,
    there: Conversation,
    message: int,
    agent: str,
    now: datetime,
    proof: str,
    *,
    waits: bool,
) -> Conversation:
    """Put the message there; how that conversation stands with it. `waits`: it is still to be answered."""
    after = states.written(there, now) if waits else there
    after = replace(after, because=(*there.because, f"{agent} split a message off {here.reference}"))
    events = (Event(agent, f"took message {message} out of {here.reference}"),)
    filing.file(tx, Filing(after, history=events, proof=proof), context.signer, now)
    after = views.find(tx.connection, there.reference)
    repair.put(tx, message, after.id)
    repair.anchor(tx, message)
    filing.record(tx, here.id, Event(agent, f"moved message {message} to {after.reference}"), now, proof)
    return after


def _nothing_left(tx: Tx, context: Context, here: Conversation, now: datetime) -> None:
    """All that waited has been moved elsewhere: what was answered waits for its usager, the rest is done."""
    status = Status.PENDING if repair.answered(tx.connection, here.id) else Status.CLOSED
    event = Event("gateway", f"{status.value}: nothing is left in it to answer")
    filing.file(tx, Filing(states.put(here, status, now), history=(event,)), context.signer, now)


def _own(context: Context, here: Conversation, moved: Message, reference: str, now: datetime) -> Conversation:
    """The conversation that a message opens which is taken out of another: in the same inbox, as new.

    Pinned: else the next mail that cites both would make them one again.
    """
    from_outside = moved.direction is Direction.IN and moved.kind is Kind.EXTERNAL
    author = moved.author if moved.traits.sure else ""  # whom nobody knows by this mail isn't written to
    usager = author if from_outside else here.usager
    fresh = Conversation(
        id=0,
        reference=reference,
        inbox=_admitting(context, here.inbox, usager),
        strength=here.strength,
        pinned=True,
        status=Status.ACTIVE,
        assignee=None,
        subject=moved.subject if moved.subject and here.reference not in moved.subject else here.subject,
        usager=usager,
        created_at=moved.received_at,
        updated_at=now,
        organisation=here.organisation,
        language=here.language,
    )
    return states.put(fresh, Status.ACTIVE if from_outside else Status.CLOSED, now)


def _admitting(context: Context, inbox: Inbox, usager: str) -> Inbox:
    """A dossier is for those who are admitted to it; what anybody else writes stands in its démarche."""
    dossier = context.directory.dossiers.get(inbox.number or 0) if inbox.kind is InboxKind.DOSSIER else None
    if dossier is None or context.directory.admitted(usager, dossier):
        return inbox
    return Inbox(InboxKind.DEMARCHE, dossier.demarche)


def merge(
    store: Store,
    context: Context,
    reference: str,
    other: str,
    agent: str,
    now: datetime,
    *,
    proof: str = "command line",
) -> Shown:
    """Make two conversations one: the older, or the one whose usager's agents have admitted that of the other.

    Raises:
        NotFound: there is no such conversation.
        Refused: she may not, or they are of different dossiers, or of different people; or somebody would come into
            a dossier, or out of the conversation, by it.
    """
    agent = agent.strip().lower()

    def work(tx: Tx) -> str:
        pair = [_responsible(tx, context, name, agent) for name in (reference, other)]
        older, newer = sorted(pair, key=lambda conversation: conversation.id)
        if older.id == newer.id:
            raise Refused("they are one conversation already")
        _same_dossier(older, newer)
        one, two = (older, newer) if newer.usager in _audience(older) else (newer, older)
        if two.usager not in _audience(one):
            raise Refused(acting.in_words(Problem("other_usager")))
        _nobody_out(one, two)
        made = joined(one, [two])
        _nobody_in(context, made, pair)
        event = Event(agent, f"merged {two.reference} into {one.reference}")
        repair.anchor_all(tx, two.id)
        filing.file(tx, Filing(made, merge=(two.id,), history=(event,), proof=proof), context.signer, now)
        return one.reference

    found = store.write_now(work)
    return Shown({"reference": found}, (f"Both are {found} now.",))


def _nobody_out(one: Conversation, two: Conversation) -> None:
    """Nobody whom agents admitted to the other conversation stops taking part without a word."""
    for person in two.guests:
        if person not in _audience(one):
            remedy = f"admit that person to {one.reference}, or remove that person from {two.reference}"
            raise Refused(f"{person} takes part in {two.reference} alone: {remedy} first")


def _nobody_in(context: Context, made: Conversation, pair: list[Conversation]) -> None:
    """A dossier is for those who are admitted to it, or to a conversation that stands there already."""
    if made.inbox.kind is not InboxKind.DOSSIER:
        return
    dossier = context.directory.dossiers.get(made.inbox.number or 0)
    inside = {person for each in pair if each.inbox == made.inbox for person in _audience(each)}
    for person in _audience(made) - inside:
        if dossier is None or not context.directory.admitted(person, dossier):
            raise Refused(acting.in_words(Problem("other_usager")))


def _responsible(tx: Tx, context: Context, reference: str, agent: str) -> Conversation:
    conversation = context.staffed(views.find(tx.connection, reference))
    ruling = may(agent, Action.REPAIR, conversation, context.directory.circle_of(conversation))
    if ruling.problem is not None:
        raise Refused(acting.in_words(ruling.problem))
    return conversation


def _same_people(here: Conversation, there: Conversation, moved: Message) -> None:
    """Answers to the mails that a message caused go to the usager of the conversation it stands in."""
    audience = _audience(there)
    hers = moved.direction is Direction.IN and moved.traits.sure and moved.author in audience
    if here.usager not in audience and not hers:
        raise Refused(acting.in_words(Problem("other_usager")))


def _audience(conversation: Conversation) -> set[str]:
    return {conversation.usager, *conversation.guests} - {""}


def _same_dossier(one: Conversation, other: Conversation) -> None:
    numbers = {c.inbox.number for c in (one, other) if c.inbox.kind is InboxKind.DOSSIER}
    if len(numbers) > 1:
        raise Refused(acting.in_words(Problem("other_dossiers")))
