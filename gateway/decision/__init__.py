"""What becomes of one mail, and why: place → route → plan. Pure: everything it depends on is an argument.

`hints` says what the mail's own addresses and ids tell, `clues` what to look up because of them, and `decide` answers
with a `Decision`: the placement, the route, the proof, who is told, and the changes to file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway import acting
from gateway.context import Context
from gateway.desk import people
from gateway.desk.acts import Outcome
from gateway.desk.commands import Parsed, parse
from gateway.mail import tokens
from gateway.mail.quotes import has_marker
from gateway.mail.tokens import Token, TokenKind
from gateway.model import (
    GLOBAL,
    Arrival,
    Clues,
    Conversation,
    DeliveryState,
    Direction,
    Draft,
    Event,
    Filing,
    Kind,
    Mail,
    Message,
    Nature,
    Problem,
    Proof,
    Recalled,
    Role,
    Settlement,
    Status,
)
from gateway.relay import plan
from gateway.relay.texts import Place
from gateway.routing import recipients as who
from gateway.routing.proof import Grade, grade
from gateway.routing.recipients import Recipient, RecipientKind
from gateway.routing.route import Route, route
from gateway.threading.place import Placement, place

IMPORTED = "import"
_OLD = timedelta(days=30)  # longer than any outage: it was there before the gateway was
_AGENT = plan.Due(False, "agents aren't acknowledged")
_MACHINES = frozenset(nature for nature in Nature if nature is not Nature.PERSON)


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
class _Case:
    """One mail on its way: what the steps have found so far."""

    arrival: Arrival
    mail: Mail
    recalled: Recalled
    context: Context
    placement: Placement
    route: Route
    grade: Grade
    conversation: Conversation
    age: timedelta

    @property
    def quiet(self) -> bool:
        """Imported mail, and what lay in a mailbox for long, is placed like any other; nobody is written to."""
        return self.arrival.source.startswith(IMPORTED) or self.age > _OLD

    @property
    def new(self) -> bool:
        return self.conversation.id == 0


# --- recall: what to look up -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hints:
    """What the addresses and ids of a mail say by themselves."""

    recipients: tuple[Recipient, ...]
    tokens: tuple[Token, ...]
    deliveries: tuple[int, ...]


def hints(arrival: Arrival, mail: Mail, context: Context) -> Hints:
    """Recognise every recipient address, and our own ids among those that the mail bears or cites."""
    found = who.recognised(_recipients(arrival, mail), context.recognise)
    in_addresses = tuple(r.token for r in found if r.token is not None)
    reported = (mail.report.original_message_id,) if mail.report else ()
    domain, keys = context.settings.addresses.domain, context.keys
    ours = [tokens.in_message_id(i, domain, keys) for i in (mail.message_id, *reported, *mail.cited)]
    in_ids = [pair for pair in ours if pair is not None]
    bounces = [token.subject for token in tokens.of_kind(in_addresses, TokenKind.BOUNCE)]
    replies = tokens.of_kind(in_addresses, TokenKind.REPLY)
    return Hints(
        found,
        tuple(dict.fromkeys((*replies, *(token for _, token in in_ids)))),
        tuple(dict.fromkeys((*bounces, *(delivery for delivery, _ in in_ids)))),
    )


def _recipients(arrival: Arrival, mail: Mail) -> tuple[str, ...]:
    """Whom the mail was for: the envelope first. A mailbox's `recipient` only stands in where nothing else tells."""
    written = (*mail.delivered_to, *(address.address for address in (*mail.to, *mail.cc)))
    envelope = arrival.envelope
    return (*written, *envelope.recipients) if envelope.sender is None else (*envelope.recipients, *written)


def clues(mail: Mail, found: Hints) -> Clues:
    """What to look up in the store. Only mail of machines is looked up by the deliveries it is about."""
    return Clues(
        fingerprint=mail.fingerprint,
        message_id=mail.message_id,
        cited=mail.cited,
        participations=tuple(token.subject for token in found.tokens),
        deliveries=found.deliveries,
        author=mail.author.address,
    )


def valid(recalled: Recalled, mail: Mail, found: Hints) -> Recalled:
    """Without the participations whose token was revoked; the author's own first."""
    epochs = {(token.subject, token.epoch) for token in found.tokens}
    valid = [pair for pair in recalled.participations if (pair[0].id, pair[0].epoch) in epochs]
    valid.sort(key=lambda pair: pair[0].address != mail.author.address)
    return replace(recalled, participations=tuple(valid))


# --- decide: place, route, plan --------------------------------------------------------------------------


def decide(
    arrival: Arrival,
    mail: Mail,
    found: Hints,
    recalled: Recalled,
    context: Context,
    *,
    reference: str,
    now: datetime,
) -> Decision:
    """Decide everything about one mail. `reference` names the conversation if it is a new one.

    `recalled` holds the participations of valid tokens alone (`valid`).
    """
    placement = place(mail, recalled)
    settings, directory = context.settings, context.directory
    routed = route(mail, found.recipients, placement.conversation, directory, settings)
    known = directory.is_agent(mail.author.address) or mail.author.address in directory.dossiers_by_usager
    graded = grade(mail, placement.participation, known, settings.trust.agent_proof)
    conversation = placement.conversation or _new(arrival, mail, routed, placement, reference)
    case = _Case(arrival, mail, recalled, context, placement, routed, graded, conversation, now - arrival.received_at)
    if recalled.duplicate_of is not None:
        no = plan.Due(False, "it is a duplicate")
        return Decision(placement, routed, graded, no, None, duplicate_of=recalled.duplicate_of)
    if mail.nature in _MACHINES:
        return _from_machine(case)
    if placement.participation is not None and placement.participation.role is Role.AGENT:
        return _from_agent(case, placement.participation.address)
    return _from_outside(case)


def _new(arrival: Arrival, mail: Mail, routed: Route, placement: Placement, reference: str) -> Conversation:
    """A conversation that this mail opens. A machine's mail is work for nobody: it opens a closed one."""
    return Conversation(
        id=0,
        reference=reference,
        inbox=routed.inbox,
        strength=int(routed.strength),
        pinned=False,
        status=Status.CLOSED if mail.nature in _MACHINES else Status.ACTIVE,
        assignee=None,
        subject=mail.subject,
        usager=mail.author.address if mail.author.sure else "",
        created_at=arrival.received_at,
        updated_at=arrival.received_at,
        because=(placement.because, routed.because),
    )


def _message(case: _Case, kind: Kind, because: Iterable[str] = ()) -> Message:
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


def _filing(case: _Case, conversation: Conversation, message: Message, drafts: Iterable[Draft]) -> Filing:
    return Filing(
        conversation,
        messages=((message, () if case.quiet else tuple(drafts)),),
        merge=case.placement.merge,
        related=case.placement.related,
    )


def _from_outside(case: _Case) -> Decision:
    """A person's mail: it makes the conversation active, its agents are told, and she is, once."""
    conversation, history = _moved(case)
    message = _message(case, Kind.EXTERNAL, _stranger(case))
    due = _acknowledgement_due(case)
    told = _told(case, conversation)
    subject = conversation.subject
    drafts = [_notification(case, to, conversation, message, subject) for to in told]
    if due.due:
        place = _disclosed(case)
        drafts.append(plan.acknowledgement(message.author, place, case.arrival.received_at))
    filed = replace(_filing(case, conversation, message, drafts), history=history)
    return Decision(case.placement, case.route, case.grade, due, filed, told)


def _moved(case: _Case) -> tuple[Conversation, tuple[Event, ...]]:
    """The conversation as a person's mail leaves it, and what that adds to its history."""
    before = case.conversation
    if case.new:
        return before, (Event("gateway", f"opened in {before.inbox}: {case.route.because}"),)
    after, history = before, []
    if case.route.inbox != before.inbox:
        because = (*before.because, case.route.because)
        after = replace(after, inbox=case.route.inbox, strength=int(case.route.strength), because=because)
        history.append(Event("gateway", f"moved to {after.inbox}: {case.route.because}"))
    if before.status in {Status.PENDING, Status.CLOSED}:
        after = replace(after, status=Status.ACTIVE)
        history.append(Event("gateway", f"active again: {case.mail.author.address} wrote"))
    return after, tuple(history)


def _stranger(case: _Case) -> tuple[str, ...]:
    if case.new or case.mail.author.address == case.conversation.usager:
        return ()
    return ("its author is not the usager of this conversation, and is not written to",)


def _told(case: _Case, conversation: Conversation) -> tuple[str, ...]:
    if conversation.status is Status.SPAM or case.quiet:
        return ()
    directory = case.context.directory
    conversation = case.context.staffed(conversation)
    circle = directory.circle(conversation.inbox)
    return people.told(conversation, circle, case.mail.author.address, directory.notify_of)


def _notification(case: _Case, to: str, conversation: Conversation, message: Message, subject: str) -> Draft:
    place = case.context.place_of(conversation)
    name, refused = case.mail.author.name, case.route.refused
    usager = conversation.usager
    return plan.notification(to, place, message, name, subject=subject, usager=usager, refused=refused)


def _acknowledgement_due(case: _Case) -> plan.Due:
    if case.quiet:
        return plan.Due(False, "imported and old mail is answered by nobody")
    return plan.acknowledgement_due(
        case.mail,
        case.recalled,
        case.context.settings.trust,
        new=case.new,
        addressed_refused=case.route.addressed,
        age=case.age,
        ours=case.context.recognise(case.mail.author.address).kind is not RecipientKind.ELSEWHERE,
        envelope_sender=case.arrival.envelope.sender,
    )


def _disclosed(case: _Case) -> Place:
    """What the acknowledgement may say of the inbox: nothing that a refused dossier led to."""
    inbox = case.conversation.inbox if case.route.refused is None else GLOBAL
    return case.context.place(case.conversation.reference, inbox)


def _from_machine(case: _Case) -> Decision:
    """Recorded, answered by nobody. A bounce marks its delivery, and whoever wrote the answer is told."""
    no = plan.Due(False, f"{case.mail.nature.value}: machines are told nothing")
    message = _message(case, Kind.MACHINE)
    filed = _filing(case, case.conversation, message, ())
    if case.mail.nature is Nature.BOUNCE and case.recalled.sent:
        filed = _bounced(case, message)
    return Decision(case.placement, case.route, case.grade, no, filed)


def _bounced(case: _Case, message: Message) -> Filing:
    sent = case.recalled.sent[0]
    reply = _reported(case.mail)
    drafts = acting.undelivered_drafts(case.context, sent, reply)
    return replace(
        _filing(case, case.conversation, message, drafts),
        settlements=(Settlement(sent.id, DeliveryState.REFUSED, reply),),
        history=(acting.failure_event(sent, f"came back: {reply}"),),
    )


def _reported(mail: Mail) -> str:
    """What the bounce says, in one line."""
    if mail.report and mail.report.recipients:
        first = mail.report.recipients[0]
        return f"{first.status} {first.diagnostic}".strip()[:500] or "bounced without a reason"
    return "bounced without a readable report"


# --- an agent's mail -------------------------------------------------------------------------------------


def _from_agent(case: _Case, agent: str) -> Decision:
    """An agent's answer and commands: all of it, or nothing and the reasons."""
    if case.grade.proof is not Proof.VERIFIED:
        own_address = case.mail.author.address == agent
        problem = Problem("unverified") if own_address else Problem("other_author", case.mail.author.address)
        return _refused(case, agent, Parsed((), ""), (problem,), own_address)
    if has_marker(case.mail.own):
        return _refused(case, agent, Parsed((), ""), (Problem("below_marker"),), True)
    parsed = parse(case.mail.own)
    outcome = acting.act(case.context, case.conversation, agent, parsed, enclosed=bool(case.mail.attachments))
    if outcome.problems:
        return _refused(case, agent, parsed, outcome.problems, True)
    base = replace(_message(case, Kind.EXTERNAL), author=agent, quoted="")
    filed = acting.act_filing(case.context, case.conversation, outcome, base, case.recalled.latest)
    filed = _without_drafts(filed) if case.quiet else filed
    return Decision(
        case.placement, case.route, case.grade, _AGENT, filed, commands=_spoken(parsed), told=_assigned(outcome)
    )


def _refused(case: _Case, agent: str, parsed: Parsed, problems: tuple[Problem, ...], give_back: bool) -> Decision:
    """Nothing leaves. The agent is told why; her text comes back only if it may be hers."""
    conversation, place = case.conversation, case.context.place_of(case.conversation)
    reasons = [f"not relayed: {problem.code} {problem.what}".strip() for problem in problems]
    message = _message(case, Kind.INTERNAL, reasons)
    text = (case.mail.own or case.mail.text) if give_back else ""
    draft = plan.refusal(
        agent,
        place,
        problems,
        subject=conversation.subject,
        text=text,
        hers=give_back,
        received_at=case.arrival.received_at,
    )
    # Whoever has her token could fill her mailbox with notices about mail that isn't hers.
    enough = case.recalled.notices >= plan.MOST_NOTICES
    filed = _filing(case, conversation, message, () if enough else (draft,))
    event = Event("gateway", f"did not act on a mail in the name of {agent}: {problems[0].code}")
    return Decision(
        case.placement,
        case.route,
        case.grade,
        _AGENT,
        replace(filed, history=(event,)),
        commands=_spoken(parsed),
    )


def _spoken(parsed: Parsed) -> tuple[str, ...]:
    return tuple(f"{command.verb.value} {command.argument}".strip() for command in parsed.commands)


def _assigned(outcome: Outcome) -> tuple[str, ...]:
    return (outcome.assigned,) if outcome.assigned else ()


def _without_drafts(filed: Filing) -> Filing:
    return replace(filed, messages=tuple((message, ()) for message, _ in filed.messages))
