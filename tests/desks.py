"""Random directories, and the table of rights (DESIGN §7) written down a second time, for property tests.

`worlds` draws a configuration: two organisations, three démarches with and without groupes, dossiers, a support group
or none, managers, agents of the global inbox. `sees` and `allows` say what the table says, from the tables of the
configuration alone: they share nothing with the code that they test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from gateway.config.settings import Demarche, Dossier, Settings
from gateway.desk.rights import NOBODY, Action, Destination
from gateway.model import GLOBAL, Conversation, Inbox, InboxKind, Status
from gateway.routing.directory import Directory, directory
from tests.builders import conversation, settings

MAIRIE, PREFECTURE = "21310555400017", "17310001700016"
AGENTS = tuple(f"{name}@agents.example" for name in ("ada", "bea", "cleo", "dora", "emma", "fania"))
USAGERS = ("ulysse@usager.example.net", "penelope@usager.example.net")
INBOXES = (
    GLOBAL,
    *(Inbox(InboxKind.DEMARCHE, number) for number in (41, 42, 43)),
    *(Inbox(InboxKind.DOSSIER, number) for number in (410, 421, 422, 423, 430)),
)
ORDINARY = (
    Action.SEE,
    Action.ANSWER,
    Action.NOTE,
    Action.STATUS,
    Action.TAG,
    Action.ADMIT,
    Action.FOLLOW,
)

someone = st.sampled_from(AGENTS)
some = st.lists(someone, unique=True, max_size=2)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """The tables of a configuration, agents spread over them at random."""

    def demarche(number: int, siret: str, *labels: str) -> dict[str, Any]:
        return {
            "number": number,
            "title": f"Démarche {number}",
            "organisation": siret,
            "administrateurs": draw(some),
            "instructeurs": draw(some),
            "groupes": [{"label": label, "instructeurs": draw(some)} for label in labels],
        }

    def dossier(number: int, groupe: str = "") -> dict[str, Any]:
        usager = draw(st.sampled_from(USAGERS))
        return {
            "number": number,
            "demarche": number // 10,
            "usager": usager,
            "followers": draw(some),
            "groupe": groupe,
        }

    managers = draw(some)
    return {
        "organisations": [
            {"siret": MAIRIE, "name": "Mairie d'Exemple", "email": "accueil@mairie.example.org"},
            {"siret": PREFECTURE, "name": "Préfecture d'Exemple", "email": "accueil@prefecture.example.org"},
        ],
        "demarches": [
            demarche(41, MAIRIE),
            demarche(42, MAIRIE, "Nord", "Sud"),
            demarche(43, PREFECTURE),
        ],
        "dossiers": [dossier(410), dossier(421, "Nord"), dossier(422, "Sud"), dossier(423), dossier(430)],
        "support_groups": [
            {"name": "adullact", "organisations": draw(st.sampled_from([[], [MAIRIE]])), "agents": draw(some)}
        ],
        "agents": [
            {
                "email": agent,
                "name": f"{agent.partition('@')[0].title()} Agent",
                "capacities": ["manager"] if agent in managers else [],
                "notify": draw(st.sampled_from(["all", "all", "assigned", "digest", "none"])),
            }
            for agent in AGENTS
        ],
        "desk": {"global_agents": draw(some)},
        "faq": [],
    }


@dataclass(frozen=True, slots=True)
class World:
    """A configuration, and the directory that the gateway makes of it."""

    settings: Settings
    directory: Directory

    # --- who is what, from the tables alone ------------------------------------------------------------------

    def demarche(self, inbox: Inbox) -> Demarche | None:
        number = inbox.number
        if inbox.kind is InboxKind.DOSSIER:
            number = next(d.demarche for d in self.settings.dossiers if d.number == number)
        return next((d for d in self.settings.demarches if d.number == number), None)

    def dossier(self, inbox: Inbox) -> Dossier | None:
        if inbox.kind is not InboxKind.DOSSIER:
            return None
        return next(d for d in self.settings.dossiers if d.number == inbox.number)

    def manages(self, agent: str) -> bool:
        return any(a.email == agent and "manager" in a.capacities for a in self.settings.agents)

    def named_for_global(self, agent: str) -> bool:
        return agent in self.settings.desk.global_agents

    def supports(self, agent: str, siret: str) -> bool:
        return any(siret in group.organisations and agent in group.agents for group in self.settings.support_groups)

    def administers(self, agent: str, inbox: Inbox, handed_to: str = "") -> bool:
        """As administrateur or through a support group."""
        demarche = self.demarche(inbox)
        if demarche is None:
            own = [d for d in self.settings.demarches if d.organisation == handed_to]
            return self.supports(agent, handed_to) or any(agent in d.administrateurs for d in own)
        return agent in demarche.administrateurs or self.supports(agent, demarche.organisation)

    def instructs(self, agent: str, inbox: Inbox) -> bool:
        """Is she an instructeur of this dossier?"""
        demarche, dossier = self.demarche(inbox), self.dossier(inbox)
        if demarche is None or dossier is None:
            return False
        groupes = [g for g in demarche.groupes if dossier.groupe in {"", g.label}]
        return (
            agent in demarche.instructeurs
            or agent in dossier.followers
            or any(agent in groupe.instructeurs for groupe in groupes)
        )

    def colleagues(self, agent: str, inbox: Inbox) -> set[str]:
        """Those of the same groupe, which is the dossier's; who is instructeur of the whole démarche is in each."""
        demarche, dossier = self.demarche(inbox), self.dossier(inbox)
        if demarche is None:
            return set()
        following = set(dossier.followers) if dossier else set()
        groupes = [
            {
                *demarche.instructeurs,
                *groupe.instructeurs,
                *(following if dossier and dossier.groupe in {"", groupe.label} else ()),
            }
            for groupe in demarche.groupes
        ] or [{*demarche.instructeurs, *following}]
        found = {other for groupe in groupes if agent in groupe for other in groupe}
        return {other for other in found if dossier is None or self.instructs(other, inbox)}

    # --- the table --------------------------------------------------------------------------------------------

    def sees(self, agent: str, what: Conversation) -> bool:
        return (
            agent == what.assignee
            or self.manages(agent)
            or self.administers(agent, what.inbox, what.organisation)
            or self.instructs(agent, what.inbox)
            or (what.inbox == GLOBAL and self.named_for_global(agent))
        )

    def responsible(self, agent: str, what: Conversation) -> bool:
        """Below a manager, but with her view of it: administrateur, support, or named for the global inbox."""
        named = what.inbox == GLOBAL and self.named_for_global(agent)
        return named or self.administers(agent, what.inbox, what.organisation)

    def allows(self, agent: str, action: Action, what: Conversation, target: str | Destination | None = None) -> bool:
        if self.manages(agent):
            return True
        if action in ORDINARY:
            return self.sees(agent, what)
        if action is Action.ASSIGN:
            return self.assigns(agent, what, target if isinstance(target, str) else NOBODY)
        if action is Action.MOVE:
            assert isinstance(target, Destination)
            return self.moves(agent, what, target.inbox)
        return action not in {Action.ERASE, Action.RELEASE} and self.responsible(agent, what)

    def assigns(self, agent: str, what: Conversation, target: str) -> bool:
        responsible = self.responsible(agent, what)
        if not self.sees(agent, what):
            return False
        if target == NOBODY:
            return responsible or agent == what.assignee
        if target == agent:
            return True
        if self.administers(agent, what.inbox, what.organisation) and (
            self.administers(target, what.inbox, what.organisation) or self.instructs_any(target, what.inbox)
        ):
            return True
        top = {other for other in AGENTS if self.manages(other)}
        if what.inbox == GLOBAL:
            top |= {other for other in AGENTS if self.named_for_global(other)}
        if what.inbox == GLOBAL and self.named_for_global(agent) and target in top:
            return True
        if agent == what.assignee or self.instructs(agent, what.inbox):
            return target in self.colleagues(agent, what.inbox) | (self._nearest_above(what) or top)
        return False

    def _nearest_above(self, what: Conversation) -> set[str]:
        """The administrateurs, and where there are none the support group."""
        demarche = self.demarche(what.inbox)
        own = [demarche] if demarche else [d for d in self.settings.demarches if d.organisation == what.organisation]
        administrateurs = {agent for d in own for agent in d.administrateurs}
        return administrateurs or {a for a in AGENTS if self.administers(a, what.inbox, what.organisation)}

    def instructs_any(self, agent: str, inbox: Inbox) -> bool:
        demarche, dossier = self.demarche(inbox), self.dossier(inbox)
        if demarche is None:
            return False
        groupes = {i for groupe in demarche.groupes for i in groupe.instructeurs}
        return agent in {*demarche.instructeurs, *groupes, *(dossier.followers if dossier else ())}

    def moves(self, agent: str, what: Conversation, to: Inbox) -> bool:
        if self.administers(agent, what.inbox, what.organisation) and (to == GLOBAL or self.administers(agent, to)):
            return True
        if what.inbox == GLOBAL and self.named_for_global(agent) and to.kind is InboxKind.DEMARCHE:
            return True
        demarche = self.demarche(what.inbox)
        up = to.kind is InboxKind.DEMARCHE and demarche is not None and to.number == demarche.number
        return self.instructs(agent, what.inbox) and up


worlds = tables().map(lambda drawn: (made := settings(**drawn)) and World(made, directory(made)))


@st.composite
def conversations(draw: st.DrawFn, identifier: int = 1) -> Conversation:
    """A conversation anywhere, assigned to anybody, in any state."""
    inbox = draw(st.sampled_from(INBOXES))
    return conversation(
        identifier,
        inbox,
        assignee=draw(st.none() | someone),
        status=draw(st.sampled_from(Status)),
        organisation=draw(st.sampled_from(["", "", MAIRIE, PREFECTURE])) if inbox == GLOBAL else "",
        followers=tuple(draw(some)),
        muted=tuple(draw(some)),
    )
