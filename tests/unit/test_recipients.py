"""Whose address is this: every kind of recipient, and all that only looks like one."""

from __future__ import annotations

import pytest

from gateway.mail import tokens
from gateway.mail.tokens import Keys, Token, TokenKind
from gateway.model import GLOBAL, Inbox, InboxKind
from gateway.routing.recipients import RecipientKind, recognised, recogniser
from tests.builders import DEMARCHE, DOMAIN, DOSSIER, KEYS, settings

RECOGNISE = recogniser(settings(), KEYS)
REPLY = tokens.sign(Token(TokenKind.REPLY, 1, 0), KEYS)
BOUNCE = tokens.sign(Token(TokenKind.BOUNCE, 1, 0), KEYS)
MESSAGE = tokens.sign(Token(TokenKind.MESSAGE, 1, 0), KEYS)
K = RecipientKind


@pytest.mark.parametrize(
    ("address", "kind", "inbox"),
    [
        ("contact@support.example.org", K.GLOBAL, GLOBAL),
        ("postmaster@support.example.org", K.GLOBAL, GLOBAL),
        ("postmaster", K.GLOBAL, GLOBAL),
        ("dossier+123@support.example.org", K.DOSSIER, DOSSIER),
        ("dossier+2147483647@support.example.org", K.DOSSIER, Inbox(InboxKind.DOSSIER, 2**31 - 1)),
        ("demarche+42@support.example.org", K.DEMARCHE, DEMARCHE),
        ("vegetaliser@support.example.org", K.DEMARCHE, DEMARCHE),
        (f"reponse+{REPLY}@support.example.org", K.TOKEN, None),
        (f"reponse+{BOUNCE}@support.example.org", K.TOKEN, None),
    ],
)
def test_ours(address: str, kind: RecipientKind, inbox: Inbox | None) -> None:
    for form in (address, address.upper(), f" {address} "):
        found = RECOGNISE(form)
        assert (found.kind, found.inbox, found.ours, found.address) == (kind, inbox, True, address)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("dossier+0@support.example.org", K.UNKNOWN),
        ("dossier+2147483648@support.example.org", K.UNKNOWN),
        ("dossier+99999999999999999999@support.example.org", K.UNKNOWN),
        ("dossier+-1@support.example.org", K.UNKNOWN),
        ("dossier+1.5@support.example.org", K.UNKNOWN),
        ("dossier+²@support.example.org", K.UNKNOWN),
        ("dossier+١٢٣@support.example.org", K.UNKNOWN),  # digits, but not ours
        ("dossier+ 123@support.example.org", K.UNKNOWN),
        ("dossier+@support.example.org", K.UNKNOWN),
        ("dossier@support.example.org", K.UNKNOWN),
        ("dossier-123@support.example.org", K.UNKNOWN),
        ("demarche+x@support.example.org", K.UNKNOWN),
        ("reponse@support.example.org", K.UNKNOWN),
        ("anyone@support.example.org", K.UNKNOWN),
        ("@support.example.org", K.UNKNOWN),
        (f"reponse+{MESSAGE}@support.example.org", K.FORGED),
        (f"reponse+{REPLY[:-1]}@support.example.org", K.FORGED),
        (f"reponse+{'a' * 32}@support.example.org", K.FORGED),
        ("reponse+@support.example.org", K.FORGED),
        (f"reponse+{REPLY}@elsewhere.example", K.ELSEWHERE),
        ("dossier+123@sub.support.example.org", K.ELSEWHERE),
        ("dossier+123@support.example.org@elsewhere.example", K.ELSEWHERE),
        ("dossier+123%support.example.org@elsewhere.example", K.ELSEWHERE),
        ("support.example.org", K.UNKNOWN),
        ("", K.ELSEWHERE),
    ],
)
def test_not_ours(address: str, kind: RecipientKind) -> None:
    found = RECOGNISE(address)
    assert (found.kind, found.ours, found.inbox, found.token) == (kind, False, None, None)


def test_a_token_says_whose_it_is() -> None:
    assert RECOGNISE(f"reponse+{REPLY}@{DOMAIN}").token == Token(TokenKind.REPLY, 1, 0)


def test_another_instances_token_is_forged() -> None:
    other = recogniser(settings(), Keys(((1, b"z" * 32),)))
    assert other(f"reponse+{REPLY}@{DOMAIN}").kind is K.FORGED


def test_without_plus_addressing_no_reply_address_is_ours() -> None:
    recognise = recogniser(settings(addresses={"reply": ""}), KEYS)
    for local in (f"reponse+{REPLY}", f"+{REPLY}", REPLY):
        assert recognise(f"{local}@{DOMAIN}").kind is K.UNKNOWN


def test_another_separator() -> None:
    recognise = recogniser(settings(addresses={"separator": "-"}), KEYS)
    assert recognise(f"dossier-123@{DOMAIN}").inbox == DOSSIER
    assert recognise(f"dossier+123@{DOMAIN}").kind is K.UNKNOWN


def test_each_address_once_in_order() -> None:
    found = recognised(("a@x.example", f"contact@{DOMAIN}", "a@x.example"), RECOGNISE)
    assert [r.address for r in found] == ["a@x.example", f"contact@{DOMAIN}"]
