"""What becomes of one mail, and why: place → route → plan. Pure: everything it depends on is an argument.

`hints` says what the mail's own addresses and ids tell, `clues` what to look up because of them, and `decide` answers
with a `Decision`: the placement, the route, the proof, who is told, and the changes to file. What follows hangs on
who wrote: `machine`, `agent`, `outside`, or an agent who brings somebody else's mail (`brought`). What is in an
agent's name but not proven is put before her (`asking`), and acts once she confirms it (`confirming`). `spared` holds
back what an agent would get too much of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gateway.context import Context
from gateway.decision.agent import answered_digest, from_agent
from gateway.decision.brought import brings, from_brought, vouched
from gateway.decision.case import IMPORTED, Case, Decision
from gateway.decision.confirming import answered
from gateway.decision.hints import Hints, clues, hints, valid
from gateway.decision.machine import from_machine
from gateway.decision.outside import from_outside
from gateway.decision.spare import notified, spared
from gateway.decision.traits import trace, traits
from gateway.model import GLOBAL, Arrival, Conversation, Inbox, Mail, Message, Nature, Recalled, Role, Status, Thread
from gateway.relay import plan
from gateway.relay.withheld import marked
from gateway.routing.proof import grade
from gateway.routing.route import Route, Strength, route
from gateway.threading.partition import Rules
from gateway.threading.place import Placement

__all__ = [
    "IMPORTED",
    "Decision",
    "Hints",
    "by_itself",
    "clues",
    "decide",
    "hints",
    "notified",
    "rules",
    "spared",
    "trace",
    "traits",
    "valid",
]

_MACHINES = frozenset(nature for nature in Nature if nature is not Nature.PERSON)


def decide(
    arrival: Arrival,
    mail: Mail,
    found: Hints,
    recalled: Recalled,
    placement: Placement,
    thread: Thread,
    moved: Mapping[int, Message],
    context: Context,
    *,
    own: Route,
    reference: str,
    now: datetime,
) -> Decision:
    """Decide everything about one mail. `reference` names the conversation if it is a new one.

    `recalled` holds the participations of valid tokens alone (`valid`); `thread` is about its conversation, `moved`
    holds the messages that come to another one, by id; `own` is where the mail belongs by itself (`by_itself`).
    """
    settings, directory = context.settings, context.directory
    mail = marked(mail, recalled.scan, settings)
    routed = _routed(mail, found, placement, own, context)
    known = directory.is_agent(mail.author.address) or mail.author.address in directory.dossiers_by_usager
    graded = grade(mail, placement.participation, known, settings.trust.agent_proof)
    if recalled.duplicate_of is not None:
        no = plan.Due(False, "it is a duplicate")
        return Decision(placement, routed, graded, no, None, duplicate_of=recalled.duplicate_of)
    conversation = placement.conversation or opened(arrival, mail, routed, placement, context, reference)
    if placement.standing is not None:
        conversation = replace(conversation, usager=placement.standing.usager)
    case = Case(arrival, mail, recalled, thread, moved, context, placement, routed, own, graded, conversation, now)
    return _by_author(case, found, reference)


def by_itself(mail: Mail, found: Hints, context: Context) -> Route:
    """Where a mail belongs, whatever conversation it is placed in."""
    return route(mail, found.recipients, None, context.directory, context.settings)


def rules(context: Context) -> Rules:
    """What placement must know of the directory."""
    directory = context.directory

    def admitted(person: str, number: int) -> bool:
        dossier = directory.dossiers.get(number)
        return dossier is not None and directory.admitted(person, dossier)

    def demarche_of(inbox: Inbox) -> int | None:
        demarche = directory.demarche_of(inbox)
        return demarche.number if demarche else None

    return Rules(admitted, demarche_of)


def _routed(mail: Mail, found: Hints, placement: Placement, own: Route, context: Context) -> Route:
    """The inbox of the conversation, with the mail in it."""
    standing = placement.standing
    if standing is not None:
        because = own.because if standing.evidence.inbox == own.inbox else standing.evidence.because
        return replace(
            own,
            inbox=standing.evidence.inbox,
            strength=Strength(standing.evidence.strength),
            because=because or own.because,
        )
    if placement.conversation is None:
        return own
    # Only who answers our mail answers its question: what cites her own mail alone may have been on its way before.
    asked = placement.conversation.asked if placement.participation is not None else None
    conversation = replace(placement.conversation, asked=asked)
    return route(mail, found.recipients, conversation, context.directory, context.settings)


def _by_author(case: Case, found: Hints, reference: str) -> Decision:
    mail, participation = case.mail, case.placement.participation
    if mail.nature in _MACHINES:
        return from_machine(case)
    if case.recalled.asked:
        return answered(case)
    if brings(mail, case.context) and vouched(mail, participation, case.grade, case.context):
        afresh = Placement(None, f"{mail.author.address} brings somebody's mail: a new conversation")
        return from_brought(
            case,
            found,
            lambda brought, routed: opened(case.arrival, brought, routed, afresh, case.context, reference),
        )
    if participation is not None and participation.role is Role.AGENT:
        return from_agent(case, participation.address)
    if case.recalled.digest and case.new and case.context.directory.is_agent(mail.author.address):
        return answered_digest(case, mail.author.address)
    return from_outside(case)


def opened(
    arrival: Arrival, mail: Mail, routed: Route, placement: Placement, context: Context, reference: str
) -> Conversation:
    """A conversation that this mail opens. A machine's mail is work for nobody: it opens a closed one."""
    inbox, organisation, because = _staffed(routed, context)
    return Conversation(
        id=0,
        reference=reference,
        inbox=inbox,
        strength=int(routed.strength if inbox == routed.inbox else Strength.NONE),
        pinned=False,
        status=Status.CLOSED if mail.nature in _MACHINES else Status.ACTIVE,
        assignee=None,
        subject=mail.subject,
        usager=mail.author.address if mail.author.sure else "",
        created_at=arrival.received_at,
        updated_at=arrival.received_at,
        because=(placement.because, routed.because, *because),
        organisation=organisation,
        language=mail.language,
    )


def _staffed(routed: Route, context: Context) -> tuple[Inbox, str, tuple[str, ...]]:
    """Where somebody reads it: the global inbox, in the organisation's name, if it has no agent left."""
    directory = context.directory
    if routed.inbox == GLOBAL or directory.circle(routed.inbox).members:
        return routed.inbox, "", ()
    organisation = directory.organisation_of(routed.inbox)
    reason = f"nobody is left to read {routed.inbox}: it stands in the global inbox"
    return GLOBAL, organisation.siret if organisation else "", (reason,)
