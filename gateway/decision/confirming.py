"""An agent's answer to the question whether a mail is hers: with her yes, that mail acts as if it had been proven.

It acts by the rights and the conversation as they are now, all of it or nothing, once. What comes from anybody else,
too late, or in words that aren't clear changes nothing; she is told of each such thing once.
"""

from __future__ import annotations

from dataclasses import replace

from gateway import acting
from gateway.decision.agent import refused, spoken
from gateway.decision.asking import unproven
from gateway.decision.case import NOT_DUE, Case, Decision, filing, message
from gateway.desk.acts import Outcome
from gateway.desk.commands import Parsed, parse
from gateway.desk.consent import Consent, consent
from gateway.model import (
    Answered,
    Asked,
    Confirmation,
    Event,
    Filing,
    Kind,
    Message,
    Problem,
    Traits,
    Verdict,
)
from gateway.relay import plan

_ANSWERED = {Confirmation.CONFIRMED: "confirmed_before", Confirmation.WITHDRAWN: "withdrawn_before"}


def answered(case: Case) -> Decision:
    """A person's mail to the address at which an agent confirms."""
    asked = case.recalled.asked[0]
    problem = _problem(case, asked)
    if problem is not None:
        return _unconfirmed(case, asked, problem)
    if consent(case.mail.own) is Consent.WITHHELD:
        return _withdrawn(case, asked)
    return _confirmed(case, asked)


def _problem(case: Case, asked: Asked) -> Problem | None:
    """Why this answer confirms nothing, and takes nothing back."""
    mail = case.mail
    hers = mail.author.sure and mail.author.address == asked.agent
    if not hers or mail.authentication.verdict is Verdict.FAIL:
        return unproven(case, asked.agent)
    if asked.state is not Confirmation.ASKED:
        return Problem(_ANSWERED[asked.state])
    if case.quiet or case.arrival.received_at - asked.at > case.context.settings.trust.confirm_within:
        return Problem("confirmed_late")
    several, forwards = len(case.recalled.asked) > 1, mail.forwarded is not None
    if several or forwards or consent(mail.own) is Consent.UNCLEAR:
        return Problem("unclear_answer")
    return None


# --- nothing happens -----------------------------------------------------------------------------------------


def _unconfirmed(case: Case, asked: Asked, problem: Problem) -> Decision:
    """She is told, once of each problem: whoever else writes here could fill her mailbox."""
    words = acting.in_words(problem)
    draft = plan.unconfirmed(
        asked.agent,
        case.context.place_told(asked.agent, case.conversation),
        problem,
        subject=case.conversation.subject,
        received_at=case.arrival.received_at,
        confirms=asked.delivery,
    )
    told = asked.told != problem.code and not case.told_enough(asked.agent) and not case.quiet
    what = f"did not take an answer as the word of {asked.agent} on message {asked.message}: {words}"
    changes = filing(case, case.conversation, message(case, Kind.INTERNAL, [what]), (draft,) if told else ())
    said = Answered(asked.delivery, asked.state, told=problem.code) if told else None
    return _decision(case, replace(changes, history=(Event("gateway", what),), answered=said), what)


def _withdrawn(case: Case, asked: Asked) -> Decision:
    what = f"says that message {asked.message} isn't hers, or isn't to be done"
    changes = filing(case, case.conversation, message(case, Kind.INTERNAL, [f"{asked.agent} {what}"]))
    said = Answered(asked.delivery, Confirmation.WITHDRAWN)
    return _decision(
        case,
        replace(changes, history=(Event(asked.agent, what),), answered=said, proof=_proof(case, asked, "withdrawn")),
        f"{asked.agent} {what}",
    )


def _decision(case: Case, changes: Filing, what: str) -> Decision:
    return Decision(case.placement, case.route, case.grade, NOT_DUE, changes, confirmation=what)


# --- it acts -------------------------------------------------------------------------------------------------


def _confirmed(case: Case, asked: Asked) -> Decision:
    original = asked.filed
    names = f"{asked.name} {case.context.directory.name_of(asked.agent)}"
    parsed = parse(original.text, names)
    outcome = acting.act(
        case.context,
        case.conversation,
        asked.agent,
        parsed,
        case.now,
        attachments=original.attachments,
        thread=case.thread,
    )
    moved_on = (Problem("moved_on"),) if case.conversation.usager != asked.usager else ()
    problems = (*moved_on, *outcome.problems)
    decision = (
        refused(case, asked.agent, parsed, problems, True, of=original)
        if problems
        else _acted(case, asked, parsed, outcome)
    )
    what = f"confirmed message {asked.message} by an answer to her own address"
    assert decision.filing is not None
    changes = replace(
        decision.filing,
        history=(Event(asked.agent, what), *decision.filing.history),
        answered=Answered(asked.delivery, Confirmation.CONFIRMED),
        proof=_proof(case, asked, "confirmed"),
    )
    return replace(decision, filing=changes, confirmation=f"{asked.agent} {what}")


def _acted(case: Case, asked: Asked, parsed: Parsed, outcome: Outcome) -> Decision:
    """The original's words and attachments; its ids and bytes are those of the message that was kept."""
    changes = acting.act_filing(
        case.context, case.conversation, outcome, _original(case, asked), case.thread, case.now
    )
    yes = message(case, Kind.INTERNAL, [f"{asked.agent} confirms message {asked.message}"])
    changes = replace(changes, messages=((yes, ()), *changes.messages))
    told = (outcome.assigned,) if outcome.assigned else ()
    return Decision(case.placement, case.route, case.grade, NOT_DUE, changes, told=told, commands=spoken(parsed))


def _original(case: Case, asked: Asked) -> Message:
    """The mail as its act files it, at the time of her word."""
    return replace(
        asked.filed,
        author=asked.agent,
        received_at=case.arrival.received_at,
        message_id="",
        fingerprint="",
        cited=(),
        quoted="",
        because=(*asked.filed.because, f"message {asked.message}, which {asked.agent} confirmed at her own address"),
        traits=Traits(),
    )


def _proof(case: Case, asked: Asked, done: str) -> str:
    """What her word rests on, for the audit: the mail that she was asked about, and her answer."""
    original = asked.filed.proof.value if asked.filed.proof else "unverified"
    answer = f"mail {case.arrival.digest}: {case.grade.because}"
    return f"mail {asked.filed.digest}, itself {original}, {done} by an answer to her own address ({answer})"
