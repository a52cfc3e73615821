"""What an agent's act becomes: the changes to file, whether it came by mail or from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway.context import Context
from gateway.desk.acts import Outcome, decide
from gateway.desk.commands import Parsed
from gateway.desk.people import told
from gateway.model import (
    Conversation,
    Direction,
    Draft,
    Event,
    Filing,
    Kind,
    Message,
    Purpose,
    Role,
    Sent,
)
from gateway.relay import plan

# Attachments that tell who the agent is, or hold our own mail to her: they stay with the message.
_TELLING = frozenset(
    {
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "application/pgp-signature",
        "application/pgp-keys",
        "message/rfc822",
        "text/vcard",
        "text/x-vcard",
        "text/directory",
    }
)


def act(
    context: Context, conversation: Conversation, agent: str, parsed: Parsed, *, enclosed: bool = False
) -> Outcome:
    """What the agent's wish changes, or why it may not be."""
    conversation = context.staffed(conversation)
    circle = context.directory.circle(conversation.inbox)
    return decide(agent, parsed, conversation, circle, context.directory.is_agent, enclosed=enclosed)


def act_filing(
    context: Context,
    before: Conversation,
    outcome: Outcome,
    base: Message,
    latest: Message | None,
) -> Filing:
    """The changes that an allowed act makes.

    `base` is what came: author, time, ids, attachments; its text is put in here. `latest` is the usager's last
    message, for whomever the conversation is assigned to.
    """
    after = outcome.conversation
    agent = base.author
    filed: list[tuple[Message, tuple[Draft, ...]]] = []
    if outcome.answers:
        filed.append(_answer(context, after, replace(base, text=outcome.answer)))
    for note in outcome.notes:
        filed.append((replace(base, direction=Direction.IN, kind=Kind.INTERNAL, text=note), ()))
    if not filed:
        filed.append((replace(base, direction=Direction.IN, kind=Kind.EVENT), ()))
    drafts = (*filed[0][1], *_consequences(context, before, outcome, agent, latest))
    filed[0] = (filed[0][0], drafts)
    bare = [(_without_identity(message), drafts) for message, drafts in filed[1:]]
    return Filing(after, messages=(filed[0], *bare), history=outcome.history)


def _answer(context: Context, conversation: Conversation, base: Message) -> tuple[Message, tuple[Draft, ...]]:
    """The answer, and a mail with it to each of its audience: the usager who opened the conversation."""
    base = replace(base, attachments=tuple(a for a in base.attachments if a.type not in _TELLING))
    text = context.scrubbed(base.text, conversation.inbox)
    audience = (conversation.usager,) if conversation.usager else ()
    message = replace(base, direction=Direction.OUT, kind=Kind.EXTERNAL, text=text, people=audience)
    place = context.place_of(conversation)
    drafts = (plan.answer(to, Role.USAGER, place, message, subject=conversation.subject) for to in audience)
    return message, tuple(drafts)


def _consequences(
    context: Context, before: Conversation, outcome: Outcome, agent: str, latest: Message | None
) -> Iterator[Draft]:
    """Mails to agents that an act causes: to the new assignee, and the list of commands to who asked."""
    place = context.place_of(outcome.conversation)
    subject = outcome.conversation.subject
    assigned = outcome.assigned
    if assigned and assigned not in {agent, before.assignee} and latest is not None:
        by = context.directory.name_of(agent) or agent
        yield plan.notification(
            assigned,
            place,
            latest,
            "",
            subject=subject,
            usager=outcome.conversation.usager,
            assigned_by=by,
            notes=outcome.notes,
        )
    if outcome.help:
        yield plan.help_notice(agent, place, subject=subject)


def _without_identity(message: Message) -> Message:
    """The same mail twice in a conversation has its ids, bytes and attachments only once."""
    return replace(message, message_id="", fingerprint="", digest="", cited=(), attachments=())


def undelivered_drafts(context: Context, sent: Sent, reply: str, *, uncertain: bool = False) -> tuple[Draft, ...]:
    """Tell whoever must know that a mail didn't arrive."""
    place = context.place_of(sent.conversation)
    subject, is_answer = sent.conversation.subject, sent.purpose is Purpose.ANSWER
    return tuple(
        plan.undelivered(
            to, place, subject=subject, recipient=sent.recipient, reply=reply, answer=is_answer, uncertain=uncertain
        )
        for to in _concerned(context, sent)
    )


def _concerned(context: Context, sent: Sent) -> tuple[str, ...]:
    """Of an answer its author, else the assignee; of a notification the other agents, or those above them."""
    directory = context.directory
    if sent.purpose is Purpose.NOTIFICATION:
        nobody = replace(sent.conversation, assignee=None)
        return told(nobody, directory.circle(nobody.inbox), sent.recipient, directory.notify_of)
    to = sent.author or sent.conversation.assignee
    return (to,) if sent.purpose is Purpose.ANSWER and to and directory.is_agent(to) else ()


def failure_event(sent: Sent, what: str) -> Event:
    """The line that a failed delivery leaves in the history."""
    return Event("gateway", f"the {sent.purpose.value} to {sent.recipient} {what}")
