"""Waiting until a database knows of all mail that was acknowledged by now: a copy of it is to hold no less."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from gateway.store import salvage
from gateway.store.packs import Packs
from gateway.store.salvage import Found

_PATIENCE = 10.0  # seconds: where no daemon is there to tell it, the next one does so at its start
_PAUSE = 0.02


def caught_up(database: Path, packs: Packs) -> bool:
    """Wait, for a while, until the database knows of what lies in packs now (`gateway.store.journal`); does it?

    Raises:
        StoreError: the packs can't be had now.
    """
    deadline = time.monotonic() + _PATIENCE
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=30)) as base:
        ends = {pack: _end(packs, pack, known) for pack, known in _known(base).items()}
        while not (there := all(known >= ends.get(pack, 0) for pack, known in _known(base).items())):
            if time.monotonic() > deadline:
                break
            time.sleep(_PAUSE)
    return there


def _known(base: sqlite3.Connection) -> dict[str, int]:
    try:
        return dict(base.execute("SELECT pack, known FROM open_packs").fetchall())
    except sqlite3.DatabaseError:  # of an older version, or damaged: whoever copies it will say so
        return {}


def _end(packs: Packs, pack: str, known: int) -> int:
    """Where what is whole ends."""
    found = salvage.records(packs, pack, known, packs.sizes().get(pack, 0))
    return max((each.at.offset + each.at.size + 1 for each in found if isinstance(each, Found)), default=0)
