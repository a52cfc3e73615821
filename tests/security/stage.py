"""A gateway without its sockets: mails are kept, filed and delivered by the code that does it in earnest, in memory.

What leaves is composed, and looked at as its recipient sees it: every header and every part, decoded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

from gateway.commands.acts import act
from gateway.context import Context
from gateway.decision import Decision
from gateway.desk.commands import Parsed, parse
from gateway.model import Attempt, DeliveryState, Outgoing, Role
from gateway.outbound import Relay
from gateway.relay.transport import Committing
from gateway.store import sending
from gateway.store.database import Store
from tests.builders import DOMAIN, NOW, ULYSSE, file_all, incoming, keep, make_context, opened
from tests.patience import PATIENCE
from tests.trials.case import scratch


@dataclass(frozen=True, slots=True)
class Left:
    """A mail that left: to whom, and all that it says to whoever looks into every corner of it."""

    outgoing: Outgoing
    wire: bytes

    @property
    def to(self) -> str:
        return self.outgoing.draft.to

    @property
    def outside(self) -> bool:
        return self.outgoing.draft.role is not Role.AGENT

    @property
    def said(self) -> str:
        mail = message_from_bytes(self.wire, policy=policy.default)
        payloads = (part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart())
        names = (part.get_filename() or "" for part in mail.walk())
        headers = (f"{name}: {value}" for name, value in mail.items())
        return "\n".join(
            (*headers, *names, *(p.decode("utf-8", "replace") for p in payloads if isinstance(p, bytes)))
        )


@dataclass(slots=True)
class Wall:
    """A transport that takes every mail and keeps it; `full` once it has as many as are expected."""

    expected: int
    full: asyncio.Event
    taken: list[Left] = field(default_factory=list)
    idempotent: bool = True

    async def deliver(self, outgoing: Outgoing, wire: bytes, committing: Committing) -> Attempt:
        await committing()
        self.taken.append(Left(outgoing, wire))
        if len(self.taken) == self.expected:
            self.full.set()
        return Attempt(DeliveryState.SENT, "250 ok")

    async def rest(self) -> None:
        pass

    async def close(self) -> None:
        pass


@dataclass(slots=True)
class Stage:
    """Where a scene is played; every step takes an hour."""

    store: Store
    context: Context
    now: datetime = NOW
    left: list[Left] = field(default_factory=list)

    def post(self, raw: bytes, *to: str, sender: str = ULYSSE) -> Decision:
        """A mail comes in, and what it causes leaves."""
        self.now += timedelta(hours=1)
        recipients = to or (f"contact@{DOMAIN}",)
        keep(self.store, incoming(raw, recipients, envelope_sender=sender, received_at=self.now))
        ((_, decision),) = file_all(self.store, self.context, self.now)
        assert not isinstance(decision, str), decision
        self._leave()
        return decision

    def act(self, reference: str, agent: str, wish: str | Parsed) -> None:
        """An agent answers, or does something, and what that causes leaves."""
        wish = parse(wish) if isinstance(wish, str) else wish
        self.now += timedelta(hours=1)
        act(self.store, self.context, reference, agent, wish, self.now)
        self._leave()

    def to(self, address: str) -> list[Left]:
        return [mail for mail in self.left if mail.to == address]

    def _leave(self) -> None:
        due = self.store.read_now(lambda c: sending.due(c, self.now + timedelta(minutes=1), 10_000))
        if due:
            self.left += asyncio.run(self._delivered(len(due)))

    async def _delivered(self, expected: int) -> list[Left]:
        wall = Wall(expected, asyncio.Event())
        relay = Relay(self.store, lambda: self.context, wall, now=lambda: self.now + timedelta(minutes=1))
        work = asyncio.create_task(relay.run(asyncio.Event()))
        try:
            async with asyncio.timeout(PATIENCE):
                await wall.full.wait()
        finally:
            work.cancel()
            await asyncio.wait([work])
        return wall.taken


@contextmanager
def stage(**tables: Any) -> Iterator[Stage]:
    """An empty gateway with the people of the shipped configuration; `tables` replace some of it."""
    with scratch() as folder, opened(folder) as store:
        yield Stage(store, make_context(folder, **tables))


def reply_to(mail: Left) -> str:
    """Where an answer to it goes."""
    return mail.outgoing.reply_to
