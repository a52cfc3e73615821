"""What must not leave: agents' addresses and tokens, however they stand in a text."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import tokens
from gateway.mail.scrub import Secrets, scrub, tells
from gateway.mail.tokens import Token, TokenKind
from tests.builders import ALICE, DOMAIN, DOSSIER, INES, KEYS, conversation, make_context

CONTEXT = make_context()
PUBLIC, GLOBAL_ADDRESS = "accueil@mairie.example.org", f"contact@{DOMAIN}"
REPLY = f"reponse+{tokens.sign(Token(TokenKind.REPLY, 7, 0), KEYS)}@{DOMAIN}"
FORGED = f"reponse+{'a' * 32}@{DOMAIN}"
MESSAGE_ID = tokens.message_id(5, tokens.sign(Token(TokenKind.MESSAGE, 7, 0), KEYS), DOMAIN)

before = st.sampled_from(
    [
        "",
        " ",
        "<",
        "(",
        "«\u00a0",
        "mailto:",
        "*",
        "**",
        "_",
        "|",
        "'",
        '"',
        "é ",
        ",",
        ";",
        "=",
        "/",
        "~~",
        "?to=",
        ".",
    ]
)
after = st.sampled_from(
    ["", " ", ">", ")", ".", "...", "*", "_", "'", '"', "\u00a0»", ",", "?", "!", "/", "=", ".Merci", "\n", "-", "@x"]
)


@given(before, after, st.sampled_from([ALICE, INES]), st.booleans())
def test_an_agents_address_never_leaves(left: str, right: str, address: str, loud: bool) -> None:
    text = f"Écrivez à {left}{address.upper() if loud else address}{right} svp"
    scrubbed = CONTEXT.scrubbed(text, conversation(1, DOSSIER))
    assert address not in scrubbed.lower()
    assert PUBLIC in scrubbed


@given(before, after, st.sampled_from([REPLY, FORGED, MESSAGE_ID, REPLY.replace("+", "%2B")]), st.booleans())
def test_a_token_never_leaves(left: str, right: str, address: str, loud: bool) -> None:
    text = f"Voir {left}{address.upper() if loud else address}{right} fin"
    scrubbed = CONTEXT.scrubbed(text, conversation(1, DOSSIER))
    secret = address.replace("%2B", "+").partition("@")[0].rpartition("+")[2].rpartition(".")[2]
    assert secret not in scrubbed.lower()
    assert GLOBAL_ADDRESS in scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "a@",
        "@b",
        "Bonjour, écrivez à ulysse@usager.example.net ou accueil@mairie.example.org.",
        "contact@support.example.org et dossier+123@support.example.org",
        f"marie.{ALICE}, {ALICE}x, x{ALICE}, jean-{ALICE}",
        "@clore",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert CONTEXT.scrubbed(text, conversation(1, DOSSIER)) == text


@given(st.text(alphabet="ab@. *-_é", max_size=40))
def test_without_replacements_nothing_changes(text: str) -> None:
    assert scrub(text, Secrets(lambda _: None, {"b", "b.b"}, lambda _: (), "x")) == text


@pytest.mark.parametrize(
    "text",
    [
        "@" * 100_000,
        "a" * 500_000,
        "a@" * 100_000,
        "_*" * 100_000 + "@",
        "a@b" * 60_000,
        "." * 300_000 + "@x.y",
        f"{ALICE} " * 8_000,
    ],
    ids=["ats", "letters", "pairs", "marks", "triples", "dots", "agents"],
)
def test_time_is_linear(text: str) -> None:
    started = time.process_time()
    CONTEXT.scrubbed(text, conversation(1, DOSSIER))
    assert time.process_time() - started < 5


def test_a_file_full_of_addresses_is_looked_through_once() -> None:
    asked: list[str] = []

    def replacement(address: str) -> str | None:
        asked.append(address)
        return CONTEXT.tokens.replacement(address)

    secrets = replace(CONTEXT.tokens, replacement=replacement)
    innocent = f"{'x' * 60}@{DOMAIN} " * 100
    assert not tells(innocent, secrets)
    assert not asked
    assert tells(f"{innocent}{'x' * 20}{FORGED}", secrets)
    assert tells(f"{innocent}{REPLY}", secrets)
    assert tells(f"{innocent}{MESSAGE_ID}", secrets)
