"""What an agent's act becomes: the changes to file, whether it came by mail or from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway.context import Context
from gateway.desk.acts import Outcome, decide
from gateway.desk.commands import Parsed
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


def act(
    context: Context, conversation: Conversation, agent: str, parsed: Parsed, *, enclosed: bool = False
) -> Outcome:
    """What the agent's wish changes, or why it may not be."""
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
        yield plan.notification(assigned, place, latest, "", subject=subject, assigned_by=by)
    if outcome.help:
        yield plan.help_notice(agent, place, subject=subject)


def _without_identity(message: Message) -> Message:
    """The same mail twice in a conversation has its ids, bytes and attachments only once."""
    return replace(message, message_id="", fingerprint="", digest="", cited=(), attachments=())


def undelivered_drafts(context: Context, sent: Sent, reply: str, *, uncertain: bool = False) -> tuple[Draft, ...]:
    """Tell whoever must know that an answer didn't arrive: its author, else the assignee."""
    if sent.purpose is not Purpose.ANSWER:
        return ()
    to = sent.author or sent.conversation.assignee
    if not to or not context.directory.is_agent(to):
        return ()
    place = context.place_of(sent.conversation)
    subject = sent.conversation.subject
    draft = plan.undelivered(to, place, subject=subject, recipient=sent.recipient, reply=reply, uncertain=uncertain)
    return (draft,)


def failure_event(sent: Sent, what: str) -> Event:
    """The line that a failed delivery leaves in the history."""
    return Event("gateway", f"the {sent.purpose.value} to {sent.recipient} {what}")
