"""Placement: which conversation a mail is read in (DESIGN: first match wins).

0. what an agent was asked to confirm, for her answer;
1. a valid token in a recipient address, or in the Message-IDs of ours that it cites;
2. a link by In-Reply-To or References, in either direction of time;
3. for a response that cites nothing, Outlook's Thread-Index or its base subject, between the same people;
4. a new conversation.

Most mails are new, or answer what stands in one conversation: `place` decides that from what they cite. Where mail
is there that answers this one, or several conversations are touched (`unsettled`), those are looked at whole and
parted anew (`gateway.threading.settle`), so that the outcome doesn't hang on the order in which they came.
Where a mail is read says nothing about who is written to: a token routes, a link informs, neither gives a right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.model import (
    GLOBAL,
    Conversation,
    Evidence,
    InboxKind,
    Linked,
    Mail,
    Nature,
    Participation,
    Recalled,
    Role,
    Status,
    Trace,
)
from gateway.threading.partition import CLOSENESS, Rules, counts, joins, nested

_OUTDATED = {
    "token_expired": "has expired",
    "token_revoked": "was revoked",
    "moved_on": "was for answers to another person",
}
_PRESSING = (Status.ACTIVE, Status.PENDING, Status.CLOSED, Status.SPAM)


@dataclass(frozen=True, slots=True)
class Standing:
    """Whose a conversation is, "" where that isn't sure, and where its mails together put it."""

    usager: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Beside:
    """What a mail changes in a conversation that it isn't placed in, None: one that parts from others.

    `stay`: the messages of persons that were there. `related`: conversations that it only touches.
    """

    conversation: Conversation | None
    standing: Standing
    merge: tuple[int, ...]
    takes: tuple[int, ...]
    stay: tuple[int, ...] = ()
    related: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a mail belongs. `conversation` None: a new one. `participation`: whose token led there.

    `merge`: conversations that turn out to be the same matter. `related`: those that only touch it.
    `takes`: messages that come to it from elsewhere. `standing`: who opened it and where it stands, None: as before.
    `beside`: what changes in other conversations.
    """

    conversation: Conversation | None
    because: str
    participation: Participation | None = None
    merge: tuple[int, ...] = ()
    related: tuple[int, ...] = ()
    takes: tuple[int, ...] = ()
    standing: Standing | None = None
    beside: tuple[Beside, ...] = ()


def place(mail: Mail, recalled: Recalled) -> Placement:
    """Decide, from the mail and what the store knows of its ids and tokens. `unsettled` says when that isn't all."""
    if recalled.asked:
        home = recalled.asked[0].conversation
        return Placement(home, f"it answers what an agent was asked to confirm in {home.reference}")
    linked = [link for link in recalled.links if linked_by(link, mail)]
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


def hinted(placement: Placement, recalled: Recalled) -> Placement:
    """A conversation that the mail opens is related to those that its outdated tokens were given out for."""
    if placement.conversation is not None or not recalled.outdated:
        return placement
    others = {conversation.id: conversation for _, conversation in recalled.outdated}
    why = " and ".join(sorted({_OUTDATED[participation.stale] for participation, _ in recalled.outdated}))
    because = f"{placement.because}; a token of ours that it bears {why}"
    related = tuple(dict.fromkeys((*placement.related, *others)))
    return replace(placement, because=also(because, others.values()), related=related)


def linked_by(link: Linked, mail: Mail) -> bool:
    """Does a link between a mail and another count, whichever of them came first?"""
    if not joins(mail.author.address, link.conversation):
        return False
    ours, theirs = mail.nature is not Nature.PERSON, link.machine
    if ours != theirs and link.replies is ours and link.author != mail.author.address:
        return False  # what a machine sends somebody isn't what she begins to write about
    if link.replies:
        return counts(link.author, link.sure, mail.author.address, (a.address for a in (*mail.to, *mail.cc)))
    return counts(mail.author.address, mail.author.sure, link.author, link.people)


def unsettled(its: Trace, mail: Mail, recalled: Recalled, rules: Rules) -> tuple[int, ...]:
    """The conversations that must be looked at whole to place the mail; () where what it cites says enough."""
    known = recalled.duplicate_of is not None or bool(recalled.asked)
    if known or (recalled.sent and mail.nature is not Nature.PERSON):
        return ()
    linked = [link for link in recalled.links if linked_by(link, mail)]
    touched = {link.conversation.id: link.conversation for link in linked}
    if recalled.participations:
        participation, home = recalled.participations[0]
        answered = any(link.replies and link.conversation.id != home.id for link in linked)
        return (home.id, *touched) if answered and participation.role is not Role.AGENT else ()
    simple = (
        len(touched) < 2
        and not recalled.alike
        and not any(link.replies or link.machine != its.machine for link in linked)
        and all(_agrees(its, conversation, rules) for conversation in touched.values())
    )
    return () if simple else tuple(dict.fromkeys((*touched, *recalled.alike)))


def _agrees(its: Trace, conversation: Conversation, rules: Rules) -> bool:
    """May a mail simply be added: does it leave the conversation where it is, or bring it to its démarche?

    Whether it may bring it into a dossier hangs on who began it, and that isn't always its usager.
    """
    evidence = its.traits.evidence or Evidence()
    if conversation.pinned or evidence.inbox in {GLOBAL, conversation.inbox}:
        return True
    return evidence.inbox.kind is InboxKind.DEMARCHE and nested(evidence.inbox, conversation.inbox, rules)


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
    because = also(f"{way} <{first.message_id}> in {oldest.reference}", (c for c in others if c not in same))
    return Placement(joined(oldest, rest), because, merge=merge, related=related)


def also(because: str, related: Iterable[Conversation]) -> str:
    """A reason, and which other conversations the mail touches without being part of them."""
    references = ", ".join(sorted(conversation.reference for conversation in related))
    return f"{because}; related to {references}" if references else because


def joined(oldest: Conversation, rest: Iterable[Conversation]) -> Conversation:
    """The oldest with what the others knew better: the closest inbox, work that waits, an assignee, tags."""
    every = (oldest, *sorted(rest, key=lambda conversation: conversation.id))
    closest = max(every, key=lambda c: (CLOSENESS[c.inbox.kind], c.strength, -c.id))
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
