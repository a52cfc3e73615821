"""A mail's way out: due → compose → deliver → settle.

A delivery is worked on once at a time. It is marked `sending` before the step after which a crash would leave it
uncertain, and only then; up to there a crash costs nothing but another try.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import NoReturn

from gateway import acting, log
from gateway.context import Context
from gateway.errors import GatewayError, Permanent, Refused, StoreError, Temporary
from gateway.mail.contents import contents
from gateway.model import Attempt, DeliveryState, Fact, Occasion, Outgoing
from gateway.redaction import pseudonym
from gateway.relay import schedule, withheld
from gateway.relay.compose import compose
from gateway.relay.transport import Transport
from gateway.store import arrivals, filing, outbox, recall, scans
from gateway.store.database import Store, Tx
from gateway.store.outbox import Settled

_IDLE = 1.0  # seconds until the outbox is looked at unasked: another process may have written to it
_AHEAD = 4  # deliveries in work for each connection


class _Withdrawn(Exception):
    """The delivery was cancelled while it was on its way to the last step."""


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
    ) -> None:
        self._store = store
        self._context = context
        self._transport = transport
        self._now = now
        self._jitter = jitter
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._room = context().settings.relay.connections * _AHEAD

    async def run(self, planned: asyncio.Event) -> NoReturn:
        """Work for ever; `planned` wakes it."""
        try:
            await self.recover()
            while True:
                planned.clear()
                if not await self._start_due():
                    await self._rest(planned)
        finally:
            await self._finish()

    async def recover(self) -> None:
        """Deal with what was at its last step when a process ended."""
        ids = await self._store.read(outbox.interrupted)
        if not ids:
            return
        hold = not self._transport.idempotent and self._context().settings.relay.uncertain == "hold"
        log.delivery_uncertain(deliveries=len(ids), held=hold)
        state = DeliveryState.UNKNOWN if hold else DeliveryState.WAITING
        stopped = Attempt(state, "the gateway stopped before the answer came")
        for delivery in ids:
            fact = Fact(delivery, Occasion.INTERRUPTED, stopped)
            await self._store.write(lambda tx, f=fact: self._settle(tx, f, self._now()))  # type: ignore[misc]

    async def _start_due(self) -> bool:
        """Start what is due, as far as there is room; was there anything?"""
        room = self._room - len(self._busy)
        if room <= 0:
            await asyncio.wait(self._busy.values(), return_when=asyncio.FIRST_COMPLETED)
            return True
        busy = list(self._busy)
        try:
            due = await self._store.read(lambda connection: outbox.due(connection, self._now(), room, busy))
        except StoreError as error:
            log.relay_paused(reason=str(error))
            return False
        for outgoing in due:
            task = asyncio.create_task(self._work(outgoing), name=f"delivery-{outgoing.id}")
            self._busy[outgoing.id] = task
            task.add_done_callback(lambda _, identifier=outgoing.id: self._busy.pop(identifier, None))  # type: ignore[misc]
        return bool(due)

    async def _rest(self, planned: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(_IDLE):
                await planned.wait()
        except TimeoutError:
            pass

    async def _finish(self) -> None:
        """What is at its last step is waited for; cancelling it would make it uncertain."""
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=8.0)
        for task in list(self._busy.values()):
            task.cancel()
        await self._transport.close()

    async def _work(self, outgoing: Outgoing) -> None:
        try:
            attempt = await self._attempt(outgoing)
        except StoreError as error:
            log.relay_paused(reason=str(error))
            await asyncio.sleep(_IDLE)
            return
        await self._write_down(outgoing, attempt)
        log.delivery_attempted(
            mail=log.mail_id(outgoing.cause),
            delivery=outgoing.id,
            purpose=outgoing.draft.purpose.value,
            to=pseudonym(outgoing.draft.to),
            state=attempt.state.value,
            attempts=outgoing.attempts + 1,
            reply_code=attempt.reply.partition(" ")[0][:40],
        )

    async def _write_down(self, outgoing: Outgoing, attempt: Attempt) -> None:
        """Settle; what is known of an outcome isn't forgotten because the store fails for a while."""
        settle = self._settle
        fact = Fact(outgoing.id, Occasion.ATTEMPT, attempt)
        next_at = schedule.next_try(outgoing.attempts + 1, self._now(), self._jitter())
        while True:
            try:
                await self._store.write(lambda tx, s=settle: s(tx, fact, next_at))  # type: ignore[misc]
            except StoreError as error:
                log.relay_paused(reason=str(error))
                await asyncio.sleep(_IDLE)
            except Exception as error:
                if settle == self._settle_alone:
                    raise
                # Telling it failed, by a defect of ours: the outcome must stand, or the mail would leave again.
                log.relay_paused(reason=f"an outcome can't be told: {type(error).__name__}")
                settle = self._settle_alone
            else:
                return

    async def _attempt(self, outgoing: Outgoing) -> Attempt:
        """Compose and deliver; whatever is wrong with this one mail ends this one delivery."""
        try:
            wire = await asyncio.to_thread(self._compose, outgoing)
        except Temporary as error:  # an attachment can't be read, or isn't checked: later, and the others meanwhile
            attempt = Attempt(DeliveryState.DEFERRED, str(error))
        except Exception as error:  # noqa: BLE001 (a mail that can't be composed mustn't stop the others)
            words = str(error) if isinstance(error, GatewayError) else type(error).__name__
            return Attempt(DeliveryState.REFUSED, f"it can't be composed: {words}")
        else:
            attempt = await self._deliver(outgoing, wire)
            # Servers like to repeat the addresses that they were given.
            reply = self._context().tokenless(attempt.reply)
            attempt = replace(attempt, reply=reply, sha256=hashlib.sha256(wire).hexdigest())
        if attempt.state is DeliveryState.UNKNOWN and self._context().settings.relay.uncertain == "retry":
            attempt = replace(attempt, state=DeliveryState.DEFERRED)
        give_up_after = self._context().settings.relay.give_up_after
        tired = schedule.given_up(outgoing.created_at, outgoing.attempts + 1, self._now(), give_up_after)
        if attempt.state is DeliveryState.DEFERRED and tired:
            reply = f"given up after {give_up_after.total_seconds() / 86400:g} days; last answer: {attempt.reply}"
            return replace(attempt, state=DeliveryState.REFUSED, reply=reply)
        return attempt

    async def _deliver(self, outgoing: Outgoing, wire: bytes) -> Attempt:
        """Hand over. A defect of a transport ends one try, and leaves no doubt about what is uncertain."""
        state = DeliveryState.DEFERRED

        async def committing() -> None:
            nonlocal state
            if not await self._store.write(lambda tx: outbox.committing(tx, [outgoing.id])):
                raise _Withdrawn
            state = DeliveryState.UNKNOWN

        try:
            return await self._transport.deliver(outgoing, wire, committing)
        except StoreError:
            raise
        except _Withdrawn:
            return Attempt(DeliveryState.CANCELLED, "cancelled before it left")
        except Permanent as error:
            return Attempt(DeliveryState.REFUSED, f"it can't leave: {error}")
        except Exception as error:  # noqa: BLE001 (one delivery's trouble isn't the others')
            return Attempt(state, f"the transport failed: {type(error).__name__}")

    def _compose(self, outgoing: Outgoing) -> bytes:
        """Each mail that attachments come from is read once."""
        wanted: dict[str, list[int]] = defaultdict(list)
        for enclosure in outgoing.draft.enclosures:
            wanted[enclosure.digest].append(enclosure.attachment.part)
        found: dict[tuple[str, int], bytes] = {}
        for digest, numbers in wanted.items():
            location = self._store.read_now(lambda connection, d=digest: arrivals.locate(connection, d))  # type: ignore[misc]
            read = contents(self._store.packs.read(location), numbers)
            found |= {(digest, number): data for number, data in zip(numbers, read, strict=True)}
        self._assert_clean(wanted)
        return compose(outgoing, [found[e.digest, e.attachment.part] for e in outgoing.draft.enclosures])

    def _assert_clean(self, digests: Collection[str]) -> None:
        """Look again at the last moment: nothing leaves of a mail that the antivirus hasn't called clean.

        Raises:
            Refused: it found something.
            Temporary: it hasn't spoken yet. What it wasn't asked about, it is now.
        """
        if not digests:
            return
        asked = bool(self._context().settings.antivirus.socket)
        known = self._store.read_now(lambda connection: scans.of_mails(connection, digests))
        barred = {digest: withheld.barred_by(known.get(digest), asked=asked) for digest in digests}
        for digest, why in barred.items():
            if why == withheld.INFECTED:
                raise Refused(f"a virus was found in its attachments ({known[digest].name})")
        if withheld.UNSCANNED in barred.values():
            self._store.write_now(lambda tx: scans.ask(tx, digests, self._now()))
            raise Temporary("its attachments are not checked for viruses yet")

    def _settle(self, tx: Tx, fact: Fact, next_at: datetime) -> None:
        """Write the outcome; a failure goes into the history, and to the agent whose answer it was."""
        self._settle_alone(tx, fact, next_at)
        attempt, now = fact.attempt, self._now()
        if attempt.state not in {DeliveryState.REFUSED, DeliveryState.UNKNOWN}:
            return
        sent = recall.sent_by_id(tx.connection, fact.delivery)
        if sent is None:
            return
        uncertain = attempt.state is DeliveryState.UNKNOWN
        what = "may or may not have arrived" if uncertain else "was refused"
        filing.record(tx, sent.conversation.id, acting.failure_event(sent, f"{what}: {attempt.reply}"), now)
        context = self._context()
        for draft in acting.undelivered_drafts(context, sent, attempt.reply, uncertain=uncertain):
            outbox.enqueue(tx, sent.conversation.id, 0, draft, context.signer, now)

    def _settle_alone(self, tx: Tx, fact: Fact, next_at: datetime) -> None:
        outbox.settle(tx, [Settled(fact, next_at)], self._now())
