"""What an agent's act becomes: the changes to file, whether it came by mail or from the command line."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace
from datetime import datetime

from gateway.context import Context
from gateway.desk import deadlines
from gateway.desk.acts import Outcome, decide
from gateway.desk.commands import Parsed
from gateway.desk.people import audience, mentioned
from gateway.desk.rights import sees
from gateway.model import (
    Attachment,
    Conversation,
    Direction,
    Draft,
    Event,
    Filing,
    InboxKind,
    Kind,
    Message,
    Notice,
    Problem,
    Purpose,
    Role,
    Sent,
    Thread,
)
from gateway.relay import plan, texts, withheld
from gateway.relay.leaving import leaving


def act(
    context: Context,
    conversation: Conversation,
    agent: str,
    parsed: Parsed,
    now: datetime,
    *,
    attachments: tuple[Attachment, ...] = (),
    thread: Thread | None = None,
) -> Outcome:
    """What the agent's wish changes, or why it may not be.

    `attachments`: what came with it, marked; an answer leaves with all of it that concerns others, or not at all, and
    never where something in it is infected. `thread`: what came before.
    """
    holders = thread.holders if thread else frozenset()
    answered = thread.pending[-1].received_at if thread and thread.pending else conversation.created_at
    desk = context.desk(now, answered, holders)
    outcome = decide(agent, parsed, context.staffed(conversation), desk, enclosed=bool(attachments))
    outcome = replace(outcome, notes=tuple(context.tokenless(note) for note in outcome.notes))
    if not outcome.answers and outcome.handed is None:
        return outcome
    leaves = leaving(attachments)
    files = tuple(file for file in attachments if file in leaves or file.held == withheld.INFECTED)
    stays = withheld.problems(files, context.settings.attachments)
    return replace(outcome, problems=(*outcome.problems, *stays))


def in_words(problem: Problem) -> str:
    """A problem as histories and the command line say it: in English."""
    return texts.problem(problem, "en")


def later(context: Context, agent: str, thread: Thread, now: datetime) -> Notice | None:
    """Is an agent told of a message not now, but with others: in her digest, or at the end of a burst?"""
    desk, zone = context.settings.desk, context.zone
    if context.directory.notify_of(agent) == "digest":
        return Notice(agent, deadlines.next_digest(now, desk.digest_at, zone), digest=True)
    last = thread.notified.get(agent)
    # What comes while something is held back is told with it, never before it.
    if agent in thread.held or (last is not None and now - last < desk.bundle):
        return Notice(agent, now + desk.bundle, digest=False)
    return None


# --- what is filed -------------------------------------------------------------------------------------------


def act_filing(
    context: Context,
    before: Conversation,
    outcome: Outcome,
    base: Message,
    thread: Thread,
    now: datetime,
) -> Filing:
    """The changes that an allowed act makes.

    `base` is what came: author, time, ids, attachments; its text is put in here. `thread`: what came before.
    """
    after = outcome.conversation
    agent = base.author
    filed: list[tuple[Message, tuple[Draft, ...]]] = []
    if outcome.handed is not None:
        filed.append(_handed_over(context, before, outcome, base, thread))
    elif outcome.answers:
        filed.append(_answer(context, after, replace(base, text=outcome.answer), thread))
    for note in outcome.notes:
        filed.append((replace(base, direction=Direction.IN, kind=Kind.INTERNAL, text=note), ()))
    if not filed:
        filed.append((replace(base, direction=Direction.IN, kind=Kind.EVENT), ()))
    informed, notices = _informed(context, before, outcome, agent, now)
    drafts = (*filed[0][1], *_consequences(context, outcome, agent, thread, informed, now))
    filed[0] = (filed[0][0], drafts)
    bare = [(_without_identity(message), drafts) for message, drafts in filed[1:]]
    history = (*outcome.history, *_unseen(context, outcome, agent))
    return Filing(after, messages=(filed[0], *bare), notices=notices, history=history, revoke=outcome.revoked)


def _answer(
    context: Context, conversation: Conversation, base: Message, thread: Thread
) -> tuple[Message, tuple[Draft, ...]]:
    """The answer, and a mail with it to each of its audience."""
    message, people = _outward(context, conversation, base, thread)
    place = context.place_of(conversation, usager=True)
    first_name = context.first_name(base.author) if place.demarche and place.demarche.first_name else ""
    drafts = (
        plan.answer(to, role, place, message, subject=message.subject, first_name=first_name) for to, role in people
    )
    return message, tuple(drafts)


def _handed_over(
    context: Context, before: Conversation, outcome: Outcome, base: Message, thread: Thread
) -> tuple[Message, tuple[Draft, ...]]:
    """The usager is told whom her request was handed to; an organisation that isn't here gets it by mail."""
    assert outcome.handed is not None
    after = outcome.conversation
    message, people = _outward(context, after, replace(base, text=outcome.answer), thread)
    siret, locale = outcome.handed.organisation.siret, context.place_of(after, usager=True).locale
    place = context.place(after.reference, after.inbox, siret, locale)
    former = context.place_of(before).organisation
    subject = message.subject
    drafts = [plan.transferred(to, role, place, message, subject=subject, former=former) for to, role in people]
    request = thread.written or thread.pending
    if outcome.handed.mail_to and request:
        to, here = outcome.handed.mail_to, context.place_of(after)  # an office reads it, in the instance's language
        request = tuple(_passed_on(context, before, message) for message in request)
        drafts.append(plan.transmission(to, here, request, subject=subject, usager=after.usager, former=former))
    return message, tuple(drafts)


def _outward(
    context: Context, conversation: Conversation, base: Message, thread: Thread
) -> tuple[Message, tuple[tuple[str, Role], ...]]:
    """What leaves, made fit to leave, and the people it goes to."""
    people = audience(conversation, _admitted(context, conversation), thread.writers)
    files = withheld.awaited(leaving(base.attachments))
    message = replace(base, direction=Direction.OUT, kind=Kind.EXTERNAL, people=people, subject=conversation.subject)
    message = _scrubbed(context, conversation, replace(message, attachments=files))
    return message, tuple((to, Role.USAGER if to == conversation.usager else Role.GUEST) for to in people)


def _scrubbed(context: Context, conversation: Conversation, message: Message) -> Message:
    """The message without agents' addresses and tokens: its words, its subject, the names of its files."""

    def scrubbed(text: str) -> str:
        return context.scrubbed(text, conversation)

    return replace(
        message,
        text=scrubbed(message.text),
        subject=scrubbed(message.subject),
        attachments=tuple(replace(a, name=scrubbed(a.name), inside=scrubbed(a.inside)) for a in message.attachments),
    )


def _passed_on(context: Context, conversation: Conversation, message: Message) -> Message:
    """A message as another organisation may read it. Who wrote it is named, unless it is an agent."""
    author = (
        message.author if message.author == conversation.usager else context.scrubbed(message.author, conversation)
    )
    return replace(_scrubbed(context, conversation, message), author=author)


def _admitted(context: Context, conversation: Conversation) -> tuple[str, ...]:
    """Whom the dossier itself admits: its usager and her guests."""
    dossier = context.directory.dossiers.get(conversation.inbox.number or 0)
    if dossier is None or conversation.inbox.kind is not InboxKind.DOSSIER:
        return ()
    return (dossier.usager, *dossier.invites)


def _without_identity(message: Message) -> Message:
    """The same mail twice in a conversation has its ids, bytes and attachments only once."""
    return replace(message, message_id="", fingerprint="", digest="", cited=(), attachments=())


# --- who is told of it ---------------------------------------------------------------------------------------


def _informed(
    context: Context, before: Conversation, outcome: Outcome, agent: str, now: datetime
) -> tuple[dict[str, plan.Reason], tuple[Notice, ...]]:
    """The agents before whom the conversation is put, and why; and those who find it in their digest."""
    directory = context.directory
    assigned = outcome.assigned
    if assigned:
        new = assigned not in {agent, before.assignee} and directory.notify_of(assigned) != "none"
        return ({assigned: plan.Reason.ASSIGNED} if new else {}), ()
    if not outcome.moved or (outcome.handed and outcome.handed.mail_to):
        return {}, ()
    told = context.told(outcome.conversation, agent)
    reason = plan.Reason.TRANSFERRED if outcome.handed else plan.Reason.MOVED
    notices = [notice for to in told if (notice := later(context, to, Thread(), now))]
    late = {notice.agent for notice in notices}
    return {to: reason for to in told if to not in late}, tuple(notices)


def _consequences(
    context: Context,
    outcome: Outcome,
    agent: str,
    thread: Thread,
    informed: dict[str, plan.Reason],
    now: datetime,
) -> Iterator[Draft]:
    """Mails to agents that an act causes: to whom it is put before, whom a note names, and the lists who asked."""
    after = outcome.conversation
    place, by = context.place_of(after), context.directory.name_of(agent) or agent
    for to, reason in informed.items() if thread.pending else ():
        yield plan.notification(
            to,
            place,
            thread.pending,
            after,
            reason=reason,
            by=by,
            notes=outcome.notes,
        )
    for note in outcome.notes:
        yield from mentions(context, after, note, agent, informed, now)
    if outcome.help:
        yield plan.help_notice(agent, place, subject=after.subject)
    if outcome.modeles:
        yield plan.modeles_notice(agent, place, texts.modeles(place), subject=after.subject)


def mentions(
    context: Context, conversation: Conversation, note: str, agent: str, informed: Container[str], now: datetime
) -> Iterator[Draft]:
    """Mails to the agents whom a note by `agent` names, but for those who are `informed` of it already."""
    place, by = context.place_of(conversation), context.directory.name_of(agent) or agent
    for to in _mentioned(context, conversation, note):
        if to != agent and to not in informed:
            yield plan.mention(to, place, note, subject=conversation.subject, by=by, received_at=now)


def _unseen(context: Context, outcome: Outcome, agent: str) -> Iterator[Event]:
    """Whom a note names who may not see it: nobody is told, and the history says why."""
    circle = context.directory.circle_of(outcome.conversation)
    for note in outcome.notes:
        for to in _named(context, outcome.conversation, note):
            if not sees(to, outcome.conversation, circle):
                yield Event("gateway", f"did not tell {to}, whom {agent} named in a note: no access")


def _mentioned(context: Context, conversation: Conversation, note: str) -> tuple[str, ...]:
    """The agents whom a note names, who may see it and want to be told of something."""
    directory, circle = context.directory, context.directory.circle_of(conversation)
    named = _named(context, conversation, note)
    return tuple(to for to in named if sees(to, conversation, circle) and directory.notify_of(to) != "none")


def _named(context: Context, conversation: Conversation, note: str) -> tuple[str, ...]:
    circle = context.directory.circle_of(conversation)
    near = circle.members.union(circle.managers, *circle.groupes, conversation.followers)
    return mentioned(note, lambda words: context.directory.agents_named(words, near))


# --- what didn't arrive --------------------------------------------------------------------------------------


def undelivered_drafts(
    context: Context, sent: Sent, reply: str, problem: Problem | None = None, *, uncertain: bool = False
) -> tuple[Draft, ...]:
    """Tell whoever must know that a mail didn't arrive. `problem`: why, where `reply` isn't a server's word."""
    place = context.place_of(sent.conversation)
    subject, is_answer = sent.conversation.subject, sent.purpose is Purpose.ANSWER
    return tuple(
        plan.undelivered(
            to,
            place,
            subject=subject,
            recipient=sent.recipient,
            reply=reply,
            problem=problem,
            delivery=sent.id,
            answer=is_answer,
            uncertain=uncertain,
        )
        for to in _concerned(context, sent)
    )


def arrived_drafts(context: Context, sent: Sent, reply: str) -> tuple[Draft, ...]:
    """Tell whoever was told that nobody knew whether a mail had arrived."""
    place, subject = context.place_of(sent.conversation), sent.conversation.subject
    return tuple(
        plan.arrived(to, place, subject=subject, recipient=sent.recipient, reply=reply)
        for to in _concerned(context, sent)
    )


def _concerned(context: Context, sent: Sent) -> tuple[str, ...]:
    """Of an answer its author, else who is told of mail now; of a notification the others, or those above them."""
    if sent.purpose is Purpose.NOTIFICATION:
        return context.told(replace(sent.conversation, assignee=None), sent.recipient)
    if sent.purpose is not Purpose.ANSWER:
        return ()
    author, conversation = sent.author, sent.conversation
    return (author,) if context.seen_by(author, conversation) else context.told(conversation, "")


def delivery_event(sent: Sent, what: str) -> Event:
    """The line that is left in the history by a delivery that failed, or that there was doubt about."""
    return Event("gateway", f"the {sent.purpose.value} to {sent.recipient} {what}")
