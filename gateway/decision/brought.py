"""A mail that an agent received privately and brings in with `@fwd`: the conversation is its original sender's.

What a forward says of its original is the agent's word: nobody vouches for the sender, and the message says so.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace

from gateway import acting
from gateway.context import Context
from gateway.decision.agent import refused
from gateway.decision.case import Case, Decision, message
from gateway.decision.hints import Hints
from gateway.decision.outside import Brought, from_outside
from gateway.desk.commands import Parsed, Verb, parse
from gateway.desk.rights import sees
from gateway.mail.language import language
from gateway.model import (
    Attachment,
    Authentication,
    Author,
    Conversation,
    Draft,
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
from gateway.relay import plan, withheld
from gateway.relay.leaving import leaving
from gateway.routing.proof import Grade
from gateway.routing.recipients import RecipientKind
from gateway.routing.route import Route, route
from gateway.threading.place import Placement


def brings(mail: Mail, context: Context) -> bool:
    """Is it written by an agent's address, with `@fwd` at its top?"""
    return context.directory.is_agent(mail.author.address) and parse(mail.own or mail.text).has(Verb.FORWARD)


def vouched(mail: Mail, participation: Participation | None, grade: Grade, context: Context) -> bool:
    """Is it really that agent's? It needs no token, since it answers nothing of ours: her mail server must vouch.

    In trials, where `agent_proof` is "token" and nobody vouches for anything, her address is enough.
    """
    verdict = mail.authentication.verdict
    passes = mail.author.sure and verdict is Verdict.PASS
    if participation is not None and participation.role is Role.AGENT:
        return passes if participation.stale else grade.proof is Proof.VERIFIED
    trial = context.settings.trust.agent_proof == "token" and verdict is Verdict.NONE
    return passes or (mail.author.sure and trial)


def from_brought(case: Case, found: Hints, opened: Callable[[Mail, Route], Conversation]) -> Decision:
    """Open the conversation of the original sender; the agent's notes go with it. `opened` makes it."""
    agent, parsed = case.mail.author.address, parse(case.mail.own or case.mail.text)
    problems = _problems(case, parsed)
    if problems:
        nothing = replace(case.conversation, status=Status.CLOSED, waiting_since=None)
        return refused(case if not case.new else replace(case, conversation=nothing), agent, parsed, problems, True)
    notes = tuple(command.argument for command in parsed.commands if command.verb is Verb.NOTE)
    there = _there(case, agent)
    if there is not None:
        return _again(case, there, notes)
    antivirus = case.context.settings.antivirus
    mail = _original(case.mail, withheld.barred_by(case.recalled.scan, asked=bool(antivirus.socket)))
    routed = route(mail, found.recipients, None, case.context.directory, case.context.settings)
    conversation = opened(mail, routed)
    inner = replace(
        case,
        mail=mail,
        placement=Placement(None, conversation.because[0]),
        thread=Thread(),
        route=routed,
        own=routed,
        grade=Grade(Proof.UNVERIFIED, mail.authentication.because),
        conversation=conversation,
    )
    by = case.context.directory.name_of(agent) or agent
    decision = from_outside(inner, Brought(by, notes))
    assert decision.filing is not None
    return replace(decision, filing=_with_notes(case, notes, decision.filing), commands=("fwd",))


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
    elif case.context.directory.is_agent(forwarded.author.address):
        problems.append(Problem("admit_agent", forwarded.author.address))
    return tuple(problems)


def _original(mail: Mail, barred: str) -> Mail:
    """The mail as if its original sender had written it to us. `barred`: why its files stay, "" where they don't."""
    forwarded = mail.forwarded
    assert forwarded is not None
    from gateway.mail import quotes  # noqa: PLC0415 (all else of the kind is read in another process; this is rare)

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
        language=language(parted.own or forwarded.text),
        attachments=tuple(_theirs(file, barred) for file in forwarded.attachments),
        authentication=Authentication(
            Verdict.NONE, f"forwarded by {mail.author.address}, whose word is all there is for its author"
        ),
    )


def _theirs(file: Attachment, barred: str) -> Attachment:
    """A file of the original: of somebody who isn't an agent, and may name one."""
    return replace(file, held=barred) if file.held == withheld.ADDRESS else file


def _with_notes(case: Case, written: tuple[str, ...], changes: Filing) -> Filing:
    """The notes as messages of their own, with what the agent attached; whom they name is told, unless she was."""
    agent = case.mail.author.address
    told = {draft.to for _, drafts in changes.messages for draft in drafts}
    forwarded = case.mail.forwarded.attachments if case.mail.forwarded else ()
    hers = tuple(attachment for attachment in case.mail.attachments if attachment not in forwarded)
    base = replace(message(case, Kind.INTERNAL), message_id="", fingerprint="", cited=(), quoted="", attachments=())
    notes = [replace(base, text=note) for note in written or (("",) if leaving(hers) else ())]
    notes[:1] = [replace(note, attachments=hers) for note in notes[:1]]
    filed = [(note, _mentions(case, changes.conversation, note.text, told)) for note in notes]
    return replace(
        changes,
        messages=(*changes.messages, *filed),
        history=(*changes.history, Event(agent, "brought it in: it was written to her")),
        proof=case.vouching,
    )


def _mentions(
    case: Case, conversation: Conversation, note: str, told: Container[str] = frozenset()
) -> tuple[Draft, ...]:
    if case.quiet:
        return ()
    return tuple(acting.mentions(case.context, conversation, note, case.mail.author.address, told, case.now))


# --- what is there already -------------------------------------------------------------------------------


def _there(case: Case, agent: str) -> Conversation | None:
    """The conversation that the original is in already, if the agent may see it."""
    original, nearest = case.mail.forwarded, case.mail.cited[:1]
    assert original is not None
    for link in (*case.recalled.forwarded, *case.recalled.links):
        named = (original.message_id,) if original.message_id else nearest
        if link.replies or link.message_id not in named or link.author != original.author.address:
            continue
        conversation = case.context.staffed(link.conversation)
        if sees(agent, conversation, case.context.directory.circle_of(conversation)):
            return link.conversation
    return None


def _again(case: Case, there: Conversation, written: tuple[str, ...]) -> Decision:
    """The original isn't filed twice, nor acknowledged: the agent's notes go to it, or a trace that she sent it."""
    agent = case.mail.author.address
    placement = Placement(there, f"what it forwards is in {there.reference} already")
    base = replace(message(replace(case, placement=placement), Kind.INTERNAL), quoted="")
    bare = replace(base, message_id="", fingerprint="", digest="", cited=(), attachments=())
    notes = [replace(bare if nth else base, text=note) for nth, note in enumerate(written)]
    filed = notes or [replace(base, kind=Kind.EVENT, text="")]
    changes = Filing(
        there,
        messages=tuple((note, _mentions(case, there, note.text)) for note in filed),
        history=(Event(agent, "forwarded what is here already"),),
        proof=case.vouching,
    )
    return Decision(placement, case.route, case.grade, plan.Due(False, placement.because), changes, commands=("fwd",))
