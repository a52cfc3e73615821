"""What survives a restart. Constraints, not look-ups, keep things single.

Times are microseconds since 1970 in UTC. Digests are SHA-256, as 32 octets. Lists and records that are only ever
read whole are JSON. Partial indices keep the queues (what waits) small however much is stored.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
    literal_column,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import BigInteger, TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# SQLite only gives a rowid alias, and so cheap keys, to INTEGER; PostgreSQL needs the wide type.
Key = BigInteger().with_variant(Integer(), "sqlite")


class Time(TypeDecorator[datetime]):
    """An aware datetime, kept as an integer: exact, sortable, the same on every engine."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + value * _MICROSECOND


class Json(TypeDecorator[Any]):
    """JSON as text, readable in any database browser."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def _partial(name: str, *columns: Any, where: Any) -> Index:
    """An index of those rows alone for which `where` holds."""
    return Index(name, *columns, info={"where": where})


def _say_where(made: MetaData, connection: Connection, **_: Any) -> None:
    """In the engine's words, when tables are made: SQLAlchemy loads all that it has for an engine that is named."""
    for index in (index for table in made.tables.values() for index in table.indexes):
        if (where := index.info.get("where")) is not None:
            index.dialect_kwargs[f"{connection.dialect.name}_where"] = where


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Where the bytes of a mail lie in the packs (gateway.store.packs). The same bytes are kept once.
raws = Table(
    "raws",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("pack", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Packs that take mail before the database knows of it, and up to where it does: octets from their start
# (gateway.store.journal).
open_packs = Table(
    "open_packs",
    metadata,
    Column("pack", Text, primary_key=True),
    Column("known", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# One row for each mail that came in, however often the same one comes. `sender` NULL: there was no SMTP envelope.
# `results`: our own check of SPF, DKIM, DMARC and ARC, where `verify` asks for it; NULL before it is made.
arrivals = Table(
    "arrivals",
    metadata,
    Column("id", Key, primary_key=True),
    Column("digest", LargeBinary(32), ForeignKey("raws.digest"), nullable=False),
    Column("source", Text, nullable=False),
    Column("received_at", Time, nullable=False),
    Column("sender", Text),
    Column("recipients", Json, nullable=False),
    Column("peer", Text, nullable=False),
    Column("helo", Text, nullable=False),
    Column("authserv_id", Text, nullable=False),
    Column("verify", Boolean, nullable=False),
    Column("results", Json),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("lease_until", Time, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", ForeignKey("messages.id", use_alter=True)),
    CheckConstraint("state IN ('waiting', 'filed', 'duplicate', 'aside')", name="state"),
)
_partial("ix_arrivals_waiting", arrivals.c.id, where=arrivals.c.state == "waiting")
# Of what waits: what may be filed, what we are to check ourselves first, and what was begun before.
_partial(
    "ix_arrivals_ready",
    arrivals.c.id,
    where=literal_column("state = 'waiting' AND (NOT verify OR results IS NOT NULL)"),
)
_partial(
    "ix_arrivals_unchecked", arrivals.c.id, where=literal_column("state = 'waiting' AND verify AND results IS NULL")
)
_partial("ix_arrivals_begun", arrivals.c.id, where=literal_column("state = 'waiting' AND attempts > 0"))
_partial("ix_arrivals_aside", arrivals.c.id, where=arrivals.c.state == "aside")
Index("ix_arrivals_digest", arrivals.c.digest)
Index("ix_arrivals_received_at", arrivals.c.received_at)

# What the antivirus said of a raw mail, where one is asked. « held »: it didn't say, and is asked again at `next_at`.
scans = Table(
    "scans",
    metadata,
    Column("digest", LargeBinary(32), ForeignKey("raws.digest"), primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Time),
    CheckConstraint("verdict IN ('clean', 'infected', 'held')", name="verdict"),
    sqlite_with_rowid=False,
)
_partial("ix_scans_next_at", scans.c.next_at, where=scans.c.next_at.is_not(None))

# Which mails of an IMAP mailbox are kept (RFC 9051 §2.3.1.1). `settled`: what had to be done there is done.
imap_ledger = Table(
    "imap_ledger",
    metadata,
    Column("mailbox", Text, primary_key=True),
    Column("uidvalidity", BigInteger, primary_key=True),
    Column("uid", BigInteger, primary_key=True),
    Column("arrival", ForeignKey("arrivals.id"), nullable=False),
    Column("settled", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
_partial(
    "ix_imap_ledger_unsettled",
    imap_ledger.c.mailbox,
    imap_ledger.c.uidvalidity,
    imap_ledger.c.uid,
    where=~imap_ledger.c.settled,
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Key, primary_key=True),
    Column("reference", Text, nullable=False, unique=True),
    Column("inbox_kind", Text, nullable=False),
    Column("inbox_number", Key),
    Column("strength", Integer, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("assignee", Text),
    Column("subject", Text, nullable=False),
    Column("usager", Text, nullable=False),
    Column("tags", Json, nullable=False),
    Column("because", Json, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("merged_into", ForeignKey("conversations.id")),
    Column("organisation", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("outside", Boolean, nullable=False),
    Column("guests", Json, nullable=False),
    Column("followers", Json, nullable=False),
    Column("muted", Json, nullable=False),
    Column("asked", Json),
    Column("waiting_since", Time),
    Column("snoozed_until", Time),
    Column("reminded", Integer, nullable=False),
    Column("closing_at", Time),
    CheckConstraint("status IN ('active', 'pending', 'closed', 'spam')", name="status"),
    CheckConstraint("inbox_kind IN ('dossier', 'demarche', 'global')", name="inbox_kind"),
)
Index("ix_conversations_inbox", conversations.c.inbox_kind, conversations.c.inbox_number, conversations.c.id)
Index("ix_conversations_updated_at", conversations.c.updated_at)
_partial(
    "ix_conversations_assignee",
    conversations.c.assignee,
    where=conversations.c.assignee.is_not(None),
)

_partial(
    "ix_conversations_waiting",
    conversations.c.status,
    conversations.c.waiting_since,
    where=conversations.c.waiting_since.is_not(None),
)
_partial(
    "ix_conversations_snoozed",
    conversations.c.snoozed_until,
    where=conversations.c.snoozed_until.is_not(None),
)

# What was joined with a conversation.
_partial(
    "ix_conversations_merged_into",
    conversations.c.merged_into,
    where=conversations.c.merged_into.is_not(None),
)

related = Table(
    "related",
    metadata,
    Column("conversation", ForeignKey("conversations.id"), primary_key=True),
    Column("other", ForeignKey("conversations.id"), primary_key=True),
    sqlite_with_rowid=False,
)
Index("ix_related_other", related.c.other)

# `fingerprint` is what makes a mail the same mail, by whatever way it comes (gateway.mail.fingerprint).
messages = Table(
    "messages",
    metadata,
    Column("id", Key, primary_key=True),
    Column("conversation", ForeignKey("conversations.id"), nullable=False),
    Column("fingerprint", LargeBinary(32), unique=True),
    Column("digest", LargeBinary(32), ForeignKey("raws.digest")),
    Column("message_id", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("nature", Text, nullable=False),
    Column("proof", Text),
    Column("proof_code", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("people", Json, nullable=False),
    Column("received_at", Time, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("quoted", Text, nullable=False),
    Column("attachments", Json, nullable=False),
    Column("because", Json, nullable=False),
    # What placement must know of it (gateway.model.Traits).
    Column("sure", Boolean, nullable=False),
    Column("sent_at", Time),
    Column("matter", Text, nullable=False),
    Column("outlook", Text, nullable=False),
    Column("orphan", Boolean, nullable=False),
    Column("anchored", Boolean, nullable=False),
    Column("opens", Boolean, nullable=False),
    Column("evidence", Json),
    Column("marks", Json, nullable=False, server_default="[]"),
    CheckConstraint("direction IN ('in', 'out')", name="direction"),
    CheckConstraint("kind IN ('external', 'internal', 'machine', 'event')", name="kind"),
)
# The last one of a kind in a conversation is found however long that is.
Index("ix_messages_thread", messages.c.conversation, messages.c.direction, messages.c.kind, messages.c.id)
# One person's part of a conversation, the latest first: what her mail client threads by.
Index("ix_messages_author", messages.c.conversation, messages.c.author, messages.c.received_at)
_partial("ix_messages_files", messages.c.digest, where=literal_column("attachments != '[]'"))
_partial("ix_messages_message_id", messages.c.message_id, where=messages.c.message_id != "")
_partial("ix_messages_matter", messages.c.matter, messages.c.sent_at, where=messages.c.matter != "")
_partial("ix_messages_outlook", messages.c.outlook, where=messages.c.outlook != "")

# Which ids a message cites, the nearest first, also those of mails that never came: a parent that arrives late finds
# its replies.
citations = Table(
    "citations",
    metadata,
    Column("cited", Text, primary_key=True),
    Column("message", ForeignKey("messages.id"), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("loose", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_citations_message", citations.c.message)

# Ids of participations and deliveries are in what we sign: none is ever given out twice.
# `usager`: whom an agent's answers go to, as she was told with her last token; NULL where that isn't known.
# `written_at`: when we last wrote to them with a token of it; raising `epoch` ends those given out before.
participations = Table(
    "participations",
    metadata,
    Column("id", Key, primary_key=True),
    Column("conversation", ForeignKey("conversations.id"), nullable=False),
    Column("address", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("usager", Text),
    Column("written_at", Time),
    UniqueConstraint("conversation", "address", "role"),
    CheckConstraint("role IN ('usager', 'guest', 'agent')", name="role"),
    sqlite_autoincrement=True,
)

# Agents who are to be told of a message later: with the rest of a burst, or in their digest.
notices = Table(
    "notices",
    metadata,
    Column("id", Key, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("conversation", ForeignKey("conversations.id"), nullable=False),
    Column("message", ForeignKey("messages.id"), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("due_at", Time, nullable=False),
    Column("digest", Boolean, nullable=False),
)
Index("ix_notices_due_at", notices.c.due_at)
Index("ix_notices_conversation", notices.c.conversation)

# What the gateway does at set times, and when it last did.
rounds = Table(
    "rounds",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Time, nullable=False),
    sqlite_with_rowid=False,
)

# The processes that work on the store: when each began, when it last said that it lives, and when it ended in order.
daemons = Table(
    "daemons",
    metadata,
    Column("name", Text, primary_key=True),
    Column("started_at", Time, nullable=False),
    Column("seen_at", Time, nullable=False),
    Column("ended_at", Time),
    sqlite_with_rowid=False,
)

# Which arrival was the last at a time: what is up to it, and still waits, has waited since then at least.
marks = Table(
    "marks",
    metadata,
    Column("at", Time, primary_key=True),
    Column("arrival", Key, nullable=False),
    sqlite_with_rowid=False,
)

# What a poller saw of its mailbox (gateway.model.Look): `reached` is the first UID that it hasn't passed yet,
# `missing`, `owed` and `too_large` are UIDs. `trouble_since` NULL: the last connection was good.
mailboxes = Table(
    "mailboxes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("reached", BigInteger, nullable=False),
    Column("looked_at", Time, nullable=False),
    Column("compared_at", Time),
    Column("trouble_since", Time),
    Column("trouble", Text, nullable=False),
    Column("missing", Json, nullable=False),
    Column("owed", Json, nullable=False),
    Column("too_large", Json, nullable=False),
    sqlite_with_rowid=False,
)

# What a daemon found wrong, and hasn't ended (gateway.health.gaps.Gap).
alarms = Table(
    "alarms",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("began_at", Time, nullable=False),
    Column("seen_at", Time, nullable=False),
    Column("count", Integer, nullable=False),
    Column("since", Time),
    Column("examples", Json, nullable=False),
    sqlite_with_rowid=False,
)

# Everything that an agent or the gateway did.
history = Table(
    "history",
    metadata,
    Column("id", Key, primary_key=True),
    Column("conversation", ForeignKey("conversations.id"), nullable=False, index=True),
    Column("at", Time, nullable=False),
    Column("by", Text, nullable=False),
    Column("what", Text, nullable=False),
)

# The outbox: one row per recipient. Ids and addresses are fixed when the row is written. A digest is of no
# conversation.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Key, primary_key=True),
    Column("conversation", ForeignKey("conversations.id")),
    Column("message", ForeignKey("messages.id"), index=True),
    Column("participation", ForeignKey("participations.id")),
    Column("purpose", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("message_id", Text, unique=True),
    Column("envelope_sender", Text, nullable=False),
    Column("reply_to", Text, nullable=False),
    Column("draft", Json, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("next_at", Time, nullable=False),
    Column("last_reply", Text, nullable=False),
    Column("owner", Text, nullable=False, server_default=""),
    Column("tried_since", Time),  # from when its time to be given up counts, where that isn't when it was written
    CheckConstraint(
        "state IN ('waiting', 'sending', 'sent', 'deferred', 'refused', 'unknown', 'cancelled')", name="state"
    ),
    sqlite_autoincrement=True,
)
_partial(
    "ix_deliveries_due",
    deliveries.c.next_at,
    where=deliveries.c.state.in_(("waiting", "deferred")),
)
_partial("ix_deliveries_owner", deliveries.c.owner, where=deliveries.c.owner != "")
_partial("ix_deliveries_sending", deliveries.c.id, where=deliveries.c.state == "sending")
_partial("ix_deliveries_unknown", deliveries.c.id, where=deliveries.c.state == "unknown")
Index("ix_deliveries_seen", deliveries.c.conversation, deliveries.c.recipient, deliveries.c.created_at)
# How much somebody was written to of late, counted in the index alone.
Index("ix_deliveries_recipient", deliveries.c.recipient, deliveries.c.purpose, deliveries.c.created_at)

# With the purpose, though it is always the same: SQLite would look into each row for it.
_partial(
    "ix_deliveries_acknowledged",
    deliveries.c.created_at,
    deliveries.c.purpose,
    where=deliveries.c.purpose == "acknowledgement",
)

# How many acknowledgements were written in the hour that begins then: what is usual, without counting them again.
# `writer`: by which connection. None waits for what another hasn't committed.
acknowledged = Table(
    "acknowledged",
    metadata,
    Column("hour", Time, primary_key=True, autoincrement=False),
    Column("writer", BigInteger, primary_key=True, autoincrement=False),
    Column("written", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Mails in an agent's name that aren't proven to be hers: she was asked by a delivery, and may confirm them once.
# `name`, `usager` and `told`: as in `gateway.model.Asked`.
confirmations = Table(
    "confirmations",
    metadata,
    Column("delivery", ForeignKey("deliveries.id"), primary_key=True),
    Column("message", ForeignKey("messages.id"), nullable=False, unique=True),
    Column("agent", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("usager", Text, nullable=False),
    Column("asked_at", Time, nullable=False),
    Column("state", Text, nullable=False),
    Column("told", Text, nullable=False),
    Column("done_at", Time),
    CheckConstraint("state IN ('asked', 'confirmed', 'withdrawn')", name="state"),
    sqlite_with_rowid=False,
)

# The daemons that work on the store (gateway.store.holders): what is claimed bears their names as `owner`. A lease is
# of what one of them at a time does, such as polling a mailbox; "" while nobody has it.
holders = Table(
    "holders",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("beat", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    sqlite_with_rowid=False,
)

# The token keys that belong to this store, each by a mark that doesn't tell it (gateway.store.keyring).
token_keys = Table(
    "token_keys",
    metadata,
    Column("mark", LargeBinary, primary_key=True),
    Column("key_id", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Who did what, with which proof: append-only, each row bound to the one before it (gateway.store.audit). `digest` is
# the SHA-256 of `salt` and `what`, so that words can be erased and the chain still holds.
audit = Table(
    "audit",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Time, nullable=False),
    Column("by", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("conversation", Text, nullable=False),
    Column("proof", Text, nullable=False),
    Column("salt", LargeBinary(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("previous", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

# What happened to a delivery: append-only, a chain for each conversation (gateway.store.evidence). `said`: a JSON
# object, whose digest with `salt` stands in the chain.
evidence = Table(
    "evidence",
    metadata,
    Column("id", Key, primary_key=True),
    Column("chain", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", Time, nullable=False),
    Column("event", Text, nullable=False),
    Column("delivery", ForeignKey("deliveries.id"), nullable=False, index=True),
    Column("said", Text, nullable=False),
    Column("salt", LargeBinary(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("previous", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    UniqueConstraint("chain", "number"),
)


def _append_only(table: str, words: str, said: str) -> tuple[str, str, str]:
    """What was written stays. Only its words may go, with the salt that would let them be guessed.

    REPLACE deletes without asking the trigger for that: so what comes must come at the end.
    """
    stays = f"'the {table} is append-only"
    columns = f"id, {said}, digest, previous, hash".split(", ")
    new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("NEW", "OLD"))
    return (
        f"""
    CREATE TRIGGER {table}_follows BEFORE INSERT ON {table}
    WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM {table})
    BEGIN SELECT RAISE(ABORT, {stays}'); END
    """,  # noqa: S608 (the names are ours)
        f"""
    CREATE TRIGGER {table}_stays BEFORE UPDATE ON {table}
    WHEN NEW.{words} != '' OR NEW.salt != zeroblob(16)
      OR ({new})
      IS NOT ({old})
    BEGIN SELECT RAISE(ABORT, {stays}: only words can be erased'); END
    """,
        f"""
    CREATE TRIGGER {table}_remains BEFORE DELETE ON {table}
    BEGIN SELECT RAISE(ABORT, {stays}'); END
    """,
    )


# The same for PostgreSQL, in one function for every such table. Its argument: the column of the words.
GUARD = """
CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE following bigint;
BEGIN
  IF TG_OP = 'INSERT' THEN
    EXECUTE 'SELECT coalesce(max(id), 0) + 1 FROM ' || quote_ident(TG_TABLE_NAME) INTO following;
    IF NEW.id = following THEN RETURN NEW; END IF;
  ELSIF TG_OP = 'UPDATE' THEN
    IF to_jsonb(NEW) ->> TG_ARGV[0] = '' AND NEW.salt = decode(repeat('00', 16), 'hex')
      AND to_jsonb(NEW) - TG_ARGV[0] - 'salt' = to_jsonb(OLD) - TG_ARGV[0] - 'salt'
    THEN RETURN NEW; END IF;
  END IF;
  RAISE EXCEPTION 'this table is append-only: only words can be erased'
    USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def guards(table: str, words: str) -> tuple[str, str]:
    """The triggers that call it for one table."""
    call = f"EXECUTE FUNCTION append_only('{words}')"
    return (
        f"CREATE TRIGGER {table}_stays BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW {call}",
        f"CREATE TRIGGER {table}_remains BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {call}",
    )


def _once_made(made: Table | MetaData, when: str, statement: str, dialect: str) -> None:
    event.listen(made, when, DDL(statement).execute_if(dialect=dialect))  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it so


event.listen(metadata, "before_create", _say_where)
_once_made(metadata, "before_create", GUARD, "postgresql")
for _table, _words, _said in (
    (audit, "what", "at, by, conversation, proof"),
    (evidence, "said", "chain, number, at, event, delivery"),
):
    for _trigger in _append_only(_table.name, _words, _said):
        _once_made(_table, "after_create", _trigger, "sqlite")
    for _trigger in guards(_table.name, _words):
        _once_made(_table, "after_create", _trigger, "postgresql")
