"""The states of a conversation, and what moves it from one to another.

active   an agent must act       a person's mail makes it so, also from closed; machines never do
pending  waiting for the usager  an answer makes it so; a date may be set at which it is active again
closed   done                    an agent's word, or time
spam     unwanted                an agent's word; a person's mail doesn't change it
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gateway.model import Conversation, Status


def written(conversation: Conversation, at: datetime) -> Conversation:
    """A person wrote: it is work, since the first of her mails that waits."""
    if conversation.status is Status.SPAM:
        return conversation
    if conversation.status is Status.ACTIVE and conversation.waiting_since is not None:
        return conversation
    return put(conversation, Status.ACTIVE, at)


def put(conversation: Conversation, status: Status, at: datetime, until: datetime | None = None) -> Conversation:
    """The conversation in a state from `at` on; `until`: when it is active again by itself."""
    waits = status in {Status.ACTIVE, Status.PENDING}
    return replace(
        conversation,
        status=status,
        waiting_since=at if waits else None,
        snoozed_until=until,
        reminded=0,
        closing_at=None,
    )
