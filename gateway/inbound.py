"""A mail's way in: read → recall → place → route → plan → file.

`file_mail` recalls, decides (`gateway.explaining`) and writes in one transaction, so that nothing can come in
between; several mails are filed together as far as that goes (`gateway.together`). `gateway.waiting` is the loop that
has every mail go this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.exc import DBAPIError

from gateway import log, private, sharing, together
from gateway.context import Context
from gateway.decision import Decision
from gateway.errors import StoreError
from gateway.explaining import Seen, explained, seen
from gateway.health import canary
from gateway.model import Arrival, Clues, Mail
from gateway.outcries import place
from gateway.reading.question import Question
from gateway.store import arrivals, failures, filing, scans, volume
from gateway.store.database import Store, Tx, savepoint
from gateway.store.turns import Entangled
from gateway.store.volume import Counted
from gateway.together import Filed, Told, Waiting

_TOGETHER = 10  # mails; a mail that comes in meanwhile waits for so many at most
_LARGE = 10_000_000  # octets
_QUICK, _PATIENT = 2.0, 5.0  # seconds that reading a mail may take at the first attempt, and at the others
_SEARCHING = 4.0  # of the processor, that searching files may take here: with all else, a mail takes five at most


class _TakenOver(Exception):
    """Another daemon has the mail: we were taken for gone, or took too long. Nothing that we decided may stand."""


# --- one mail ------------------------------------------------------------------------------------------------


def file_mail(tx: Tx, this: Seen, context: Context, now: datetime, counted: Counted) -> Decision:
    """Decide what becomes of a mail, and write it. `counted`: as `explained`.

    Raises:
        _TakenOver: it isn't ours any more.
        Entangled: as `explained`.
    """
    arrival, mail = this.arrival, this.mail
    decision = explained(tx.connection, this, context, now, counted)
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


# --- several -------------------------------------------------------------------------------------------------


def file_some(
    tx: Tx, mails: Sequence[Waiting], context: Context, now: datetime
) -> tuple[list[tuple[Arrival, Filed]], int]:
    """File mails in their order, as many as there is time for, one at least. What they came to, and how many it were.

    Some at a time, together; one by one where others want to write.
    """
    done: list[tuple[Arrival, Filed]] = []
    count = 0
    while count < len(mails) and not (count and tx.in_haste()):
        some = mails[count : count + (1 if tx.in_haste() else _TOGETHER)]
        done += file_batch(tx, some, context, now)
        count += len(some)
    return done, count


def file_beside(tx: Tx, mails: Sequence[Waiting], context: Context, now: datetime) -> list[tuple[Arrival, Filed]]:
    """As `file_batch`, at the same time as other daemons, in a transaction of its own.

    Raises:
        Entangled: these must be filed in turn; nothing of them is written.
    """
    told = together.told(mails, context)
    if any(this is None and isinstance(mail, Mail) for _, mail, this in told):
        raise Entangled  # a defect of ours came out: nobody knows what it touches
    clues = [_with_asked(this) for *_, this in told if this]
    sharing.share(tx.connection, clues, context.settings.limits, now)
    return _file_told(tx, told, context, now, sharing.notifications)


def _with_asked(this: Seen) -> Clues:
    """What it leads to: also by an agent's word about what she was asked."""
    return replace(this.clues, deliveries=(*this.clues.deliveries, *this.found.confirms))


def file_batch(tx: Tx, mails: Sequence[Waiting], context: Context, now: datetime) -> list[tuple[Arrival, Filed]]:
    """File mails in one transaction. One that fails is set aside with its reason, beside the others.

    One that isn't ours to file any more is left to whoever has it, and isn't among the outcomes.
    """
    return _file_told(tx, together.told(mails, context), context, now, volume.notifications)


def _file_told(
    tx: Tx, mails: Sequence[Told], context: Context, now: datetime, counted: Counted
) -> list[tuple[Arrival, Filed]]:
    """Together, if there are several, and that can be done."""

    def alone(told: Told) -> Filed | None:
        return _file_alone(tx, told, context, now, counted)

    if len(mails) > 1:
        try:
            with savepoint(tx.connection):
                return together.file(tx, mails, context, now, alone, counted)
        except Entangled:
            raise
        except together.Undone:
            log.filed_one_by_one(mails=len(mails), reason="another daemon has some of them")
        except Exception as error:
            if store_trouble(error):
                raise
            reason = f"{type(error).__name__} at {place(error.__traceback__)}"
            log.filed_one_by_one(mails=len(mails), reason=reason)
    outcomes = [(told[0], alone(told)) for told in mails]
    return [(arrival, outcome) for arrival, outcome in outcomes if outcome is not None]


def _file_alone(tx: Tx, told: Told, context: Context, now: datetime, counted: Counted) -> Filed | None:
    """File a mail, or set it aside; None: it isn't ours any more."""
    arrival, mail, this = told
    try:
        if isinstance(mail, Exception):
            raise mail
        with savepoint(tx.connection):
            leg = canary.leg_of(arrival, mail, context)
            if leg is not None:
                return canary.filed(tx, arrival, leg, context, now)
            return file_mail(tx, this or seen(arrival, mail, context), context, now, counted)
    except _TakenOver:
        return None
    except Entangled:
        raise
    except Exception as error:
        if store_trouble(error):
            raise
        reason = f"{type(error).__name__}: {error}"[:500]
        return reason if arrivals.set_aside(tx, arrival.id, reason, arrival.owner) else None


# --- reading -------------------------------------------------------------------------------------------------


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
    search = private.search(mail, context, _SEARCHING)
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
    """Seconds that reading it may take: little at first, so that nothing waits for long.

    A large mail has some more, for what carrying it over takes. Searching its files may take as long.
    """
    return (_QUICK if arrival.attempts <= 1 else _PATIENT) + arrival.size // _LARGE


def store_trouble(error: Exception) -> bool:
    """Is it the disk's or the database's failure, and not the mail's?"""
    return isinstance(error, StoreError) or (isinstance(error, DBAPIError) and not failures.blames_the_row(error))
