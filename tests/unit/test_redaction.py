"""What a log may hold: no secret, no token, addresses as pseudonyms that nobody can try names out on."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import redaction
from gateway.mail.read import read
from gateway.mail.tokens import Keys, Token, TokenKind, message_id, sign
from gateway.model import (
    Address,
    Direction,
    Draft,
    Forwarded,
    Incoming,
    Kind,
    Message,
    Nature,
    Outgoing,
    Purpose,
    Role,
)
from gateway.redaction import hide, pseudonym, pseudonyms_by, redacted

KEYS = Keys(((1, b"k" * 32),))
TOKEN = sign(Token(TokenKind.REPLY, 7, 0), KEYS)
WHOLE = re.compile(r"[^\s@]+@[\w.-]+")


@pytest.fixture(autouse=True)
def _of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests hid stays out of these."""
    monkeypatch.setattr(redaction, "_known", redaction._Known())


@pytest.mark.parametrize(
    "text",
    [
        f"to reponse+{TOKEN}@support.example.org",
        f"REPONSE+{TOKEN.upper()}@SUPPORT.EXAMPLE.ORG",
        f"<{message_id(12, TOKEN, 'support.example.org')}>",
        f"the token {TOKEN}.",
        f"x@{TOKEN}.example.org",
    ],
)
def test_no_token_comes_through(text: str) -> None:
    assert TOKEN not in redacted(text).lower()


def test_an_address_keeps_its_domain_and_is_the_same_as_its_pseudonym() -> None:
    said = redacted("550 <Ulysse@usager.example.net>: no such user")
    assert said == f"550 <{pseudonym('ulysse@usager.example.net')}>: no such user"
    assert "lysse" not in said


def test_a_pseudonym_stays_one() -> None:
    once = redacted("for ulysse@usager.example.net")
    assert redacted(once) == once


def test_a_login_in_an_address_of_a_server_goes() -> None:
    said = redacted("can't reach postgresql://gateway:s3cret@db.example.org/gateway")
    assert "s3cret" not in said
    assert "postgresql://gateway:[secret]@db.example.org" in said


def test_what_is_hidden_is_said_nowhere_the_longest_first() -> None:
    hide("hunter22", "hunter22-and-more", "abc")
    assert redacted("got hunter22-and-more, hunter22, abc") == "got [secret], [secret], abc"


def test_what_a_terminal_would_obey_goes() -> None:
    assert redacted("a\x1b[2Jb\x9b31mc\u202ed\ne") == "a[2Jb31mcd\ne"


def test_a_pseudonym_needs_the_key() -> None:
    pseudonyms_by(b"one" * 11)
    first = pseudonym("ulysse@usager.example.net")
    assert first == pseudonym("ulysse@usager.example.net")
    assert first == pseudonym("ULYSSE@usager.example.net")
    assert first != pseudonym("vera@usager.example.net")
    pseudonyms_by(b"two" * 11)
    assert pseudonym("ulysse@usager.example.net") != first
    plain = hashlib.sha256(b"ulysse").hexdigest()[:8]
    assert plain not in {first.partition("@")[0], pseudonym("ulysse@usager.example.net").partition("@")[0]}


@pytest.mark.parametrize("nobody", ["", "-", "postmaster", "@usager.example.net"])
def test_who_has_no_address_has_no_pseudonym(nobody: str) -> None:
    assert pseudonym(nobody) == "-"


@given(st.text(max_size=40), st.from_regex(r"[a-z][a-z0-9.+_-]{8,20}", fullmatch=True), st.text(max_size=40))
def test_whatever_is_around_it_no_address_comes_through(before: str, local: str, after: str) -> None:
    said = redacted(f"{before} {local}@usager.example.net {after}")
    assert f"{local}@" not in said


def test_it_is_linear() -> None:
    for long in ("a" * 200_000, "a@" * 100_000, "://a:" * 50_000, TOKEN * 5_000):
        assert len(redacted(long)) < 60_000


# --- values ----------------------------------------------------------------------------------------------


CANARY = "canary: what somebody wrote"
NOW = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
MESSAGE = Message(
    message_id="a@b",
    direction=Direction.IN,
    kind=Kind.EXTERNAL,
    nature=Nature.PERSON,
    proof=None,
    author="ulysse@usager.example.net",
    people=(),
    received_at=NOW,
    subject="",
    text="",
)


def test_no_value_shows_what_people_wrote_or_where_tokens_stand() -> None:
    raw = f"From: ulysse@usager.example.net\nSubject: {CANARY}\n\n{CANARY}\n\n> {CANARY}\n".encode()
    incoming = Incoming(raw, "smtp", NOW)
    message = replace(MESSAGE, subject=CANARY, text=CANARY, quoted=CANARY)
    draft = Draft(Purpose.ANSWER, "ulysse@usager.example.net", Role.USAGER, "Mairie", CANARY, CANARY)
    address = f"reponse+{TOKEN}@support.example.org"
    outgoing = Outgoing(1, 1, draft, address, address, address, (), (), NOW, 0)
    forwarded = Forwarded(Address("vera@usager.example.net"), CANARY, None, CANARY)
    shown = [repr(value) for value in (incoming, read(raw), message, draft, outgoing, forwarded)]
    assert [words for words in shown if CANARY in words or TOKEN in words] == []
    assert all(len(words) > 40 for words in shown)
