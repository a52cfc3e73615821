"""Alarms that begin and end: once in the log, in the store while they stand, once a day at most to the managers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway import alarm, log
from gateway.context import Context
from gateway.health.gaps import Gap, Kind
from gateway.model import GLOBAL
from gateway.relay import plan
from gateway.store import pulses, rounds, turns
from gateway.store.database import Tx
from gateway.store.pulses import Standing

# What a mail wouldn't leave by, or would only tell once it is over.
NOT_BY_MAIL = frozenset({Kind.RELAY, Kind.OUTBOX, Kind.SENDING})
# What passes by itself as a rule, and whoever runs the machines hears of at once: by mail once it stands for so long.
LASTING = {Kind.UNREACHED: timedelta(minutes=30)}


@dataclass(frozen=True, slots=True)
class Changes:
    """Which alarms begin, which are over, and how many mails that planned."""

    raised: tuple[Gap, ...] = ()
    over: tuple[Standing, ...] = ()
    mails: int = 0


def change(tx: Tx, context: Context, gaps: Sequence[Gap], now: datetime, unseen: timedelta = timedelta()) -> Changes:
    """Let the alarms that stand be those of `gaps`. With several daemons, one of them finds that one begins.

    What isn't among `gaps` is over once nobody has seen it for as long as `unseen`: another may see what we don't.
    """
    turns.take(tx.connection)
    standing = pulses.standing(tx.connection)
    raised = tuple(gap for gap in gaps if pulses.raised(tx, gap.kind, gap.count, gap.since, gap.examples, now))
    kinds = {gap.kind.value for gap in gaps}
    gone = (one for one in standing if one.kind not in kinds and now - one.seen_at >= unseen)
    over = tuple(one for one in gone if pulses.over(tx, one.kind))
    began = {one.kind: one.began_at for one in standing}
    lasting = (gap for gap in gaps if gap.kind in began and _has_lasted(tx, gap, began[gap.kind], now))
    return Changes(raised, over, _tell(tx, context, (*(g for g in raised if g.kind not in LASTING), *lasting), now))


def _has_lasted(tx: Tx, gap: Gap, began_at: datetime, now: datetime) -> bool:
    """Does it stand for so long that it is to be told by mail, and wasn't since it began?"""
    if gap.kind not in LASTING or now - began_at < LASTING[gap.kind]:
        return False
    told = rounds.last(tx.connection, _name(gap))
    return told is None or told < began_at


def _name(gap: Gap) -> str:
    return f"alarm {gap.kind}"


def _tell(tx: Tx, context: Context, gaps: Sequence[Gap], now: datetime) -> int:
    """One mail of all these, but for what was told within a day."""
    names = {gap: _name(gap) for gap in gaps if gap.kind not in NOT_BY_MAIL}
    news = tuple(gap for gap, name in names.items() if alarm.may_be_told(tx.connection, name, now))
    if not news:
        return 0
    place = context.place("", GLOBAL)
    kinds = tuple((gap.kind.value, gap.count, gap.since) for gap in news)
    for gap in news[1:]:
        rounds.made(tx, names[gap], now)
    return alarm.tell_managers(tx, context, names[news[0]], lambda to: plan.health_alarm(to, place, kinds), now)


def log_changes(changes: Changes, now: datetime) -> None:
    """To be called once they are written."""
    for gap in changes.raised:
        since = gap.since.isoformat() if gap.since else ""
        log.alarm_raised(kind=gap.kind.value, count=gap.count, since=since, examples=gap.examples)
    for one in changes.over:
        log.alarm_over(kind=one.kind, minutes=(now - one.began_at).total_seconds() / 60)
