"""Does an author pass for somebody of the conversation whom she isn't? By a name, or an address that looks alike."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.context import Context
from gateway.mail.lookalikes import skeleton
from gateway.model import Author, Conversation, Mark


def imitated(author: Author, conversation: Conversation, context: Context) -> tuple[Mark, ...]:
    """Whom she could be taken for, if anybody: the usager, guests, agents, the organisation, the platform."""
    ours = dict(_ours(conversation, context))
    if not author.address or author.address in (*ours, *conversation.guests):
        return ()
    others = {person: "" for person in (conversation.usager, *conversation.guests) if person != author.address}
    name, address = skeleton(author.name), skeleton(author.address)
    for theirs, called in (ours | others).items():
        if address == skeleton(theirs) or (name and name == skeleton(called)):
            return (Mark("imitates", called or theirs),)
    return ()


def _ours(conversation: Conversation, context: Context) -> Iterator[tuple[str, str]]:
    """(address, name or "") of those on this side whom a usager or an agent would believe."""
    directory, instance = context.directory, context.settings.instance
    circle = directory.circle_of(conversation)
    yield context.settings.addresses.global_, instance.name
    for agent in sorted(circle.members | circle.managers):
        name = directory.name_of(agent)
        yield agent, name if " " in name else ""  # many bear one first name
    organisation = directory.organisation_of(conversation.inbox, conversation.organisation)
    if organisation is not None:
        yield organisation.email, organisation.name
