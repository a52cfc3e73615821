"""Mail that came to us directly is checked before it is read: SPF, DKIM, DMARC and ARC, in threads of their own.

What comes of it is kept on the arrival: whatever is decided of the mail later rests on the same results, though the
DNS may have changed. Only then the mail may be claimed for filing; all other mail goes by meanwhile.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import NoReturn

from gateway import log
from gateway.claims import CALM, claimed, give_back
from gateway.config.settings import Trust
from gateway.context import Context
from gateway.errors import StoreError
from gateway.inspection.examined import Examined
from gateway.inspection.questions import DEADLINE, Ask, Questions, Unanswered
from gateway.model import Arrival
from gateway.store import arrivals
from gateway.store.database import Store, Tx

AT_ONCE = 24  # mails; each waits for the DNS nearly all the time
_MOST_OCTETS = 64_000_000  # of raw mail in memory for it; one mail is always taken
_SHARE = 6  # of them that one peer's mails may take before others have their turn
_HURRIED = 2.5  # seconds for each while there is no place left: somebody's slow DNS isn't everybody's
_AGAIN = timedelta(minutes=1)  # until a mail is tried again about which the DNS didn't answer
_PATIENCE = timedelta(minutes=5)  # after its receipt; then it is filed as one that nothing is known about
_LATER = timedelta(minutes=5)  # until a mail is tried again whose raw bytes couldn't be had
_IDLE = 2.0


class Inspector:
    """The checks that are under way. `arrived` is set when a mail may be filed. `asker`: who asks the DNS."""

    def __init__(
        self,
        store: Store,
        context: Callable[[], Context],
        *,
        owner: str,
        arrived: asyncio.Event,
        now: Callable[[], datetime],
        asker: Callable[[str], Ask] | None = None,
        most_octets: int = _MOST_OCTETS,
    ) -> None:
        self._store = store
        self._context = context
        self._owner = owner
        self._arrived = arrived
        self._now = now
        self._asker = asker
        self._most_octets = most_octets
        self._octets = 0
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="inspect")
        self._tasks: set[asyncio.Task[None]] = set()
        self._peers: Counter[str] = Counter()
        self._ending = False
        self._since = time.monotonic()

    async def run(self, kept: asyncio.Event) -> NoReturn:
        """Check what waits for it, for ever. `kept` wakes it: a mail came in, or a place is free."""
        try:
            while True:
                kept.clear()
                if not await self._begin(kept):
                    await _either(kept)
        finally:
            self._ending = True
            for task in self._tasks:
                task.cancel()
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _begin(self, kept: asyncio.Event) -> bool:
        """Begin with some that wait, if there is a place; say whether there were any."""
        free = min(AT_ONCE - len(self._tasks), _SHARE)
        if not free:
            return False
        # Peers of whom nothing is under way come first: however many mails of a few wait, others have their turn.
        passed = (list(self._peers), [peer for peer, count in self._peers.items() if count >= _SHARE])
        try:
            work, spent = await claimed(
                self._store, lambda tx, at: self._claimed(tx, at, free, passed), self._owner, self._now
            )
            begun = [self._start(arrival, kept) for arrival in work]
            for arrival in spent:
                await self._keep(arrival, Examined(()))
                log.inspection_failed(mail=log.mail_id(arrival.digest), reason="it ended the process each time")
        except StoreError as error:
            log.filing_paused(reason=str(error))
            return False
        return any(begun) or bool(spent)

    def _claimed(
        self, tx: Tx, at: datetime, free: int, passed: Iterable[list[str]]
    ) -> tuple[list[Arrival], list[Arrival]]:
        """Those of peers that aren't among the first that are passed over; if there are none, among the next."""
        calm = time.monotonic() - self._since >= CALM
        tries = (arrivals.claim_uninspected(tx, self._owner, at, free, peers, calm=calm) for peers in passed)
        return next((found for found in tries if any(found)), ([], []))

    def _start(self, arrival: Arrival, kept: asyncio.Event) -> bool:
        """Check a mail beside the others; give it back where they fill the memory that there is for it."""
        if self._octets and self._octets + arrival.size > self._most_octets:
            self._give_back(arrival)
            return False
        task = asyncio.create_task(self._inspect(arrival), name=f"inspect-{arrival.id}")
        self._tasks.add(task)
        self._peers[arrival.envelope.peer] += 1
        self._octets += arrival.size
        task.add_done_callback(lambda task: self._ended(task, arrival, kept))
        return True

    def _ended(self, task: asyncio.Task[None], arrival: Arrival, kept: asyncio.Event) -> None:
        self._tasks.discard(task)
        self._octets -= arrival.size
        self._peers -= Counter([arrival.envelope.peer])
        kept.set()

    async def _inspect(self, arrival: Arrival) -> None:
        """Check one mail, and keep what came of it; or give it back, to be tried again."""
        deadline = _HURRIED if len(self._tasks) >= AT_ONCE else DEADLINE
        start = time.perf_counter()
        try:
            trust = self._context().settings.trust
            loop = asyncio.get_running_loop()
            examined = await loop.run_in_executor(self._threads, self._examined, arrival, trust, deadline)
            if examined.undecided and self._now() - arrival.received_at < _PATIENCE:
                log.inspection_put_off(mail=log.mail_id(arrival.digest), retry_in=_AGAIN.total_seconds())
                await give_back(self._store, [arrival.id], self._owner, self._now() + _AGAIN)
                return
            await self._keep(arrival, examined)
        except StoreError as error:
            log.filing_paused(reason=str(error))
            await give_back(self._store, [arrival.id], self._owner, self._now() + _LATER)
        except asyncio.CancelledError:
            self._give_back(arrival)
            raise
        else:
            came = " ".join(f"{result.method}={result.result}" for result in examined.results)
            ms = (time.perf_counter() - start) * 1000
            log.mail_inspected(mail=log.mail_id(arrival.digest), results=came, ms=ms)

    def _examined(self, arrival: Arrival, trust: Trust, deadline: float) -> Examined:
        """Runs in a thread.

        Raises:
            StoreError: the raw mail can't be had now.
        """
        # Megabytes that most gateways need never have: their mail comes through a server in front.
        from gateway.inspection.examine import examine  # noqa: PLC0415
        from gateway.inspection.resolver import resolver  # noqa: PLC0415

        location = self._store.read_now(lambda connection: arrivals.locate(connection, arrival.digest))
        raw = self._store.packs.read(location)
        asker = self._asker or resolver
        try:
            questions = Questions(asker(trust.resolver), deadline=deadline, clock=self._clock)
            return examine(raw, arrival.envelope, questions, frozenset(trust.arc_sealers))
        except Unanswered:
            return Examined((), undecided=True)
        except Exception as error:  # noqa: BLE001 (whatever a mail does to the checks, it is filed: as unproven)
            log.inspection_failed(mail=log.mail_id(arrival.digest), reason=type(error).__name__)
            return Examined(())

    def _clock(self) -> float:
        return math.inf if self._ending else time.monotonic()

    async def _keep(self, arrival: Arrival, examined: Examined) -> None:
        await self._store.write(lambda tx: arrivals.inspected(tx, arrival, examined.results), beside=True)
        self._arrived.set()

    def _give_back(self, arrival: Arrival) -> None:
        self._store.submit(lambda tx: arrivals.unclaim(tx, [arrival.id], self._owner), beside=True)


async def _either(event: asyncio.Event) -> None:
    """Wait for the event, or a moment: another process may have let a mail be tried again."""
    try:
        async with asyncio.timeout(_IDLE):
            await event.wait()
    except TimeoutError:
        pass
