"""What is wrong, found in what the store shows: each gap with since when, how much, and what to do about it. Pure.

« Late » is what lies for longer than `PATIENCE`. Nothing of the gateway's own work takes so long: a mail that comes
directly may wait five minutes for other people's DNS, and is filed then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from gateway.model import DeliveryState
from gateway.store.vitals import Box, Heap, Process, Try, Vitals

PATIENCE = timedelta(minutes=5, seconds=20)
SILENT = timedelta(minutes=1)  # a daemon says that it lives every ten seconds
_UNREACHED = timedelta(minutes=4)  # for which a mailbox may be out of reach
_UNSEEN = timedelta(minutes=15)  # beyond its `poll` for which it may not be looked at: IDLE is believed for five
_REFUSING = timedelta(minutes=5)  # for which the relay may hand nothing over
_SEVERAL = 3  # deliveries that are put off: it isn't one recipient's server
_MANY = 400  # attempts in vain, one after the other: so many are told of, be it that they took less time
_HELD = timedelta(hours=1)  # for which the antivirus may say nothing
_LAST_STEP = timedelta(minutes=12)  # what a server may take for it (RFC 5321 §4.5.3.2.6), and a little


class Kind(StrEnum):
    """What is wrong. The first two can only be told from outside of a daemon."""

    DAEMON = "daemon"
    STORE = "store"
    FILING = "filing"
    ASIDE = "aside"
    LOST = "lost"
    RAW = "raw"
    UNREACHED = "mailbox_unreached"
    MISSING = "mailbox_missing"
    OWED = "mailbox_owed"
    TOO_LARGE = "mailbox_too_large"
    OUTBOX = "outbox"
    RELAY = "relay"
    SENDING = "sending"
    UNKNOWN = "unknown"
    UNPROVEN = "unproven"
    ROUNDS = "rounds"
    ANTIVIRUS = "antivirus"
    CANARY = "canary"


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is wrong: how many of it, since when (None where nobody knows), and some of them by name."""

    kind: Kind
    count: int = 1
    since: datetime | None = None
    examples: tuple[str, ...] = ()


# What each means, and what to do. `docs/operations.md` has more of it.
WORDS: dict[Kind, tuple[str, str]] = {
    Kind.DAEMON: (
        "no daemon works on this store",
        "start it: systemctl start gateway; journalctl -u gateway says why",
    ),
    Kind.STORE: ("the store can't be read", "is the disk full or failing? `gateway check` looks at it"),
    Kind.FILING: (
        "mail waits to be filed",
        "look for filing_paused and mail_unreadable in the log; restart the daemon if nothing is under way",
    ),
    Kind.ASIDE: ("mail is set aside", "`gateway aside list` says why; `gateway aside retry ID` once it is mended"),
    Kind.LOST: ("mail was filed, and its message isn't there", "restore a backup beside, and compare; report it"),
    Kind.RAW: (
        "raw mail is missing, or out of reach",
        "put the packs back from the backup: `gateway check` names them",
    ),
    Kind.UNREACHED: (
        "a mailbox isn't looked at",
        "`gateway check --connect` tries it; look for imap_trouble in the log",
    ),
    Kind.MISSING: (
        "a mailbox held mail that had been passed over; it is fetched now",
        "nothing, if it is over at the next comparison; report it if it comes again",
    ),
    Kind.OWED: ("a mailbox holds mail that can't be had", "look at it with another client, and move it on"),
    Kind.TOO_LARGE: (
        "a mailbox holds mail over max_size",
        "read it there and move it away, or raise max_size and restart",
    ),
    Kind.OUTBOX: ("mail that is due isn't sent", "look for relay_paused in the log; restart the daemon"),
    Kind.RELAY: ("the relay takes no mail", "`gateway check --connect` tries it; nothing is lost, it is tried again"),
    Kind.SENDING: (
        "a delivery is at its last step for too long",
        "does the smarthost hang? Restart the daemon: what is uncertain is settled then",
    ),
    Kind.UNKNOWN: (
        "nobody knows whether deliveries arrived",
        "ask the smarthost's log; then `gateway outbox retry ID` or `cancel ID`",
    ),
    Kind.UNPROVEN: ("deliveries are sent, and no evidence says so", "who changed the store? report it"),
    Kind.ROUNDS: ("agents aren't told of what fell due", "look for rounds_paused in the log; restart the daemon"),
    Kind.ANTIVIRUS: (
        "attachments wait for the antivirus",
        "does clamd run? `gateway scans list` says what is held, `gateway scans release` lets one go",
    ),
    Kind.CANARY: (
        "no test mail came through",
        "what came after its last step (sent, filed, left or back) stands still; canary_refused in the log says more",
    ),
}


def found(vitals: Vitals, mailboxes: Mapping[str, timedelta], now: datetime) -> tuple[Gap, ...]:
    """All that the store shows to be wrong, whether a daemon runs or not. `mailboxes`: how often each is polled."""
    boxes = {box: mailboxes[box.name] for box in vitals.boxes if box.name in mailboxes}
    never = sorted(set(mailboxes) - {box.name for box in boxes})
    # While the smarthost is away, hardly anything is tried: that is one trouble, not two.
    leaving = tuple(_relay(vitals, now)) or _outbox(vitals, now)
    return (*_heaps(vitals, now), *leaving, *_mailboxes(boxes, _begun(vitals, never, now), now))


def _heaps(vitals: Vitals, now: datetime) -> Iterator[Gap]:
    yield from _lying(Kind.FILING, vitals.late)
    yield from _lying(Kind.ASIDE, vitals.aside)
    yield from _lying(Kind.LOST, vitals.lost)
    yield from _lying(Kind.UNKNOWN, vitals.unknown)
    yield from _lying(Kind.UNPROVEN, vitals.unproven)
    yield from _lying(Kind.ROUNDS, vitals.notices)
    if vitals.held.since is not None and now - vitals.held.since > _HELD:
        yield from _lying(Kind.ANTIVIRUS, vitals.held)


def _lying(kind: Kind, heap: Heap) -> Iterator[Gap]:
    if heap.count:
        yield Gap(kind, heap.count, heap.since, heap.examples)


def alive(daemons: Sequence[Process], now: datetime) -> list[Process]:
    """Those that live: not one that ended in order, nor one that was last seen by a clock gone wrong."""
    return [daemon for daemon in daemons if daemon.ended_at is None and abs(now - daemon.seen_at) <= SILENT]


def silent(daemons: Sequence[Process], now: datetime) -> tuple[Gap, ...]:
    """Does no daemon live?"""
    if alive(daemons, now):
        return ()
    last = max((daemon.seen_at for daemon in daemons), default=None)
    return (
        Gap(Kind.DAEMON, since=last, examples=tuple(daemon.name for daemon in daemons if daemon.seen_at == last)),
    )


# --- what leaves ----------------------------------------------------------------------------------------------


def _outbox(vitals: Vitals, now: datetime) -> Iterator[Gap]:
    """Due for long, and nothing is tried. A relay that works on, however slowly, is no alarm."""
    busy = vitals.tries and now - vitals.tries[0].at <= PATIENCE
    if not busy:
        yield from _lying(Kind.OUTBOX, vitals.overdue)


def _relay(vitals: Vitals, now: datetime) -> Iterator[Gap]:
    """Nothing could be handed over for a while: the relay is out of reach, or puts everybody off.

    One recipient whose server says « later » is none of it.
    """
    tries = (each for each in vitals.tries if each.host)
    vain = list(takewhile(lambda each: each.outcome == DeliveryState.DEFERRED, tries))
    if not vain or not vitals.open.get(DeliveryState.DEFERRED):
        return
    if now - vain[-1].at < _REFUSING and len(vain) < _MANY:
        return
    deliveries = {each.delivery for each in vain}
    if len(deliveries) >= _SEVERAL or any(_cut_off(each) for each in vain):
        yield Gap(Kind.RELAY, vitals.open[DeliveryState.DEFERRED], vain[-1].at, (vain[0].host,))


def _cut_off(each: Try) -> bool:
    """Was there no answer to this mail at all: no connection, or a server that closes it (RFC 5321 §3.8)?"""
    return not each.reply[:1].isdigit() or each.reply.startswith("421")


def stuck(sending: Mapping[int, datetime], now: datetime) -> tuple[Gap, ...]:
    """Deliveries at their last step for longer than a server may take. `sending`: since when each was seen there."""
    late = {delivery: since for delivery, since in sending.items() if now - since > _LAST_STEP}
    if not late:
        return ()
    return (Gap(Kind.SENDING, len(late), min(late.values()), tuple(str(delivery) for delivery in sorted(late)[:5])),)


def incomplete(packs: Sequence[str], now: datetime) -> tuple[Gap, ...]:
    """Packs that aren't there, or are shorter than what is referred to."""
    return (Gap(Kind.RAW, len(packs), now, tuple(packs[:5])),) if packs else ()


# --- mailboxes ------------------------------------------------------------------------------------------------


def _begun(vitals: Vitals, never: Sequence[str], now: datetime) -> dict[str, datetime]:
    """Since when mailboxes that nobody ever looked at should have been: does any daemon take mail in at all?"""
    begun = max((daemon.started_at for daemon in alive(vitals.daemons, now)), default=now)
    return dict.fromkeys(never, begun) if now - begun > _UNREACHED else {}


def _mailboxes(boxes: Mapping[Box, timedelta], never: Mapping[str, datetime], now: datetime) -> Iterator[Gap]:
    seen = {box.name: at for box, poll in boxes.items() if (at := _unreached_since(box, poll, now)) is not None}
    since = {**never, **seen}
    if since:
        yield Gap(Kind.UNREACHED, len(since), min(since.values()), tuple(sorted(since)))
    yield from _uids(Kind.MISSING, {box: box.missing for box in boxes})
    yield from _uids(Kind.OWED, {box: box.owed for box in boxes})
    yield from _uids(Kind.TOO_LARGE, {box: box.too_large for box in boxes})


def _unreached_since(box: Box, poll: timedelta, now: datetime) -> datetime | None:
    if box.trouble_since is not None and now - box.trouble_since > _UNREACHED:
        return box.trouble_since
    return box.looked_at if now - box.looked_at > _UNSEEN + poll else None


def _uids(kind: Kind, uids: dict[Box, tuple[int, ...]]) -> Iterator[Gap]:
    named = [f"{box.name} UID {uid}" for box, some in uids.items() for uid in some]
    if named:
        since = min((box.compared_at or box.looked_at) for box, some in uids.items() if some)
        yield Gap(kind, len(named), since, tuple(named[:5]))
