"""A mail that an agent received privately and brings in with `@fwd`: the conversation is its original sender's.

What a forward says of its original is the agent's word: nobody vouches for the sender, and the message says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gateway import acting
from gateway.context import Context
from gateway.decision.agent import refused
from gateway.decision.case import Case, Decision, message
from gateway.decision.hints import Hints
from gateway.decision.outside import Brought, from_outside
from gateway.desk.commands import Parsed, Verb, parse
from gateway.mail import quotes
from gateway.model import (
    Authentication,
    Author,
    Conversation,
    Event,
    Filing,
    Kind,
    Mail,
    Participation,
    Problem,
    Proof,
    Role,
    Status,
    Thread,
    Verdict,
)
from gateway.routing.proof import Grade
from gateway.routing.recipients import RecipientKind
from gateway.routing.route import Route, route
from gateway.threading.place import Placement


def brings(mail: Mail, context: Context) -> bool:
    """Is it written by an agent's address, with `@fwd` at its top?"""
    return context.directory.is_agent(mail.author.address) and parse(mail.own or mail.text).has(Verb.FORWARD)


def vouched(mail: Mail, participation: Participation | None, grade: Grade, context: Context) -> bool:
    """Is it really that agent's? A forward needs no token, since it answers nothing of ours."""
    if participation is not None and participation.role is Role.AGENT:
        return grade.proof is Proof.VERIFIED
    verdict = mail.authentication.verdict
    trusting = context.settings.trust.agent_proof == "token" and verdict is not Verdict.FAIL
    return mail.author.sure and (verdict is Verdict.PASS or trusting)


def from_brought(case: Case, found: Hints, opened: Callable[[Mail, Route], Conversation]) -> Decision:
    """Open the conversation of the original sender; the agent's notes go with it. `opened` makes it."""
    agent, parsed = case.mail.author.address, parse(case.mail.own or case.mail.text)
    problems = _problems(case, parsed)
    if problems:
        nothing = replace(case.conversation, status=Status.CLOSED, waiting_since=None)
        return refused(case if not case.new else replace(case, conversation=nothing), agent, parsed, problems, True)
    mail = _original(case.mail)
    routed = route(mail, found.recipients, None, case.context.directory, case.context.settings)
    conversation = opened(mail, routed)
    afresh = Placement(None, conversation.because[0])
    grade = Grade(Proof.UNVERIFIED, mail.authentication.because)
    inner = replace(
        case, mail=mail, placement=afresh, thread=Thread(), route=routed, grade=grade, conversation=conversation
    )
    notes = tuple(command.argument for command in parsed.commands if command.verb is Verb.NOTE)
    by = case.context.directory.name_of(agent) or agent
    decision = from_outside(inner, Brought(by, notes))
    assert decision.filing is not None
    return replace(decision, filing=_with_notes(case, agent, notes, decision.filing), commands=("fwd",))


def _problems(case: Case, parsed: Parsed) -> tuple[Problem, ...]:
    others = {Verb.NOTE, Verb.FORWARD}
    problems = list(parsed.problems)
    if any(command.verb not in others for command in parsed.commands):
        problems.append(Problem("one_conversation"))
    forwarded = case.mail.forwarded
    if forwarded is None or not forwarded.author.address:
        problems.append(Problem("no_forward"))
    elif case.context.recognise(forwarded.author.address).kind is not RecipientKind.ELSEWHERE:
        problems.append(Problem("admit_own", forwarded.author.address))
    return tuple(problems)


def _original(mail: Mail) -> Mail:
    """The mail as if its original sender had written it to us."""
    forwarded = mail.forwarded
    assert forwarded is not None
    parted = quotes.cut(forwarded.text)
    return replace(
        mail,
        message_id=forwarded.message_id or mail.message_id,
        in_reply_to=(),
        references=(),
        author=Author(forwarded.author.address, forwarded.author.name, True, ""),
        to=forwarded.received_by,
        cc=(),
        subject=forwarded.subject or mail.subject,
        date=forwarded.date,
        text=forwarded.text,
        own=parted.own,
        quoted=parted.quoted,
        attachments=forwarded.attachments or mail.attachments,
        authentication=Authentication(
            Verdict.NONE, f"forwarded by {mail.author.address}, whose word is all there is for its author"
        ),
    )


def _with_notes(case: Case, agent: str, written: tuple[str, ...], changes: Filing) -> Filing:
    """The notes as messages of their own; whom they name is told, unless the mail was put before her already."""
    told = {draft.to for _, drafts in changes.messages for draft in drafts}
    base = replace(message(case, Kind.INTERNAL), message_id="", fingerprint="", digest="", cited=(), attachments=())
    notes = [
        (
            replace(base, text=note, quoted=""),
            tuple(acting.mentions(case.context, changes.conversation, note, agent, told, case.now)),
        )
        for note in written
    ]
    return replace(
        changes,
        messages=(*changes.messages, *notes),
        history=(*changes.history, Event(agent, "brought it in: it was written to her")),
    )
