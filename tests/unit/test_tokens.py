"""Signed tokens: what we sign we know again, and nothing else."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import tokens
from gateway.mail.tokens import Keys, Token, TokenKind
from tests.builders import DOMAIN, KEYS

ALPHABET = string.ascii_lowercase + "234567"
some_tokens = st.builds(
    Token, kind=st.sampled_from(TokenKind), subject=st.integers(0, 2**40 - 1), epoch=st.integers(0, 255)
)


@given(some_tokens)
def test_what_is_signed_is_known_again(token: Token) -> None:
    text = tokens.sign(token, KEYS)
    assert tokens.verify(text, KEYS) == token
    assert len(text) == tokens.LENGTH <= 40
    assert text == text.lower()


@given(some_tokens, st.data())
def test_case_means_nothing(token: Token, data: st.DataObject) -> None:
    text = tokens.sign(token, KEYS)
    mixed = "".join(data.draw(st.sampled_from((c.lower(), c.upper()))) for c in text)
    assert tokens.verify(mixed, KEYS) == token


@pytest.mark.parametrize("token", [Token(TokenKind.REPLY, 1, 0), Token(TokenKind.BOUNCE, 2**40 - 1, 255)])
def test_one_changed_character_spoils_it(token: Token) -> None:
    text = tokens.sign(token, KEYS)
    for position in range(len(text)):
        for other in ALPHABET + "01=+ é\n":
            changed = text[:position] + other + text[position + 1 :]
            assert changed == text or tokens.verify(changed, KEYS) is None


@given(some_tokens, st.text(max_size=40))
def test_no_other_length_is_a_token(token: Token, more: str) -> None:
    text = tokens.sign(token, KEYS)
    assert tokens.verify(text[:-1], KEYS) is None
    assert more == "" or tokens.verify(text + more, KEYS) is None


def test_a_hundred_thousand_forgeries_are_refused() -> None:
    chance = random.Random(5)
    head = tokens.sign(Token(TokenKind.REPLY, 1, 0), KEYS)[:12]  # the likeliest: all but the signature is right
    forged = (head + "".join(chance.choices(ALPHABET, k=20)) for _ in range(100_000))
    assert not any(tokens.verify(text, KEYS) for text in forged)


def test_the_first_key_signs_and_all_verify() -> None:
    old, new = (1, b"o" * 32), (7, b"n" * 32)
    token = Token(TokenKind.REPLY, 5, 1)
    before, after = tokens.sign(token, Keys((old,))), tokens.sign(token, Keys((new, old)))
    assert before != after
    assert tokens.verify(before, Keys((new, old))) == tokens.verify(after, Keys((new, old))) == token
    assert tokens.verify(after, Keys((old,))) is None  # a key id that isn't known
    assert tokens.verify(before, Keys(((1, b"x" * 32),))) is None


def test_a_key_of_zeros_opens_nothing() -> None:
    """An unknown key id is checked against a key that signs nothing: it must not be accepted by it."""
    forged = tokens.sign(Token(TokenKind.REPLY, 5, 1), Keys(((9, bytes(32)),)))
    assert tokens.verify(forged, KEYS) is None


@pytest.mark.parametrize("kind", [0, 200, 255])
def test_an_unknown_kind_is_no_token(kind: int) -> None:
    class Odd(Token):
        pass

    odd = Odd(kind, 1, 0)  # type: ignore[arg-type]
    assert tokens.verify(tokens.sign(odd, KEYS), KEYS) is None


@pytest.mark.parametrize("token", [Token(TokenKind.REPLY, 2**40, 0), Token(TokenKind.REPLY, 1, 256)])
def test_what_has_no_room_is_an_error(token: Token) -> None:
    with pytest.raises(OverflowError):
        tokens.sign(token, KEYS)


def test_without_keys_nothing_is_a_token() -> None:
    """As `explain` asks before the first start."""
    text = tokens.sign(Token(TokenKind.REPLY, 1, 0), KEYS)
    assert tokens.verify(text, Keys(())) is None
    assert list(tokens.found(text, Keys(()))) == []


def test_keys_never_show_themselves() -> None:
    assert "k" * 8 not in repr(KEYS) + str(KEYS)


# --- in Message-IDs ------------------------------------------------------------------------------------------


def message_id(kind: TokenKind = TokenKind.MESSAGE, delivery: int = 12, domain: str = DOMAIN) -> str:
    return tokens.message_id(delivery, tokens.sign(Token(kind, 3, 0), KEYS), domain)


def test_our_message_id_is_known_again() -> None:
    found = tokens.in_message_id(message_id(), DOMAIN, KEYS)
    assert found == (12, Token(TokenKind.MESSAGE, 3, 0))
    assert tokens.in_message_id(message_id().upper(), DOMAIN, KEYS) == found


@pytest.mark.parametrize(
    "identifier",
    [
        message_id(TokenKind.REPLY),
        message_id(TokenKind.BOUNCE),
        message_id(domain="elsewhere.example"),
        message_id().replace("12.", "."),
        message_id().replace("12.", "²."),
        message_id().replace("12.", "1234567890123."),
        message_id().replace("12.", ""),
        message_id() + "x",
        "",
        "@",
        "12.@" + DOMAIN,
    ],
)
def test_what_is_not_our_message_id(identifier: str) -> None:
    assert tokens.in_message_id(identifier, DOMAIN, KEYS) is None


def test_tokens_of_a_kind() -> None:
    reply, bounce = Token(TokenKind.REPLY, 1, 0), Token(TokenKind.BOUNCE, 1, 0)
    assert tokens.of_kind((reply, bounce, reply), TokenKind.REPLY) == (reply,)
