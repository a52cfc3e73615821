"""One mail on its way: what the steps have found so far, and what comes out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.context import Context
from gateway.model import (
    Arrival,
    Conversation,
    Direction,
    Draft,
    Filing,
    Kind,
    Mail,
    Message,
    Notice,
    Recalled,
    Thread,
)
from gateway.relay import plan
from gateway.routing.proof import Grade
from gateway.routing.route import Route
from gateway.threading.place import Placement

IMPORTED = "import"
_OLD = timedelta(days=30)  # longer than any outage: it was there before the gateway was


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a mail, and why. `filing` None: it is a duplicate of what is there."""

    placement: Placement
    route: Route
    grade: Grade
    acknowledge: plan.Due
    filing: Filing | None
    told: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    duplicate_of: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A mail, what is known of it, and where it belongs."""

    arrival: Arrival
    mail: Mail
    recalled: Recalled
    thread: Thread
    context: Context
    placement: Placement
    route: Route
    grade: Grade
    conversation: Conversation
    now: datetime

    @property
    def age(self) -> timedelta:
        return self.now - self.arrival.received_at

    @property
    def quiet(self) -> bool:
        """Imported mail, and what lay in a mailbox for long, is placed like any other; nobody is written to."""
        return self.arrival.source.startswith(IMPORTED) or self.age > _OLD

    @property
    def new(self) -> bool:
        return self.conversation.id == 0


def message(case: Case, kind: Kind, because: Iterable[str] = ()) -> Message:
    """The mail as a message of its conversation."""
    mail = case.mail
    reasons = (case.placement.because, case.route.because, mail.nature_because, case.grade.because, *because)
    return Message(
        message_id=mail.message_id,
        direction=Direction.IN,
        kind=kind,
        nature=mail.nature,
        proof=case.grade.proof,
        author=mail.author.address,
        people=tuple(dict.fromkeys(a.address for a in (*mail.to, *mail.cc)))[:100],
        received_at=case.arrival.received_at,
        subject=mail.subject,
        text=mail.own or mail.text,
        quoted=mail.quoted,
        attachments=mail.attachments,
        because=tuple(dict.fromkeys(reason for reason in reasons if reason)),
        cited=mail.cited,
        fingerprint=mail.fingerprint,
        digest=case.arrival.digest,
    )


def filing(
    case: Case,
    conversation: Conversation,
    filed: Message,
    drafts: Iterable[Draft] = (),
    notices: Iterable[Notice] = (),
) -> Filing:
    """What one message changes, with the mails that it causes; quiet mail causes none."""
    return Filing(
        conversation,
        messages=((filed, () if case.quiet else tuple(drafts)),),
        notices=() if case.quiet else tuple(notices),
        merge=case.placement.merge,
        related=case.placement.related,
    )
