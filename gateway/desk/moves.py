"""Where a conversation goes, and whose it is: moves, hand-overs, assignments."""

from __future__ import annotations

import re
from dataclasses import replace

from gateway.config.settings import Organisation
from gateway.desk import states
from gateway.desk.commands import Command
from gateway.desk.people import unstaffed
from gateway.desk.rights import NOBODY, Action, Destination, may
from gateway.desk.work import HandOver, Work, stands
from gateway.model import GLOBAL, Conversation, Inbox, InboxKind, Status

_NOBODY_WORDS = frozenset({"personne", "nobody", "aucun", "none"})
_NUMBERED = re.compile(r"(?P<name>.*?)[\s,]+(?:d[ée]marche\s*)?(?:n[°ºo]\.?\s*)?(?P<number>\d{1,10})", re.IGNORECASE)


def move(work: Work, command: Command) -> None:
    inbox = _inbox(work, command.argument)
    if inbox is None:
        kind, _, number = command.argument.partition(":")
        work.refuse(f"no_{kind}", number)
        return
    destination = Destination(inbox, work.desk.register.circle(inbox))
    if str(inbox) == stands(work.before):
        work.refuse("same_inbox", str(inbox))
    elif _alone(work) and work.allowed(Action.MOVE, destination):
        work.did(f"moved it from {stands(work.before)} to {inbox}")
        work.conversation = _moved(work, inbox, "", f"{work.agent} moved it to {inbox}")


def _inbox(work: Work, named: str) -> Inbox | None:
    """The inbox of a command's argument, None for what the directory doesn't know."""
    kind, _, number = named.partition(":")
    if kind == "global":
        return GLOBAL
    figures = int(number) if number else work.circle(work.before).demarche
    inbox = Inbox(InboxKind(kind), figures)
    return inbox if work.desk.register.knows(inbox) else None


def _alone(work: Work) -> bool:
    """A conversation goes to one place at a time."""
    if work.moved:
        work.refuse("one_conversation")
    return not work.moved


def _moved(work: Work, inbox: Inbox, organisation: str, because: str) -> Conversation:
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


def transfer(work: Work, command: Command) -> None:
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
    work.did(f"handed it over from {stands(work.before)} to {organisation.name} ({organisation.siret})")
    # Of an organisation that isn't here nobody could answer in its name: what comes back is the platform's.
    handed_to = handed_to if staffed else ""
    work.conversation = _moved(work, inbox, handed_to, f"{work.agent} handed it over to {organisation.name}")
    status = Status.ACTIVE if staffed else Status.CLOSED
    work.conversation = states.put(work.conversation, status, work.desk.now)


def _handed_to(work: Work, words: str) -> tuple[Organisation | None, Inbox]:
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


def assign(work: Work, command: Command) -> None:
    target = _agent_named(command.argument, work)
    if target is None or not _may_assign(work, target):
        return
    after = work.conversation
    circle = work.circle(after)
    outside = target != NOBODY and target not in circle.members.union(circle.managers, *circle.groupes)
    work.conversation = replace(after, assignee=target or None, outside=outside)
    work.assigned = target or None
    work.did(f"assigned it to {target}" if target else "assigned it to nobody")


def _may_assign(work: Work, target: str) -> bool:
    """Where it stands now; or where it stood, if whom it is assigned to has a part in it here anyway."""
    circle = work.circle(work.conversation)
    if may(work.agent, Action.ASSIGN, work.conversation, circle, target).allowed:
        return True
    if work.moved and target not in circle.members | circle.managers:
        work.refuse("assign_reach", target)
        return False
    return work.allowed(Action.ASSIGN, target)


def _agent_named(words: str, work: Work) -> str | None:
    """The agent whom the words name; « moi » and « me » are the one who writes. None: it is told why not."""
    words = words.strip().removeprefix("@")  # « @ines », as in notes
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
