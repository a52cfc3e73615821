"""Who is who: organisations, démarches, dossiers and agents, from the tables of `gateway.toml`.

Every question is one look-up, however large the tables: the indices are built once, at start and at reload.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.config.settings import Agent, Demarche, Dossier, Organisation, Settings
from gateway.model import Circle, Inbox, InboxKind

OPEN_STATES = frozenset({"brouillon", "en_construction", "en_instruction"})


@dataclass(frozen=True, slots=True)
class Directory:
    """The tables, by what they are asked for. Built by `directory`."""

    organisations: Mapping[str, Organisation]
    demarches: Mapping[int, Demarche]
    dossiers: Mapping[int, Dossier]
    dossiers_by_usager: Mapping[str, tuple[Dossier, ...]]
    agents: Mapping[str, Agent]
    managers: frozenset[str]
    support_by_siret: Mapping[str, frozenset[str]]
    everyone: frozenset[str] = field(default=frozenset())

    def demarche_of(self, inbox: Inbox) -> Demarche | None:
        """The démarche that an inbox belongs to; None for the global one and for numbers we don't know."""
        number = inbox.number or 0
        if inbox.kind is InboxKind.DOSSIER:
            dossier = self.dossiers.get(number)
            return self.demarches.get(dossier.demarche) if dossier else None
        return self.demarches.get(number) if inbox.kind is InboxKind.DEMARCHE else None

    def organisation_of(self, inbox: Inbox) -> Organisation | None:
        """The organisation that is responsible for an inbox."""
        demarche = self.demarche_of(inbox)
        return self.organisations.get(demarche.organisation) if demarche else None

    def circle(self, inbox: Inbox) -> Circle:
        """The agents who have to do with an inbox, by capacity."""
        demarche = self.demarche_of(inbox)
        if demarche is None:
            return Circle(managers=self.managers)
        dossier = self.dossiers.get(inbox.number or 0) if inbox.kind is InboxKind.DOSSIER else None
        return Circle(
            managers=self.managers,
            administrateurs=frozenset(demarche.administrateurs),
            support=self.support_by_siret.get(demarche.organisation, frozenset()),
            instructeurs=_instructeurs(demarche, dossier),
            followers=frozenset(dossier.followers) if dossier else frozenset(),
        )

    def admitted(self, address: str, dossier: Dossier) -> bool:
        """Is this address the dossier's usager, a guest, or one of its agents?"""
        if address == dossier.usager or address in dossier.invites:
            return True
        circle = self.circle(Inbox(InboxKind.DOSSIER, dossier.number))
        return address in circle.administrateurs | circle.support | circle.instructeurs | circle.followers

    def is_agent(self, address: str) -> bool:
        return address in self.everyone

    def name_of(self, address: str) -> str:
        agent = self.agents.get(address)
        return agent.name if agent else ""

    def notify_of(self, address: str) -> str:
        """What an agent wants to be told: `all`, `assigned`, `digest` or `none`."""
        agent = self.agents.get(address)
        return agent.notify if agent else "all"


def _instructeurs(demarche: Demarche, dossier: Dossier | None) -> frozenset[str]:
    """Those of the dossier's groupe where it has one, else all of the démarche."""
    groupes = [g for g in demarche.groupes if dossier and dossier.groupe == g.label] or list(demarche.groupes)
    return frozenset(demarche.instructeurs).union(*(groupe.instructeurs for groupe in groupes))


def directory(settings: Settings) -> Directory:
    """Index the tables of a configuration."""
    by_usager: dict[str, list[Dossier]] = defaultdict(list)
    for dossier in settings.dossiers:
        by_usager[dossier.usager].append(dossier)
    managers = frozenset(agent.email for agent in settings.agents if "manager" in agent.capacities)
    return Directory(
        organisations={organisation.siret: organisation for organisation in settings.organisations},
        demarches={demarche.number: demarche for demarche in settings.demarches},
        dossiers={dossier.number: dossier for dossier in settings.dossiers},
        dossiers_by_usager={usager: tuple(dossiers) for usager, dossiers in by_usager.items()},
        agents={agent.email: agent for agent in settings.agents},
        managers=managers,
        support_by_siret=_support(settings),
        everyone=frozenset(_everyone(settings)),
    )


def _support(settings: Settings) -> dict[str, frozenset[str]]:
    groups: dict[str, frozenset[str]] = defaultdict(frozenset)
    for group in settings.support_groups:
        for siret in group.organisations:
            groups[siret] |= frozenset(group.agents)
    return dict(groups)


def _everyone(settings: Settings) -> Iterable[str]:
    for demarche in settings.demarches:
        yield from demarche.administrateurs
        yield from demarche.instructeurs
        for groupe in demarche.groupes:
            yield from groupe.instructeurs
    for group in settings.support_groups:
        yield from group.agents
    for dossier in settings.dossiers:
        yield from dossier.followers
    for agent in settings.agents:
        yield agent.email
