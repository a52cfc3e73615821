"""A test mail from the gateway to itself: the whole way in, and out again as far as nobody else is needed.

    in    handed to a listener of ours, as any client would: accepted, kept, read, and known when it would be filed
    out   from there a delivery of the outbox, by the relay: into the folder, where it is taken away again; or, with
          `canary_returns`, to the smarthost and back to our own domain, where it comes in like any mail

It is known by a signed address of a kind of its own, which counts for a week, and by its words, which say nothing:
whoever gets hold of the address can make these words vanish, and no mail. No conversation is opened, and nobody told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import IntEnum
from typing import TYPE_CHECKING

from gateway.config.settings import Settings
from gateway.health.gaps import Gap, Kind
from gateway.health.signs import alive
from gateway.mail.tokens import TokenKind
from gateway.model import Arrival, Draft, Mail, Purpose, Role
from gateway.routing.recipients import recognised
from gateway.store import arrivals, outbox, rounds
from gateway.store.database import Tx
from gateway.store.vitals import Vitals

if TYPE_CHECKING:  # `gateway health` reads of test mails, and makes none
    from gateway.context import Context

SUBJECT = "Test"
TEXT = "This is a test mail that the gateway sends to itself. Nobody has to do anything about it."
SENT, FILED, LEFT, BACK = "canary sent", "canary filed", "canary left", "canary back"
GOING = "canary going"  # when the one was sent that went to the relay last, unless it was taken out of the folder
STEPS = (BACK, LEFT, FILED, SENT)  # the latest first
_LIFE = timedelta(days=7)  # longer than other people's servers keep what they can't hand over
_UNDERWAY = timedelta(seconds=90)


class Leg(IntEnum):
    """Which way a test mail came: from ourselves, or back from the smarthost. It stands in its address."""

    IN = 0
    BACK = 1


def end(settings: Settings) -> str:
    """What is the last that is seen of a test mail."""
    if settings.health.canary_returns:
        return BACK
    return LEFT if settings.relay.transport == "maildir" else FILED


def is_kept(settings: Settings) -> bool:
    """Is there a canary? It needs an address of its own, and a way in."""
    way = settings.intake.smtp or settings.health.canary_returns
    return bool(settings.health.canary and settings.addresses.reply and way)


def address(context: Context, leg: Leg, sent_at: datetime) -> str:
    """Where a test mail goes that was sent at that time."""
    return context.signer.canary_to(int(sent_at.timestamp()), leg)


def draft(context: Context, leg: Leg, sent_at: datetime) -> Draft:
    """The test mail as a delivery."""
    name = context.settings.instance.name
    to = address(context, leg, sent_at)
    return Draft(Purpose.CANARY, to, Role.AGENT, name, SUBJECT, TEXT, "en", automatic=True, silent=True)


def octets(context: Context, sent_at: datetime) -> bytes:
    """The test mail as it is handed to our own listener."""
    to = address(context, Leg.IN, sent_at)
    fields = {
        "From": to,
        "To": to,
        "Subject": SUBJECT,
        "Date": format_datetime(sent_at.astimezone(UTC)),
        "Message-ID": f"<{to}>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
    }
    return "\r\n".join((*(f"{name}: {value}" for name, value in fields.items()), "", TEXT, "")).encode()


# --- is all well? ---------------------------------------------------------------------------------------------


def untested(seen: Vitals, settings: Settings, now: datetime) -> tuple[Gap, ...]:
    """Did no test mail come through for too long, while a daemon was there?"""
    begun = min((daemon.started_at for daemon in alive(seen.daemons, now)), default=None)
    every = settings.health.canary
    if every is None or begun is None or not is_kept(settings):
        return ()
    since = max(begun, seen.rounds.get(end(settings), begun))
    if now - since <= every + _UNDERWAY:
        return ()
    reached = max((stage for stage in STEPS if stage in seen.rounds), key=seen.rounds.__getitem__, default="none")
    return (Gap(Kind.CANARY, since=since, examples=(f"the last step was: {reached}",)),)


# --- when it would be filed -----------------------------------------------------------------------------------


def leg_of(arrival: Arrival, mail: Mail, context: Context) -> Leg | None:
    """Which leg of a test mail this is; None: it is none."""
    if mail.subject != SUBJECT or mail.attachments or len(mail.text) > 2 * len(TEXT):
        return None
    if " ".join(mail.text.split()) != TEXT:
        return None
    told = (*arrival.envelope.recipients, *(to.address for to in mail.to), *mail.delivered_to)
    return _leg(told, arrival.received_at, context)


def _leg(addresses: Iterable[str], received_at: datetime, context: Context) -> Leg | None:
    for found in recognised(addresses, context.recognise):
        token = found.token
        if token is not None and token.kind is TokenKind.CANARY and token.epoch in set(Leg):
            sent_at = datetime.fromtimestamp(token.subject, UTC)
            if abs(received_at - sent_at) <= _LIFE:
                return Leg(token.epoch)
    return None


def filed(tx: Tx, arrival: Arrival, leg: Leg, context: Context, now: datetime) -> Leg:
    """A test mail came through. Where it goes out again, that is planned."""
    arrivals.passed(tx, arrival.id)
    rounds.made(tx, BACK if leg is Leg.BACK else FILED, now)
    sent_at = rounds.last(tx.connection, SENT)
    if leg is Leg.IN and sent_at is not None and end(context.settings) != FILED:
        going = draft(context, Leg.BACK, sent_at)
        several = outbox.is_written_to(tx.connection, going.to)  # several that waited go out as one
        if not several and not _is_on_its_way(tx, context):
            outbox.enqueue(tx, None, 0, going, context.signer, now)
            rounds.made(tx, GOING, sent_at)
    return leg


def left(tx: Tx, now: datetime) -> None:
    """It was taken out of the folder."""
    rounds.made(tx, LEFT, now)
    rounds.noted(tx, GOING, None)


def _is_on_its_way(tx: Tx, context: Context) -> bool:
    """Is there one that will lie in the folder, or does, and wasn't taken away? No other follows it then."""
    going = rounds.last(tx.connection, GOING)
    if end(context.settings) != LEFT or going is None:
        return False
    return outbox.may_leave(tx.connection, address(context, Leg.BACK, going))


# --- by SMTP or LMTP, to ourselves ----------------------------------------------------------------------------


async def hand_in(door: str, hello: str, to: str, mail: bytes, patience: float) -> None:
    """Hand a mail to a listener of ours; `door` is its address, `hello` the greeting with our name.

    Raises:
        OSError: it isn't taken; TimeoutError: nor is it refused, within `patience` seconds.
    """
    async with asyncio.timeout(patience):
        reader, writer = await _connected(door)
        try:
            await _told(reader, "220")
            dialogue = ((hello, "250"), ("MAIL FROM:<>", "250"), (f"RCPT TO:<{to}>", "250"), ("DATA", "354"))
            for line, wanted in dialogue:
                writer.write(f"{line}\r\n".encode())
                await _told(reader, wanted)
            writer.write(mail + b".\r\n")  # no line of it begins with a dot
            await _told(reader, "250")
            writer.write(b"QUIT\r\n")
            await writer.drain()
        finally:
            writer.close()


async def _connected(door: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if door.startswith("/"):
        return await asyncio.open_unix_connection(door)
    host, _, port = door.rpartition(":")
    own = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}  # noqa: S104 (what listens everywhere is reached from here)
    return await asyncio.open_connection(own.get(host, host.strip("[]")), int(port))


async def _told(reader: asyncio.StreamReader, wanted: str) -> None:
    """Read one reply (RFC 5321 §4.2), of several lines maybe.

    Raises:
        ConnectionError: it is another than was wanted.
    """
    while (line := (await reader.readline()).decode("ascii", "replace"))[3:4] == "-":
        pass
    if not line.startswith(wanted):
        raise ConnectionError(f"our own listener answers {line[:3] or 'nothing'}, not {wanted}")
