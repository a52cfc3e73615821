"""What becomes of one mail, and why: what the store knows of it, and what is decided by that. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from gateway.context import Context
from gateway.decision import (
    Decision,
    Hints,
    by_itself,
    clues,
    decide,
    hints,
    notified,
    rules,
    spared,
    trace,
    traits,
    valid,
)
from gateway.model import Arrival, Clues, Mail, Nature, Purpose, Recalled, Role, Scan, Thread, Traits, Volume
from gateway.routing.route import Route
from gateway.store import confirmations, exchange, recall, references, scans, volume
from gateway.store.neighbourhood import neighbourhood
from gateway.store.rows import messages_by_id
from gateway.store.volume import Counted
from gateway.threading.place import Placement, hinted, place, unsettled
from gateway.threading.settle import placed

_NOTICES = (Purpose.NOTICE, Purpose.CONFIRMATION)  # what mail in an agent's name sends her


@dataclass(frozen=True, slots=True)
class Seen:
    """A mail, and what it says by itself: its hints, where it belongs, its traits, what to look up because of it."""

    arrival: Arrival
    mail: Mail
    found: Hints
    own: Route
    its: Traits
    clues: Clues


def seen(arrival: Arrival, mail: Mail, context: Context) -> Seen:
    found = hints(arrival, mail, context)
    own = by_itself(mail, found, context)
    its = traits(mail, own, context.settings.addresses.domain, anchored=False)
    return Seen(arrival, mail, found, own, its, clues(mail, found, its))


def explain(connection: Connection, arrival: Arrival, mail: Mail, context: Context, now: datetime) -> Decision:
    """What would become of a mail, and why."""
    return explained(connection, seen(arrival, mail, context), context, now, volume.notifications)


def explained(connection: Connection, this: Seen, context: Context, now: datetime, counted: Counted) -> Decision:
    """The same of a mail that was looked at. `counted` tells how many notifications agents had.

    Raises:
        Entangled: `counted` does: what others are filing bears on it.
    """
    arrival, mail = this.arrival, this.mail
    recalled = recall.recall(connection, this.clues, now)
    recalled = valid(recalled, mail, this.found, context.settings.trust.token_life, arrival.received_at)
    asked = confirmations.asked(connection, this.found.confirms) if this.found.confirms else ()
    recalled = replace(recalled, asked=asked)
    placement = _place(connection, this, recalled, context)
    person = _noticed(mail, recalled, placement, context)
    notices = sum(recall.count_since_yesterday(connection, person, purpose, now) for purpose in _NOTICES if person)
    leaving = [message for beside in placement.beside for message in beside.takes]
    home = placement.conversation
    by_agent = placement.participation is not None and placement.participation.role is Role.AGENT
    known = exchange.acted_on if by_agent or recalled.asked else exchange.thread
    thread = known(connection, home.id, leaving) if home is not None else Thread()
    takes = (*placement.takes, *leaving)
    scan = scans.of_mail(connection, arrival.digest) if mail.attachments else None
    decision = decide(
        arrival,
        mail,
        this.found,
        replace(recalled, notices=notices, volume=_volume(connection, mail, placement, context, now), scan=scan),
        placement,
        thread,
        messages_by_id(connection, takes) if takes else {},
        context,
        own=this.own,
        reference=references.unused(connection) if home is None or is_agents(mail, context) else "",
        now=now,
    )
    enough = context.settings.limits.notifications_per_agent
    had = counted(connection, notified(decision), enough, now)
    return spared(decision, crowded(had, enough), now)


def crowded(had: Mapping[str, int], enough: int) -> frozenset[str]:
    """Those of the agents who had all the notifications that they may have."""
    return frozenset(agent for agent, count in had.items() if count >= enough)


def foretold(
    this: Seen, wrote: Volume, scan: Scan | None, reference: str, context: Context, now: datetime
) -> Decision | None:
    """What becomes of a mail of which the store knows nothing, but for how much we wrote by ourselves; None: it isn't
    told by that."""
    nothing = Recalled(volume=wrote, scan=scan)
    placement = place(this.mail, nothing)
    if placement.conversation is not None or this.found.confirms or is_agents(this.mail, context):
        return None
    if unsettled(trace(this.mail, this.its), this.mail, nothing, rules(context)):
        return None
    return decide(
        this.arrival,
        this.mail,
        this.found,
        nothing,
        placement,
        Thread(),
        {},
        context,
        own=this.own,
        reference=reference,
        now=now,
    )


def is_agents(mail: Mail, context: Context) -> bool:
    """Is its author an agent? Then it may open a conversation wherever it is placed, and be refused."""
    return context.directory.is_agent(mail.author.address)


def _volume(connection: Connection, mail: Mail, placement: Placement, context: Context, now: datetime) -> Volume:
    """What was acknowledged lately, where an acknowledgement may be due at all."""
    if placement.conversation is not None or mail.nature is not Nature.PERSON:
        return Volume()
    return volume.lately(connection, mail.author.address, context.settings.limits, now)


def _noticed(mail: Mail, recalled: Recalled, placement: Placement, context: Context) -> str:
    """Who would be told of what isn't done: the agent in whose name it is; "" where it is in nobody's."""
    if recalled.asked:
        return recalled.asked[0].agent
    if placement.participation is not None and placement.participation.role is Role.AGENT:
        return placement.participation.address
    return mail.author.address if is_agents(mail, context) else ""


def _place(connection: Connection, this: Seen, recalled: Recalled, context: Context) -> Placement:
    """Place a mail by what it cites; where that isn't enough, among the conversations that it touches."""
    return hinted(_placed(connection, this, recalled, context), recalled)


def _placed(connection: Connection, this: Seen, recalled: Recalled, context: Context) -> Placement:
    quick = place(this.mail, recalled)
    home = quick.conversation.id if quick.participation is not None and quick.conversation is not None else 0
    traced, known = trace(this.mail, replace(this.its, anchored=home != 0), home), rules(context)
    touched = unsettled(traced, this.mail, recalled, known)
    return placed(traced, quick, neighbourhood(connection, touched), known) if touched else quick
