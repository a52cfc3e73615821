"""Who is told of a message, and who is written to: the agents of an inbox, each once; the audience of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.desk.rights import sees
from gateway.model import Circle, Conversation, Inbox, InboxKind

_AROUND = ".,;:!?()[]<>«»\"'’*_"


def told(conversation: Conversation, circle: Circle, author: str, notify_of: Callable[[str], str]) -> tuple[str, ...]:
    """Addresses of the agents to notify of a message by `author`, sorted; never one who may not see it.

    Where somebody is assigned who wants to be told, it is their matter. Else those of the inbox who answer first and
    want to be told; and always those who follow the conversation. Nobody is told of their own act, nor who muted it.
    """
    out = {author, *conversation.muted}
    following = {agent for agent in conversation.followers if sees(agent, conversation, circle)}
    return tuple(sorted((_owners(conversation, circle, notify_of, out) | following) - out))


def _owners(conversation: Conversation, circle: Circle, notify_of: Callable[[str], str], out: set[str]) -> set[str]:
    assignee = conversation.assignee
    if assignee and assignee not in conversation.muted and notify_of(assignee) != "none":
        return {assignee}
    for group in _staff(conversation, circle):
        willing = {agent for agent in group - out if notify_of(agent) in {"all", "digest"}}
        if willing:
            return willing
    return set()


def _staff(conversation: Conversation, circle: Circle) -> tuple[frozenset[str], ...]:
    """Those who answer first, then those behind them. An organisation's agents keep the platform's out."""
    above = circle.administrateurs | circle.support
    if conversation.inbox.kind is InboxKind.DOSSIER:
        own: tuple[frozenset[str], ...] = (circle.followers, circle.instructeurs, above)
    else:
        own = (above,)
    return own if any(own) else (circle.managers | circle.triage,)


def unstaffed(inbox: Inbox, circle: Circle) -> bool:
    """Has the organisation no agent left who could see what stands in this inbox?"""
    own = circle.administrateurs | circle.support
    if inbox.kind is InboxKind.DOSSIER:
        own |= circle.instructeurs | circle.followers
    return not own


def audience(conversation: Conversation, admitted: Iterable[str], writers: Iterable[str]) -> tuple[str, ...]:
    """Whom an answer goes to: the usager who opened the conversation, and whom an agent or the dossier admitted.

    `admitted`: the usager and the guests of the dossier; they are written to once they wrote themselves (`writers`).
    A `Cc:`, a forwarded token or a spoofed sender adds nobody.
    """
    joined = set(admitted) & set(writers)
    people = (conversation.usager, *conversation.guests, *sorted(joined))
    return tuple(dict.fromkeys(person for person in people if person))


def mentioned(note: str, named: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
    """The agents whom a note names, as `@ines` or by their address; a name that fits two is nobody's."""
    words = (word.strip(_AROUND) for word in note.split() if "@" in word)
    found = (named(word.removeprefix("@")) for word in words)
    return tuple(dict.fromkeys(agents[0] for agents in found if len(agents) == 1))
