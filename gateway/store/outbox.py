"""The outbox: deliveries written in the transaction of their cause, worked on when they are due.

waiting → sending → sent | deferred → … | refused | unknown;  any that waits → cancelled
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from gateway.errors import NotFound, Refused
from gateway.mail import tokens
from gateway.mail.tokens import Keys, Token, TokenKind
from gateway.model import (
    Attachment,
    Attempt,
    DeliveryState,
    Draft,
    Enclosure,
    Fact,
    Occasion,
    Outgoing,
    Purpose,
    Role,
    Settlement,
)
from gateway.store import evidence, statements, volume
from gateway.store.database import AnyRow, Tx, insert_each
from gateway.store.prepared import About, Prepared
from gateway.store.tables import conversations, deliveries, messages, participations, rounds

_DUE: ColumnElement[bool] = literal_column("deliveries.state IN ('waiting', 'deferred')")
_SENDING: ColumnElement[bool] = literal_column("deliveries.state = 'sending'")
_OURS = or_(deliveries.c.owner == literal_column("''"), deliveries.c.owner == bindparam("holder"))
_MOST_REFERENCES = 20
_AT_ONCE = 500
RESTORED = "restored"  # the round that tells up to when mail was answered, maybe, before a backup was restored
HELD = "it may have been sent before the store was restored from a backup"

# Built once: building a statement costs more than running it.
_PERSON = Prepared(
    select(
        participations.c.id,
        participations.c.epoch,
        participations.c.role,
        participations.c.usager.label("told"),
        participations.c.written_at,
        conversations.c.usager,
    )
    .join(conversations, conversations.c.id == participations.c.conversation)
    .where(
        participations.c.conversation == bindparam("conversation"),
        participations.c.address == bindparam("address"),
        participations.c.role == bindparam("role"),
    )
)
_USAGER = Prepared(select(conversations.c.usager).where(conversations.c.id == bindparam("conversation")))
_WROTE = Prepared(
    select(messages.c.received_at.label("at"), messages.c.message_id, literal(1).label("own"))
    .where(
        messages.c.conversation == bindparam("conversation"),
        messages.c.author == bindparam("address"),
        messages.c.message_id != "",
    )
    .order_by(messages.c.received_at.desc())
    .limit(_MOST_REFERENCES)
)
_WAS_SENT = Prepared(
    select(deliveries.c.created_at.label("at"), deliveries.c.message_id, literal(0).label("own"))
    .where(
        deliveries.c.conversation == bindparam("conversation"),
        deliveries.c.recipient == bindparam("address"),
        deliveries.c.message_id.is_not(None),
        deliveries.c.purpose != Purpose.CONFIRMATION.value,  # what answers it is no part of the exchange
    )
    .order_by(deliveries.c.created_at.desc())
    .limit(_MOST_REFERENCES)
)
# Its cause came before the loss of what was restored: it may have been sent then.
_WAS_THERE = (
    select(literal(1))
    .where(rounds.c.name == RESTORED, messages.c.id == bindparam("its_cause"), messages.c.received_at <= rounds.c.at)
    .exists()
)
_PLANNED = (
    "id",
    "conversation",
    "message",
    "participation",
    "purpose",
    "recipient",
    "message_id",
    "envelope_sender",
    "reply_to",
    "draft",
    "attempts",
    "created_at",
    "next_at",
)
_ENQUEUE = Prepared(
    insert(deliveries)
    .inline()
    .values(
        state=case((_WAS_THERE, DeliveryState.UNKNOWN.value), else_=DeliveryState.WAITING.value),
        last_reply=case((_WAS_THERE, HELD), else_=""),
    ),
    _PLANNED,
)
_WRITTEN = Prepared(
    update(participations)
    .where(participations.c.id == bindparam("participation"))
    .values(epoch=bindparam("raised"), usager=bindparam("told"), written_at=bindparam("now"))
)
_ATTEMPTED = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"))
    .values(attempts=deliveries.c.attempts + 1, owner="")
)
_SETTLED = Prepared(
    _ATTEMPTED.values(state=bindparam("outcome"), last_reply=bindparam("reply"), next_at=bindparam("then"))
)
_DUE_NOW = select(deliveries.c.id, deliveries.c.recipient).where(
    _DUE, deliveries.c.next_at <= bindparam("now"), _OURS
)
_OLDEST = _DUE_NOW.order_by(deliveries.c.next_at, deliveries.c.id).limit(bindparam("most"))
_NEWEST = _DUE_NOW.order_by(deliveries.c.next_at.desc(), deliveries.c.id.desc()).limit(bindparam("most"))
_WHOLE = About(
    lambda ids: (
        select(deliveries, messages.c.digest)
        .outerjoin(messages, messages.c.id == deliveries.c.message)
        .where(deliveries.c.id.in_(ids))
    )
)
_COMMITTING = About(
    lambda ids: (
        update(deliveries)
        .where(deliveries.c.id.in_(ids), _DUE, deliveries.c.owner == bindparam("holder"))
        .values(state="sending")
        .returning(deliveries.c.id)
    )
)
_TAKE = About(
    lambda ids: (
        update(deliveries)
        .where(deliveries.c.id.in_(ids), _DUE, _OURS)
        .values(owner=bindparam("holder"))
        .returning(deliveries.c.id)
    )
)
_ADOPT = (
    update(deliveries)
    .where(_SENDING, _OURS, deliveries.c.id.not_in(bindparam("busy", expanding=True)))
    .values(owner=bindparam("holder"))
    .returning(deliveries.c.id)
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Gives a delivery its ids and addresses, all signed. `reply` "" where the mailbox has no plus-addressing.

    `life`: how long after our last mail to somebody their reply address counts, None for ever.
    """

    keys: Keys
    domain: str
    reply: str
    separator: str
    plain: str
    life: timedelta | None = None

    def reply_to(self, participation: int, epoch: int) -> str:
        return self._address(Token(TokenKind.REPLY, participation, epoch))

    def confirm_to(self, delivery: int) -> str:
        return self._address(Token(TokenKind.CONFIRM, delivery, 0))

    def canary_to(self, second: int, leg: int) -> str:
        return self._address(Token(TokenKind.CANARY, second, leg))

    def envelope_sender(self, delivery: int) -> str:
        return self._address(Token(TokenKind.BOUNCE, delivery, 0))

    def message_id(self, delivery: int, participation: int, epoch: int) -> str:
        token = tokens.sign(Token(TokenKind.MESSAGE, participation, epoch), self.keys)
        return tokens.message_id(delivery, token, self.domain)

    def confirm_id(self, delivery: int, asked: int) -> str:
        token = tokens.sign(Token(TokenKind.CONFIRM, asked, 0), self.keys)
        return tokens.message_id(delivery, token, self.domain)

    def _address(self, token: Token) -> str:
        if not self.reply:
            return self.plain
        return f"{self.reply}{self.separator}{tokens.sign(token, self.keys)}@{self.domain}"


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an attempt, and when the next one is due, if there is to be one."""

    fact: Fact
    next_at: datetime


# --- writing ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leads:
    """Where a delivery leads back: the reply address of a participation, and the ids that a mail client threads by.

    `participation` 0: it has no reply address of its own.
    """

    participation: int = 0
    epoch: int = 0
    answers: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


def enqueue(tx: Tx, conversation: int | None, message: int, draft: Draft, signer: Signer, now: datetime) -> int:
    """Write a delivery; everything that identifies it is fixed here. Returns its id.

    `conversation` None: a digest. It has no reply address of its own: an answer to it would belong nowhere. What an
    agent is to confirm has one that leads to that alone, and cites nothing.
    """
    leads = Leads()
    if conversation is not None and draft.confirms is None:
        participation, epoch = _participation(tx, conversation, draft.to, draft.role, signer.life, now)
        leads = Leads(participation, epoch, *_thread(tx.connection, conversation, draft.to))
    (delivery,) = statements.fresh_keys(tx.connection, deliveries, 1)
    write(tx, [as_row(delivery, conversation, message, draft, leads, signer, now)], now)
    return delivery


def as_row(
    delivery: int, conversation: int | None, message: int, draft: Draft, leads: Leads, signer: Signer, now: datetime
) -> dict[str, Any]:
    """A delivery as it is written. `message`: what caused it, 0 for none."""
    if draft.confirms is not None:
        asked = draft.confirms or delivery
        its_id, reply_to = signer.confirm_id(delivery, asked), signer.confirm_to(asked)
    else:
        its_id = signer.message_id(delivery, leads.participation, leads.epoch)
        reply_to = signer.reply_to(leads.participation, leads.epoch) if leads.participation else signer.plain
    return {
        "id": delivery,
        "conversation": conversation,
        "message": message or None,
        "participation": leads.participation or None,
        "purpose": draft.purpose.value,
        "recipient": draft.to,
        "message_id": its_id,
        "envelope_sender": "" if draft.silent else signer.envelope_sender(delivery),
        "reply_to": reply_to,
        "draft": {**asdict(draft), "in_reply_to": leads.answers, "references": leads.references},
        "attempts": 0,
        "created_at": now,
        "next_at": now,
    }


def write(tx: Tx, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Write deliveries whose conversations, causes and participations are there."""
    _ENQUEUE.run_each(tx.connection, [{**row, "its_cause": row["message"]} for row in rows])
    volume.wrote(tx, sum(row["purpose"] == Purpose.ACKNOWLEDGEMENT for row in rows), now)


def participation_row(
    identifier: int, conversation: int, address: str, role: Role, usager: str | None, now: datetime
) -> dict[str, Any]:
    """Somebody's part in a conversation, who is written to for the first time. `usager`: whom an agent is told of."""
    return {
        "id": identifier,
        "conversation": conversation,
        "address": address,
        "role": role.value,
        "epoch": 0,
        "usager": usager if role is Role.AGENT else None,
        "written_at": now,
    }


def reply_address(tx: Tx, conversation: int, agent: str, signer: Signer, now: datetime) -> str:
    """Where an agent's mail reaches a conversation, as the notification of it would say."""
    return signer.reply_to(*_participation(tx, conversation, agent, Role.AGENT, signer.life, now))


def _participation(
    tx: Tx, conversation: int, address: str, role: Role, life: timedelta | None, now: datetime
) -> tuple[int, int]:
    """The participation of a person who is written to, made where it isn't there yet; id and epoch.

    An agent was told with her tokens whom her answers go to. Where that has changed, they are revoked. Those that
    have expired are revoked too: what is over stays so when she is written to again.
    """
    person = {"conversation": conversation, "address": address, "role": role.value}
    row = _PERSON.first(tx.connection, person)
    if row is None:
        usager = _USAGER.scalar(tx.connection, {"conversation": conversation}) if role is Role.AGENT else None
        (fresh,) = statements.fresh_keys(tx.connection, participations, 1)
        row = participation_row(fresh, conversation, address, role, usager, now)
        insert_each(tx.connection, participations, [row])
        return fresh, 0
    told = row.usager if role is Role.AGENT else row.told
    over = row.told not in {None, told} or tokens.expired(row.written_at, life, now)
    participation, epoch = _raised(tx, row.id, row.epoch) if over else (row.id, row.epoch)
    written = {"participation": participation, "raised": epoch, "told": told, "now": now}
    _WRITTEN.run(tx.connection, written)
    return participation, epoch


def revoke(tx: Tx, parts: Collection[int], address: str) -> None:
    """End a person's tokens in a conversation, `parts`: its id, and those of what was merged into it."""
    named = select(deliveries.c.participation).where(
        deliveries.c.conversation.in_(parts), deliveries.c.recipient == address
    )
    hers = participations.c.conversation.in_(parts) | participations.c.id.in_(named)
    query = select(participations.c.id, participations.c.epoch).where(hers, participations.c.address == address)
    for row in tx.connection.execute(query).all():
        participation, epoch = _raised(tx, row.id, row.epoch)
        tx.connection.execute(update(participations).where(participations.c.id == participation).values(epoch=epoch))


def _raised(tx: Tx, participation: int, epoch: int) -> tuple[int, int]:
    """The id and the epoch that its next tokens bear, so that those before are nothing.

    Where the octet for epochs is used up, they are counted anew for another id. Tokens of the old one name nobody.
    """
    if epoch < tokens.LAST_EPOCH:
        return participation, epoch + 1
    fresh = statements.fresh_key(tx.connection, participations)
    where = deliveries.c.participation == participation
    tx.connection.execute(update(deliveries).where(where).values(participation=None))
    tx.connection.execute(
        update(participations).where(participations.c.id == participation).values(id=fresh, epoch=0)
    )
    return fresh, 0


def _thread(connection: Connection, conversation: int, address: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """In-Reply-To and References (RFC 5322 §3.6.4) from the ids of the conversation that this person has seen.

    The mail answers the last one she wrote, or else the last one she was sent.
    """
    person = {"conversation": conversation, "address": address}
    seen = merge(_WROTE.rows(connection, person), _WAS_SENT.rows(connection, person), key=_at, reverse=True)
    rows = list(islice(seen, _MOST_REFERENCES))
    answers = next((row.message_id for row in rows if row.own), rows[0].message_id if rows else None)
    references = dict.fromkeys(row.message_id for row in reversed(rows))
    return (answers,) if answers else (), tuple(references)


def _at(row: AnyRow) -> datetime:
    at: datetime = row.at
    return at


def follow(tx: Tx, conversation: int, into: int) -> None:
    """Take the deliveries and participations of a merged conversation along."""
    tx.connection.execute(
        update(deliveries).where(deliveries.c.conversation == conversation).values(conversation=into)
    )
    here = select(participations.c.address, participations.c.role).where(participations.c.conversation == into)
    there = {(row.address, row.role) for row in tx.connection.execute(here)}
    rows = tx.connection.execute(select(participations).where(participations.c.conversation == conversation)).all()
    for row in rows:  # one of the same person stays where it is: its tokens lead on by `merged_into`
        if (row.address, row.role) not in there:
            where = participations.c.id == row.id
            tx.connection.execute(update(participations).where(where).values(conversation=into))


# --- working ---------------------------------------------------------------------------------------------


def due(
    connection: Connection,
    now: datetime,
    limit: int,
    busy: Collection[int] = (),
    crowded: Collection[str] = (),
    owner: str = "",
    room: Callable[[str], bool] = lambda _: True,
) -> list[Outgoing]:
    """Deliveries whose time has come, but for those in `busy`, those to the domains in `crowded`, and those that a
    daemon other than `owner` has. `room`: is there room for one more, to this address? It is asked for each.

    The oldest first; but where there are more of them, a quarter are the newest: what is written now isn't to wait
    behind all that an outage left.
    """
    elsewhere = [~deliveries.c.recipient.endswith(f"@{name}", autoescape=True) for name in crowded]

    def found(query: Select[Any], most: int, here: Collection[int]) -> list[AnyRow]:
        values = {"now": now, "most": most + len(here), "holder": owner}
        rows = connection.execute(query.where(*elsewhere), values)
        return [row for row in rows if row.id not in here][:most]

    here, newest = set(busy), max(1, limit // 4)
    rows = found(_OLDEST, limit, here)
    if len(rows) == limit > newest:
        rows = rows[: limit - newest]
        rows += found(_NEWEST, newest, here | {row.id for row in rows})
    ids = [row.id for row in rows if room(row.recipient)]
    whole = {row.id: row for row in _WHOLE.rows(connection, ids)}
    return [_outgoing(whole[each]) for each in ids]


def older(connection: Connection, than: datetime, limit: int) -> list[int]:
    """Deliveries that have waited since then or longer."""
    since = func.coalesce(deliveries.c.tried_since, deliveries.c.created_at)
    query = select(deliveries.c.id).where(_DUE, since <= than).order_by(deliveries.c.id).limit(limit)
    return list(connection.scalars(query))


def take(tx: Tx, ids: Collection[int], owner: str) -> set[int]:
    """Claim deliveries that are due, where several daemons share the store. Those that come back are ours."""
    return {row.id for row in _TAKE.rows(tx.connection, sorted(ids), {"holder": owner})}


def committing(tx: Tx, ids: Collection[int], owner: str = "") -> set[int]:
    """From here on a crash leaves these deliveries uncertain. Those that come back may leave.

    Others were cancelled meanwhile, or are another daemon's by now, and mustn't.
    """
    return {row.id for row in _COMMITTING.rows(tx.connection, sorted(ids), {"holder": owner})}


def settle(tx: Tx, settled: Sequence[Settled], at: datetime, owner: str = "") -> None:
    """Write what became of attempts, and the attempts themselves as evidence.

    What became known while one ran stands: a delivery that was cancelled isn't tried again, one whose bounce came
    before our own word of it stays refused, and one that is said to have arrived has. What didn't leave because
    another daemon than `owner` has it by now, is that one's to tell.
    """
    known = evidence.about(tx.connection, [one.fact for one in settled])
    settled = [one for one in settled if _is_ours(one.fact.attempt.state, known[one.fact.delivery], owner)]
    facts = [one.fact for one in settled]
    stands = {"refused": DeliveryState.SENT, "cancelled": DeliveryState.DEFERRED}
    overtaken, changed = [], []
    for one in settled:
        delivery, attempt = one.fact.delivery, one.fact.attempt
        before = known[delivery].state
        if before == "sent" or attempt.state is stands.get(before):
            overtaken.append({"delivery": delivery})
        else:
            values = {"outcome": attempt.state.value, "reply": attempt.reply, "then": one.next_at}
            changed.append({"delivery": delivery, **values})
    if overtaken:
        tx.connection.execute(_ATTEMPTED, overtaken)
    if changed:
        _SETTLED.run_each(tx.connection, changed)
    if facts:
        evidence.record(tx, facts, at, known)


def _is_ours(came_to: DeliveryState, row: AnyRow, owner: str) -> bool:
    if came_to is DeliveryState.CANCELLED:
        return row.state in {"cancelled", "sent"}
    return came_to is not DeliveryState.DEFERRED or row.owner in {"", owner}


def adopt(tx: Tx, owner: str = "", busy: Iterable[int] = ()) -> list[int]:
    """Take over deliveries that were at their last step when a process ended. `busy`: those that are at it here."""
    return sorted(tx.connection.scalars(_ADOPT, {"holder": owner, "busy": list(busy)}))


def message_ids(connection: Connection, ids: Collection[int]) -> dict[int, str]:
    """Delivery → its Message-ID."""
    query = select(deliveries.c.id, deliveries.c.message_id).where(deliveries.c.id.in_(ids))
    return {row.id: row.message_id for row in connection.execute(query)}


def reported(tx: Tx, settlement: Settlement, at: datetime) -> None:
    """Mark a delivery by what a mail says of it.

    One that was cancelled stays so. Where one has arrived, there is no doubt any more, and nothing to repeat.
    """
    arrived = settlement.state is DeliveryState.SENT
    occasion = Occasion.RECEIPT if arrived else Occasion.BOUNCE
    open_ = deliveries.c.state.in_(("waiting", "deferred", "sending", "unknown", "sent"))
    may = open_ if arrived else deliveries.c.state != "cancelled"
    where = (deliveries.c.id == settlement.delivery, may)
    values = {"state": settlement.state.value, "last_reply": settlement.reply}
    tx.connection.execute(update(deliveries).where(*where).values(**values))
    said = Attempt(settlement.state, settlement.reply)
    evidence.record(tx, [Fact(settlement.delivery, occasion, said, settlement.by)], at)


def hold(tx: Tx, at: datetime, by: str) -> int:
    """Hold all that is open: the store is that of a backup, and it may have been sent since; how many they are."""
    ids = list(tx.connection.scalars(select(deliveries.c.id).where(or_(_DUE, _SENDING)).order_by(deliveries.c.id)))
    held = {"state": DeliveryState.UNKNOWN.value, "last_reply": HELD}
    tx.connection.execute(update(deliveries).where(or_(_DUE, _SENDING)).values(**held))
    said = Attempt(DeliveryState.UNKNOWN, HELD)
    for start in range(0, len(ids), _AT_ONCE):
        evidence.record(tx, [Fact(each, Occasion.RESTORE, said, by) for each in ids[start : start + _AT_ONCE]], at)
    return len(ids)


def held(connection: Connection) -> list[int]:
    """Deliveries that are held since a backup was restored."""
    where = (deliveries.c.state == DeliveryState.UNKNOWN.value, deliveries.c.last_reply == HELD)
    return list(connection.scalars(select(deliveries.c.id).where(*where).order_by(deliveries.c.id)))


# --- commands --------------------------------------------------------------------------------------------


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Deliveries that aren't done, and the last thousand that are, as `outbox list` shows them."""
    open_ = or_(_DUE, _SENDING, deliveries.c.state == "unknown")
    people = deliveries.c.purpose != Purpose.CANARY.value
    latest = select(deliveries.c.id).where(people).order_by(deliveries.c.id.desc()).limit(1000)
    query = (
        select(deliveries, conversations.c.reference)
        .outerjoin(conversations, conversations.c.id == deliveries.c.conversation)
        .where(or_(open_, deliveries.c.id.in_(latest)))
        .order_by(deliveries.c.id)
    )
    return [
        {
            "id": row.id,
            "conversation": row.reference,
            "to": row.recipient,
            "message_id": row.message_id,
            "state": row.state,
            "attempts": row.attempts,
            "next_at": row.next_at if row.state in {"waiting", "deferred"} else None,
            "last_reply": row.last_reply,
        }
        for row in connection.execute(query)
    ]


def is_written_to(connection: Connection, address: str) -> bool:
    """Is there a delivery to this very address?"""
    return bool(connection.scalar(select(exists().where(deliveries.c.recipient == address))))


def may_leave(connection: Connection, address: str) -> bool:
    """Is there a delivery to this very address that has left, or may yet?"""
    over = ("refused", "cancelled", "unknown")
    query = select(exists().where(deliveries.c.recipient == address, deliveries.c.state.not_in(over)))
    return bool(connection.scalar(query))


def sent_to(connection: Connection, address: str) -> list[tuple[datetime, str]]:
    """When the deliveries to this very address were written that are sent, and their Message-IDs."""
    sent = (deliveries.c.recipient == address, deliveries.c.state == DeliveryState.SENT.value)
    rows = connection.execute(select(deliveries.c.created_at, deliveries.c.message_id).where(*sent))
    return [(row.created_at, row.message_id) for row in rows]


def signed_by(connection: Connection, since: datetime) -> Counter[int]:
    """Key id → how many people have, in a conversation, a reply address that it signed, in mail since then."""
    query = select(deliveries.c.participation, deliveries.c.message_id).where(
        deliveries.c.created_at > since, deliveries.c.participation.is_not(None), deliveries.c.message_id.is_not(None)
    )
    rows = connection.execute(query).yield_per(1000)
    pairs = {(tokens.key_named(row.message_id), row.participation) for row in rows}
    return Counter(key_id for key_id, _ in pairs)


def retry(tx: Tx, delivery: int, by: str, now: datetime) -> None:
    """Send a delivery that was deferred, refused or is uncertain, now, and for as long as a new one. `by`: who asks.

    Raises:
        NotFound: there is no such delivery.
        Refused: it was sent, cancelled, or is being sent.
    """
    _change(
        tx, delivery, {"waiting", "deferred", "refused", "unknown"}, state="waiting", next_at=now, tried_since=now
    )
    evidence.record(tx, [Fact(delivery, Occasion.RETRY, Attempt(DeliveryState.WAITING, ""), by)], now)


def cancel(tx: Tx, delivery: int, by: str, now: datetime) -> None:
    """Never send a delivery that still waits.

    Raises:
        NotFound, Refused: as `retry`.
    """
    _change(tx, delivery, {"waiting", "deferred", "unknown"}, state="cancelled")
    evidence.record(tx, [Fact(delivery, Occasion.CANCEL, Attempt(DeliveryState.CANCELLED, ""), by)], now)


def withdraw_test_mails(tx: Tx, before: datetime, now: datetime) -> None:
    """Never send test mails that were written before then and still wait: they would only come back in heaps."""
    waiting = select(deliveries.c.id).where(
        _DUE, deliveries.c.purpose == Purpose.CANARY.value, deliveries.c.created_at < before
    )
    for delivery in tx.connection.scalars(waiting).all():
        cancel(tx, delivery, "", now)


def _change(tx: Tx, delivery: int, allowed: set[str], **values: Any) -> None:
    where = deliveries.c.id == delivery
    state = tx.connection.scalar(select(deliveries.c.state).where(where))
    if state is None:
        raise NotFound(f"there is no delivery {delivery}; `gateway outbox list` names them")
    if state not in allowed:
        raise Refused(f"delivery {delivery} is {state}: only one that is {', '.join(sorted(allowed))} can be")
    tx.connection.execute(update(deliveries).where(where).values(**values))


# --- rows and values -------------------------------------------------------------------------------------


def _outgoing(row: AnyRow) -> Outgoing:
    return Outgoing(
        id=row.id,
        conversation=row.conversation,
        draft=_draft(row.draft),
        message_id=row.message_id,
        reply_to=row.reply_to,
        envelope_sender=row.envelope_sender,
        in_reply_to=tuple(row.draft["in_reply_to"]),
        references=tuple(row.draft["references"]),
        created_at=row.created_at,
        attempts=row.attempts,
        cause=row.digest.hex() if row.digest else "",
        tried_since=row.tried_since,
    )


def _draft(stored: dict[str, Any]) -> Draft:
    values = {name: value for name, value in stored.items() if name not in {"in_reply_to", "references"}}
    values["purpose"], values["role"] = Purpose(stored["purpose"]), Role(stored["role"])
    values["enclosures"] = tuple(_enclosures(stored["enclosures"]))
    return Draft(**values)


def _enclosures(stored: Iterable[dict[str, Any]]) -> Iterator[Enclosure]:
    for enclosure in stored:
        yield Enclosure(enclosure["digest"], Attachment(**enclosure["attachment"]))
