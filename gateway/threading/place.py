"""Placement: which conversation a mail is read in (DESIGN: first match wins).

1. a valid token in a recipient address, or in the Message-IDs of ours that it cites;
2. a link by In-Reply-To or References, in either direction of time;
3. a new conversation.

Where a mail is read says nothing about who is written to: a token routes, a link informs, neither gives a right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.model import Conversation, InboxKind, Linked, Mail, Nature, Participation, Recalled, Status

_CLOSENESS = {InboxKind.GLOBAL: 0, InboxKind.DEMARCHE: 1, InboxKind.DOSSIER: 2}
_PRESSING = (Status.ACTIVE, Status.PENDING, Status.CLOSED, Status.SPAM)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a mail belongs. `conversation` None: a new one. `participation`: whose token led there.

    `merge`: conversations that turn out to be the same matter. `related`: those that only touch it.
    """

    conversation: Conversation | None
    because: str
    participation: Participation | None = None
    merge: tuple[int, ...] = ()
    related: tuple[int, ...] = ()


def place(mail: Mail, recalled: Recalled) -> Placement:
    """Decide, from the mail and what the store knows of its ids and tokens."""
    linked = [link for link in recalled.links if counts(link, mail)]
    if recalled.participations:
        participation, conversation = recalled.participations[0]
        others = _others((link.conversation for link in linked), conversation)
        return Placement(
            conversation,
            f"a token of ours leads to {conversation.reference}, given to its {participation.role.value}",
            participation,
            related=tuple(other.id for other in others),
        )
    if recalled.sent and mail.nature is not Nature.PERSON:
        sent = recalled.sent[0]
        return Placement(sent.conversation, f"it is about a mail that we sent in {sent.conversation.reference}")
    if linked:
        return _by_links(linked)
    if recalled.links:
        return Placement(None, "it cites mail that its author neither wrote nor received: no link")
    return Placement(None, "nothing that we know is cited: a new conversation")


def counts(link: Linked, mail: Mail) -> bool:
    """Is the author of the later mail one of those between whom the earlier one was exchanged?

    Otherwise anyone who saw an id could write into the conversation.
    """
    if not (link.author and mail.author.address):
        return False
    if link.replies:
        wrote = {mail.author.address, *(entry.address for entry in (*mail.to, *mail.cc))}
        return link.author in wrote
    return mail.author.sure and mail.author.address in {link.author, *link.people}


def _by_links(linked: list[Linked]) -> Placement:
    first = linked[0]
    target = first.conversation
    others = _others((link.conversation for link in linked), target)
    same = [other for other in others if mergeable(target, other)]
    # The oldest goes on, whichever of them the mail cites first: so the outcome doesn't hang on the order.
    oldest = min([target, *same], key=lambda conversation: conversation.id)
    rest = [other for other in (target, *same) if other.id != oldest.id]
    merge = tuple(other.id for other in rest)
    related = tuple(other.id for other in others if other not in same)
    way = "it came after its reply" if first.replies else "it answers"
    because = f"{way} <{first.message_id}> in {oldest.reference}"
    return Placement(joined(oldest, rest), because, merge=merge, related=related)


def joined(oldest: Conversation, rest: Iterable[Conversation]) -> Conversation:
    """The oldest with what the others knew better: the closest inbox, work that waits, an assignee, tags."""
    every = (oldest, *sorted(rest, key=lambda conversation: conversation.id))
    closest = max(every, key=lambda c: (_CLOSENESS[c.inbox.kind], c.strength, -c.id))
    assigned = next((c for c in every if c.assignee), oldest)
    pressing = min(every, key=lambda c: _PRESSING.index(c.status))
    return replace(
        oldest,
        inbox=closest.inbox,
        organisation=closest.organisation,
        strength=closest.strength,
        pinned=any(c.pinned for c in every),
        because=tuple(dict.fromkeys((*oldest.because, *closest.because))),
        status=pressing.status,
        waiting_since=pressing.waiting_since,
        snoozed_until=pressing.snoozed_until,
        reminded=pressing.reminded,
        closing_at=pressing.closing_at,
        assignee=assigned.assignee,
        outside=assigned.outside,
        tags=tuple(dict.fromkeys(tag for c in every for tag in c.tags)),
        followers=tuple(dict.fromkeys(agent for c in every for agent in c.followers)),
        muted=tuple(agent for agent in oldest.muted if all(agent in c.muted for c in every)),
    )


def mergeable(one: Conversation, other: Conversation) -> bool:
    """May two conversations become one by themselves? Never those of different dossiers, nor of different people."""
    dossiers = {c.inbox.number for c in (one, other) if c.inbox.kind is InboxKind.DOSSIER}
    return (
        one.usager == other.usager != ""
        and set(one.guests) == set(other.guests)
        and len(dossiers) < 2
        and not (one.pinned or other.pinned)
        and Status.SPAM not in {one.status, other.status}
    )


def _others(conversations: Iterable[Conversation], target: Conversation) -> list[Conversation]:
    return list({c.id: c for c in conversations if c.id != target.id}.values())
