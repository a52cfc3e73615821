"""Short references of conversations: what people read out on the telephone."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, bindparam, select

from gateway.store.prepared import Prepared
from gateway.store.tables import conversations

# Without 0/O, 1/I/L, 5/S, 8/B, U/V: what is easily misread or misheard.
_ALPHABET = "ACDEFGHJKMNPQRTWXYZ234679"
_TAKEN = Prepared(select(conversations.c.id).where(conversations.c.reference == bindparam("reference")))


def unused(connection: Connection) -> str:
    """A reference that no conversation has, such as `K7M2-4QXA`. Drawn by chance: it can't be guessed."""
    while True:
        drawn = "".join(secrets.choice(_ALPHABET) for _ in range(8))
        reference = f"{drawn[:4]}-{drawn[4:]}"
        if _TAKEN.scalar(connection, {"reference": reference}) is None:
            return reference
