"""What every decision depends on besides the mail: the configuration, the keys, and what is made of them once.

Built at start and at each reload; never changed in between.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.config.settings import Settings
from gateway.desk import faq, people
from gateway.desk.faq import FaqIndex
from gateway.desk.rights import sees
from gateway.desk.work import Desk
from gateway.mail import tokens
from gateway.mail.scrub import Secrets, scrub
from gateway.mail.tokens import Keys
from gateway.model import GLOBAL, Conversation, Inbox, InboxKind
from gateway.relay import texts
from gateway.relay.texts import Place, Texts
from gateway.routing.directory import Directory, directory
from gateway.routing.recipients import RecipientKind, Recognise, recogniser
from gateway.store.signer import Signer

_DELIVERY = re.compile(r"[0-9]{1,12}\.$")  # before the token in a Message-ID of ours


@dataclass(frozen=True, slots=True)
class Context:
    """Settings and keys, and the indices over them."""

    settings: Settings
    keys: Keys
    directory: Directory
    recognise: Recognise
    signer: Signer
    texts: Texts
    faq: FaqIndex
    zone: ZoneInfo

    def place(self, reference: str, inbox: Inbox, handed_to: str = "", locale: str = "") -> Place:
        """Where a conversation stands, as mails say it. `locale`: the reader's language, "" for the instance's."""
        return Place(
            self.settings.instance,
            reference,
            self.directory.organisation_of(inbox, handed_to),
            self.directory.demarche_of(inbox),
            inbox.number if inbox.kind is InboxKind.DOSSIER else None,
            self.texts,
            locale,
            self.settings.attachments,
        )

    def place_of(self, conversation: Conversation, *, usager: bool = False) -> Place:
        """As its agents read of it; with `usager`, in the language that she writes, or that of the démarche."""
        demarche = self.directory.demarche_of(conversation.inbox)
        locale = conversation.language or (demarche.locale if demarche else "")
        return self.place(
            conversation.reference, conversation.inbox, conversation.organisation, locale if usager else ""
        )

    def place_told(self, agent: str, conversation: Conversation) -> Place:
        """As `place_of`, but where it stands now is none of her business who may not see it."""
        if self.seen_by(agent, conversation):
            return self.place_of(conversation)
        return self.place(conversation.reference, GLOBAL)

    def desk(self, now: datetime, answered: datetime, holders: Container[str]) -> Desk:
        """What acts of agents depend on. `answered`: when the message came that is answered.

        `holders`: everyone who has a reply address in the conversation.
        """
        return Desk(
            self.directory,
            now,
            self.zone,
            takes=lambda address: self.recognise(address).kind is not RecipientKind.ELSEWHERE,
            modele=lambda name, conversation: self._modele(name, conversation, answered),
            holders=holders,
        )

    def _modele(self, name: str, conversation: Conversation, answered: datetime) -> str | None:
        place = self.place_of(conversation, usager=True)
        return texts.modele(name, place, usager=conversation.usager, received=answered)

    def told(self, conversation: Conversation, author: str) -> tuple[str, ...]:
        """The agents to tell of a message by `author`."""
        conversation = self.staffed(conversation)
        circle = self.directory.circle_of(conversation)
        return people.told(conversation, circle, author, self.directory.notify_of)

    def staffed(self, conversation: Conversation) -> Conversation:
        """The conversation without an assignee who has lost the part in it that the assignment rested on."""
        assignee = conversation.assignee
        if assignee is None:
            return conversation
        circle = self.directory.circle_of(conversation)
        part = conversation.outside or assignee in circle.members.union(circle.managers, *circle.groupes)
        return conversation if part and self.directory.is_agent(assignee) else replace(conversation, assignee=None)

    def seen_by(self, agent: str, conversation: Conversation) -> bool:
        """May she see it, with the part in it that she has today?"""
        staffed = self.staffed(conversation)
        return self.directory.is_agent(agent) and sees(agent, staffed, self.directory.circle_of(staffed))

    def first_name(self, agent: str) -> str:
        """That of « Marie Dupont », « DUPONT Marie » and « Dupont, Marie »."""
        surname, _, after = self.directory.name_of(agent).partition(",")
        words = (after or surname).split()
        given = (word for word in words if not (word.isupper() and len(word.strip(".")) > 1))
        return next(given, words[0] if words else "")

    def scrubbed(self, text: str, conversation: Conversation) -> str:
        """A text without agents' own addresses and without signed addresses: fit to leave."""
        organisation = self.directory.organisation_of(conversation.inbox, conversation.organisation)
        return self.anonymous(text, (organisation.email if organisation else "") or self.settings.addresses.global_)

    def anonymous(self, text: str, contact: str = "") -> str:
        """A text without the signed addresses and those of agents, which become `contact`, the organisation's.

        "" where that isn't known: the public addresses of all of them stay.
        """

        def instead(address: str) -> str | None:
            return contact if self.is_private(address, contact) else self._unsigned(address)

        return scrub(text, replace(self.tokens, replacement=instead, domains=self.agents_domains, leads=None))

    @property
    def agents_domains(self) -> frozenset[str]:
        """Where agents' addresses stand, and ours."""
        return self.directory.domains | self._ours

    def is_private(self, address: str, contact: str = "") -> bool:
        """Is it an agent's own address (lower case), not `contact`, or, where that isn't known, any public one?"""
        public = {contact} if contact else self.directory.public
        return self.directory.is_agent(address) and address not in public

    def is_signed(self, suspect: str) -> bool:
        """Is it a token of ours, or an address or Message-ID of ours that bears one?"""
        return tokens.verify(suspect, self.keys) is not None or self._unsigned(suspect.lower()) is not None

    def tokenless(self, text: str) -> str:
        """A text without signed addresses, which are nobody's but their holder's: fit to be shown here."""
        return scrub(text, self.tokens)

    @property
    def tokens(self) -> Secrets:
        """The signed addresses of everybody, as they are looked for in texts."""
        return Secrets(self._unsigned, self._ours, self._stretches, self.settings.addresses.global_, self.leads)

    @property
    def _ours(self) -> frozenset[str]:
        return frozenset({self.settings.addresses.domain})

    def _unsigned(self, address: str) -> str | None:
        """What is shown for a reply address of ours or one of our Message-IDs; None for every other address."""
        addresses = self.settings.addresses
        if not address.endswith(f"@{addresses.domain}"):
            return None
        if address.startswith(self.leads):
            signed = self.recognise(address).kind in {RecipientKind.TOKEN, RecipientKind.FORGED}
        else:
            signed = tokens.in_message_id(address, addresses.domain, self.keys) is not None
        return addresses.global_ if signed else None

    @property
    def leads(self) -> tuple[str, ...]:
        """How reply addresses begin."""
        addresses = self.settings.addresses
        return (f"{addresses.reply}{addresses.separator}",) if addresses.reply else ()

    def _stretches(self, text: str) -> Iterator[tuple[int, int]]:
        """Tokens in a text, each with the rest of the address that it stands in."""
        addresses = self.settings.addresses
        lead, rest = f"{addresses.reply}{addresses.separator}", f"@{addresses.domain}"
        for start, end in tokens.found(text, self.keys):
            before, after = text[max(0, start - 80) : start].lower(), text[end : end + len(rest)].lower()
            delivery = _DELIVERY.search(before)
            first = lead if addresses.reply and before.endswith(lead) else delivery[0] if delivery else ""
            yield start - len(first), end + len(rest) if after == rest else end


def rekeyed(situation: Context, keys: Keys) -> Context:
    """The same with other keys."""
    if keys == situation.keys:
        return situation
    recognise, signer = recogniser(situation.settings, keys), replace(situation.signer, keys=keys)
    return replace(situation, keys=keys, recognise=recognise, signer=signer)


def context(settings: Settings, keys: Keys) -> Context:
    """Build all that follows from a configuration and its keys.

    Raises:
        ConfigError: a template of the instance can't be used.
    """
    addresses, life = settings.addresses, settings.trust.token_life
    return Context(
        settings,
        keys,
        directory(settings),
        recogniser(settings, keys),
        Signer(keys, addresses.domain, addresses.reply, addresses.separator, addresses.global_, life),
        texts.load(settings.desk.templates),
        faq.index(settings.faq),
        ZoneInfo(settings.instance.timezone),
    )
