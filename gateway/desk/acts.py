"""What an agent's commands and answer change: all of it or nothing.

By mail and from the command line alike: `decide` takes the wish, the conversation and the desk, and answers with the
conversation as it becomes, the notes, the answer, and the history; or with the reasons why not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from gateway.config import values
from gateway.config.settings import Organisation
from gateway.desk import dates, states
from gateway.desk.commands import Command, Parsed, Verb
from gateway.desk.people import unstaffed
from gateway.desk.rights import NOBODY, Action, Destination, may
from gateway.errors import Permanent
from gateway.model import GLOBAL, Circle, Conversation, Event, Inbox, InboxKind, Problem, Status

_NOBODY_WORDS = frozenset({"personne", "nobody", "aucun", "none"})
_NUMBERED = re.compile(r"(?P<name>.*?)[\s,]+(?:d[ée]marche\s*)?(?:n[°ºo]\.?\s*)?(?P<number>\d{1,10})", re.IGNORECASE)
_MAILTO = re.compile(r"[^\s<>,;\"()\[\]]+@[^\s<>,;\"()\[\]]+")


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

    `modele` answers None for a name that there isn't, and raises `Permanent` where it can't be filled in.
    """

    register: Register
    now: datetime
    zone: ZoneInfo
    takes: Callable[[str], bool]
    modele: Callable[[str, Conversation], str | None]


@dataclass(frozen=True, slots=True)
class HandOver:
    """To which organisation. `mail_to` is its address where nobody of it is here, and "" where its agents are."""

    organisation: Organisation
    mail_to: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of it. Where `problems` aren't empty, nothing else is to be used.

    `answers`: something goes to the usager, if only attachments. `moved`: it stands before other agents now.
    `help` and `modeles`: the agent asked for these lists.
    """

    conversation: Conversation
    notes: tuple[str, ...] = ()
    answers: bool = False
    answer: str = ""
    assigned: str | None = None
    moved: bool = False
    handed: HandOver | None = None
    help: bool = False
    modeles: bool = False
    history: tuple[Event, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Work:
    """The commands at work, one after the other."""

    agent: str
    before: Conversation
    conversation: Conversation
    desk: Desk
    notes: list[str] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
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

    def refuse(self, code: str, what: str = "") -> None:
        self.problems.append(Problem(code, what))

    def did(self, what: str) -> None:
        self.history.append(Event(self.agent, what))


def decide(agent: str, parsed: Parsed, conversation: Conversation, desk: Desk, *, enclosed: bool = False) -> Outcome:
    """Decide what an agent's wish changes. All or none: one problem, and nothing happens.

    `enclosed`: attachments came with it; without a note to belong to, they are an answer. Whatever order the
    commands stand in, the conversation moves after all else, and is assigned where it then stands.
    """
    work = _Work(agent, conversation, conversation, desk, problems=list(parsed.problems))
    named = any(command.verb is Verb.MODELE and command.argument for command in parsed.commands)
    answers = bool(parsed.text) or named or (enclosed and not parsed.has(Verb.NOTE))
    if not (answers or parsed.commands or parsed.problems):
        work.refuse("empty")
    if work.allowed(Action.ANSWER):
        if answers and not parsed.has(Verb.TRANSFER):
            _answer(work)
        for command in sorted(parsed.commands, key=lambda command: _STAGE.get(command.verb, 0)):
            _ACTS[command.verb](work, command)
    if work.problems:
        return Outcome(conversation, problems=tuple(dict.fromkeys(work.problems)))
    moved = (work.conversation.inbox, work.conversation.organisation) != (
        conversation.inbox,
        conversation.organisation,
    )
    return Outcome(
        work.conversation,
        notes=tuple(work.notes),
        answers=answers,
        answer="\n\n".join(filter(None, (*work.prepared, parsed.text))),
        assigned=work.assigned,
        moved=moved,
        handed=work.handed,
        help=work.help,
        modeles=work.modeles,
        history=tuple(work.history),
    )


# --- where it stands: answer, note, tag, status --------------------------------------------------------------


def _answer(work: _Work) -> None:
    """An answer waits for the usager: pending, unless a command of the same mail says otherwise."""
    if not (work.conversation.usager or work.conversation.guests):
        work.refuse("no_usager")
    if work.before.status is Status.SPAM and not work.allowed(Action.SPAM):
        return  # whoever may not take it back from spam may not do so by answering
    work.conversation = states.put(work.conversation, Status.PENDING, work.desk.now)
    work.did("answered the usager")


def _note(work: _Work, command: Command) -> None:
    if work.allowed(Action.NOTE):
        work.notes.append(command.argument)
        work.did("wrote a note")


def _modele(work: _Work, command: Command) -> None:
    if not command.argument:
        work.modeles = True
        return
    try:
        text = work.desk.modele(command.argument, work.conversation)
    except Permanent:
        work.refuse("modele_faulty", command.argument)
        return
    if text is None:
        work.refuse("unknown_modele", command.argument)
    else:
        work.prepared.append(text.strip())


def _status(work: _Work, command: Command) -> None:
    status = Status(command.argument)
    action = Action.SPAM if Status.SPAM in {status, work.before.status} else Action.STATUS
    if work.allowed(action):
        work.conversation = states.put(work.conversation, status, work.desk.now)
        work.did(f"set the status to {status.value}")


def _snooze(work: _Work, command: Command) -> None:
    until = dates.moment(command.argument, work.desk.now, work.desk.zone)
    if until is None:
        work.refuse("bad_date", command.argument)
    elif until <= work.desk.now:
        work.refuse("past_date", command.argument)
    elif work.allowed(Action.SPAM if work.before.status is Status.SPAM else Action.STATUS):
        work.conversation = states.put(work.conversation, Status.PENDING, work.desk.now, until)
        work.did(f"set it aside until {until.astimezone(work.desk.zone):%Y-%m-%d %H:%M}")


def _tag(work: _Work, command: Command) -> None:
    if not command.argument:
        work.refuse("empty_tag")
    elif work.allowed(Action.TAG):
        tags = tuple(dict.fromkeys((*work.conversation.tags, command.argument)))
        work.conversation = replace(work.conversation, tags=tags)
        work.did(f"tagged with {command.argument}")


def _admit(work: _Work, command: Command) -> None:
    """Add a person to the audience. Agents see what their rights say, and our own addresses would make a loop."""
    address = _bare(command.argument)
    conversation = work.conversation
    if not address:
        work.refuse("bad_address", command.argument)
    elif work.desk.takes(address):
        work.refuse("admit_own", address)
    elif work.desk.register.is_agent(address):
        work.refuse("admit_agent", address)
    elif address in {conversation.usager, *conversation.guests}:
        work.refuse("already_admitted", address)
    elif work.allowed(Action.ADMIT):
        work.conversation = replace(conversation, guests=(*conversation.guests, address))
        work.did(f"admitted {address}")


def _bare(words: str) -> str:
    """The one address in the words, or ""."""
    found = {each.removeprefix("mailto:").rstrip(".") for each in _MAILTO.findall(words.lower())}
    try:
        return values.address(found.pop()) if len(found) == 1 else ""
    except ValueError:
        return ""


def _follow(work: _Work, _: Command) -> None:
    conversation = work.conversation
    followers = tuple(dict.fromkeys((*conversation.followers, work.agent)))
    muted = tuple(agent for agent in conversation.muted if agent != work.agent)
    work.conversation = replace(conversation, followers=followers, muted=muted)
    work.did("follows it")


def _mute(work: _Work, _: Command) -> None:
    conversation = work.conversation
    muted = tuple(dict.fromkeys((*conversation.muted, work.agent)))
    followers = tuple(agent for agent in conversation.followers if agent != work.agent)
    work.conversation = replace(conversation, followers=followers, muted=muted)
    work.did("muted it")


def _help(work: _Work, _: Command) -> None:
    work.help = True


# --- where it goes: move, hand over --------------------------------------------------------------------------


def _move(work: _Work, command: Command) -> None:
    inbox = _inbox(work, command.argument)
    if inbox is None:
        kind, _, number = command.argument.partition(":")
        work.refuse(f"no_{kind}", number)
        return
    destination = Destination(inbox, work.desk.register.circle(inbox))
    if (inbox, "") == (work.before.inbox, work.before.organisation):
        work.refuse("same_inbox", str(inbox))
    elif _alone(work) and work.allowed(Action.MOVE, destination):
        work.did(f"moved it from {_place(work.before)} to {inbox}")
        work.conversation = _moved(work, inbox, "", f"{work.agent} moved it to {inbox}")


def _inbox(work: _Work, named: str) -> Inbox | None:
    """The inbox of a command's argument, None for what the directory doesn't know."""
    kind, _, number = named.partition(":")
    if kind == "global":
        return GLOBAL
    figures = int(number) if number else work.circle(work.before).demarche
    inbox = Inbox(InboxKind(kind), figures)
    return inbox if work.desk.register.knows(inbox) else None


def _alone(work: _Work) -> bool:
    """A conversation goes to one place at a time."""
    if (work.conversation.inbox, work.conversation.organisation) == (work.before.inbox, work.before.organisation):
        return True
    work.refuse("one_conversation")
    return False


def _moved(work: _Work, inbox: Inbox, organisation: str, because: str) -> Conversation:
    """An agent's move is final: no mail moves it again. It stays assigned to whoever has a part in it there too."""
    conversation = work.conversation
    circle = work.desk.register.circle(inbox, organisation)
    keeps = conversation.assignee in circle.members | circle.managers
    return replace(
        conversation,
        inbox=inbox,
        organisation=organisation,
        pinned=True,
        asked=None,
        assignee=conversation.assignee if keeps else None,
        outside=False,
        because=(*conversation.because, because),
    )


def _place(conversation: Conversation) -> str:
    return (
        f"{conversation.inbox} ({conversation.organisation})"
        if conversation.organisation
        else str(conversation.inbox)
    )


def _transfer(work: _Work, command: Command) -> None:
    """Hand it over to another organisation: its démarche if it has but one, else all of its responsible agents.

    Where nobody of that organisation is here, the request leaves by mail for its public address, and ends here.
    """
    organisation, inbox = _handed_to(work, command.argument)
    if organisation is None or not _alone(work) or not work.allowed(Action.TRANSFER):
        return
    handed_to = organisation.siret if inbox == GLOBAL else ""
    staffed = not unstaffed(inbox, work.desk.register.circle(inbox, handed_to))
    if not (staffed or organisation.email):
        work.refuse("transfer_unreachable", organisation.name)
        return
    work.handed = HandOver(organisation, "" if staffed else organisation.email)
    work.did(f"handed it over from {_place(work.before)} to {organisation.name} ({organisation.siret})")
    work.conversation = _moved(work, inbox, handed_to, f"{work.agent} handed it over to {organisation.name}")
    status = Status.ACTIVE if staffed else Status.CLOSED
    work.conversation = states.put(work.conversation, status, work.desk.now)


def _handed_to(work: _Work, words: str) -> tuple[Organisation | None, Inbox]:
    """The organisation that the words name, by SIRET or name, and where it will stand; `… démarche 43` may follow."""
    register = work.desk.register
    found, number = register.organisations_named(words), ""
    numbered = _NUMBERED.fullmatch(words.strip())
    if not found and numbered:
        found, number = register.organisations_named(numbered["name"]), numbered["number"]
    if len(found) != 1:
        names = ", ".join(f"{each.name} ({each.siret})" for each in found)
        work.refuse("ambiguous_organisation" if found else "unknown_organisation", names or words)
        return None, GLOBAL
    own = register.inboxes_of(found[0].siret)
    inbox = Inbox(InboxKind.DEMARCHE, int(number)) if number else own[0] if len(own) == 1 else GLOBAL
    before = register.organisation_of(work.before.inbox, work.before.organisation)
    if number and inbox not in own:
        work.refuse("no_demarche", number)
    elif before == found[0]:
        work.refuse("same_inbox", found[0].name)
    else:
        return found[0], inbox
    return None, GLOBAL


# --- whose it is ---------------------------------------------------------------------------------------------


def _assign(work: _Work, command: Command) -> None:
    target = _agent_named(command.argument, work)
    if target is None or not _may_assign(work, target):
        return
    after = work.conversation
    circle = work.circle(after)
    outside = target != NOBODY and target not in circle.members.union(circle.managers, *circle.groupes)
    work.conversation = replace(after, assignee=target or None, outside=outside)
    work.assigned = target or None
    work.did(f"assigned it to {target}" if target else "assigned it to nobody")


def _may_assign(work: _Work, target: str) -> bool:
    """Where it stands now; or where it stood, if whom it is assigned to has a part in it here anyway."""
    after, before = work.conversation, work.before
    circle = work.circle(after)
    if may(work.agent, Action.ASSIGN, after, circle, target).allowed:
        return True
    moved = (after.inbox, after.organisation) != (before.inbox, before.organisation)
    if moved and target not in circle.members | circle.managers:
        work.refuse("assign_reach", target)
        return False
    return work.allowed(Action.ASSIGN, target)


def _agent_named(words: str, work: _Work) -> str | None:
    """The agent whom the words name; « moi » and « me » are the one who writes. None: it is told why not."""
    name = " ".join(words.split()).casefold()
    if name in {"moi", "me"}:
        return work.agent
    if name in _NOBODY_WORDS:
        return NOBODY
    circle = work.circle(work.conversation)
    near = circle.members.union(circle.managers, *circle.groupes)
    found = work.desk.register.agents_named(words, near)
    if len(found) == 1:
        return found[0]
    work.refuse("ambiguous_agent" if found else "unknown_agent", ", ".join(found) if found else words)
    return None


_ACTS: dict[Verb, Callable[[_Work, Command], None]] = {
    Verb.NOTE: _note,
    Verb.MODELE: _modele,
    Verb.STATUS: _status,
    Verb.SNOOZE: _snooze,
    Verb.TAG: _tag,
    Verb.ADMIT: _admit,
    Verb.FOLLOW: _follow,
    Verb.MUTE: _mute,
    Verb.HELP: _help,
    Verb.FORWARD: lambda work, _: work.refuse("no_forward"),
    Verb.MOVE: _move,
    Verb.TRANSFER: _transfer,
    Verb.ASSIGN: _assign,
}
_STAGE = {Verb.MOVE: 1, Verb.TRANSFER: 1, Verb.ASSIGN: 2}
