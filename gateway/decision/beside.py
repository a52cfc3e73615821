"""What a mail, or parting all of them anew, changes in a conversation that no mail is added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from gateway.context import Context
from gateway.desk import states
from gateway.mail.language import language
from gateway.model import Conversation, Event, Filing, Kind, Message, Notice, Status
from gateway.threading.place import Beside


def beside(changed: Beside, taken: Sequence[Message], context: Context, now: datetime, *, quiet: bool) -> Filing:
    """The changes to file. `taken`: the messages that come to it.

    Its agents are told of those, and of all where it stands before others now; of `quiet` changes nobody is.
    """
    before = changed.conversation or _parted(changed, taken)
    evidence = changed.standing.evidence
    after = replace(before, usager=changed.standing.usager, inbox=evidence.inbox, strength=evidence.strength)
    moved = after.inbox != before.inbox
    told = context.told(after, "") if (changed.takes or moved) and not quiet else ()
    stands = Event("gateway", f"stands in {after.inbox} by what its mails say: {evidence.because or 'nothing'}")
    return Filing(
        after,
        notices=tuple(Notice(agent, now, digest=False) for agent in told),
        concerning=changed.stay if moved else (),
        merge=changed.merge,
        takes=changed.takes,
        related=changed.related,
        history=(stands,) if moved else (),
    )


def _parted(changed: Beside, taken: Sequence[Message]) -> Conversation:
    """A conversation that parts from others, as the first of its messages would have opened it."""
    first, evidence = taken[0], changed.standing.evidence
    at = first.received_at
    opened = Conversation(
        id=0,
        reference="",
        inbox=evidence.inbox,
        strength=evidence.strength,
        pinned=False,
        status=Status.CLOSED,
        assignee=None,
        subject=first.subject,
        usager=changed.standing.usager,
        created_at=at,
        updated_at=at,
        because=(f"<{first.message_id}> is apart from the conversation that it stood in", evidence.because),
        language=language(first.text),
    )
    return states.written(opened, at) if any(message.kind is Kind.EXTERNAL for message in taken) else opened
