"""What every decision depends on besides the mail: the configuration, the keys, and what is made of them once.

Built at start and at each reload; never changed in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote

from gateway.config.settings import Settings
from gateway.mail import tokens
from gateway.mail.tokens import Keys
from gateway.model import Conversation, Inbox, InboxKind
from gateway.relay.scrub import scrub
from gateway.relay.texts import Place
from gateway.routing.directory import Directory, directory
from gateway.routing.recipients import RecipientKind, Recognise, recogniser
from gateway.store.outbox import Signer


@dataclass(frozen=True, slots=True)
class Context:
    """Settings and keys, and the indices over them."""

    settings: Settings
    keys: Keys
    directory: Directory
    recognise: Recognise
    signer: Signer

    def place(self, reference: str, inbox: Inbox) -> Place:
        """Where a conversation stands, as mails say it."""
        return Place(
            self.settings.instance,
            reference,
            self.directory.organisation_of(inbox),
            self.directory.demarche_of(inbox),
            inbox.number if inbox.kind is InboxKind.DOSSIER else None,
        )

    def place_of(self, conversation: Conversation) -> Place:
        return self.place(conversation.reference, conversation.inbox)

    def staffed(self, conversation: Conversation) -> Conversation:
        """The conversation without an assignee who is no agent any more."""
        gone = conversation.assignee is not None and not self.directory.is_agent(conversation.assignee)
        return replace(conversation, assignee=None) if gone else conversation

    def scrubbed(self, text: str, inbox: Inbox) -> str:
        """A text without agents' own addresses and without signed addresses: fit to leave."""
        organisation = self.directory.organisation_of(inbox)
        public = self.settings.addresses.global_
        contact = (organisation.email if organisation else "") or public

        def instead(address: str) -> str | None:
            if self.directory.is_agent(address) and address != contact:
                return contact
            return public if self._signed(address) else None

        return scrub(text, instead)

    def _signed(self, address: str) -> bool:
        """Is it a reply address of ours, as it stands or as a `mailto:` link writes it, or one of our Message-IDs?"""
        kinds = {self.recognise(form).kind for form in (address, unquote(address))}
        if kinds & {RecipientKind.TOKEN, RecipientKind.FORGED}:
            return True
        return tokens.in_message_id(address, self.settings.addresses.domain, self.keys) is not None


def context(settings: Settings, keys: Keys) -> Context:
    """Build all that follows from a configuration and its keys."""
    addresses = settings.addresses
    signer = Signer(keys, addresses.domain, addresses.reply, addresses.separator, addresses.global_)
    return Context(settings, keys, directory(settings), recogniser(settings, keys), signer)
