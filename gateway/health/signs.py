"""Does a daemon live? Each says so every ten seconds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.health.gaps import Gap, Kind
from gateway.store.vitals import Process

SILENT = timedelta(minutes=1)  # after which one that says nothing is missed


def alive(daemons: Sequence[Process], now: datetime) -> list[Process]:
    """Those that live: not one that ended in order, nor one that was last seen by a clock gone wrong."""
    return [daemon for daemon in daemons if daemon.ended_at is None and abs(now - daemon.seen_at) <= SILENT]


def silent(daemons: Sequence[Process], now: datetime) -> tuple[Gap, ...]:
    """Does no daemon live?"""
    if alive(daemons, now):
        return ()
    last = max((daemon.seen_at for daemon in daemons), default=None)
    named = tuple(daemon.name for daemon in daemons if daemon.seen_at == last)
    return (Gap(Kind.DAEMON, since=last, examples=named),)
