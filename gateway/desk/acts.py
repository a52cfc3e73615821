"""What an agent's commands and answer change: all of it or nothing.

By mail and from the command line alike: `decide` takes the wish, the conversation and the people, and answers
with the conversation as it becomes, the notes, the answer, and the history; or with the reasons why not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gateway.desk.commands import Command, Parsed, Verb
from gateway.desk.rights import Action, may
from gateway.model import Circle, Conversation, Event, Problem, Status

_ADDRESS = re.compile(r"[^\s<>,;\"()\[\]]{1,80}@[^\s<>,;\"()\[\]@]{1,200}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of it. Where `problems` aren't empty, nothing else is to be used.

    `answers`: something goes to the usager, if only attachments.
    """

    conversation: Conversation
    notes: tuple[str, ...] = ()
    answers: bool = False
    answer: str = ""
    assigned: str | None = None
    help: bool = False
    history: tuple[Event, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Work:
    """The commands at work, one after the other."""

    agent: str
    conversation: Conversation
    circle: Circle
    is_agent: Callable[[str], bool]
    notes: list[str] = field(default_factory=list)
    history: list[Event] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    assigned: str | None = None
    help: bool = False

    def allowed(self, action: Action, target: str | None = None) -> bool:
        ruling = may(self.agent, action, self.conversation, self.circle, target)
        if ruling.problem is not None:
            self.problems.append(ruling.problem)
        return ruling.allowed

    def did(self, what: str) -> None:
        self.history.append(Event(self.agent, what))


def decide(
    agent: str,
    parsed: Parsed,
    conversation: Conversation,
    circle: Circle,
    is_agent: Callable[[str], bool],
    *,
    enclosed: bool = False,
) -> Outcome:
    """Decide what an agent's wish changes. All or none: one problem, and nothing happens.

    `enclosed`: attachments came with it; without a note to belong to, they are an answer.
    """
    work = _Work(agent, conversation, circle, is_agent, problems=list(parsed.problems))
    noted = any(command.verb is Verb.NOTE for command in parsed.commands)
    answers = bool(parsed.text) or (enclosed and not noted)
    if not (answers or parsed.commands or parsed.problems):
        work.problems.append(Problem("empty"))
    if work.allowed(Action.ANSWER):
        if answers:
            _answer(work)
        for command in parsed.commands:
            _ACTS[command.verb](work, command)
    if work.problems:
        return Outcome(conversation, problems=tuple(dict.fromkeys(work.problems)))
    return Outcome(
        work.conversation,
        notes=tuple(work.notes),
        answers=answers,
        answer=parsed.text,
        assigned=work.assigned,
        help=work.help,
        history=tuple(work.history),
    )


def _answer(work: _Work) -> None:
    """An answer waits for the usager: pending, unless a command of the same mail says otherwise."""
    if not work.conversation.usager:
        work.problems.append(Problem("no_usager"))
    work.conversation = replace(work.conversation, status=Status.PENDING)
    work.did("answered the usager")


def _note(work: _Work, command: Command) -> None:
    if work.allowed(Action.NOTE):
        work.notes.append(command.argument)
        work.did("wrote a note")


def _assign(work: _Work, command: Command) -> None:
    target = _agent_named(command.argument, work)
    if target is None:
        work.problems.append(Problem("unknown_agent", command.argument))
    elif work.allowed(Action.ASSIGN, target):
        work.conversation = replace(work.conversation, assignee=target)
        work.assigned = target
        work.did(f"assigned to {target}")


def _status(work: _Work, command: Command) -> None:
    status = Status(command.argument)
    action = Action.SPAM if status is Status.SPAM else Action.STATUS
    if work.allowed(action):
        work.conversation = replace(work.conversation, status=status)
        work.did(f"set the status to {status.value}")


def _tag(work: _Work, command: Command) -> None:
    if not command.argument:
        work.problems.append(Problem("empty_tag"))
    elif work.allowed(Action.TAG):
        tags = tuple(dict.fromkeys((*work.conversation.tags, command.argument)))
        work.conversation = replace(work.conversation, tags=tags)
        work.did(f"tagged with {command.argument}")


def _help(work: _Work, _: Command) -> None:
    work.help = True


_ACTS: dict[Verb, Callable[[_Work, Command], None]] = {
    Verb.NOTE: _note,
    Verb.ASSIGN: _assign,
    Verb.STATUS: _status,
    Verb.TAG: _tag,
    Verb.HELP: _help,
}


def _agent_named(name: str, work: _Work) -> str | None:
    """The agent of this address; « moi » and « me » are the agent who writes."""
    if name.strip().lower() in {"moi", "me"}:
        return work.agent
    # « Inès <ines@…> », and Outlook's « ines@…<mailto:ines@…> »: whatever form holds one address
    addresses = {found.removeprefix("mailto:").rstrip(".") for found in _ADDRESS.findall(name.lower())}
    address = addresses.pop() if len(addresses) == 1 else ""
    return address if work.is_agent(address) else None
