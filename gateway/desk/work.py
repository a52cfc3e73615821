"""The commands of one mail at work: what they depend on, and what they have come to so far."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from gateway.config.settings import Organisation
from gateway.desk.rights import Action, Destination, may
from gateway.model import Circle, Conversation, Event, Inbox, Problem


class Register(Protocol):
    """What the desk asks of the directory (gateway.routing.directory)."""

    def circle(self, inbox: Inbox, handed_to: str = "") -> Circle: ...
    def knows(self, inbox: Inbox) -> bool: ...
    def is_agent(self, address: str) -> bool: ...
    def agents_named(self, words: str, near: frozenset[str] = frozenset()) -> tuple[str, ...]: ...
    def organisation_of(self, inbox: Inbox, handed_to: str = "") -> Organisation | None: ...
    def organisations_named(self, words: str) -> tuple[Organisation, ...]: ...
    def inboxes_of(self, siret: str) -> tuple[Inbox, ...]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What an act depends on besides the wish. `takes`: is it an address of ours; `modele`: a prepared answer.

    `modele` answers None for a name that there isn't, and raises `Permanent` where it can't be filled in. `holders`:
    everyone who has a reply address in the conversation.
    """

    register: Register
    now: datetime
    zone: ZoneInfo
    takes: Callable[[str], bool]
    modele: Callable[[str, Conversation], str | None]
    holders: Container[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HandOver:
    """To which organisation. `mail_to` is its address where nobody of it is here, and "" where its agents are."""

    organisation: Organisation
    mail_to: str = ""


@dataclass(slots=True)
class Work:
    """The commands at work, one after the other."""

    agent: str
    before: Conversation
    conversation: Conversation
    desk: Desk
    notes: list[str] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    history: list[Event] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    assigned: str | None = None
    handed: HandOver | None = None
    help: bool = False
    modeles: bool = False

    def circle(self, conversation: Conversation) -> Circle:
        return self.desk.register.circle(conversation.inbox, conversation.organisation)

    def allowed(self, action: Action, target: str | Destination | None = None) -> bool:
        """Judged where the conversation stood before the mail: nobody gains a right by moving it."""
        ruling = may(self.agent, action, self.before, self.circle(self.before), target)
        if ruling.problem is not None:
            self.problems.append(ruling.problem)
        return ruling.allowed

    @property
    def moved(self) -> bool:
        """Does it stand elsewhere than before the mail?"""
        return stands(self.conversation) != stands(self.before)

    def refuse(self, code: str, what: str = "") -> None:
        self.problems.append(Problem(code, what))

    def did(self, what: str) -> None:
        self.history.append(Event(self.agent, what))


def stands(conversation: Conversation) -> str:
    """Where a conversation stands, in words."""
    inbox, organisation = conversation.inbox, conversation.organisation
    return f"{inbox} ({organisation})" if organisation else str(inbox)
