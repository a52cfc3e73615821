"""What became of mails of which nobody knows: the operator's program is asked (`relay.lookup`), a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from gateway import log
from gateway.model import DeliveryState
from gateway.relay import lookup

_STILL_AT_IT = 60.0  # seconds for which a smarthost may go on with a mail whose connection broke
_AT_ONCE = 4

Then = Callable[[DeliveryState, str], Awaitable[None]]


class Doubts:
    """Holds what is being looked into, and nothing that must survive: until it is known, a mail stays `sending`."""

    def __init__(self, program: Callable[[], Sequence[str]]) -> None:
        self._program = program
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def __bool__(self) -> bool:
        return bool(self._program())

    @property
    def open(self) -> Collection[int]:
        """The deliveries that are being looked into."""
        return self._tasks.keys()

    def look_into(self, delivery: int, message_id: str, then: Then) -> None:
        """Find out, and say what was found, in words: `then(state, words)`."""
        task = asyncio.create_task(self._looked_into(delivery, message_id, then), name=f"look-up-{delivery}")
        self._tasks[delivery] = task
        task.add_done_callback(lambda _: self._tasks.pop(delivery, None))

    async def _looked_into(self, delivery: int, message_id: str, then: Then) -> None:
        """The smarthost may still be at it: what it hasn't logged yet would be said never to have come."""
        await asyncio.sleep(_STILL_AT_IT)
        async with self._turns:
            state, words = await lookup.ask(self._program(), message_id)
        await then(state, words)
        log.delivery_looked_up(delivery=delivery, state=state.value)

    async def ended(self) -> None:
        """Wait until all are known that are being looked into now."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def stop(self) -> None:
        """Give up; a restart asks again."""
        for task in list(self._tasks.values()):
            task.cancel()
        await self.ended()
