"""An agent's mail: her answer and commands, all of it or nothing; and what she forwards."""

from __future__ import annotations

from dataclasses import replace

from gateway import acting
from gateway.decision.asking import put_before, unproven
from gateway.decision.case import NOT_DUE, Case, Decision, filing, message
from gateway.desk.acts import Outcome
from gateway.desk.commands import Parsed, Verb, parse
from gateway.model import Event, Filing, Kind, Message, Problem, Proof, Status, Traits
from gateway.relay import plan


def from_agent(case: Case, agent: str) -> Decision:
    """A mail to an agent's own reply address. What could not act anyway is given back, not put before her."""
    hers = case.mail.author.sure and case.mail.author.address == agent
    proven = case.grade.proof is Proof.VERIFIED
    doubt = () if proven else (unproven(case, agent),)
    participation = case.placement.participation
    if participation is not None and participation.stale:
        return refused(case, agent, Parsed((), ""), (Problem(participation.stale),), hers)
    if case.mail.below_marker:
        return refused(case, agent, Parsed((), ""), (*doubt, Problem("below_marker")), hers)
    parsed = parse(case.mail.own, f"{case.mail.author.name} {case.context.directory.name_of(agent)}")
    if doubt and parsed.has(Verb.FORWARD):
        return refused(case, agent, parsed, doubt, hers)
    outcome = acting.act(
        case.context,
        case.conversation,
        agent,
        parsed,
        case.now,
        attachments=case.mail.attachments,
        thread=case.thread,
    )
    if outcome.problems:
        return refused(case, agent, parsed, (*doubt, *outcome.problems), hers)
    if not proven:
        whole = len(case.mail.own) <= plan.LONGEST_SHOWN  # nobody confirms what she can't read
        return put_before(case, agent, outcome) if whole else refused(case, agent, parsed, doubt, hers)
    base = replace(message(case, Kind.EXTERNAL), author=agent, quoted="", traits=Traits())
    changes = acting.act_filing(case.context, case.conversation, outcome, base, case.thread, case.now)
    changes = replace(changes, proof=case.vouching)
    changes = _without_mails(changes) if case.quiet else changes
    return Decision(
        case.placement, case.route, case.grade, NOT_DUE, changes, told=_assigned(outcome), commands=spoken(parsed)
    )


def answered_digest(case: Case, agent: str) -> Decision:
    """A digest is about many conversations: an answer to it can't be one's. It is kept, and given back."""
    nobodys = replace(case.conversation, usager="", status=Status.CLOSED, waiting_since=None)
    closed = replace(case, conversation=nobodys)
    return refused(closed, agent, Parsed((), ""), (Problem("digest_reply"),), True)


def refused(
    case: Case,
    agent: str,
    parsed: Parsed,
    problems: tuple[Problem, ...],
    give_back: bool,
    *,
    of: Message | None = None,
) -> Decision:
    """Nothing leaves. The agent is told why; her text comes back only if it may be hers.

    `of`: the mail that isn't acted on, where it isn't this one.
    """
    conversation = case.conversation
    reasons = [f"not relayed: {problem.code} {problem.what}".strip() for problem in problems]
    filed = message(case, Kind.INTERNAL, reasons)
    text = of.text if of else case.mail.own or case.mail.text
    draft = plan.refusal(
        agent,
        case.context.place_told(agent, conversation),
        problems,
        subject=conversation.subject,
        text=text if give_back else "",
        hers=give_back,
        received_at=of.received_at if of else case.arrival.received_at,
    )
    # Whoever has her token could fill her mailbox with notices about mail that isn't hers. Of hers she always hears.
    enough = of is None and case.grade.proof is not Proof.VERIFIED and case.told_enough(agent)
    changes = filing(case, conversation, filed, () if enough else (draft,))
    words = "; ".join(acting.in_words(problem) for problem in problems)
    event = Event("gateway", f"did not act on a mail in the name of {agent}: {words}")
    return Decision(
        case.placement,
        case.route,
        case.grade,
        NOT_DUE,
        replace(changes, history=(event,)),
        commands=spoken(parsed),
    )


def spoken(parsed: Parsed) -> tuple[str, ...]:
    return tuple(f"{command.verb.value} {command.argument}".strip() for command in parsed.commands)


def _assigned(outcome: Outcome) -> tuple[str, ...]:
    return (outcome.assigned,) if outcome.assigned else ()


def _without_mails(changes: Filing) -> Filing:
    return replace(changes, messages=tuple((message, ()) for message, _ in changes.messages), notices=())
