"""What an agent's commands and answer change: all of it or nothing.

By mail and from the command line alike: `decide` takes the wish, the conversation and the desk, and answers with the
conversation as it becomes, the notes, the answer, and the history; or with the reasons why not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from gateway.config import values
from gateway.desk import dates, moves, states
from gateway.desk.commands import Command, Parsed, Verb
from gateway.desk.rights import Action
from gateway.desk.work import Desk, HandOver, Work
from gateway.errors import Permanent
from gateway.model import Conversation, Event, Problem, Status

_FARTHEST = timedelta(days=2 * 366)
_MAILTO = re.compile(r"[^\s<>,;\"()\[\]]+@[^\s<>,;\"()\[\]]+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of it. Where `problems` aren't empty, nothing else is to be used.

    `answers`: something goes to the usager, if only attachments. `moved`: it stands before other agents now.
    `revoked`: people whose reply addresses end.
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
    revoked: tuple[str, ...] = ()
    history: tuple[Event, ...] = ()
    problems: tuple[Problem, ...] = ()


def decide(agent: str, parsed: Parsed, conversation: Conversation, desk: Desk, *, enclosed: bool = False) -> Outcome:
    """Decide what an agent's wish changes. All or none: one problem, and nothing happens.

    `enclosed`: attachments came with it; without a note to belong to, they are an answer. Whatever order the
    commands stand in, the conversation moves after all else, and is assigned where it then stands.
    """
    work = Work(agent, conversation, conversation, desk, problems=list(parsed.problems))
    named = any(command.verb is Verb.MODELE and command.argument for command in parsed.commands)
    answers = bool(parsed.text) or named or (enclosed and not parsed.has(Verb.NOTE))
    if not (answers or parsed.commands or parsed.problems):
        work.refuse("empty")
    if answers and Command(Verb.STATUS, Status.SPAM) in parsed.commands:
        work.refuse("spam_answer")
    if work.allowed(Action.ANSWER):
        if answers and not parsed.has(Verb.TRANSFER):
            _answer(work)
        for command in sorted(parsed.commands, key=lambda command: _STAGE.get(command.verb, 0)):
            _ACTS[command.verb](work, command)
    if work.problems:
        return Outcome(conversation, problems=tuple(dict.fromkeys(work.problems)))
    return Outcome(
        work.conversation,
        notes=tuple(work.notes),
        answers=answers,
        answer="\n\n".join(filter(None, (*work.prepared, parsed.text))),
        assigned=work.assigned,
        moved=work.moved,
        handed=work.handed,
        help=work.help,
        modeles=work.modeles,
        revoked=tuple(work.revoked),
        history=tuple(work.history),
    )


# --- where it stands: answer, note, tag, status --------------------------------------------------------------


def _answer(work: Work) -> None:
    """An answer waits for the usager: pending, unless a command of the same mail says otherwise."""
    if not (work.conversation.usager or work.conversation.guests):
        work.refuse("no_usager")
    if work.before.status is Status.SPAM and not work.allowed(Action.SPAM):
        return  # whoever may not take it back from spam may not do so by answering
    work.conversation = states.put(work.conversation, Status.PENDING, work.desk.now)
    work.did("answered the usager")


def _note(work: Work, command: Command) -> None:
    if work.allowed(Action.NOTE):
        work.notes.append(command.argument)
        work.did("wrote a note")


def _modele(work: Work, command: Command) -> None:
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


def _status(work: Work, command: Command) -> None:
    status = Status(command.argument)
    action = Action.SPAM if Status.SPAM in {status, work.before.status} else Action.STATUS
    if work.allowed(action):
        work.conversation = states.put(work.conversation, status, work.desk.now)
        work.did(f"set the status to {status.value}")


def _snooze(work: Work, command: Command) -> None:
    until = dates.moment(command.argument, work.desk.now, work.desk.zone)
    if until is None:
        work.refuse("bad_date", command.argument)
    elif until <= work.desk.now:
        work.refuse("past_date", command.argument)
    elif until > work.desk.now + _FARTHEST:
        work.refuse("far_date", command.argument)
    elif work.allowed(Action.SPAM if work.before.status is Status.SPAM else Action.STATUS):
        work.conversation = states.put(work.conversation, Status.PENDING, work.desk.now, until)
        work.did(f"set it aside until {until.astimezone(work.desk.zone):%Y-%m-%d %H:%M %Z}")


def _tag(work: Work, command: Command) -> None:
    if not command.argument:
        work.refuse("empty_tag")
    elif work.allowed(Action.TAG):
        tags = tuple(dict.fromkeys((*work.conversation.tags, command.argument)))
        work.conversation = replace(work.conversation, tags=tags)
        work.did(f"tagged with {command.argument}")


def _admit(work: Work, command: Command) -> None:
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


def _remove(work: Work, command: Command) -> None:
    """Take a person out of the audience again: whoever may admit may do that."""
    address = _bare(command.argument)
    if address not in work.conversation.guests:
        work.refuse("not_admitted", address or command.argument)
    elif work.allowed(Action.ADMIT):
        guests = tuple(guest for guest in work.conversation.guests if guest != address)
        work.conversation = replace(work.conversation, guests=guests)
        work.did(f"removed {address}")


def _revoke(work: Work, command: Command) -> None:
    """End the reply addresses that a person was given: a mail to her went astray. She is written to with new ones."""
    address = _bare(command.argument)
    if not address:
        work.refuse("bad_address", command.argument)
    elif address not in work.desk.holders:
        work.refuse("no_holder", address)
    elif work.allowed(Action.ADMIT):
        work.revoked.append(address)
        work.did(f"revoked the reply addresses of {address}")


def _bare(words: str) -> str:
    """The one address in the words, or ""."""
    found = {each.removeprefix("mailto:").rstrip(".") for each in _MAILTO.findall(words.lower())}
    try:
        return values.address(found.pop()) if len(found) == 1 else ""
    except ValueError:
        return ""


def _follow(work: Work, _: Command) -> None:
    conversation = work.conversation
    followers = tuple(dict.fromkeys((*conversation.followers, work.agent)))
    muted = tuple(agent for agent in conversation.muted if agent != work.agent)
    work.conversation = replace(conversation, followers=followers, muted=muted)
    work.did("follows it")


def _mute(work: Work, _: Command) -> None:
    conversation = work.conversation
    muted = tuple(dict.fromkeys((*conversation.muted, work.agent)))
    followers = tuple(agent for agent in conversation.followers if agent != work.agent)
    work.conversation = replace(conversation, followers=followers, muted=muted)
    work.did("muted it")


def _help(work: Work, _: Command) -> None:
    work.help = True


_ACTS: dict[Verb, Callable[[Work, Command], None]] = {
    Verb.NOTE: _note,
    Verb.MODELE: _modele,
    Verb.STATUS: _status,
    Verb.SNOOZE: _snooze,
    Verb.TAG: _tag,
    Verb.ADMIT: _admit,
    Verb.REMOVE: _remove,
    Verb.REVOKE: _revoke,
    Verb.FOLLOW: _follow,
    Verb.MUTE: _mute,
    Verb.HELP: _help,
    Verb.FORWARD: lambda work, _: work.refuse("no_forward"),
    Verb.MOVE: moves.move,
    Verb.TRANSFER: moves.transfer,
    Verb.ASSIGN: moves.assign,
}
_STAGE = {Verb.MOVE: 1, Verb.TRANSFER: 1, Verb.ASSIGN: 2}
