"""What a mail's own addresses and ids say, and what is to be looked up because of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.context import Context
from gateway.mail import tokens
from gateway.mail.tokens import Token, TokenKind
from gateway.model import Arrival, Clues, Conversation, Mail, Participation, Recalled, Role, Sent, Traits
from gateway.routing import recipients as who
from gateway.routing.recipients import Recipient


@dataclass(frozen=True, slots=True)
class Hints:
    """What the addresses and ids of a mail say by themselves.

    `deliveries`: those that it is about, by the tokens of bounces and by our Message-IDs (`in_ids`).
    `confirms`: the deliveries that asked an agent for what this mail answers.
    """

    recipients: tuple[Recipient, ...]
    tokens: tuple[Token, ...]
    bounces: tuple[int, ...] = ()
    in_ids: tuple[tuple[int, Token], ...] = ()
    confirms: tuple[int, ...] = ()

    @property
    def deliveries(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys((*self.bounces, *(delivery for delivery, _ in self.in_ids))))


def hints(arrival: Arrival, mail: Mail, context: Context) -> Hints:
    """Recognise every recipient address, and our own ids among those that the mail bears or cites."""
    found = who.recognised(_recipients(arrival, mail), context.recognise)
    in_addresses = tuple(r.token for r in found if r.token is not None)
    reported = (mail.report.original_message_id,) if mail.report else ()
    domain, keys = context.settings.addresses.domain, context.keys
    ours = [tokens.in_message_id(i, domain, keys) for i in (mail.message_id, *reported, *mail.cited)]
    in_ids = tuple(pair for pair in ours if pair is not None)
    bounces = tuple(token.subject for token in tokens.of_kind(in_addresses, TokenKind.BOUNCE))
    replies = tokens.of_kind(in_addresses, TokenKind.REPLY)
    messages = tokens.of_kind((token for _, token in in_ids), TokenKind.MESSAGE)
    named = tuple(dict.fromkeys((*replies, *messages)))
    return Hints(found, named, bounces, in_ids, _confirms(in_addresses, mail, context))


def _confirms(in_addresses: tuple[Token, ...], mail: Mail, context: Context) -> tuple[int, ...]:
    """What it answers, by its addresses; where those say nothing, by In-Reply-To: a mailbox may have none to give.

    References don't count: they name what was said long ago.
    """
    nearest = [tokens.in_message_id(i, context.settings.addresses.domain, context.keys) for i in mail.in_reply_to[:1]]
    asked = tokens.of_kind(in_addresses, TokenKind.CONFIRM) or tokens.of_kind(
        (pair[1] for pair in nearest if pair is not None), TokenKind.CONFIRM
    )
    return tuple(token.subject for token in asked)


def _recipients(arrival: Arrival, mail: Mail) -> tuple[str, ...]:
    """Whom the mail was for: the envelope first. A mailbox's `recipient` only stands in where nothing else tells."""
    written = (*mail.delivered_to, *(address.address for address in (*mail.to, *mail.cc)))
    envelope = arrival.envelope
    return (*written, *envelope.recipients) if envelope.sender is None else (*envelope.recipients, *written)


def clues(mail: Mail, found: Hints, its: Traits) -> Clues:
    """What to look up in the store."""
    return Clues(
        fingerprint=mail.fingerprint,
        message_id=mail.message_id,
        cited=mail.cited,
        participations=tuple(token.subject for token in found.tokens),
        deliveries=found.deliveries,
        author=mail.author.address,
        matter=its.matter,
        outlook=its.outlook,
        orphan=its.orphan,
        sent_at=its.sent_at,
        forwarded=mail.forwarded.message_id if mail.forwarded else "",
    )


def valid(recalled: Recalled, mail: Mail, found: Hints, life: timedelta | None, at: datetime) -> Recalled:
    """With the participations of tokens that count, the author's own first; the others are `outdated`.

    `life`: how long a token counts after our last mail that bore it; `at`: when the mail was received. An agent who
    answers what doesn't count any more keeps hers, as a stale one: it does nothing, and she is told.
    """
    epochs = {(token.subject, token.epoch) for token in found.tokens}
    valid: list[tuple[Participation, Conversation]] = []
    outdated: list[tuple[Participation, Conversation]] = []
    for participation, conversation in recalled.participations:
        stale = _stale(participation, conversation, epochs, life, at)
        hers = participation.role is Role.AGENT and participation.address == mail.author.address
        (outdated if stale and not hers else valid).append((replace(participation, stale=stale), conversation))
    valid.sort(key=lambda pair: (bool(pair[0].stale), pair[0].address != mail.author.address))
    sent = _led_to(recalled.sent, found, {participation.id for participation, _ in outdated})
    return replace(recalled, participations=tuple(valid), outdated=tuple(outdated), sent=sent)


def _stale(
    participation: Participation,
    conversation: Conversation,
    epochs: set[tuple[int, int]],
    life: timedelta | None,
    at: datetime,
) -> str:
    """Why a token doesn't count any more, "" where it does."""
    if participation.role is Role.AGENT and participation.usager not in {None, conversation.usager}:
        return "moved_on"
    if (participation.id, participation.epoch) not in epochs:
        return "token_revoked"
    return "token_expired" if tokens.expired(participation.written_at, life, at) else ""


def _led_to(sent: tuple[Sent, ...], found: Hints, outdated: set[int]) -> tuple[Sent, ...]:
    """Without the mails of ours to which only outdated tokens, in Message-IDs, lead."""
    of_mail = (pair for pair in found.in_ids if pair[1].kind is TokenKind.MESSAGE)
    ended = {delivery for delivery, token in of_mail if token.subject in outdated}
    return tuple(each for each in sent if each.id not in ended or each.id in found.bounces)
