"""A mail's way in: read → recall → place → route → plan → file.

`file_mail` recalls, decides (`gateway.decision`) and writes in one transaction, so that nothing can come in between;
`explain` stops before writing. `gateway.waiting` is the loop that has every mail go this way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from gateway import private, sharing
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
from gateway.errors import StoreError
from gateway.health import canary
from gateway.health.canary import Leg
from gateway.model import Arrival, Clues, Mail, Nature, Purpose, Recalled, Role, Thread, Traits, Volume
from gateway.reading.question import Question
from gateway.routing.route import Route
from gateway.store import arrivals, confirmations, failures, filing, recall, references, scans, volume
from gateway.store.database import Store, Tx, savepoint
from gateway.store.neighbourhood import neighbourhood
from gateway.store.turns import Entangled
from gateway.threading.place import Placement, hinted, place, unsettled
from gateway.threading.settle import placed

Filed = Decision | Leg | str  # what became of a mail: filed; a test mail; or set aside, and why

_NOTICES = (Purpose.NOTICE, Purpose.CONFIRMATION)  # what mail in an agent's name sends her
QUICK, PATIENT = 2.0, 5.0  # seconds that reading a mail may take at the first attempt, and at the others


class _TakenOver(Exception):
    """Another daemon has the mail: we were taken for gone, or took too long. Nothing that we decided may stand."""


# --- one mail ------------------------------------------------------------------------------------------------


def explain(
    connection: Connection, arrival: Arrival, mail: Mail, context: Context, now: datetime, *, beside: bool = False
) -> Decision:
    """What would become of a mail, and why. Nothing is written. `beside`: others are filing at the same time.

    Raises:
        Entangled: what others are doing bears on it.
    """
    found = hints(arrival, mail, context)
    own, its = _by_itself(mail, found, context)
    recalled = recall.recall(connection, clues(mail, found, its), now)
    recalled = valid(recalled, mail, found, context.settings.trust.token_life, arrival.received_at)
    recalled = replace(recalled, asked=confirmations.asked(connection, found.confirms) if found.confirms else ())
    placement = _place(connection, mail, its, recalled, context)
    person = _noticed(mail, recalled, placement, context)
    notices = sum(recall.count_since_yesterday(connection, person, purpose, now) for purpose in _NOTICES if person)
    leaving = [message for beside in placement.beside for message in beside.takes]
    home = placement.conversation
    by_agent = placement.participation is not None and placement.participation.role is Role.AGENT
    known = recall.acted_on if by_agent or recalled.asked else recall.thread
    thread = known(connection, home.id, leaving) if home is not None else Thread()
    takes = (*placement.takes, *leaving)
    scan = scans.of_mail(connection, arrival.digest) if mail.attachments else None
    decision = decide(
        arrival,
        mail,
        found,
        replace(recalled, notices=notices, volume=_volume(connection, mail, placement, context, now), scan=scan),
        placement,
        thread,
        recall.messages_by_id(connection, takes) if takes else {},
        context,
        own=own,
        reference=references.unused(connection) if home is None or _may_bring(mail, context) else "",
        now=now,
    )
    limits = context.settings.limits
    crowded = sharing.crowded if beside else volume.crowded
    return spared(decision, crowded(connection, notified(decision), limits, now), now)


def _by_itself(mail: Mail, found: Hints, context: Context) -> tuple[Route, Traits]:
    """Where it belongs by itself, and what others are placed by."""
    own = by_itself(mail, found, context)
    return own, traits(mail, own, context.settings.addresses.domain, anchored=False)


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
    return mail.author.address if _may_bring(mail, context) else ""


def _may_bring(mail: Mail, context: Context) -> bool:
    """Is its author an agent? Then it may open a conversation wherever it is placed, and be refused."""
    return context.directory.is_agent(mail.author.address)


def _place(connection: Connection, mail: Mail, its: Traits, recalled: Recalled, context: Context) -> Placement:
    """Place a mail by what it cites; where that isn't enough, among the conversations that it touches."""
    return hinted(_placed(connection, mail, its, recalled, context), recalled)


def _placed(connection: Connection, mail: Mail, its: Traits, recalled: Recalled, context: Context) -> Placement:
    quick = place(mail, recalled)
    home = quick.conversation.id if quick.participation is not None and quick.conversation is not None else 0
    traced, known = trace(mail, replace(its, anchored=home != 0), home), rules(context)
    touched = unsettled(traced, mail, recalled, known)
    return placed(traced, quick, neighbourhood(connection, touched), known) if touched else quick


def file_mail(
    tx: Tx, arrival: Arrival, mail: Mail, context: Context, now: datetime, *, beside: bool = False
) -> Decision:
    """Decide what becomes of a mail, and write it. `beside`: as `explain`.

    Raises:
        _TakenOver: it isn't ours any more.
        Entangled: as `explain`.
    """
    decision = explain(tx.connection, arrival, mail, context, now, beside=beside)
    if decision.filing is None:
        assert decision.duplicate_of is not None
        ours = arrivals.duplicate(tx, arrival.id, decision.duplicate_of, arrival.owner)
    else:
        message, _ = filing.file(tx, decision.filing, context.signer, now)
        if mail.attachments and context.settings.antivirus.socket:
            scans.ask(tx, (arrival.digest,), now)
        ours = arrivals.filed(tx, arrival.id, message, arrival.owner)
    if not ours:
        raise _TakenOver
    return decision


def file_beside(
    tx: Tx, batch: Sequence[tuple[Arrival, Mail | Exception]], context: Context, now: datetime
) -> list[tuple[Arrival, Filed]]:
    """As `file_batch`, at the same time as other daemons, in a transaction of its own.

    Raises:
        Entangled: these must be filed in turn; nothing of them is written.
    """
    sharing.share(tx.connection, list(_all_clues(batch, context)), context.settings.limits, now)
    return file_batch(tx, batch, context, now, beside=True)


def _all_clues(batch: Iterable[tuple[Arrival, Mail | Exception]], context: Context) -> Iterator[Clues]:
    """What will be looked up of these mails.

    Raises:
        Entangled: one of them has a defect of ours come out.
    """
    for arrival, mail in batch:
        if isinstance(mail, Mail):
            try:
                found = hints(arrival, mail, context)
                yield clues(mail, found, _by_itself(mail, found, context)[1])
            except Exception as error:
                raise Entangled from error


def file_batch(
    tx: Tx,
    batch: Iterable[tuple[Arrival, Mail | Exception]],
    context: Context,
    now: datetime,
    *,
    beside: bool = False,
) -> list[tuple[Arrival, Filed]]:
    """File mails in one transaction. One that fails is set aside with its reason, beside the others.

    One that isn't ours to file any more is left to whoever has it, and isn't among the outcomes. `beside`: as
    `explain`.

    Raises:
        Entangled: as `explain`.
    """
    done: list[tuple[Arrival, Filed]] = []
    for arrival, mail in batch:
        try:
            if isinstance(mail, Exception):
                raise mail
            with savepoint(tx.connection):
                leg = canary.leg_of(arrival, mail, context)
                decision: Filed = (
                    file_mail(tx, arrival, mail, context, now, beside=beside)
                    if leg is None
                    else canary.filed(tx, arrival, leg, context, now)
                )
        except _TakenOver:
            continue
        except Entangled:
            raise
        except Exception as error:
            if store_trouble(error):
                raise
            decision = f"{type(error).__name__}: {error}"[:500]
            if not arrivals.set_aside(tx, arrival.id, decision, arrival.owner):
                continue
        done.append((arrival, decision))
    return done


def read_arrival(store: Store, arrival: Arrival, context: Context) -> Mail | Exception:
    """Read one kept mail in this process, for commands. What reading raises is its result.

    Raises:
        StoreError: the raw mail can't be had now; that isn't its fault.
    """
    raw = fetched(store, arrival)
    try:
        return read_mail(raw, arrival, context)
    except Exception as error:  # noqa: BLE001 (reading never raises; should it, the next mail is worked on)
        return error


def read_mail(raw: bytes, arrival: Arrival, context: Context) -> Mail:
    """Read a mail in this process; what in it is its holder's alone isn't shown to others."""
    # The daemon has mails read elsewhere.
    from gateway.reading.answering import answered  # noqa: PLC0415
    from gateway.reading.searching import searched  # noqa: PLC0415

    mail = answered(raw, question(arrival, context))
    search = private.search(mail, context, PATIENT)
    return private.cleaned(mail, searched(raw, search) if search else (), context)


def fetched(store: Store, arrival: Arrival) -> bytes:
    location = store.read_now(lambda connection: arrivals.locate(connection, arrival.digest))
    return store.packs.read(location)


def question(arrival: Arrival, context: Context) -> Question:
    """What reading this mail depends on."""
    return Question(
        authserv_id=arrival.authserv_id,
        results=arrival.results,
        domain=context.settings.addresses.domain,
        envelope_sender=arrival.envelope.sender,
        seconds=patience(arrival),
    )


def patience(arrival: Arrival) -> float:
    """Seconds that reading it may take, and searching its files: little at first, so that nothing waits for long."""
    return QUICK if arrival.attempts <= 1 else PATIENT


def store_trouble(error: Exception) -> bool:
    """Is it the disk's or the database's failure, and not the mail's?"""
    return isinstance(error, StoreError) or (isinstance(error, DBAPIError) and not failures.blames_the_row(error))
