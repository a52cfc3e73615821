"""Agents are told of what waits in a conversation, when it isn't a mail of this moment that brings it before them."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

from gateway import acting
from gateway.context import Context
from gateway.model import Conversation, Message, Status, Thread
from gateway.relay import plan
from gateway.store import exchange, notices, outbox
from gateway.store.database import Tx


def may_be_told(context: Context, agent: str, conversation: Conversation) -> bool:
    """Looked at when she is written to: she may have lost her part in it, or muted it, since it was planned."""
    if conversation.status is Status.SPAM or agent in conversation.muted:
        return False
    return context.seen_by(agent, conversation)


def put_before(
    tx: Tx,
    context: Context,
    conversation: Conversation,
    messages: tuple[Message, ...],
    last: int,
    now: datetime,
    *,
    reason: plan.Reason = plan.Reason.MESSAGE,
    by: str = "",
    but: Container[str] = (),
) -> int:
    """Tell those who are responsible, now or in their digest; return how many mails were planned.

    `last`: the id of the latest of the messages; `by`: the agent who did it; `but`: whom it needn't be told.
    """
    told, place = 0, context.place_of(conversation)
    for agent in context.told(conversation, by):
        if agent in but or not messages or not last:
            continue
        late = acting.later(context, agent, Thread(), now)
        if late is not None:
            notices.keep(tx, conversation.id, last, (late,), now)
            continue
        name = context.directory.name_of(by) or by
        draft = plan.notification(agent, place, messages, conversation, reason=reason, by=name)
        outbox.enqueue(tx, conversation.id, last, draft, context.signer, now)
        told += 1
    return told


def tell_others(tx: Tx, context: Context, conversation: Conversation, last: int, now: datetime) -> int:
    """An agent may not be told any more of what waits: then those are who are responsible without her."""
    if conversation.status is not Status.ACTIVE:
        return 0
    waiting = exchange.thread(tx.connection, conversation.id).pending
    return put_before(tx, context, conversation, waiting, last, now, but=notices.told_of(tx.connection, last))
