"""An agent's mail: her answer and commands, all of it or nothing; and what she forwards."""

from __future__ import annotations

from dataclasses import replace

from gateway import acting
from gateway.decision.case import Case, Decision, filing, message
from gateway.desk.acts import Outcome
from gateway.desk.commands import Parsed, parse
from gateway.mail.quotes import has_marker
from gateway.model import GLOBAL, Event, Filing, Kind, Problem, Proof, Status, Traits
from gateway.relay import plan

_NOT_DUE = plan.Due(False, "agents aren't acknowledged")


def from_agent(case: Case, agent: str) -> Decision:
    """A mail to an agent's own reply address."""
    if case.grade.proof is not Proof.VERIFIED:
        own_address = case.mail.author.address == agent
        problem = (
            Problem("unverified")
            if own_address
            else Problem("other_author", case.context.tokenless(case.mail.author.address))
        )
        return refused(case, agent, Parsed((), ""), (problem,), own_address)
    participation = case.placement.participation
    if participation is not None and participation.stale:
        return refused(case, agent, Parsed((), ""), (Problem("moved_on"),), True)
    if has_marker(case.mail.own):
        return refused(case, agent, Parsed((), ""), (Problem("below_marker"),), True)
    parsed = parse(case.mail.own, f"{case.mail.author.name} {case.context.directory.name_of(agent)}")
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
        return refused(case, agent, parsed, outcome.problems, True)
    base = replace(message(case, Kind.EXTERNAL), author=agent, quoted="", traits=Traits())
    changes = acting.act_filing(case.context, case.conversation, outcome, base, case.thread, case.now)
    changes = _without_mails(changes) if case.quiet else changes
    return Decision(
        case.placement, case.route, case.grade, _NOT_DUE, changes, told=_assigned(outcome), commands=_spoken(parsed)
    )


def answered_digest(case: Case, agent: str) -> Decision:
    """A digest is about many conversations: an answer to it can't be one's. It is kept, and given back."""
    nobodys = replace(case.conversation, usager="", status=Status.CLOSED, waiting_since=None)
    closed = replace(case, conversation=nobodys)
    return refused(closed, agent, Parsed((), ""), (Problem("digest_reply"),), True)


def refused(case: Case, agent: str, parsed: Parsed, problems: tuple[Problem, ...], give_back: bool) -> Decision:
    """Nothing leaves. The agent is told why; her text comes back only if it may be hers."""
    conversation, place = case.conversation, case.context.place_of(case.conversation)
    if any(problem.code == "no_part" for problem in problems):  # where it stands now is none of her business
        place = case.context.place(conversation.reference, GLOBAL)
    reasons = [f"not relayed: {problem.code} {problem.what}".strip() for problem in problems]
    filed = message(case, Kind.INTERNAL, reasons)
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
    # Whoever has her token could fill her mailbox with notices about mail that isn't hers. Of hers she always hears.
    enough = case.grade.proof is not Proof.VERIFIED and case.recalled.notices >= plan.MOST_NOTICES
    changes = filing(case, conversation, filed, () if enough else (draft,))
    words = "; ".join(acting.in_words(problem) for problem in problems)
    event = Event("gateway", f"did not act on a mail in the name of {agent}: {words}")
    return Decision(
        case.placement,
        case.route,
        case.grade,
        _NOT_DUE,
        replace(changes, history=(event,)),
        commands=_spoken(parsed),
    )


def _spoken(parsed: Parsed) -> tuple[str, ...]:
    return tuple(f"{command.verb.value} {command.argument}".strip() for command in parsed.commands)


def _assigned(outcome: Outcome) -> tuple[str, ...]:
    return (outcome.assigned,) if outcome.assigned else ()


def _without_mails(changes: Filing) -> Filing:
    return replace(changes, messages=tuple((message, ()) for message, _ in changes.messages), notices=())
