"""Who is told of a message: the agents of its inbox, each once, and nobody of what they did themselves."""

from __future__ import annotations

from collections.abc import Callable

from gateway.model import Circle, Conversation, InboxKind


def told(conversation: Conversation, circle: Circle, author: str, notify_of: Callable[[str], str]) -> tuple[str, ...]:
    """Addresses of the agents to notify of a message by `author`, sorted.

    Where somebody is assigned who wants to be told, it is their matter. Else the followers of a dossier, or its
    instructeurs; the administrateurs of a démarche and its support group; the managers for the global inbox, and
    wherever nobody else is left.
    """
    assignee = conversation.assignee
    if assignee and notify_of(assignee) != "none":
        return (assignee,) if assignee != author else ()
    willing = {"all", "digest"}  # digests are later work: until then, a mail each
    for group in _owners(conversation, circle):
        told_now = sorted(a for a in group if a != author and notify_of(a) in willing)
        if told_now:
            return tuple(told_now)
    return ()


def _owners(conversation: Conversation, circle: Circle) -> tuple[frozenset[str], ...]:
    """Those who answer first, then those behind them."""
    above = (circle.administrateurs | circle.support, circle.managers)
    if conversation.inbox.kind is InboxKind.DOSSIER:
        return (circle.followers, circle.instructeurs, *above)
    return above
