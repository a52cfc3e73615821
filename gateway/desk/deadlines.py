"""What falls due with time: digests, reminders, the closing of conversations nobody answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.config.hours import Hours, opens, waited
from gateway.model import GATHERING, Conversation, Status

MOST_REMINDERS = 3  # of one conversation, while it waits for the same answer
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a conversation may wait for an agent: open time, by the hours of its démarche."""

    after: timedelta | None
    hours: Hours
    zone: ZoneInfo
    closed_days: frozenset[date]


def next_digest(now: datetime, times: Sequence[time], zone: ZoneInfo) -> datetime:
    """The first of the daily times that comes after `now`."""
    today = now.astimezone(zone).date()
    moments = (datetime.combine(today + timedelta(days=day), at, zone) for day in (0, 1) for at in times)
    return min(moment for moment in moments if moment > now).astimezone(now.tzinfo)


def next_gathering(now: datetime) -> datetime:
    """When agents who get too much are told of the rest in one mail: every ten minutes."""
    return now + GATHERING - (now - _EPOCH) % GATHERING


def last_digest(now: datetime, times: Sequence[time], zone: ZoneInfo) -> datetime:
    """The last of the daily times that isn't after `now`."""
    today = now.astimezone(zone).date()
    moments = (datetime.combine(today - timedelta(days=day), at, zone) for day in (0, 1) for at in times)
    return max(moment for moment in moments if moment <= now).astimezone(now.tzinfo)


def open_day(patience: Patience, now: datetime) -> bool:
    """Is there an open hour today, now or later?"""
    opening = opens(patience.hours, now, patience.zone, patience.closed_days)
    return opening.astimezone(patience.zone).date() == now.astimezone(patience.zone).date()


def reminder_due(conversation: Conversation, patience: Patience, now: datetime) -> bool:
    """Has an active conversation waited for another whole span of patience since it was last told?"""
    since = conversation.waiting_since
    if patience.after is None or since is None or conversation.status is not Status.ACTIVE:
        return False
    if conversation.reminded >= MOST_REMINDERS:
        return False
    open_time = waited(patience.hours, since, now, patience.zone, patience.closed_days)
    return open_time >= patience.after * (conversation.reminded + 1)


def closes_at(conversation: Conversation, after: timedelta | None) -> datetime | None:
    """When a conversation that waits for its usager is closed; None: it isn't, or is set aside until a date."""
    waits = conversation.status is Status.PENDING and conversation.snoozed_until is None
    if after is None or conversation.waiting_since is None or not waits:
        return None
    return conversation.waiting_since + after
