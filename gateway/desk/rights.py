"""May this agent do this? The one place that decides it, for mail, for commands, and for what is shown or told.

                 manager     administrateur, support            instructeur                 triage
    sees         everything  their démarches and dossiers       dossiers of their groupe    the global inbox
    assigns to   any agent   administrateurs, instructeurs,     instructeurs of the same    managers, triage
                             support group of the démarche      groupe, administrateurs
    moves        anywhere    among their démarches and          dossier → its démarche      global → démarche
                             dossiers; up to global
    spam, hand   yes         yes                                no                          yes
    over, repair
    erase, take  yes         no                                 no                          no
    a held file
    upon herself

Who sees, answers, writes notes, tags, sets the status, admits people, revokes their reply addresses, follows. Whoever
is assigned sees what is assigned to them, and may give it to colleagues or back up. « Triage » are the agents named
for the global inbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.model import GLOBAL, Circle, Conversation, Inbox, InboxKind, Problem


class Action(StrEnum):
    SEE = "see"
    ANSWER = "answer"
    NOTE = "note"
    STATUS = "status"
    TAG = "tag"
    ADMIT = "admit"
    FOLLOW = "follow"
    ASSIGN = "assign"
    MOVE = "move"
    TRANSFER = "transfer"
    SPAM = "spam"
    REPAIR = "repair"
    ERASE = "erase"
    RELEASE = "release"


class View(StrEnum):
    """In what quality an agent has to do with a conversation."""

    MANAGER = "manager"
    ADMINISTRATEUR = "administrateur"
    SUPPORT = "support"
    TRIAGE = "triage"
    INSTRUCTEUR = "instructeur"
    ASSIGNEE = "assignee"


_EVERYONE = frozenset(
    {Action.SEE, Action.ANSWER, Action.NOTE, Action.STATUS, Action.TAG, Action.ADMIT, Action.FOLLOW, Action.ASSIGN}
)
_RESPONSIBLE = _EVERYONE | {Action.MOVE, Action.TRANSFER, Action.SPAM, Action.REPAIR}
_MAY: dict[View, frozenset[Action]] = {
    View.MANAGER: frozenset(Action),
    View.ADMINISTRATEUR: _RESPONSIBLE,
    View.SUPPORT: _RESPONSIBLE,
    View.TRIAGE: _RESPONSIBLE,
    View.INSTRUCTEUR: _EVERYONE | {Action.MOVE},
    View.ASSIGNEE: _EVERYONE,
}
_REFUSED = {
    Action.SPAM: "spam_right",
    Action.MOVE: "move_reach",
    Action.TRANSFER: "transfer_reach",
    Action.REPAIR: "repair_right",
    Action.ERASE: "erase_right",
    Action.RELEASE: "release_right",
}
NOBODY = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a conversation is to be moved, and whose that is."""

    inbox: Inbox
    circle: Circle


@dataclass(frozen=True, slots=True)
class Ruling:
    """Allowed or refused, and why. `problem` is there when it is refused."""

    because: str
    problem: Problem | None = None

    @property
    def allowed(self) -> bool:
        return self.problem is None


def may(
    agent: str,
    action: Action,
    conversation: Conversation,
    circle: Circle,
    target: str | Destination | None = None,
) -> Ruling:
    """Rule on an action. `circle` is the conversation's; `target` whom to assign to (`NOBODY`), or where to move."""
    rulings = [
        _rule(agent, view, action, conversation, circle, target) for view in views_of(agent, conversation, circle)
    ]
    if not rulings:
        return Ruling(f"{agent} has no part in {conversation.inbox}", Problem("no_part"))
    return next((ruling for ruling in rulings if ruling.allowed), rulings[0])


def _rule(
    agent: str,
    view: View,
    action: Action,
    conversation: Conversation,
    circle: Circle,
    target: str | Destination | None,
) -> Ruling:
    if action not in _MAY[view]:
        what = str(target.inbox) if isinstance(target, Destination) else ""
        return Ruling(f"{view} isn't enough to {action}", Problem(_REFUSED[action], what))
    if action is Action.ASSIGN:
        return _may_assign(agent, view, conversation, circle, target if isinstance(target, str) else NOBODY)
    if action is Action.MOVE and isinstance(target, Destination):
        return _may_move(agent, view, conversation, circle, target)
    return Ruling(f"{agent} is {view} here")


def views_of(agent: str, conversation: Conversation, circle: Circle) -> Iterator[View]:
    """In what qualities an agent sees a conversation, the widest first: one address may hold several."""
    in_dossier = conversation.inbox.kind is InboxKind.DOSSIER
    for view, agents in (
        (View.MANAGER, circle.managers),
        (View.ADMINISTRATEUR, circle.administrateurs),
        (View.SUPPORT, circle.support),
        (View.TRIAGE, circle.triage),
        (View.INSTRUCTEUR, circle.instructeurs | circle.followers if in_dossier else frozenset()),
        (View.ASSIGNEE, frozenset({conversation.assignee})),
    ):
        if agent in agents:
            yield view


def sees(agent: str, conversation: Conversation, circle: Circle) -> bool:
    return any(views_of(agent, conversation, circle))


def _may_assign(agent: str, view: View, conversation: Conversation, circle: Circle, target: str) -> Ruling:
    if view is View.MANAGER:
        return Ruling("a manager assigns to any agent")
    if target == NOBODY:
        if view in {View.INSTRUCTEUR, View.ASSIGNEE} and agent != conversation.assignee:
            return Ruling(f"{agent} isn't assigned herself", Problem("not_yours"))
        return Ruling(f"{agent} gives it back")
    if target == agent or target in _reach(agent, view, circle):
        return Ruling(f"{agent} is {view} here, and {target} within reach")
    return Ruling(f"{target} isn't within the reach of a {view}", Problem("assign_reach", target))


def _reach(agent: str, view: View, circle: Circle) -> frozenset[str]:
    """To whom an agent may assign: along the hierarchy."""
    if view is View.TRIAGE:
        return circle.managers | circle.triage
    instructeurs = circle.followers.union(*circle.groupes)
    if view in {View.ADMINISTRATEUR, View.SUPPORT}:
        return circle.administrateurs | circle.support | instructeurs
    colleagues = frozenset[str]().union(*(groupe for groupe in circle.groupes if agent in groupe))
    colleagues &= circle.instructeurs | circle.followers  # of those she works with, the ones whose dossier it is
    above = circle.administrateurs or circle.support or (circle.triage | circle.managers)
    return colleagues | above


def _may_move(agent: str, view: View, conversation: Conversation, circle: Circle, to: Destination) -> Ruling:
    if view is View.MANAGER:
        return Ruling("a manager moves anywhere")
    if view is View.TRIAGE and to.inbox.kind is InboxKind.DEMARCHE:
        return Ruling("from the global inbox to a démarche")
    if view in {View.ADMINISTRATEUR, View.SUPPORT} and (
        to.inbox == GLOBAL or agent in to.circle.administrateurs | to.circle.support
    ):
        return Ruling(f"{agent} is {view} there too, or it goes up to the global inbox")
    up = conversation.inbox.kind is InboxKind.DOSSIER and to.inbox == Inbox(InboxKind.DEMARCHE, circle.demarche)
    if view is View.INSTRUCTEUR and up:
        return Ruling("from a dossier up to its démarche")
    return Ruling(f"{to.inbox} is beyond the reach of a {view}", Problem("move_reach", str(to.inbox)))
