"""What is wrong, found in what the store shows and a daemon sees: one check for each kind of gap. Pure.

Each tells soon enough that its alarm begins within six minutes of the trouble: the daemon looks every ten seconds,
and an alarm wants two looks. How much each kind may take, and why, stands in `docs/operations.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from gateway.health import canary
from gateway.health.gaps import Gap, Kind, Sight
from gateway.health.signs import alive
from gateway.model import DeliveryState
from gateway.store.vitals import Box, Heap, Try

# « Late » is what lies for longer. Nothing of the gateway's own work takes so long: a mail that comes directly may
# wait five minutes for other people's DNS, and is filed then.
PATIENCE = timedelta(minutes=5, seconds=20)
_LAST_STEP = timedelta(minutes=5)  # a server may take ten (RFC 5321 §4.5.3.2.6); one that does is in trouble
_HELD = timedelta(minutes=5)  # for which the antivirus may say nothing of a mail: it starts within two or three
_REFUSING = timedelta(minutes=3)  # a first try may take two and a half until it is in vain
_SEVERAL, _DOMAINS = 3, 2  # deliveries that are put off, and recipients' domains: it isn't one recipient's server
_CROWD = 20  # deliveries to one domain alone: all who work there, perhaps, and nobody else could be told
_MANY = 400  # attempts in vain, one after the other: so many are told of, be it that they took less time
_UNREACHED = timedelta(minutes=3)  # for which a mailbox may be out of reach; IDLE may be deaf for two before
_LOOKS = timedelta(minutes=2)  # a poller looks so often where `poll` doesn't say that it looks less often
_UNSEEN = timedelta(minutes=3, seconds=20)  # for which a look, or a sign of life during it, may be overdue

Check = Callable[[Sight], Iterable[Gap]]


def _lying(kind: Kind, heap: Heap) -> Iterator[Gap]:
    if heap.count:
        yield Gap(kind, heap.count, heap.since, heap.examples)


# --- what came in ---------------------------------------------------------------------------------------------


def _held(sight: Sight) -> Iterator[Gap]:
    """Attachments of which the antivirus says nothing: it is away, or it can't do these."""
    held = sight.vitals.held
    if held.since is not None and sight.now - held.since > _HELD:
        yield from _lying(Kind.ANTIVIRUS, held)


def _incomplete(sight: Sight) -> Iterator[Gap]:
    """Packs that aren't there, or are shorter than what is referred to."""
    if sight.packs:
        yield Gap(Kind.RAW, len(sight.packs), sight.broken_since, sight.packs[:5])


# --- what leaves ----------------------------------------------------------------------------------------------


def _overdue(sight: Sight) -> Iterator[Gap]:
    """Due for long, and not tried; or put off again and again by ourselves: no server was ever asked.

    While the smarthost is away hardly anything is tried: that is one trouble, not two. Nor are attachments that the
    antivirus keeps back.
    """
    if any(_refusing(sight)):
        return
    seen = sight.vitals
    ours = Heap() if seen.held.count else seen.put_off
    both = [heap for heap in (seen.overdue, ours) if heap.count]
    since = [heap.since for heap in both if heap.since is not None]
    examples = tuple(example for heap in both for example in heap.examples)
    yield from _lying(Kind.OUTBOX, Heap(sum(heap.count for heap in both), min(since, default=None), examples[:5]))


def _refusing(sight: Sight) -> Iterator[Gap]:
    """Nothing could be handed over for a while: the relay is out of reach, or puts everybody off.

    One domain whose server says « later » is none of it, be it to all who write there on a quiet day; but many are.
    """
    seen = sight.vitals
    tries = (each for each in seen.tries if each.host)
    vain = list(takewhile(lambda each: each.outcome == DeliveryState.DEFERRED, tries))
    if not vain or not seen.open.get(DeliveryState.DEFERRED):
        return
    if sight.now - vain[-1].at < _REFUSING and len(vain) < _MANY:
        return
    count, domains = len({each.delivery for each in vain}), len({each.domain for each in vain})
    several = count >= _SEVERAL and domains >= _DOMAINS
    if several or count >= _CROWD or any(_wide(each) for each in vain):
        yield Gap(Kind.RELAY, seen.open[DeliveryState.DEFERRED], vain[-1].at, (vain[0].host,))


def _wide(each: Try) -> bool:
    """Would it have met any mail: no connection, a server that closes it (RFC 5321 §3.8), or one that is full?

    That is said by X.3.Z, « mail system status » (RFC 3463 §3.4). What is put off in spite of a « no » is our sender
    or our login (`gateway.relay.verdict`).
    """
    said = each.reply
    return not said[:1].isdigit() or said.startswith(("421", "5")) or said[3:7] == " 4.3"


def _stuck(sight: Sight) -> Iterator[Gap]:
    """Deliveries at their last step for longer than a server in good order takes."""
    late = {delivery: since for delivery, since in sight.sending.items() if sight.now - since > _LAST_STEP}
    if late:
        named = tuple(str(delivery) for delivery in sorted(late)[:5])
        yield Gap(Kind.SENDING, len(late), min(late.values()), named)


# --- mailboxes ------------------------------------------------------------------------------------------------


def _boxes(sight: Sight) -> Mapping[Box, timedelta]:
    """The mailboxes that are polled, and how often."""
    polls = sight.settings.intake.polls
    return {box: polls[box.name] for box in sight.vitals.boxes if box.name in polls}


def _unreached(sight: Sight) -> Iterator[Gap]:
    boxes = _boxes(sight)
    there = _there_for(sight)
    late = ((box.name, _unreached_since(box, poll, sight.now, there)) for box, poll in boxes.items())
    seen = {name: at for name, at in late if at is not None}
    never = set(sight.settings.intake.polls) - {box.name for box in boxes}
    since = {**_never_looked_at(sight, never), **seen}
    if since:
        yield Gap(Kind.UNREACHED, len(since), min(since.values()), tuple(sorted(since)))


def _unreached_since(box: Box, poll: timedelta, now: datetime, there: timedelta) -> datetime | None:
    """`there`: for how long a daemon has been. After a time without any, the first look is still under way."""
    if box.trouble_since is not None and now - box.trouble_since > _UNREACHED:
        return box.trouble_since
    overdue = now - box.looked_at > max(poll, _LOOKS) + _UNSEEN
    return box.looked_at if overdue and there > _LOOKS else None


def _there_for(sight: Sight) -> timedelta:
    begun = (daemon.started_at for daemon in alive(sight.vitals.daemons, sight.now))
    return max((sight.now - each for each in begun), default=timedelta.max)


def _never_looked_at(sight: Sight, names: Iterable[str]) -> dict[str, datetime]:
    """Those that nobody ever looked at, and since when one should have: does any daemon take mail in at all?"""
    begun = max((daemon.started_at for daemon in alive(sight.vitals.daemons, sight.now)), default=sight.now)
    return dict.fromkeys(names, begun) if sight.now - begun > _UNREACHED else {}


def _uids(kind: Kind, uids: Mapping[Box, Sequence[int]]) -> Iterator[Gap]:
    named = [f"{box.name} UID {uid}" for box, some in uids.items() for uid in some]
    if named:
        since = min((box.compared_at or box.looked_at) for box, some in uids.items() if some)
        yield Gap(kind, len(named), since, tuple(named[:5]))


# --- all of it ------------------------------------------------------------------------------------------------

CHECKS: Mapping[Kind, Check] = {
    Kind.FILING: lambda sight: _lying(Kind.FILING, sight.vitals.late),
    Kind.ASIDE: lambda sight: _lying(Kind.ASIDE, sight.vitals.aside),
    Kind.LOST: lambda sight: _lying(Kind.LOST, sight.vitals.lost),
    Kind.RAW: _incomplete,
    Kind.UNREACHED: _unreached,
    Kind.MISSING: lambda sight: _uids(Kind.MISSING, {box: box.missing for box in _boxes(sight)}),
    Kind.OWED: lambda sight: _uids(Kind.OWED, {box: box.owed for box in _boxes(sight)}),
    Kind.TOO_LARGE: lambda sight: _uids(Kind.TOO_LARGE, {box: box.too_large for box in _boxes(sight)}),
    Kind.OUTBOX: _overdue,
    Kind.RELAY: _refusing,
    Kind.SENDING: _stuck,
    Kind.UNKNOWN: lambda sight: _lying(Kind.UNKNOWN, sight.vitals.unknown),
    Kind.UNPROVEN: lambda sight: _lying(Kind.UNPROVEN, sight.vitals.unproven),
    Kind.ROUNDS: lambda sight: _lying(Kind.ROUNDS, sight.vitals.notices),
    Kind.ANTIVIRUS: _held,
    Kind.CANARY: lambda sight: canary.untested(sight.vitals, sight.settings, sight.now),
}


def found(sight: Sight) -> tuple[Gap, ...]:
    """All that is wrong, as far as it can be seen; that no daemon is there, `signs.silent` tells."""
    return tuple(gap for check in CHECKS.values() for gap in check(sight))
