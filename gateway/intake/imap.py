"""One mailbox, polled for ever: connect, look, keep, carry out `after`, wait (RFC 3501, RFC 2177).

What is new is decided by UIDs and the ledger alone, never by flags or dates: other clients may read, flag,
move and delete as they like. A mail is kept before anything is done to it on the server; what a crash cuts off
in between is found again in the ledger. Looking starts at the first UID after each connection and every few minutes
(`Pace.whole`), else where the last look ended: so what had been passed over is found, told, and fetched. A mail that
can't be had holds up no other: it is tried alone, last, three times, and then again in the next round.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from gateway import log
from gateway.config.settings import ImapIntake
from gateway.errors import StoreError, Temporary
from gateway.intake.imap_client import Session, View
from gateway.intake.imap_connect import connect
from gateway.intake.imap_take import TRIES, Mailbox, settle, take
from gateway.intake.imap_wire import harmless
from gateway.intake.keep import Keep
from gateway.intake.ledger import Ledger
from gateway.model import Look

WINDOW = 20_000  # UIDs looked at in one SEARCH, or asked of the ledger: an answer is at most 220 kB
CHUNK = 500  # UIDs whose sizes are asked for together


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `deadline` is for one command; `deaf` is how long IDLE is believed when it says nothing."""

    deadline: float = 30.0
    first_retry: float = 1.0
    longest_retry: float = 300.0
    deaf: float = 120.0  # RFC 2177 asks for less than 29 minutes; a server that is gone is to be noticed in time
    whole: float = 300.0  # between two comparisons of all that is there with the ledger
    note: float = 60.0  # between two signs of life during a long round
    gather: float = 0.05  # before the next round where news came during the last one


async def poll(
    settings: ImapIntake,
    *,
    keep: Keep,
    ledger: Ledger,
    now: Callable[[], datetime],
    tls: ssl.SSLContext | None = None,
    pace: Pace | None = None,
    uniform: Callable[[float, float], float] = random.uniform,
) -> NoReturn:
    """Bring every mail of the mailbox to `keep`, until cancelled. No trouble whatsoever ends it.

    A mail is given to `keep` at least once, and never again once the ledger knows it. `tls` verifies the
    server instead of the system's authorities; `uniform` spreads the pauses between connections.
    """
    box, pace = Mailbox(settings, keep, ledger, now), pace or Pace()
    failed = 0
    while True:
        box.progress = False
        try:
            async with connect(settings, tls, pace.deadline) as session:
                await _serve(box, session, pace)
        except Exception as error:  # noqa: BLE001  # a bug met here must not stop the mail of this mailbox
            failed = 1 if box.progress else failed + 1
            pause = retry_in(failed, pace, uniform)
            log.imap_trouble(box.name, _reason(error), pause)
            await _troubled(box, _reason(error))
            await asyncio.sleep(pause)


def retry_in(failed: int, pace: Pace, uniform: Callable[[float, float], float]) -> float:
    """Seconds until the next connection: doubling, and spread so that mailboxes don't come all at once."""
    longest = min(pace.first_retry * 2 ** min(failed - 1, 30), pace.longest_retry)
    return uniform(longest / 2, longest)


async def _troubled(box: Mailbox, reason: str) -> None:
    """Leave a note of it, where that can be written: whoever looks after us must know."""
    try:
        await box.ledger.troubled(box.name, reason)
    except Exception as error:  # noqa: BLE001  # the trouble may be the store's own, and that is told elsewhere
        log.imap_trouble(box.name, _reason(error), 0)


def _reason(error: Exception) -> str:
    return harmless(str(error)) if isinstance(error, Temporary) else f"unexpected {type(error).__name__}"


async def _serve(box: Mailbox, session: Session, pace: Pace) -> NoReturn:
    """Rounds, for as long as the connection holds. The first, and one now and then, compares it all."""
    compared, low = time.monotonic(), 1
    while True:
        low = await _round(box, session, pace, low)
        box.progress = True
        await _wait(box.settings, session, pace, compared + pace.whole - time.monotonic())
        if time.monotonic() >= compared + pace.whole:
            compared, low = time.monotonic(), 1


async def _wait(settings: ImapIntake, session: Session, pace: Pace, left: float) -> None:
    """Until there may be new mail. IDLE may be deaf, so it's never believed for long, nor beyond what is `left`."""
    silence = max(min(pace.deaf, left), pace.gather)
    idle = settings.idle and session.offers("IDLE")
    if session.news:
        await asyncio.sleep(pace.gather)
    elif not (idle and await session.idle(silence)):
        await asyncio.sleep(settings.poll.total_seconds())


# --- one round -------------------------------------------------------------------------------------------


async def _round(box: Mailbox, session: Session, pace: Pace, low: int) -> int:
    """Everything from UID `low` on that isn't kept. Returns the UID where the next round starts."""
    started = time.monotonic()
    whole, view = low == 1, await session.open(box.settings.folder, writable=box.settings.after != "keep")
    if view.uidvalidity != box.uidvalidity:
        low, whole = await _renew(box, view), True
    async with _noted(box, session, view, pace.note):
        await _settle_rest(box, session, view)
        count, last, suspects = 0, low - 1, list[int]()
        async for uids in _windows(session, view, low):
            last = max(last, *uids)
            for chunk in chunks(uids):
                fresh = await _unknown(box, view, chunk)
                _miss(box, fresh)
                suspects += [uid for uid in fresh if uid in box.failures]
                count += await take(box, session, view, [uid for uid in fresh if uid not in box.failures])
        for uid in suspects:
            if box.failures[uid] < TRIES:
                count += await take(box, session, view, [uid])
    if count:
        log.imap_caught_up(box.name, count, time.monotonic() - started)
    return await _done(box, view, last, suspects, whole=whole)


@asynccontextmanager
async def _noted(box: Mailbox, session: Session, view: View, every: float) -> AsyncIterator[None]:
    """Signs of life during what takes long, for as long as the server sends something."""

    async def note() -> NoReturn:
        heard = session.octets
        while True:
            await asyncio.sleep(every)
            if session.octets != heard:
                heard = session.octets
                with suppress(StoreError):  # the round itself meets it too
                    await box.ledger.looked(_look(box, view, whole=False))

    noting = asyncio.create_task(note())
    try:
        yield
    finally:
        noting.cancel()


async def _renew(box: Mailbox, view: View) -> int:
    """All UIDs mean something else now (RFC 9051 §2.3.1.1): look at the whole mailbox again."""
    if box.uidvalidity:
        log.imap_uidvalidity_changed(box.name, box.uidvalidity, view.uidvalidity)
    box.reached = await box.ledger.passed(box.name, view.uidvalidity)
    box.uidvalidity = view.uidvalidity
    box.failures.clear()
    box.too_large.clear()
    box.missing.clear()
    box.owed = ()
    return 1


def _miss(box: Mailbox, fresh: Sequence[int]) -> None:
    """Note what isn't in the ledger although it was passed before: it is fetched now, and it is told."""
    missing = [uid for uid in fresh if uid < box.reached and uid not in box.failures]
    if missing:
        box.missing |= set(missing)
        log.imap_missing(box.name, len(missing), missing[:10])


def _look(box: Mailbox, view: View, *, whole: bool) -> Look:
    missing, too_large = sorted(box.missing) if whole else (), sorted(box.too_large)
    return Look(box.name, view.uidvalidity, box.reached, whole, tuple(missing), box.owed, tuple(too_large))


async def _done(box: Mailbox, view: View, last: int, suspects: Sequence[int], *, whole: bool) -> int:
    """Where the next round starts; and what this one saw, for whoever looks after us."""
    owed = [uid for uid in suspects if box.failures[uid] >= TRIES]
    following = _next(box, last, owed)
    box.reached = max(box.reached, following) if not owed else following
    box.owed = tuple(owed)
    await box.ledger.looked(_look(box, view, whole=whole))
    if whole:
        box.missing.clear()
    return following


def _next(box: Mailbox, last: int, owed: Sequence[int]) -> int:
    """Behind all that was seen, but not behind a mail that couldn't be had: it's tried again, alone."""
    box.failures = Counter(dict.fromkeys(owed, 1))
    return min(owed, default=last + 1)


async def _unknown(box: Mailbox, view: View, uids: Sequence[int]) -> list[int]:
    """Those of a chunk that aren't in the ledger."""
    known = await box.ledger.known(box.name, view.uidvalidity, uids[0], uids[-1])
    return [uid for uid in uids if uid not in known and uid not in box.too_large]


async def _windows(session: Session, view: View, low: int) -> AsyncIterator[tuple[int, ...]]:
    """The UIDs there are from `low` on, ascending. A large mailbox is asked bit by bit."""
    high = view.uidnext if view.exists > WINDOW else None
    starts = range(low, high, WINDOW) if high else (low,)
    for start in starts if view.exists else ():
        uids = await session.search(start, min(start + WINDOW, high) - 1 if high else None)
        if uids:
            yield uids


def chunks(uids: Sequence[int]) -> Iterator[list[int]]:
    """Runs of at most CHUNK ascending UIDs that lie within WINDOW: so much is asked of the ledger at once."""
    chunk: list[int] = []
    for uid in uids:
        if chunk and (len(chunk) == CHUNK or uid - chunk[0] >= WINDOW):
            yield chunk
            chunk = []
        chunk.append(uid)
    if chunk:
        yield chunk


async def _settle_rest(box: Mailbox, session: Session, view: View) -> None:
    """Carry out `after` where a crash or a lost connection prevented it."""
    done: frozenset[int] = frozenset()
    while rest := await box.ledger.unsettled(box.name, view.uidvalidity, CHUNK):
        if done.issuperset(rest) or not await settle(box, session, view, rest):
            return
        done = frozenset(rest)
