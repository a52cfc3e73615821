"""Who is who: organisations, démarches, dossiers and agents, from the tables of `gateway.toml`.

Every question is one look-up, however large the tables: the indices are built once, at start and at reload.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from gateway.config.settings import Agent, Demarche, Dossier, Organisation, Settings
from gateway.mail.language import plain
from gateway.model import Circle, Conversation, Inbox, InboxKind

OPEN_STATES = frozenset({"brouillon", "en_construction", "en_instruction"})
_K = TypeVar("_K")
_V = TypeVar("_V")
_ADDRESS = re.compile(r"[^\s<>,;\"()\[\]]{1,80}@[^\s<>,;\"()\[\]@]{1,200}")


@dataclass(frozen=True, slots=True)
class Directory:
    """The tables, by what they are asked for. Built by `directory`.

    `everyone`: the agents' addresses; `domains`: theirs; `public`: the organisations' own addresses.
    """

    organisations: Mapping[str, Organisation]
    demarches: Mapping[int, Demarche]
    dossiers: Mapping[int, Dossier]
    dossiers_by_usager: Mapping[str, tuple[Dossier, ...]]
    demarches_by_siret: Mapping[str, tuple[int, ...]]
    agents: Mapping[str, Agent]
    managers: frozenset[str]
    triage: frozenset[str]
    support_by_siret: Mapping[str, frozenset[str]]
    everyone: frozenset[str]
    domains: frozenset[str]
    public: frozenset[str]
    by_name: Mapping[str, tuple[str, ...]]
    organisations_by_name: Mapping[str, tuple[str, ...]]

    # --- what belongs to what --------------------------------------------------------------------------------

    def knows(self, inbox: Inbox) -> bool:
        """Is it the global inbox, or a démarche or dossier that is there?"""
        return inbox.kind is InboxKind.GLOBAL or self.demarche_of(inbox) is not None

    def demarche_of(self, inbox: Inbox) -> Demarche | None:
        """The démarche that an inbox belongs to; None for the global one and for numbers we don't know."""
        number = inbox.number or 0
        if inbox.kind is InboxKind.DOSSIER:
            dossier = self.dossiers.get(number)
            return self.demarches.get(dossier.demarche) if dossier else None
        return self.demarches.get(number) if inbox.kind is InboxKind.DEMARCHE else None

    def organisation_of(self, inbox: Inbox, handed_to: str = "") -> Organisation | None:
        """The organisation that is responsible for an inbox, or that the conversation was handed over to."""
        demarche = self.demarche_of(inbox)
        return self.organisations.get(demarche.organisation if demarche else handed_to)

    def circle(self, inbox: Inbox, handed_to: str = "") -> Circle:
        """The agents who have to do with an inbox, by capacity.

        `handed_to`: the SIRET of the organisation that a conversation of the global inbox was handed over to.
        """
        if inbox.kind is InboxKind.GLOBAL:
            return self._global_circle(handed_to)
        demarche = self.demarche_of(inbox)
        if demarche is None:
            return Circle(managers=self.managers)
        dossier = self.dossiers.get(inbox.number or 0) if inbox.kind is InboxKind.DOSSIER else None
        followers = frozenset(dossier.followers) if dossier else frozenset()
        return Circle(
            managers=self.managers,
            administrateurs=frozenset(demarche.administrateurs),
            support=self.support_by_siret.get(demarche.organisation, frozenset()),
            instructeurs=_instructeurs(demarche, dossier),
            followers=followers,
            groupes=tuple(_groupes(demarche, dossier)),
            demarche=demarche.number,
        )

    def _global_circle(self, handed_to: str) -> Circle:
        circle = Circle(managers=self.managers, triage=self.triage)
        if not handed_to:
            return circle
        own = (self.demarches[number].administrateurs for number in self.demarches_by_siret.get(handed_to, ()))
        support = self.support_by_siret.get(handed_to, frozenset())
        return replace(circle, administrateurs=frozenset().union(*own), support=support)

    def circle_of(self, conversation: Conversation) -> Circle:
        return self.circle(conversation.inbox, conversation.organisation)

    def admitted(self, address: str, dossier: Dossier) -> bool:
        """Is this address the dossier's usager, a guest, or one of its agents?"""
        if address == dossier.usager or address in dossier.invites:
            return True
        circle = self.circle(Inbox(InboxKind.DOSSIER, dossier.number))
        return address in circle.members

    # --- who is meant ----------------------------------------------------------------------------------------

    def is_agent(self, address: str) -> bool:
        return address in self.everyone

    def name_of(self, address: str) -> str:
        agent = self.agents.get(address)
        return agent.name if agent else ""

    def notify_of(self, address: str) -> str:
        """What an agent wants to be told: `all`, `assigned`, `digest` or `none`."""
        agent = self.agents.get(address)
        return agent.notify if agent else "all"

    def agents_named(self, words: str, near: Iterable[str] = ()) -> tuple[str, ...]:
        """The agents whom these words name: an address in whatever form, or a name.

        Among those who are `near`, a first name or a part of the address is enough; else it is the whole name.
        """
        # « Inès <ines@…> », and Outlook's « ines@…<mailto:ines@…> »: whatever form holds one address
        found = {each.removeprefix("mailto:").rstrip(".") for each in _ADDRESS.findall(words.lower())}
        if found:
            address = found.pop()
            return (address,) if not found and self.is_agent(address) else ()
        name = folded(words)
        close = tuple(sorted(agent for agent in near if name and name in self._names(agent)))
        return close or self.by_name.get(name, ())

    def _names(self, agent: str) -> set[str]:
        """All that an agent may be called by her colleagues."""
        local = agent.partition("@")[0]
        name = folded(self.name_of(agent))
        return {name, local, *name.split(), *local.replace("-", ".").replace("_", ".").split(".")}

    def organisations_named(self, words: str) -> tuple[Organisation, ...]:
        """The organisations whom these words name: a SIRET, however it is spaced, or the name."""
        organisation = self.organisations.get(re.sub(r"[\s.]", "", words))
        if organisation is not None:
            return (organisation,)
        return tuple(self.organisations[siret] for siret in self.organisations_by_name.get(folded(words), ()))

    def inboxes_of(self, siret: str) -> tuple[Inbox, ...]:
        """The démarches of an organisation."""
        return tuple(Inbox(InboxKind.DEMARCHE, number) for number in self.demarches_by_siret.get(siret, ()))


def folded(words: str) -> str:
    """Lower case, without accents, one space between words."""
    if words.isascii():
        return " ".join(words.casefold().split())
    return " ".join(plain(words).split())


def _instructeurs(demarche: Demarche, dossier: Dossier | None) -> frozenset[str]:
    """Those of the dossier's groupe where it has one, else all of the démarche."""
    groupes = [g for g in demarche.groupes if dossier and dossier.groupe == g.label] or list(demarche.groupes)
    return frozenset(demarche.instructeurs).union(*(groupe.instructeurs for groupe in groupes))


def _groupes(demarche: Demarche, dossier: Dossier | None) -> Iterator[frozenset[str]]:
    """Those who work together: a groupe with the instructeurs of the whole démarche, and who follows its dossier."""
    everywhere = frozenset(demarche.instructeurs)
    followers = frozenset(dossier.followers) if dossier else frozenset()
    for groupe in demarche.groupes:
        own = dossier is not None and dossier.groupe in {groupe.label, ""}
        yield everywhere.union(groupe.instructeurs, followers if own else ())
    if not demarche.groupes:
        yield everywhere | followers


def directory(settings: Settings) -> Directory:
    """Index the tables of a configuration."""
    by_usager: dict[str, list[Dossier]] = defaultdict(list)
    for dossier in settings.dossiers:
        by_usager[dossier.usager].append(dossier)
    managers = frozenset(agent.email for agent in settings.agents if "manager" in agent.capacities)
    everyone = frozenset(_everyone(settings))
    return Directory(
        organisations={organisation.siret: organisation for organisation in settings.organisations},
        demarches={demarche.number: demarche for demarche in settings.demarches},
        dossiers={dossier.number: dossier for dossier in settings.dossiers},
        dossiers_by_usager={usager: tuple(dossiers) for usager, dossiers in by_usager.items()},
        demarches_by_siret=_grouped((demarche.organisation, demarche.number) for demarche in settings.demarches),
        agents={agent.email: agent for agent in settings.agents},
        managers=managers,
        triage=frozenset(settings.desk.global_agents),
        support_by_siret=_support(settings),
        everyone=everyone,
        domains=frozenset(agent.rpartition("@")[2] for agent in everyone),
        public=frozenset(organisation.email for organisation in settings.organisations if organisation.email),
        by_name=_grouped((folded(agent.name), agent.email) for agent in settings.agents if agent.name),
        organisations_by_name=_grouped((folded(each.name), each.siret) for each in settings.organisations),
    )


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> dict[_K, tuple[_V, ...]]:
    groups: dict[_K, list[_V]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return {key: tuple(values) for key, values in groups.items()}


def _support(settings: Settings) -> dict[str, frozenset[str]]:
    groups: dict[str, frozenset[str]] = defaultdict(frozenset)
    for group in settings.support_groups:
        for siret in group.organisations:
            groups[siret] |= frozenset(group.agents)
    return dict(groups)


def _everyone(settings: Settings) -> Iterable[str]:
    yield from settings.desk.global_agents
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
