"""One mail on its way: what the steps have found so far, and what comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.context import Context
from gateway.decision.beside import beside
from gateway.decision.imitation import imitated
from gateway.decision.traits import people, traits
from gateway.model import (
    Arrival,
    Conversation,
    Direction,
    Draft,
    Filing,
    Kind,
    Mail,
    Mark,
    Message,
    Notice,
    Recalled,
    Thread,
    Traits,
    Verdict,
)
from gateway.relay import plan
from gateway.routing.proof import Grade
from gateway.routing.route import Route
from gateway.threading.place import Placement

IMPORTED = "import"
NOT_DUE = plan.Due(False, "agents aren't acknowledged")
_OLD = timedelta(days=30)  # longer than any outage: it was there before the gateway was


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a mail, and why. `filing` None: it is a duplicate of what is there.

    `spared`: the agents who are told of it later, since they had too many notifications.
    `confirmation`: what it has to do with an agent's word, "" for nothing.
    """

    placement: Placement
    route: Route
    grade: Grade
    acknowledge: plan.Due
    filing: Filing | None
    told: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    duplicate_of: int | None = None
    spared: tuple[str, ...] = ()
    confirmation: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A mail, what is known of it, and where it belongs; `own` is where it would by itself.

    `moved`: the messages that come to another conversation because of it, by id.
    """

    arrival: Arrival
    mail: Mail
    recalled: Recalled
    thread: Thread
    moved: Mapping[int, Message]
    context: Context
    placement: Placement
    route: Route
    own: Route
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
    def vouching(self) -> str:
        """What an act by this mail rests on, for the audit: the raw mail, and how far it is proven to be hers."""
        return f"mail {self.arrival.digest}: {self.grade.because}"

    def told_enough(self, agent: str) -> bool:
        """Has she had all that she gets in a day about mail in her name? What comes from her address, and didn't fail
        a check, may well be hers: she is to hear of each, though her server vouches for none."""
        author, failed = self.mail.author, self.mail.authentication.verdict is Verdict.FAIL
        likely = author.sure and author.address == agent and not failed
        return self.recalled.notices >= (plan.MOST_LIKELY_HERS if likely else plan.MOST_NOTICES)

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
        people=people(mail),
        received_at=case.arrival.received_at,
        subject=mail.subject,
        text=mail.own or mail.text,
        quoted=mail.quoted,
        attachments=mail.attachments,
        because=tuple(dict.fromkeys(reason for reason in reasons if reason)),
        cited=mail.cited,
        loose=mail.loose,
        fingerprint=mail.fingerprint,
        digest=case.arrival.digest,
        traits=_traits(case, kind),
        proof_code=case.grade.code,
        marks=(*mail.marks, *imitated(mail.author, case.conversation, case.context), *_outdated(case)),
    )


def _outdated(case: Case) -> Iterator[Mark]:
    """Whose agents read what came to a reply address that has ended must know where it led."""
    if case.new:
        for reference in sorted({conversation.reference for _, conversation in case.recalled.outdated}):
            yield Mark("outdated", reference)


def _beside(case: Case) -> Iterator[Filing]:
    """What the mail changes in other conversations."""
    for changed in case.placement.beside:
        taken = [case.moved[identifier] for identifier in changed.takes]
        yield beside(changed, taken, case.context, case.now, quiet=case.quiet)


def _traits(case: Case, kind: Kind) -> Traits:
    """What is placed by what it cites; what a token led there says of its inbox what it says as an answer.

    What an agent did stays where she did it.
    """
    if kind is Kind.INTERNAL:
        return Traits()
    anchored = case.placement.participation is not None or bool(case.recalled.sent)
    says = case.route if anchored else case.own
    found = traits(case.mail, says, case.context.settings.addresses.domain, anchored=anchored)
    return replace(found, opens=case.new)


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
        takes=case.placement.takes,
        related=case.placement.related,
        beside=tuple(_beside(case)),
    )
