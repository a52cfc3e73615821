"""A mail's way out: due → compose → deliver → settle.

A delivery is worked on once at a time. It is marked `sending` before the step after which a crash would leave it
uncertain, and only then; up to there a crash costs nothing but another try.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn

from sqlalchemy import Connection

from gateway import log
from gateway.composing import Infected, composed
from gateway.context import Context
from gateway.doubts import Doubts
from gateway.errors import GatewayError, Permanent, StoreError, Temporary
from gateway.model import Attempt, DeliveryState, Fact, Occasion, Outgoing, Problem
from gateway.redaction import pseudonym
from gateway.relay import pace, schedule
from gateway.relay.pace import Pace, domain
from gateway.relay.transport import Transport
from gateway.settling import Book
from gateway.store import rounds, sending
from gateway.store.database import Store
from gateway.store.sending import Settled

_IDLE = 1.0  # seconds until the outbox is looked at unasked: another process may have written to it
_AHEAD = 16  # deliveries that are known to wait for each connection
_FAILING = "relay failing"  # the name under which is remembered since when
_MOST_GIVEN_UP = 200  # at a time
_STOPPED = "the gateway stopped before the answer came"
_MOST_DOMAINS = 1000  # of which is remembered how they are


class _Withdrawn(Exception):
    """The delivery was cancelled, or taken over, while it was on its way to the last step."""


class Relay:
    """The worker of the outbox. Holds what is under way, and nothing that must survive."""

    def __init__(
        self,
        store: Store,
        context: Callable[[], Context],
        transport: Transport,
        *,
        now: Callable[[], datetime],
        jitter: Callable[[], float] = random.random,
        owner: str = "",
    ) -> None:
        """`owner`: the name under which deliveries are claimed, where other daemons may send them too."""
        self._store = store
        self._context = context
        self._transport = transport
        self._now = now
        self._jitter = jitter
        self._lanes = context().settings.relay.connections
        self._most = self._lanes * _AHEAD
        self._on_their_way: Counter[str] = Counter()
        self._book = Book(store, context, now, owner, self._on_their_way.total)
        self._bell = asyncio.Event()
        self._pace = Pace(self._lanes)
        self._waiting: list[Outgoing] = []
        self._owner = owner
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._slow: dict[str, datetime] = {}  # until when domains are taken for it
        self._quick: dict[str, datetime] = {}
        self._doubts = Doubts(lambda: context().settings.relay.lookup)
        self._moved = asyncio.Event()  # a delivery ended

    async def run(self, planned: asyncio.Event) -> NoReturn:
        """Work for ever; `planned` wakes it."""
        self._bell = planned
        try:
            while not await self._recovered():
                pass
            while True:
                self._bell.clear()
                if not await self._claim():
                    await self._transport.rest()
                    await self._rest()
        finally:
            await self._finish()

    async def _recovered(self) -> bool:
        """As `recover`, unless the store fails: that is no reason to end the daemon."""
        try:
            await self.recover()
        except StoreError as error:
            log.relay_paused(reason=str(error))
            await asyncio.sleep(_IDLE)
            return False
        return True

    async def recover(self) -> None:
        """Remember since when the smarthost fails; and deal with what was at its last step when a process ended."""
        since = await self._store.read(lambda connection: rounds.last(connection, _FAILING))
        self._pace = replace(self._pace, since=since)
        await self._adopt()

    async def _adopt(self) -> None:
        """Deal with what was at its last step when a process ended, this one before or another one now.

        What waits here may take its last step before the store is asked.
        """
        busy = [*self._busy, *self._doubts.open, *(outgoing.id for outgoing in self._waiting)]
        ids = await self._store.write(lambda tx: sending.adopt(tx, self._owner, busy), beside=True)
        if not ids:
            return
        relay, again = self._context().settings.relay, self._transport.idempotent
        log.delivery_uncertain(deliveries=len(ids), held=not again and relay.uncertain == "hold")
        state = DeliveryState.WAITING if again else DeliveryState.UNKNOWN
        stopped = Attempt(state, _STOPPED, problem=Problem("delivery_stopped"))
        facts = [Fact(delivery, Occasion.INTERRUPTED, stopped) for delivery in ids]
        if self._doubts and not again:
            message_ids = await self._store.read(lambda connection: sending.message_ids(connection, ids))
            for fact in facts:
                self._look_into(fact, message_ids[fact.delivery])
            return
        decided = (replace(fact, attempt=self._decided(fact.attempt)) for fact in facts)
        await asyncio.gather(*(self._book.settle(Settled(fact, self._now())) for fact in decided))

    async def once(self) -> bool:
        """Work on what is due now, to its end; was there anything?"""
        found = await self._claim()
        while self._waiting or self._busy:
            self._moved.clear()
            await self._moved.wait()
        return found

    # --- what is due ---------------------------------------------------------------------------------------

    async def _claim(self) -> bool:
        """Take up what is due, as far as there is room; was there anything?"""
        room = self._most - len(self._waiting)
        if room < self._most // 2:
            return False
        try:
            if self._pace.rests(self._now()):
                await self._give_up()
                return False
            due = await self._store.read(lambda connection: self._due(connection, room))
            due = await self._taken(due)
            if self._owner and not due:
                await self._adopt()
        except StoreError as error:
            log.relay_paused(reason=str(error))
            return False
        self._waiting += due
        self._go()
        return bool(due)

    async def _taken(self, due: list[Outgoing]) -> list[Outgoing]:
        """Those that no other daemon was first to take."""
        if not self._owner or not due:
            return due
        ids = [outgoing.id for outgoing in due]
        ours = await self._store.write(lambda tx: sending.take(tx, ids, self._owner), beside=True)
        return [outgoing for outgoing in due if outgoing.id in ours]

    def _due(self, connection: Connection, most: int) -> list[Outgoing]:
        """No domain fills the room: others could only be seen once it has answered."""
        here = [*self._busy, *(outgoing.id for outgoing in self._waiting)]
        crowd = Counter(domain(outgoing.draft.to) for outgoing in self._waiting)
        share = self._most // 4
        crowded = [name for name, count in crowd.items() if count >= share]

        def room(address: str) -> bool:
            name = domain(address)
            if crowd[name] >= share:
                return False
            crowd[name] += 1
            return True

        return sending.due(connection, self._now(), most, here, crowded, self._owner, room)

    async def _give_up(self) -> None:
        """What waited for so long, with a smarthost that failed for so long, is given up without another try."""
        now, patience = self._now(), self._context().settings.relay.give_up_after
        since = self._pace.since
        if since is None or now - since < patience:
            return
        ids = await self._store.read(lambda connection: sending.older(connection, now - patience, _MOST_GIVEN_UP))
        ids = [identifier for identifier in ids if identifier not in self._busy]
        if self._owner:
            ids = sorted(await self._store.write(lambda tx: sending.take(tx, ids, self._owner), beside=True))
        over = _given_up(Attempt(DeliveryState.DEFERRED, self._pace.said), patience)
        facts = (Fact(identifier, Occasion.GIVEN_UP, over) for identifier in ids)
        await asyncio.gather(*(self._book.settle(Settled(fact, now)) for fact in facts))

    def _go(self) -> None:
        """Start those whose turn it is."""
        now = self._now()
        if self._pace.rests(now):
            self._waiting.clear()  # they stay due
        slow = {name for name, until in self._slow.items() if now < until}
        quick = {name for name, until in self._quick.items() if now < until}
        while outgoing := pace.turn(self._waiting, self._on_their_way, slow, quick, self._pace.lanes):
            self._waiting.remove(outgoing)
            self._on_their_way[domain(outgoing.draft.to)] += 1
            task = asyncio.create_task(self._work(outgoing), name=f"delivery-{outgoing.id}")
            self._busy[outgoing.id] = task
            task.add_done_callback(lambda _, identifier=outgoing.id: self._ended(identifier))  # type: ignore[misc]

    def _ended(self, identifier: int) -> None:
        del self._busy[identifier]
        self._moved.set()

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE):
                await self._bell.wait()

    async def _finish(self) -> None:
        """What is at its last step is waited for; cancelling it would make it uncertain."""
        self._waiting.clear()
        await self._doubts.stop()
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=8.0)
        for task in list(self._busy.values()):
            task.cancel()
        await self._transport.close()

    # --- one delivery --------------------------------------------------------------------------------------

    async def _work(self, outgoing: Outgoing) -> None:
        begun, failing = self._now(), self._pace.since
        try:
            attempt = await self._attempt(outgoing)
        except StoreError as error:
            log.relay_paused(reason=str(error))
            await asyncio.sleep(_IDLE)
            self._leave(outgoing)
            return
        self._learn(outgoing, attempt, begun)
        fact = Fact(outgoing.id, Occasion.ATTEMPT, attempt)
        if self._is_to_be_looked_up(attempt):
            self._look_into(fact, outgoing.message_id, outgoing)
            self._leave(outgoing)
            return
        noted = self._book.settle(Settled(fact, self._next_try(outgoing, attempt)))
        self._leave(outgoing)  # and it is noted before the next mail of this connection is
        await noted
        log.delivery_attempted(
            mail=log.mail_id(outgoing.cause),
            delivery=outgoing.id,
            purpose=outgoing.draft.purpose.value,
            to=pseudonym(outgoing.draft.to),
            state=attempt.state.value,
            attempts=outgoing.attempts + 1,
            reply_code=attempt.reply.partition(" ")[0][:40],
        )
        if (failing is None) is not (self._pace.since is None):
            await self._remember()

    def _learn(self, outgoing: Outgoing, attempt: Attempt, begun: datetime) -> None:
        now = self._now()
        self._pace = pace.after(self._pace, attempt, now, self._jitter(), self._lanes)
        manner = self._slow if pace.is_slow(attempt, now - begun) else self._quick
        manner[domain(outgoing.draft.to)] = now + pace.REMEMBERED
        if len(manner) > _MOST_DOMAINS:
            del manner[next(iter(manner))]

    def _next_try(self, outgoing: Outgoing, attempt: Attempt) -> datetime:
        """Where the smarthost failed, the mail isn't to blame: it is due again as soon as others are."""
        if attempt.wide and self._pace.until is not None:
            return self._pace.until
        return schedule.next_try(outgoing.attempts + 1, self._now(), self._jitter())

    def _leave(self, outgoing: Outgoing) -> None:
        """Its connection is free."""
        self._on_their_way[domain(outgoing.draft.to)] -= 1
        self._go()
        if len(self._waiting) < self._lanes:
            self._bell.set()

    async def _remember(self) -> None:
        """Say that the smarthost began to fail, or is back; a restart is to know since when."""
        since = self._pace.since
        if since is None:
            log.relay_back()
        else:
            log.relay_failing(reply_code=self._pace.said.partition(" ")[0][:40])
        with suppress(StoreError):
            await self._store.write(lambda tx: rounds.noted(tx, _FAILING, since))

    async def _attempt(self, outgoing: Outgoing) -> Attempt:
        """Compose and deliver; whatever is wrong with this one mail ends this one delivery."""
        try:
            wire = await composed(self._store, self._context().settings, outgoing, self._now())
        except Temporary as error:  # an attachment can't be read, or isn't checked: later, and the others meanwhile
            attempt = Attempt(DeliveryState.DEFERRED, str(error), problem=Problem("delivery_unready"))
        except Exception as error:  # noqa: BLE001 (a mail that can't be composed mustn't stop the others)
            words = str(error) if isinstance(error, GatewayError) else type(error).__name__
            problem = error.problem if isinstance(error, Infected) else Problem("delivery_composing")
            return Attempt(DeliveryState.REFUSED, f"it can't be composed: {words}", problem=problem)
        else:
            attempt = self._blamed(await self._deliver(outgoing, wire), outgoing)
            # Servers like to repeat the addresses that they were given.
            reply = self._context().tokenless(attempt.reply)
            attempt = replace(attempt, reply=reply, sha256=hashlib.sha256(wire).hexdigest())
        return attempt if self._is_to_be_looked_up(attempt) else self._decided(attempt, outgoing)

    def _blamed(self, attempt: Attempt, outgoing: Outgoing) -> Attempt:
        """Trouble that all mails should have met is one mail's own where it alone meets it again and again: it must
        neither hold up the others each time, nor be tried for ever.
        """
        alone = self._pace.since is None and outgoing.attempts >= schedule.FEWEST
        return replace(attempt, wide=False) if attempt.wide and alone else attempt

    def _is_to_be_looked_up(self, attempt: Attempt) -> bool:
        return attempt.state is DeliveryState.UNKNOWN and bool(self._doubts)

    def _decided(self, attempt: Attempt, outgoing: Outgoing | None = None) -> Attempt:
        """What to do about a mail that didn't arrive, or of which nobody knows, as the configuration says."""
        relay = self._context().settings.relay
        if attempt.state is DeliveryState.UNKNOWN and relay.uncertain == "retry":
            attempt = replace(attempt, state=DeliveryState.DEFERRED)
        if attempt.state is not DeliveryState.DEFERRED or attempt.wide or outgoing is None:
            return attempt
        since = outgoing.tried_since or outgoing.created_at
        if not schedule.given_up(since, outgoing.attempts + 1, self._now(), relay.give_up_after):
            return attempt
        return _given_up(attempt, relay.give_up_after)

    def _look_into(self, fact: Fact, message_id: str, outgoing: Outgoing | None = None) -> None:
        """Find out what became of a mail. Until then it stays at its last step: a restart asks again."""

        async def known(state: DeliveryState, words: str) -> None:
            found = replace(fact.attempt, state=state, reply=f"{fact.attempt.reply}; {words}")
            attempt = self._decided(found, outgoing)
            next_at = self._next_try(outgoing, attempt) if outgoing else self._now()
            await self._book.settle(Settled(replace(fact, attempt=attempt), next_at))
            self._bell.set()

        self._doubts.look_into(fact.delivery, message_id, known)

    async def _deliver(self, outgoing: Outgoing, wire: bytes) -> Attempt:
        """Hand over. A defect of a transport ends one try, and leaves no doubt about what is uncertain."""
        state = DeliveryState.DEFERRED

        async def committing() -> None:
            nonlocal state
            if not await self._book.leave(outgoing.id):
                raise _Withdrawn
            state = DeliveryState.UNKNOWN

        try:
            return await self._transport.deliver(outgoing, wire, committing)
        except StoreError:
            raise
        except _Withdrawn:
            return Attempt(DeliveryState.CANCELLED, "it didn't leave: it was cancelled, or is said to have arrived")
        except Permanent as error:
            return Attempt(DeliveryState.REFUSED, f"it can't leave: {error}", problem=Problem("delivery_composing"))
        except Exception as error:  # noqa: BLE001 (one delivery's trouble isn't the others')
            words = f"the transport failed: {type(error).__name__}"
            return Attempt(state, words, problem=Problem("delivery_defect"))


def _given_up(attempt: Attempt, patience: timedelta) -> Attempt:
    """The same, as the last of them. `patience`: for how long it was tried."""
    words = f"given up after {patience.total_seconds() / 86400:g} days; last answer: {attempt.reply}"
    over = Problem("delivery_given_up", str(patience.days) if patience.days > 1 else "")
    problem = over if attempt.host else attempt.problem or over  # what no server was asked, none has put off
    return replace(attempt, state=DeliveryState.REFUSED, reply=words, problem=problem)
