"""May this agent do this? The one place that decides it, for mail, for commands, and for what is shown.

                 manager      administrateur, support           instructeur
    sees         everything   their démarches and dossiers      the dossiers of their groupe or démarches
    moves        anywhere     among their démarches; to global  dossier → its démarche
    spam         yes          yes                               no

Whoever is assigned sees what is assigned to them. Who sees, answers, notes, and changes the status.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model import Circle, Conversation, InboxKind, Problem


class Action(StrEnum):
    SEE = "see"
    ANSWER = "answer"
    NOTE = "note"
    STATUS = "status"
    TAG = "tag"
    ASSIGN = "assign"
    SPAM = "spam"


@dataclass(frozen=True, slots=True)
class Ruling:
    """Allowed or refused, and why. `problem` is there when it is refused."""

    because: str
    problem: Problem | None = None

    @property
    def allowed(self) -> bool:
        return self.problem is None


def may(agent: str, action: Action, conversation: Conversation, circle: Circle, target: str | None = None) -> Ruling:
    """Rule on an action. `circle` is that of the conversation's inbox; `target` whom to assign to."""
    view = _view(agent, conversation, circle)
    if view is None:
        return Ruling(f"{agent} has no part in {conversation.inbox}", Problem("no_part", str(conversation.inbox)))
    if action is Action.SPAM and view not in {"manager", "administrateur", "support"}:
        return Ruling(f"{view}s don't mark conversations as spam", Problem("spam_right"))
    if action is Action.ASSIGN:
        return _may_assign(agent, view, circle, target or "")
    return Ruling(f"{agent} is {view} here")


def _view(agent: str, conversation: Conversation, circle: Circle) -> str | None:
    """In what quality an agent sees a conversation, the widest first; None: not at all."""
    if agent in circle.managers:
        return "manager"
    if agent in circle.administrateurs:
        return "administrateur"
    if agent in circle.support:
        return "support"
    if conversation.inbox.kind is InboxKind.DOSSIER and agent in circle.instructeurs | circle.followers:
        return "instructeur"
    return "assignee" if agent == conversation.assignee else None


def _may_assign(agent: str, view: str, circle: Circle, target: str) -> Ruling:
    if view == "manager":
        return Ruling("a manager assigns to any agent")
    reach = circle.administrateurs | circle.instructeurs
    if view in {"administrateur", "support"}:
        reach |= circle.support
    if target in reach or target == agent:
        return Ruling(f"{agent} is {view} here, and {target} belongs to the same démarche")
    return Ruling(f"{target} doesn't belong to this démarche", Problem("assign_reach", target))
