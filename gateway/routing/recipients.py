"""Whose address is this? Every recipient address in our domain, told apart without asking anybody.

The same function answers at RCPT (is it ours?) and in routing (what does it say?). It doesn't look whether a
dossier exists: the answer at RCPT would tell a stranger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from gateway.config.settings import Settings
from gateway.mail import tokens
from gateway.mail.tokens import Keys, Token
from gateway.model import GLOBAL, Inbox, InboxKind

MAX_NUMBER = 2**31 - 1  # the platform's numbers are int4


class RecipientKind(StrEnum):
    GLOBAL = "global"
    DOSSIER = "dossier"
    DEMARCHE = "demarche"
    TOKEN = "token"  # noqa: S105 (a kind of address, not a secret)
    FORGED = "forged"
    UNKNOWN = "unknown"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Recipient:
    """What one recipient address says. `inbox` for addresses of inboxes, `token` for valid tokens."""

    address: str
    kind: RecipientKind
    inbox: Inbox | None = None
    token: Token | None = None

    @property
    def ours(self) -> bool:
        """Do we take mail for it?"""
        return self.kind in {
            RecipientKind.GLOBAL,
            RecipientKind.DOSSIER,
            RecipientKind.DEMARCHE,
            RecipientKind.TOKEN,
        }


Recognise = Callable[[str], Recipient]


def recogniser(settings: Settings, keys: Keys) -> Recognise:
    """A function that recognises any address; aliases are looked up once, here."""
    aliases = {
        alias: Inbox(InboxKind.DEMARCHE, demarche.number)
        for demarche in settings.demarches
        for alias in demarche.addresses
    }

    def recognise(address: str) -> Recipient:
        address = address.strip().lower()
        if address in aliases:
            return Recipient(address, RecipientKind.DEMARCHE, aliases[address])
        return _recognise(address, settings, keys)

    return recognise


def _recognise(address: str, settings: Settings, keys: Keys) -> Recipient:
    ours = settings.addresses
    local, _, domain = address.rpartition("@")
    # postmaster is taken wherever mail is taken, and without a domain too (RFC 5321 §4.5.1)
    if address in {ours.global_, f"postmaster@{ours.domain}", "postmaster"}:
        return Recipient(address, RecipientKind.GLOBAL, GLOBAL)
    if domain != ours.domain:
        return Recipient(address, RecipientKind.ELSEWHERE)
    base, separator, detail = local.partition(ours.separator)
    if separator and ours.reply and base == ours.reply:
        return _with_token(address, tokens.verify(detail, keys))
    if separator and base == ours.dossier:
        return _numbered(address, RecipientKind.DOSSIER, InboxKind.DOSSIER, detail)
    if separator and base == ours.demarche:
        return _numbered(address, RecipientKind.DEMARCHE, InboxKind.DEMARCHE, detail)
    return Recipient(address, RecipientKind.UNKNOWN)


def _with_token(address: str, token: Token | None) -> Recipient:
    if token is None or token.kind is tokens.TokenKind.MESSAGE:
        return Recipient(address, RecipientKind.FORGED)
    return Recipient(address, RecipientKind.TOKEN, token=token)


def _numbered(address: str, kind: RecipientKind, inbox: InboxKind, digits: str) -> Recipient:
    if digits.isascii() and digits.isdigit() and len(digits) <= 10 and 0 < int(digits) <= MAX_NUMBER:
        return Recipient(address, kind, Inbox(inbox, int(digits)))
    return Recipient(address, RecipientKind.UNKNOWN)


def recognised(addresses: Iterable[str], recognise: Recognise) -> tuple[Recipient, ...]:
    """What each address says, each once, in order."""
    return tuple(recognise(address) for address in dict.fromkeys(addresses))
