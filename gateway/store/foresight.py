"""What the store knows of several mails, asked for all of them at once: mostly nothing.

A mail of which nothing is known opens a conversation, and needn't be looked up alone. What those before it brought is
added as it is decided on, so that the answer is the one that the store would give.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, literal_column

from gateway.model import PERIOD, Clues, Filing, Purpose
from gateway.store.prepared import Present
from gateway.store.tables import citations, deliveries, messages

MOST_CITED = 20  # ids; a mail that cites more is looked up alone

# Literals, not parameters: SQLite only uses a partial index for a condition it can read.
_FINGERPRINT = Present(messages.c.fingerprint)
_BORNE = Present(messages.c.message_id, messages.c.message_id != literal_column("''"))
_CITED = Present(citations.c.cited)
_MATTER = Present(messages.c.matter, messages.c.matter != literal_column("''"))
_OUTLOOK = Present(messages.c.outlook, messages.c.outlook != literal_column("''"))
_ACKNOWLEDGED = Present(
    deliveries.c.recipient,
    deliveries.c.purpose == literal_column("'acknowledgement'"),
    deliveries.c.created_at > bindparam("since", type_=deliveries.c.created_at.type),
)


@dataclass(frozen=True, slots=True)
class Foresight:
    """Of the fingerprints, ids, matters and authors that the mails have: those that are known.

    `borne`: ids that a message bears; `cited`: that one cites; `acknowledged`: authors who had an acknowledgement
    within `PERIOD`.
    """

    fingerprints: set[bytes]
    borne: set[str]
    cited: set[str]
    matters: set[str]
    outlooks: set[str]
    acknowledged: set[str]

    def knows(self, clues: Clues) -> bool:
        """May anything be known of a mail? Then it must be looked up."""
        return (
            bool(clues.participations or clues.deliveries)
            or len(clues.cited) > MOST_CITED
            or bytes.fromhex(clues.fingerprint) in self.fingerprints
            or not self.borne.isdisjoint(_looked_for(clues))
            or clues.message_id in self.cited
            or clues.matter in self.matters
            or clues.outlook in self.outlooks
        )

    def learn(self, filing: Filing) -> None:
        """What is known from now on."""
        for message, drafts in filing.messages:
            self.fingerprints.add(bytes.fromhex(message.fingerprint))
            self.borne.add(message.message_id)
            self.cited.update(message.cited)
            self.matters.add(message.traits.matter)
            self.outlooks.add(message.traits.outlook)
            self.acknowledged.update(d.to for d in drafts if d.purpose is Purpose.ACKNOWLEDGEMENT)
        for nothing in (self.borne, self.cited, self.matters, self.outlooks):
            nothing.discard("")


def foresee(connection: Connection, every: Iterable[Clues], now: datetime) -> Foresight:
    """Ask for all that these mails may be known by."""
    every = [clues for clues in every if len(clues.cited) <= MOST_CITED]
    return Foresight(
        fingerprints=_FINGERPRINT.among(connection, (bytes.fromhex(clues.fingerprint) for clues in every)),
        borne=_BORNE.among(connection, (cited for clues in every for cited in _looked_for(clues))),
        cited=_CITED.among(connection, (clues.message_id for clues in every)),
        matters=_MATTER.among(connection, (clues.matter for clues in every)),
        outlooks=_OUTLOOK.among(connection, (clues.outlook for clues in every)),
        acknowledged=_ACKNOWLEDGED.among(connection, (clues.author for clues in every), {"since": now - PERIOD}),
    )


def _looked_for(clues: Clues) -> tuple[str, ...]:
    return (*clues.cited, clues.forwarded) if clues.forwarded else clues.cited
