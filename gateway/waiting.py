"""Mail that waits to be filed: claimed, fetched, read in processes of their own (`gateway.reading`), filed in order.

New mails are worked on in batches; one that was begun before, in vain or by a process that ended, beside them, alone,
and with more patience. At the third attempt a mail that can't be read is filed by its header.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn, Protocol

from gateway import inbound, log, private
from gateway.claims import CALM, claimed, give_back
from gateway.context import Context
from gateway.decision import Decision
from gateway.errors import Temporary
from gateway.health.canary import Leg
from gateway.model import Arrival, Filing, Mail, Message, Nature
from gateway.outcries import place
from gateway.reading.question import Question, Search, Suspects
from gateway.reading.readers import MOST_READERS, Unreadable
from gateway.redaction import pseudonym
from gateway.store import arrivals
from gateway.store.database import Store
from gateway.store.turns import Entangled
from gateway.together import Filed, Waiting

Look = Callable[[Iterable[tuple[Arrival, Mail | Exception]]], Awaitable[None]]  # as `Antivirus.look`


class Reading(Protocol):
    """Has mails read and searched elsewhere, as `Readers` does."""

    async def read(self, raw: bytes, question: Question, /) -> Mail: ...

    async def search(self, raw: bytes, search: Search, /) -> tuple[Suspects, ...]: ...


_BATCH = 50
_LARGE = 5_000_000  # octets of a mail that isn't read beside another such
_SMALL = 50_000  # octets of a mail that is cleaned sooner than a thread would have begun, if nothing in it is suspect
_LATER = timedelta(minutes=5)  # until a mail is tried again that couldn't be had, or that nothing could read
_AT_ONCE = 16  # mails that are filed beside other daemons in one transaction, which keeps others waiting
_REST, _LONGEST_REST = 2, 5.0  # in a rush: times as long as the last batch took, and seconds
_IDLE = 2.0  # seconds until the loop looks by itself: another process may have let a mail be tried again


async def run(
    store: Store,
    context: Callable[[], Context],
    readers: Reading,
    look: Look,
    *,
    owner: str,
    arrived: asyncio.Event,
    planned: asyncio.Event,
    now: Callable[[], datetime],
) -> None:
    """File what waits, for ever. `arrived` wakes it; it sets `planned` when there may be mail to send.

    Mails that were begun before, in vain or by a process that ended, are worked on beside the others, one by one.
    """

    clock = asyncio.get_running_loop().time
    start = clock()
    took = 0.0  # the last batch

    async def fresh() -> int:
        """In a rush, processor is left to mail that comes in: whoever brings it waits, and what it leads to can."""
        nonlocal took
        await store.rush.lull(min(_REST * took, _LONGEST_REST))
        begin = clock()
        try:
            return await file_waiting(store, context(), readers, owner, now, look)
        finally:
            took = clock() - begin

    async def begun() -> int:
        return await file_begun(store, context(), readers, owner, now, look, calm=clock() - start >= CALM)

    async with asyncio.TaskGroup() as group:
        group.create_task(_repeated(fresh, arrived, planned))
        group.create_task(_repeated(begun, asyncio.Event(), planned))


async def _repeated(work: Callable[[], Awaitable[int]], bell: asyncio.Event, planned: asyncio.Event) -> NoReturn:
    """Work while there is something to do; then wait for the bell, or a little while."""
    while True:
        bell.clear()
        try:
            worked = await work()
        except Temporary as error:
            log.filing_paused(reason=str(error))
            await asyncio.sleep(_IDLE)
            continue
        if worked:
            planned.set()
            continue
        await _either(bell, _IDLE)


async def file_waiting(
    store: Store,
    context: Context,
    readers: Reading,
    owner: str,
    now: Callable[[], datetime],
    look: Look | None = None,
) -> int:
    """Claim a batch of new mails, read them, file them; return how many they were."""
    work = await claimed(store, lambda tx, at: arrivals.claim(tx, owner, at, _BATCH), owner, now)
    if work:
        await _work_on(store, work, context, readers, now, look)
    return len(work)


async def file_begun(
    store: Store,
    context: Context,
    readers: Reading,
    owner: str,
    now: Callable[[], datetime],
    look: Look | None = None,
    *,
    calm: bool = True,
) -> int:
    """As `file_waiting`, for one mail that was begun before; what had its attempts is set aside."""
    work, spent = await claimed(store, lambda tx, at: arrivals.claim_begun(tx, owner, at, calm=calm), owner, now)
    for arrival in spent:
        reason = f"its filing ended the process {arrivals.MOST_ATTEMPTS} times"
        await store.write(lambda tx, a=arrival, r=reason: arrivals.set_aside(tx, a.id, r, a.owner), beside=True)  # type: ignore[misc]
        log.mail_set_aside(mail=log.mail_id(arrival.digest), arrival=arrival.id, reason=reason)
    if work:
        await _work_on(store, work, context, readers, now, look)
    return len(work) + len(spent)


async def _work_on(
    store: Store,
    work: list[Arrival],
    context: Context,
    readers: Reading,
    now: Callable[[], datetime],
    look: Look | None,
) -> None:
    """Read mails that were claimed, have their attachments looked at, and file them in their order.

    They are given back where that can't be done now, but for those that were by then: another may have them.
    """
    ours = work
    try:
        mails = await _read_all(store, work, context, readers, now)
        ours = [arrival for arrival, _ in mails]
        if look is not None:
            await look(mails)
        await _finished(asyncio.create_task(_file_all(store, mails, context, now())))
    except asyncio.CancelledError:
        store.submit(lambda tx: arrivals.unclaim(tx, [arrival.id for arrival in ours], work[0].owner), beside=True)
        raise
    except Temporary as error:
        log.filing_paused(reason=str(error))
        await give_back(store, [arrival.id for arrival in ours], work[0].owner)
        raise


async def _finished(task: asyncio.Task[None]) -> None:
    """Wait for a task to its end, also when asked to stop: the writes are under way, and are to be logged."""
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=5)
        raise


async def _read_all(
    store: Store, work: Sequence[Arrival], context: Context, readers: Reading, now: Callable[[], datetime]
) -> list[tuple[Arrival, Mail | Exception]]:
    """Read mails, some at a time. What can't be had or read now is given back, and holds up no other.

    One that can't be read at its last attempt is set aside over it: its reason stands in its place.
    """
    # More raw mails than these needn't be in memory; of large ones, which take it several times, one at a time.
    turn, large = asyncio.Semaphore(MOST_READERS), asyncio.Semaphore(1)
    places = await store.read(lambda connection: arrivals.locate_all(connection, (one.digest for one in work)))

    async def prepared(arrival: Arrival) -> Mail | Temporary | Unreadable:
        async with large if arrival.size > _LARGE else nullcontext(), turn:
            return await _prepared(lambda: store.packs.read(places[arrival.digest]), arrival, context, readers)

    async with asyncio.TaskGroup() as group:
        tasks = [(arrival, group.create_task(prepared(arrival))) for arrival in work]
    outcomes = [(arrival, task.result()) for arrival, task in tasks]
    await _put_off(store, outcomes, now())
    return [
        (arrival, found)
        for arrival, found in outcomes
        if isinstance(found, Mail) or (isinstance(found, Unreadable) and arrival.attempts >= arrivals.MOST_ATTEMPTS)
    ]


async def _prepared(
    fetch: Callable[[], bytes], arrival: Arrival, context: Context, readers: Reading
) -> Mail | Temporary | Unreadable:
    """One kept mail, ready to be filed, or why it isn't. Whatever goes wrong with it concerns no other."""
    try:
        raw = await asyncio.to_thread(fetch)
        mail = await _read(raw, arrival, context, readers)
        found = await _searched(raw, arrival, mail, context, readers)
        if len(raw) <= _SMALL and not any(file.signed or file.addresses for file in found):
            return private.cleaned(mail, found, context)
        return await asyncio.to_thread(private.cleaned, mail, found, context)
    except (Temporary, Unreadable) as error:
        return error
    except Exception as error:  # noqa: BLE001 (a defect that it shows mustn't stop the loop)
        log.defect(error=type(error).__name__, where=place(error.__traceback__))
        return Unreadable(f"making it ready raised {type(error).__name__}")


async def _read(raw: bytes, arrival: Arrival, context: Context, readers: Reading) -> Mail:
    """Read a mail; at the last attempt by its header alone, if need be.

    Raises:
        Unreadable
    """
    question = inbound.question(arrival, context)
    try:
        return await readers.read(raw, question)
    except Unreadable as error:
        _log_unreadable(arrival, str(error))
        if arrival.attempts < arrivals.MOST_ATTEMPTS:
            raise
        return await readers.read(raw, replace(question, whole=False))


async def _searched(
    raw: bytes, arrival: Arrival, mail: Mail, context: Context, readers: Reading
) -> tuple[Suspects, ...]:
    """What is suspect in its files. One whose files take long is worked on again, beside others; then they stay.

    Raises:
        Unreadable
    """
    search = private.search(mail, context, inbound.patience(arrival))
    if search is None:
        return ()
    reason = "searching its files takes long"
    try:
        found = await readers.search(raw, search)
    except Unreadable as error:
        found, reason = private.unsearched(search), str(error)
    if not all(file.whole for file in found):
        _log_unreadable(arrival, reason)
        if arrival.attempts <= 1:
            raise Unreadable(reason)
    return found


def _log_unreadable(arrival: Arrival, reason: str) -> None:
    mail = log.mail_id(arrival.digest)
    log.mail_unreadable(mail=mail, arrival=arrival.id, attempts=arrival.attempts, reason=reason)


async def _put_off(
    store: Store, outcomes: list[tuple[Arrival, Mail | Temporary | Unreadable]], now: datetime
) -> None:
    """Give back what couldn't be fetched, for later, and what couldn't be read, to be begun again."""
    owner = outcomes[0][0].owner
    late = {arrival.id: found for arrival, found in outcomes if isinstance(found, Temporary)}
    again = [
        arrival.id
        for arrival, found in outcomes
        if isinstance(found, Unreadable) and arrival.attempts < arrivals.MOST_ATTEMPTS
    ]
    if again:
        await store.write(lambda tx: arrivals.release(tx, again, owner), beside=True)
    if late:
        await store.write(lambda tx: arrivals.unclaim(tx, list(late), owner, now + _LATER), beside=True)
        log.filing_paused(reason=f"{len(late)} of the mails can't be read: {next(iter(late.values()))}")


async def _file_all(
    store: Store, mails: list[tuple[Arrival, Mail | Exception]], context: Context, now: datetime
) -> None:
    """File mails in their order."""
    file = _file_beside if store.shared else _file_in_turn
    async for arrival, decision in file(store, mails, context, now):
        _log_filed(arrival, decision)


async def _file_in_turn(
    store: Store, mails: list[Waiting], context: Context, now: datetime
) -> AsyncIterator[tuple[Arrival, Filed]]:
    """As many in each transaction as mail that comes in meanwhile can wait for."""
    while mails:
        filed, count = await store.write(lambda tx, some=mails: inbound.file_some(tx, some, context, now))  # type: ignore[misc]
        mails = mails[count:]
        for outcome in filed:
            yield outcome


async def _file_beside(
    store: Store, mails: list[Waiting], context: Context, now: datetime
) -> AsyncIterator[tuple[Arrival, Filed]]:
    """Some at a time, beside other daemons; in turn, where they have to do with what those are filing."""
    for start in range(0, len(mails), _AT_ONCE):
        some = mails[start : start + _AT_ONCE]
        try:
            filed = await store.write(lambda tx, b=some: inbound.file_beside(tx, b, context, now), sharing=True)  # type: ignore[misc]
        except Entangled:
            filed = await store.write(lambda tx, b=some: inbound.file_batch(tx, b, context, now))  # type: ignore[misc]
        for outcome in filed:
            yield outcome


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


def _log_filed(arrival: Arrival, decision: Filed) -> None:
    mail = log.mail_id(arrival.digest)
    if isinstance(decision, Leg):
        log.canary_passed(mail=mail, arrival=arrival.id, back=decision is Leg.BACK)
    elif isinstance(decision, str):
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
        _log_confirmation(mail, decision.filing)
        _log_kept_from(mail, arrival, decision, message)


def _log_kept_from(mail: str, arrival: Arrival, decision: Decision, message: Message) -> None:
    """What we were kept from writing because of it."""
    for cap in (decision.acknowledge.cap, "notifications_per_agent" if decision.spared else ""):
        if cap:
            log.cap_reached(mail=mail, arrival=arrival.id, cap=cap)
    if message.nature is Nature.LOOP:
        log.loop_ended(mail=mail, arrival=arrival.id)


def _log_confirmation(mail: str, filed: Filing) -> None:
    reference, answered = filed.conversation.reference, filed.answered
    if filed.asks is not None:
        log.confirmation_asked(mail=mail, conversation=reference, to=pseudonym(filed.asks.agent))
    if answered is not None:
        log.confirmation_answered(
            mail=mail, conversation=reference, state=answered.state.value, problem=answered.told
        )
