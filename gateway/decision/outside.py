"""A person's mail from outside: it makes the conversation active, its agents are told, and she is, once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway import acting
from gateway.decision.case import Case, Decision, filing, message
from gateway.desk import faq, states
from gateway.desk.people import unstaffed
from gateway.model import GLOBAL, Conversation, Draft, Event, InboxKind, Kind, Message, Notice, Status, Thread, Traits
from gateway.relay import automatic, plan
from gateway.relay.texts import Place
from gateway.routing.directory import OPEN_STATES
from gateway.routing.recipients import RecipientKind

_MOST_CHOICES = 20


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    """Is an acknowledgement due; the conversation with what it asks; the mail."""

    due: plan.Due
    conversation: Conversation
    drafts: tuple[Draft, ...] = ()


@dataclass(frozen=True, slots=True)
class Brought:
    """The agent who brings in what was written to her, in words, and her notes about it."""

    by: str
    notes: tuple[str, ...] = ()


def from_outside(case: Case, brought: Brought | None = None) -> Decision:
    """File it, tell those who are responsible, acknowledge it if that is due."""
    conversation, history = _moved(case)
    acknowledged = _acknowledged(case, conversation)
    filed = message(case, Kind.EXTERNAL, _stranger(case))
    if brought is not None:  # what the raw mail says is the agent's word
        filed = replace(filed, traits=Traits(opens=case.new))
    told = _told(case, conversation)
    drafts, notices = _notifications(case, told, conversation, filed, brought)
    changes = filing(case, acknowledged.conversation, filed, (*drafts, *acknowledged.drafts), notices)
    decision = Decision(case.placement, case.route, case.grade, acknowledged.due, changes, told)
    return replace(decision, filing=replace(changes, history=history))


def _moved(case: Case) -> tuple[Conversation, tuple[Event, ...]]:
    """The conversation as a person's mail leaves it, and what that adds to its history."""
    before, at = case.conversation, case.arrival.received_at
    if case.new:
        return states.written(before, at), (Event("gateway", f"opened in {before.inbox}: {case.route.because}"),)
    after, history = before, []
    if case.route.inbox != before.inbox:
        because = (*before.because, case.route.because)
        strength = int(case.route.strength)
        after = replace(
            after, inbox=case.route.inbox, strength=strength, organisation="", asked=None, because=because
        )
        history.append(Event("gateway", f"moved to {after.inbox}: {case.route.because}"))
    if before.status in {Status.PENDING, Status.CLOSED}:
        history.append(Event("gateway", f"active again: {case.mail.author.address} wrote"))
    return states.written(after, at), tuple(history)


def _stranger(case: Case) -> tuple[str, ...]:
    conversation = case.conversation
    if case.new or case.mail.author.address in {conversation.usager, *conversation.guests}:
        return ()
    return ("its author is not the usager of this conversation, and is not written to",)


# --- its agents ----------------------------------------------------------------------------------------------


def _told(case: Case, conversation: Conversation) -> tuple[str, ...]:
    if conversation.status is Status.SPAM or case.quiet:
        return ()
    return case.context.told(conversation, case.mail.author.address)


def _notifications(
    case: Case, told: tuple[str, ...], conversation: Conversation, filed: Message, brought: Brought | None
) -> tuple[list[Draft], list[Notice]]:
    """A mail to each who is told at once, a notice for who is told later."""
    drafts: list[Draft] = []
    notices: list[Notice] = []
    # A warning that comes with a mail isn't put off with a burst.
    thread = case.thread if case.route.refused is None else Thread()
    for agent in told:
        later = acting.later(case.context, agent, thread, case.now)
        if later is not None:
            notices.append(later)
        elif drafts:  # all of them read the same
            drafts.append(replace(drafts[0], to=agent))
        else:
            drafts.append(_notification(case, agent, conversation, filed, brought or Brought("")))
    return drafts, notices


def _notification(case: Case, to: str, conversation: Conversation, filed: Message, brought: Brought) -> Draft:
    circle = case.context.directory.circle_of(conversation)
    somebodys = conversation.inbox != GLOBAL or bool(conversation.organisation)
    orphan = somebodys and unstaffed(conversation.inbox, circle)
    return plan.notification(
        to,
        case.context.place_of(conversation),
        (*_unseen(case, conversation), filed),
        conversation,
        author_name=case.mail.author.name if filed.author == case.mail.author.address and not filed.marks else "",
        refused=case.route.refused,
        reason=plan.Reason.UNSTAFFED if orphan else plan.Reason.MESSAGE,
        by=brought.by,
        notes=brought.notes,
    )


def _unseen(case: Case, conversation: Conversation) -> tuple[Message, ...]:
    """What waited already, where this mail brought it before other agents, or from another conversation."""
    taken = tuple(case.moved[identifier] for identifier in case.placement.takes)
    return taken if conversation.inbox == case.conversation.inbox else (*case.thread.unanswered, *taken)


# --- who wrote -----------------------------------------------------------------------------------------------


def _acknowledged(case: Case, conversation: Conversation) -> _Acknowledged:
    due = _due(case)
    if not due.due:
        return _Acknowledged(due, conversation)
    choices = _choices(case, conversation)
    asked = None if choices is None else tuple(number for number, _ in choices)
    conversation = replace(conversation, asked=asked)
    place = _disclosed(case, conversation)
    demarche = place.demarche.number if place.demarche else None
    fitting = faq.suggest(
        case.context.faq,
        case.mail.subject,
        case.mail.own or case.mail.text,
        demarche=demarche,
        language=place.language,
    )
    draft = plan.acknowledgement(
        case.mail.author.address,
        place,
        case.arrival.received_at,
        suggestions=tuple(found.entry for found in fitting),
        choices=choices,
    )
    because = "; ".join((due.because, *(f"« {found.entry.title} » fits: {found.because}" for found in fitting)))
    return _Acknowledged(plan.Due(True, because), conversation, (draft,))


def _due(case: Case) -> plan.Due:
    if case.quiet:
        return plan.Due(False, "imported and old mail is answered by nobody")
    settings = case.context.settings
    return automatic.acknowledgement_due(
        case.mail,
        case.recalled,
        settings.trust,
        settings.limits,
        new=case.new,
        inbox=case.conversation.inbox,
        addressed_refused=case.route.addressed,
        age=case.age,
        ours=case.context.recognise(case.mail.author.address).kind is not RecipientKind.ELSEWHERE,
        envelope_sender=case.arrival.envelope.sender,
        now=case.now,
    )


def _disclosed(case: Case, conversation: Conversation) -> Place:
    """What the acknowledgement may say of the inbox: nothing that a refused dossier led to."""
    if case.route.refused is not None:
        conversation = replace(conversation, inbox=GLOBAL, organisation="")
    return case.context.place_of(conversation, usager=True)


def _choices(case: Case, conversation: Conversation) -> tuple[tuple[int, str], ...] | None:
    """Which dossier is it about? Hers that are open, to choose from; () to name one; None: no question."""
    if conversation.inbox.kind is InboxKind.DOSSIER or case.route.refused is not None or conversation.organisation:
        return None
    directory = case.context.directory
    offered = [
        (dossier.number, directory.demarches[dossier.demarche].title)
        for dossier in directory.dossiers_by_usager.get(conversation.usager, ())
        if dossier.state in OPEN_STATES and conversation.inbox.number in {None, dossier.demarche}
    ]
    if conversation.inbox.kind is InboxKind.DEMARCHE and not offered:
        return None
    return tuple(offered[:_MOST_CHOICES])
