"""Machines that write back: robots, lists, desks, forwarders, dead mailboxes; and gateways that face them.

All of them exchange mail in memory, on a clock of their own. A robot is a function: a mail that reached it → those
that it sends because of it.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.context import Context
from gateway.model import Envelope, Incoming, Outgoing, Purpose
from gateway.relay.compose import compose
from gateway.store import sending
from gateway.store.database import Store
from tests.builders import NOW, raw_mail
from tests.security.pipeline import Read, file

_STRIPPED = ("auto-submitted", "x-auto-response-suppress", "precedence", "reply-to", "sender")
_MOST = 400  # mails after which a world is stopped: it would never be quiet


@dataclass(frozen=True, slots=True)
class Posted:
    """A mail on its way: the envelope's two addresses, the octets."""

    sender: str
    to: str
    raw: bytes


Robot = Callable[[Posted, int], Iterable[Posted]]
"""What a machine does with a mail that reached it; the number is of the mail, no two alike."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway: its store, its context, how it reads mail (a control reads it without its defences)."""

    store: Store
    context: Context
    read: Read
    plain: bool = False

    def take(self, posted: Posted, at: datetime) -> None:
        to = self.context.settings.addresses.global_ if self.plain else posted.to
        mail = Incoming(posted.raw, "smtp", at, Envelope(posted.sender, (to,)))
        file(self.store, self.context, [mail], self.read)

    def leaving(self, after: int) -> list[Outgoing]:
        """What it planned since the delivery `after`."""
        due = self.store.read_now(lambda connection: sending.due(connection, NOW + timedelta(days=999), 100_000))
        return [mail for mail in due if mail.id > after]


@dataclass
class World:
    """Gateways by domain, robots by address. Everybody takes `delay` to write back."""

    gateways: Mapping[str, Gateway]
    robots: Mapping[str, Robot]
    delay: timedelta
    automatic: Counter[tuple[str, str]] = field(default_factory=Counter)
    exchanged: int = 0
    _queue: list[tuple[datetime, int, Posted]] = field(default_factory=list)
    _seen: dict[str, int] = field(default_factory=dict)
    _number: itertools.count[int] = field(default_factory=itertools.count)

    def post(self, mail: Posted, at: datetime) -> None:
        heapq.heappush(self._queue, (at, next(self._number), mail))

    def run(self, until: datetime) -> None:
        while self._queue and self._queue[0][0] <= until and self.exchanged < _MOST:
            at, number, mail = heapq.heappop(self._queue)
            self.exchanged += 1
            domain = mail.to.rpartition("@")[2]
            if domain in self.gateways:
                self._through(domain, mail, at)
            elif mail.to in self.robots:
                for answer in self.robots[mail.to](mail, number):
                    self.post(answer, at + self.delay)

    def _through(self, domain: str, mail: Posted, at: datetime) -> None:
        gateway = self.gateways[domain]
        gateway.take(mail, at)
        for left in gateway.leaving(self._seen.get(domain, 0)):
            self._seen[domain] = max(left.id, self._seen.get(domain, 0))
            self.automatic[domain, left.draft.to] += left.draft.purpose is Purpose.ACKNOWLEDGEMENT
            self.post(Posted(left.envelope_sender, left.draft.to, compose(left, ())), at)


# --- the machines ------------------------------------------------------------------------------------------


def absent(posted: Posted, number: int) -> Iterable[Posted]:
    """An out-of-office robot as RFC 3834 wants it, but that it answers a null reverse-path at From."""
    to = posted.sender or _value(posted.raw, "from")
    subject = f"Réponse automatique : {_value(posted.raw, 'subject')}"
    yield _written(posted.to, to, number, subject, "Je suis absent.", envelope="", Auto_Submitted="auto-replied")


def vacation(posted: Posted, number: int) -> Iterable[Posted]:
    """It heeds no header, marks nothing, cites nothing, and answers whoever wrote."""
    text = "Merci de votre message, je m’en occupe dès que possible. Bien à vous"
    yield _written(posted.to, _value(posted.raw, "from"), number, "Merci", text)


def afresh(to: str) -> Robot:
    """The same, but it writes to an address it knows, as if by itself."""

    def robot(posted: Posted, number: int) -> Iterable[Posted]:
        text = f"Bonjour, un nouveau message nous est parvenu, sous le numéro {number}. Il sera lu par nos équipes."
        yield _written(posted.to, to, number, f"Message {number}", text)

    return robot


def desk(posted: Posted, number: int) -> Iterable[Posted]:
    """A help desk that acknowledges all that comes, quotes it, and marks nothing."""
    text = f"Votre demande porte le numéro {number}.\n\n> " + _value(posted.raw, "subject")
    subject = f"[#{number}] {_value(posted.raw, 'subject')}"
    yield _written(posted.to, _value(posted.raw, "from"), number, subject, text)


def expander(*members: str, strips: tuple[str, ...] = _STRIPPED) -> Robot:
    """A list without any mark of one: it sends on to all members what comes, under its own name and id."""

    def robot(posted: Posted, number: int) -> Iterable[Posted]:
        own = f"From: {posted.to}\r\nMessage-ID: <l{number}@lists.example>\r\n".encode()
        raw = own + _without(posted.raw, ("from", "message-id", *strips))
        return [Posted(posted.to, member, raw) for member in members]

    return robot


def forwarder(to: str) -> Robot:
    """It sends on all that comes, as it is, and notes that it passed."""

    def robot(posted: Posted, number: int) -> Iterable[Posted]:
        yield Posted(posted.to, to, b"Received: from a by b; Sat, 01 Mar 2025 10:00:00 +0100\r\n" + posted.raw)

    return robot


def dead(posted: Posted, number: int) -> Iterable[Posted]:
    """A mailbox that isn't there; its server bounces bounces too, to whoever wrote (RFC 5321 §6.1 forbids it)."""
    to = posted.sender or _value(posted.raw, "from")
    yield _written(
        "mailer-daemon@dead.example", to, number, "Undelivered Mail Returned to Sender", _BOUNCE, envelope=""
    )


_BOUNCE = "This is the mail system. <dead@dead.example>: 550 5.1.1 user unknown"


# --- their mails -------------------------------------------------------------------------------------------


def _written(
    sender: str, to: str, number: int, subject: str, text: str, envelope: str | None = None, **fields: Any
) -> Posted:
    raw = raw_mail(sender, to, subject, text, f"r{number}@{sender.rpartition('@')[2]}", **fields)
    return Posted(sender if envelope is None else envelope, to, raw)


def _value(raw: bytes, name: str) -> str:
    """A field of a mail; of From, the address."""
    lines = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").decode("utf-8", "replace").split("\r\n")
    found = next((line.partition(": ")[2] for line in lines if line.lower().startswith(f"{name}:")), "")
    return found.rpartition("<")[2].strip("> ") if name == "from" else found


def _without(raw: bytes, names: tuple[str, ...]) -> bytes:
    header, _, body = raw.partition(b"\r\n\r\n")
    lines = header.replace(b"\r\n ", b" ").split(b"\r\n")
    kept = [line for line in lines if line.partition(b":")[0].decode("ascii", "replace").lower() not in names]
    return b"\r\n".join((*kept, b"", body))
