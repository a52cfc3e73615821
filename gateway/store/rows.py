"""Conversations, their history and messages as rows."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gateway.model import Conversation, Event, Message
from gateway.store import traits


def of_conversation(conversation: Conversation, now: datetime) -> dict[str, Any]:
    """What may change of it."""
    return {
        "inbox_kind": conversation.inbox.kind.value,
        "inbox_number": conversation.inbox.number,
        "strength": int(conversation.strength),
        "pinned": conversation.pinned,
        "status": conversation.status.value,
        "assignee": conversation.assignee,
        "subject": conversation.subject,
        "usager": conversation.usager,
        "tags": list(conversation.tags),
        "because": list(conversation.because),
        "updated_at": now,
        "organisation": conversation.organisation,
        "language": conversation.language,
        "outside": conversation.outside,
        "guests": list(conversation.guests),
        "followers": list(conversation.followers),
        "muted": list(conversation.muted),
        "asked": None if conversation.asked is None else list(conversation.asked),
        "waiting_since": conversation.waiting_since,
        "snoozed_until": conversation.snoozed_until,
        "reminded": conversation.reminded,
        "closing_at": conversation.closing_at,
    }


def of_event(event: Event, conversation: int, now: datetime) -> dict[str, Any]:
    return {"conversation": conversation, "at": now, "by": event.by, "what": event.what}


def of_message(message: Message, conversation: int) -> dict[str, Any]:
    return {
        "conversation": conversation,
        "fingerprint": bytes.fromhex(message.fingerprint) or None,
        "digest": bytes.fromhex(message.digest) or None,
        "message_id": message.message_id,
        "direction": message.direction.value,
        "kind": message.kind.value,
        "nature": message.nature.value,
        "proof": message.proof.value if message.proof else None,
        "proof_code": message.proof_code,
        "author": message.author,
        "people": list(message.people),
        "received_at": message.received_at,
        "subject": message.subject,
        "text": message.text,
        "quoted": message.quoted,
        "attachments": [asdict(attachment) for attachment in message.attachments],
        "because": list(message.because),
        "marks": [asdict(mark) for mark in message.marks],
        **traits.as_row(message.traits),
    }


def of_citations(message: int, cited: Iterable[str], loose: Container[str]) -> list[dict[str, Any]]:
    """Which ids a message cites, nearest first."""
    every = enumerate(dict.fromkeys(cited))
    return [{"cited": c, "message": message, "position": position, "loose": c in loose} for position, c in every]
