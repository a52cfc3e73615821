"""Short references of conversations: what people read out on the telephone."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection

from gateway.store.prepared import Present
from gateway.store.tables import conversations

# Without 0/O, 1/I/L, 5/S, 8/B, U/V: what is easily misread or misheard.
_ALPHABET = "ACDEFGHJKMNPQRTWXYZ234679"
_TAKEN = Present(conversations.c.reference)


def unused(connection: Connection) -> str:
    """A reference that no conversation has, such as `K7M2-4QXA`. Drawn by chance: it can't be guessed."""
    return unused_ones(connection, 1)[0]


def unused_ones(connection: Connection, count: int) -> list[str]:
    """So many of them, all different."""
    found: dict[str, None] = {}
    while len(found) < count:
        drawn = [_drawn() for _ in range(count - len(found))]
        taken = _TAKEN.among(connection, drawn)
        found |= dict.fromkeys(reference for reference in drawn if reference not in taken)
    return list(found)


def _drawn() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"
