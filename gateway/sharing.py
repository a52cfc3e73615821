"""Filing mail at the same time as other daemons on one PostgreSQL, with what one daemon would come to.

What a batch may look up or write is named and held before it is begun (`share`): the names of its mails, what they
lead to, and the count of acknowledgements where it is near a cap. Mails that have nothing to do with each other are
filed at once; others wait. Where more turns out to be touched, or somebody else is just counting up to a cap, the
batch is `Entangled`: nothing of it is written, and it is filed in turn (`gateway.store.turns`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from gateway.config.settings import Limits
from gateway.model import Clues
from gateway.store import reach, turns, volume
from gateway.store.turns import Entangled

_ACKNOWLEDGING = "acknowledging"
# What others may be writing that isn't to be seen yet: notifications to one agent, acknowledgements.
_MOST_BESIDE = 1000


def share(connection: Connection, clues: Collection[Clues], limits: Limits, now: datetime) -> None:
    """Share the turn for mails with these clues.

    Raises:
        Entangled: what they lead to has changed meanwhile, or is too much.
    """
    before = reach.reach(connection, clues)
    if len(before.conversations) > reach.MOST:
        raise Entangled
    counting = {_ACKNOWLEDGING} if volume.counting(connection, limits, now, _MOST_BESIDE) else ()
    turns.share(connection, {*reach.names(clues), *before.names, *counting})
    if not reach.reach(connection, clues).conversations <= before.conversations:
        raise Entangled


def notifications(connection: Connection, agents: Collection[str], enough: int, now: datetime) -> dict[str, int]:
    """As `volume.notifications`, where others may be notifying the same agents now.

    Raises:
        Entangled: somebody else is, and it matters.
    """
    had = volume.notifications(connection, agents, enough, now)
    near = sorted(agent for agent, count in had.items() if enough - _MOST_BESIDE < count < enough)
    if near:
        if not turns.held(connection, (f"notifying {agent}" for agent in near)):
            raise Entangled
        had |= volume.notifications(connection, near, enough, now)
    return had
