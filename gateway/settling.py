"""What the relay writes: who is at the last step, and what became of whom; one transaction for all that wait.

While one is written, the next ones gather. Outcomes come before last steps: so a connection that goes on to its next
mail has told of the last one when that mail is `sending`, and there is at most one of them for each connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from gateway import acting, log
from gateway.context import Context
from gateway.errors import StoreError
from gateway.model import DeliveryState, Fact
from gateway.store import filing, outbox, recall, sending
from gateway.store.database import Store, Tx, savepoint
from gateway.store.sending import Settled

T = TypeVar("T")
_PATIENCE, _GATHER = 0.01, 0.002  # seconds for which others are waited for: in all, and after each that came
_AGAIN = 1.0  # seconds until what the store didn't take is offered again
_Outcome = tuple[Settled, "asyncio.Future[None]"]


class Book:
    """Holds what isn't written yet, and nothing that must survive."""

    def __init__(
        self,
        store: Store,
        context: Callable[[], Context],
        now: Callable[[], datetime],
        owner: str = "",
        under_way: Callable[[], int] = lambda: 0,
    ) -> None:
        """`under_way`: how many connections have a mail now, of which a last step may come."""
        self._store = store
        self._under_way = under_way
        self._owner = owner
        self._context = context
        self._now = now
        self._leaving: dict[int, asyncio.Future[bool]] = {}
        self._outcomes: list[_Outcome] = []
        self._asked = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def leave(self, delivery: int) -> asyncio.Future[bool]:
        """Note that a delivery takes its last step. False: it was cancelled or taken over meanwhile, and mustn't.

        Raises (the future): StoreError: it can't be noted now.
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._leaving[delivery] = done
        self._asked.set()
        self._wake()
        return done

    def settle(self, settled: Settled) -> asyncio.Future[None]:
        """Note an outcome: before whatever is noted later. It is durable when the future is done.

        However long the store fails meanwhile.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outcomes.append((settled, done))
        self._asked.set()
        self._wake()
        return done

    def _wake(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(), name="settling")

    async def _gather(self) -> None:
        """Connections that have told of one mail soon come with the next, and where one comes others do.

        Where none is left that could come, nothing is waited for.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while len(self._leaving) < self._under_way():
                    self._asked.clear()
                    async with asyncio.timeout(_GATHER if self._leaving else None):
                        await self._asked.wait()

    async def _write_all(self) -> None:
        while self._leaving or self._outcomes:
            await self._gather()
            leaving, outcomes = self._leaving, self._outcomes
            self._leaving, self._outcomes = {}, []
            try:
                await self._write(leaving, outcomes)
            except StoreError as error:
                log.relay_paused(reason=str(error))
                _fail(leaving.values(), error)
                self._outcomes = outcomes + self._outcomes
                await asyncio.sleep(_AGAIN)
            except Exception as error:  # noqa: BLE001 (a defect with one of them: the others are written without it)
                _fail(leaving.values(), error)
                await self._write_each(outcomes)

    async def _write(self, leaving: dict[int, asyncio.Future[bool]], outcomes: Sequence[_Outcome]) -> None:
        settled = [one for one, _ in outcomes]
        may = await self._store.write(lambda tx: self._written(tx, settled, leaving))
        for _, noted in outcomes:
            _end(noted, None)
        for delivery, done in leaving.items():
            _end(done, delivery in may)

    async def _write_each(self, outcomes: Iterable[_Outcome]) -> None:
        for outcome in outcomes:
            try:
                await self._write({}, [outcome])
            except StoreError:
                self._outcomes.append(outcome)
            except Exception as error:  # noqa: BLE001 (it stays `sending`: the next start finds it there)
                log.relay_paused(reason=f"an outcome can't be written: {type(error).__name__}")
                _fail([outcome[1]], error)

    def _written(self, tx: Tx, settled: Sequence[Settled], leaving: Collection[int]) -> set[int]:
        if settled:
            sending.settle(tx, settled, self._now(), self._owner)
        for one in settled:
            if one.fact.attempt.state in {DeliveryState.REFUSED, DeliveryState.UNKNOWN}:
                self._told(tx, one.fact)
        return sending.committing(tx, leaving, self._owner) if leaving else set()

    def _told(self, tx: Tx, fact: Fact) -> None:
        """Telling it may fail, by a defect of ours: the outcome must stand, or the mail would leave again."""
        try:
            with savepoint(tx.connection):
                self._tell(tx, fact)
        except (StoreError, DBAPIError):
            raise
        except Exception as error:  # noqa: BLE001 (see above)
            log.relay_paused(reason=f"an outcome can't be told: {type(error).__name__}")

    def _tell(self, tx: Tx, fact: Fact) -> None:
        """A failure goes into the history, and to the agent whose answer it was."""
        sent = recall.sent_by_id(tx.connection, fact.delivery)
        if sent is None:
            return
        attempt, now, context = fact.attempt, self._now(), self._context()
        uncertain = attempt.state is DeliveryState.UNKNOWN
        what = "may or may not have arrived" if uncertain else "was refused"
        filing.record(tx, sent.conversation.id, acting.delivery_event(sent, f"{what}: {attempt.reply}"), now)
        for draft in acting.undelivered_drafts(context, sent, attempt.reply, attempt.problem, uncertain=uncertain):
            outbox.enqueue(tx, sent.conversation.id, 0, draft, context.signer, now)


def _end(done: asyncio.Future[T], result: T) -> None:
    if not done.done():  # whoever waited may be gone
        done.set_result(result)


def _fail(waiting: Iterable[asyncio.Future[T]], error: Exception) -> None:
    for done in waiting:
        if not done.done():
            done.set_exception(error)
