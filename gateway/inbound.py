"""A mail's way in: read → recall → place → route → plan → file.

`file_mail` recalls, decides (`gateway.decision`) and writes in one transaction, so that nothing can come in between;
`explain` stops before writing. The loop claims what waits, reads it off the event loop, and files it in batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, ProgrammingError

from gateway import log
from gateway.context import Context
from gateway.decision import Decision, by_itself, clues, decide, hints, rules, trace, traits, valid
from gateway.errors import StoreError
from gateway.mail.read import read
from gateway.model import Arrival, Mail, Purpose, Recalled, Role, Thread, Traits
from gateway.store import arrivals, filing, recall, references
from gateway.store.database import Store, Tx, savepoint
from gateway.store.neighbourhood import neighbourhood
from gateway.threading.place import Placement, place, unsettled
from gateway.threading.settle import placed

_BATCH = 50
_LATER = timedelta(minutes=5)  # until a mail is tried again whose raw bytes couldn't be had
_IDLE = 2.0  # seconds until the loop looks by itself: another process may have let a mail be tried again


# --- one mail ------------------------------------------------------------------------------------------------


def explain(connection: Connection, arrival: Arrival, mail: Mail, context: Context, now: datetime) -> Decision:
    """What would become of a mail, and why. Nothing is written."""
    found = hints(arrival, mail, context)
    own = by_itself(mail, found, context)
    its = traits(mail, own, context.settings.addresses.domain, anchored=False)
    recalled = valid(recall.recall(connection, clues(mail, found, its), now), mail, found)
    placement = _place(connection, mail, its, recalled, context)
    person = placement.participation.address if placement.participation else mail.author.address
    notices = recall.count_since_yesterday(connection, person, Purpose.NOTICE, now)
    leaving = [message for beside in placement.beside for message in beside.takes]
    home = placement.conversation
    thread = recall.thread(connection, home.id, leaving) if home is not None else Thread()
    if home is not None and placement.participation is not None and placement.participation.role is Role.AGENT:
        thread = replace(thread, written=recall.written(connection, home.id))
    takes = (*placement.takes, *leaving)
    return decide(
        arrival,
        mail,
        found,
        replace(recalled, notices=notices),
        placement,
        thread,
        recall.messages_by_id(connection, takes) if takes else {},
        context,
        own=own,
        reference=references.unused(connection),
        now=now,
    )


def _place(connection: Connection, mail: Mail, its: Traits, recalled: Recalled, context: Context) -> Placement:
    """Place a mail by what it cites; where that isn't enough, among the conversations that it touches."""
    quick = place(mail, recalled)
    home = quick.conversation.id if quick.participation is not None and quick.conversation is not None else 0
    traced, known = trace(mail, replace(its, anchored=home != 0), home), rules(context)
    touched = unsettled(traced, mail, recalled, known)
    return placed(traced, quick, neighbourhood(connection, touched), known) if touched else quick


def file_mail(tx: Tx, arrival: Arrival, mail: Mail, context: Context, now: datetime) -> Decision:
    """Decide what becomes of a mail, and write it."""
    decision = explain(tx.connection, arrival, mail, context, now)
    if decision.filing is None:
        assert decision.duplicate_of is not None
        arrivals.duplicate(tx, arrival.id, decision.duplicate_of)
    else:
        message, _ = filing.file(tx, decision.filing, context.signer, now)
        arrivals.filed(tx, arrival.id, message)
    return decision


def file_batch(
    tx: Tx, batch: Iterable[tuple[Arrival, Mail | Exception]], context: Context, now: datetime
) -> list[tuple[Arrival, Decision | str]]:
    """File mails in one transaction. One that fails is set aside with its reason, beside the others."""
    done: list[tuple[Arrival, Decision | str]] = []
    for arrival, mail in batch:
        try:
            if isinstance(mail, Exception):
                raise mail
            with savepoint(tx.connection):
                decision: Decision | str = file_mail(tx, arrival, mail, context, now)
        except Exception as error:
            if store_trouble(error):
                raise
            decision = f"{type(error).__name__}: {error}"[:500]
            arrivals.set_aside(tx, arrival.id, decision)
        done.append((arrival, decision))
    return done


def read_arrival(store: Store, arrival: Arrival, context: Context) -> Mail | Exception:
    """Read one kept mail. What reading raises is its result: the mail is set aside over it.

    Raises:
        StoreError: the raw mail can't be had now; that isn't its fault.
    """
    location = store.read_now(lambda connection: arrivals.locate(connection, arrival.digest))
    raw = store.packs.read(location)
    try:
        return read_mail(raw, arrival, context)
    except Exception as error:  # noqa: BLE001 (reading never raises; should it, the next mail is worked on)
        return error


def read_mail(raw: bytes, arrival: Arrival, context: Context) -> Mail:
    return read(
        raw,
        authserv_id=arrival.authserv_id,
        domain=context.settings.addresses.domain,
        envelope_sender=arrival.envelope.sender,
    )


# --- the loop --------------------------------------------------------------------------------------------


async def run(
    store: Store,
    context: Callable[[], Context],
    *,
    owner: str,
    arrived: asyncio.Event,
    planned: asyncio.Event,
    now: Callable[[], datetime],
) -> NoReturn:
    """File what waits, for ever. `arrived` wakes it; it sets `planned` when there may be mail to send."""
    while True:
        arrived.clear()
        try:
            worked = await file_waiting(store, context(), owner, now)
        except StoreError as error:
            log.filing_paused(reason=str(error))
            await asyncio.sleep(_IDLE)
            continue
        if worked:
            planned.set()
            continue
        await _either(arrived, _IDLE)


async def file_waiting(store: Store, context: Context, owner: str, now: Callable[[], datetime]) -> int:
    """Claim a batch, read it, file it; return how many mails left the queue."""
    work, spent = await store.write(lambda tx: arrivals.claim(tx, owner, now(), _BATCH))
    for arrival in spent:
        reason = f"its filing ended the process {arrivals.MOST_ATTEMPTS} times"
        await store.write(lambda tx, a=arrival, r=reason: arrivals.set_aside(tx, a.id, r))  # type: ignore[misc]
        log.mail_set_aside(mail=log.mail_id(arrival.digest), arrival=arrival.id, reason=reason)
    if not work:
        return len(spent)
    try:
        mails = await _read_all(store, work, context, now)
        await _finished(asyncio.create_task(_file_all(store, mails, context, now())))
    except (StoreError, asyncio.CancelledError):
        store.submit(lambda tx: arrivals.unclaim(tx, [arrival.id for arrival in work]))
        raise
    return len(work) + len(spent)


async def _finished(task: asyncio.Task[None]) -> None:
    """Wait for a task to its end, also when asked to stop: the writes are under way, and are to be logged."""
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=5)
        raise


async def _read_all(
    store: Store, work: Iterable[Arrival], context: Context, now: Callable[[], datetime]
) -> list[tuple[Arrival, Mail | Exception]]:
    """Read mails. One whose raw bytes can't be had now waits a while, and holds up no other."""
    mails: list[tuple[Arrival, Mail | Exception]] = []
    late: dict[int, StoreError] = {}
    for arrival in work:
        try:
            mails.append((arrival, await asyncio.to_thread(read_arrival, store, arrival, context)))
        except StoreError as error:
            late[arrival.id] = error
    if late:
        again = now() + _LATER
        await store.write(lambda tx: arrivals.unclaim(tx, list(late), again))
        log.filing_paused(reason=f"{len(late)} of the mails can't be read: {next(iter(late.values()))}")
    return mails


async def _file_all(
    store: Store, mails: list[tuple[Arrival, Mail | Exception]], context: Context, now: datetime
) -> None:
    """File mails in their order, each as a job of its own: mail that comes in meanwhile waits for one at most."""
    jobs = [store.write(lambda tx, mail=mail: file_batch(tx, [mail], context, now)) for mail in mails]  # type: ignore[misc]
    for filed in await asyncio.gather(*jobs):
        for arrival, decision in filed:
            _log_filed(arrival, decision)


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


def _log_filed(arrival: Arrival, decision: Decision | str) -> None:
    mail = log.mail_id(arrival.digest)
    if isinstance(decision, str):
        log.mail_set_aside(mail=mail, arrival=arrival.id, reason=decision.partition(":")[0])
    elif decision.filing is None:
        log.mail_duplicate(mail=mail, arrival=arrival.id)
    else:
        conversation = decision.filing.conversation
        message = decision.filing.messages[0][0]
        log.mail_filed(
            mail=mail,
            arrival=arrival.id,
            conversation=conversation.reference,
            inbox=str(conversation.inbox),
            nature=message.nature.value,
            proof=message.proof.value if message.proof else "",
            deliveries=sum(len(drafts) for _, drafts in decision.filing.messages),
        )


def store_trouble(error: Exception) -> bool:
    """Is it the disk's or the database's failure, and not the mail's?"""
    theirs = (IntegrityError, DataError, ProgrammingError, InterfaceError)  # what was to be written is at fault
    return isinstance(error, StoreError) or (isinstance(error, DBAPIError) and not isinstance(error, theirs))
