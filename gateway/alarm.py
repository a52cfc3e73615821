"""The alarm: far more acknowledgements than usual left within an hour, and the brake is on, or off again.

The brake itself is no state: `volume.braked` counts. What is remembered is what was told of it, and when.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from gateway import log
from gateway.context import Context
from gateway.model import GLOBAL, Draft
from gateway.relay import plan
from gateway.store import outbox, rounds, volume
from gateway.store.database import Tx

_ON, _OFF, _TOLD = "brake on", "brake off", "brake told"
_QUIET = timedelta(days=1)  # in which the managers aren't told again


def due(connection: Connection, context: Context, now: datetime) -> bool:
    """Has the brake gone on or off since that was last told?"""
    return volume.braked(connection, context.settings.limits, now) is not _is_on(connection)


def make(tx: Tx, context: Context, now: datetime) -> int:
    """Tell of it; return how many mails were planned."""
    if not due(tx.connection, context, now):
        return 0
    if _is_on(tx.connection):
        rounds.made(tx, _OFF, now)
        log.volume_calm()
        return 0
    rounds.made(tx, _ON, now)
    limits = context.settings.limits
    log.volume_jumped(most=volume.most(tx.connection, limits, now), usual=volume.usual(tx.connection, now))
    return _tell_managers(tx, context, now)


def _is_on(connection: Connection) -> bool:
    """As it was last told."""
    on, off = rounds.last(connection, _ON), rounds.last(connection, _OFF)
    return on is not None and (off is None or off < on)


def _tell_managers(tx: Tx, context: Context, now: datetime) -> int:
    place, most = context.place("", GLOBAL), volume.most(tx.connection, context.settings.limits, now)
    return tell_managers(tx, context, _TOLD, lambda manager: plan.volume_alarm(manager, place, most), now)


def may_be_told(connection: Connection, name: str, now: datetime) -> bool:
    """Weren't the managers told of this within the last day?"""
    told = rounds.last(connection, name)
    return told is None or now - told >= _QUIET


def tell_managers(tx: Tx, context: Context, name: str, words: Callable[[str], Draft], now: datetime) -> int:
    """Write to every manager, under this name once a day at most; return how many mails were planned."""
    if not may_be_told(tx.connection, name, now):
        return 0
    rounds.made(tx, name, now)
    managers = sorted(context.directory.managers)
    for manager in managers:
        outbox.enqueue(tx, None, 0, words(manager), context.signer, now)
    return len(managers)
