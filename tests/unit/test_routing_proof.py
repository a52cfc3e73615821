"""Proof: token × authentication × known address, case by case."""

from __future__ import annotations

from typing import Literal

import pytest

from gateway.model import Authentication, Participation, Proof, Role, Verdict
from gateway.routing.proof import grade
from tests.builders import INES, ULYSSE, mail

VERIFIED, PLAUSIBLE, UNVERIFIED = Proof.VERIFIED, Proof.PLAUSIBLE, Proof.UNVERIFIED
PASS, FAIL, NONE = Verdict.PASS, Verdict.FAIL, Verdict.NONE


@pytest.mark.parametrize(
    ("token", "verdict", "by_authentication", "by_token"),
    [
        ("own", PASS, VERIFIED, VERIFIED),
        ("own", NONE, PLAUSIBLE, VERIFIED),
        ("own", FAIL, UNVERIFIED, UNVERIFIED),
        ("other", PASS, UNVERIFIED, UNVERIFIED),
        ("other", NONE, UNVERIFIED, UNVERIFIED),
        ("none", PASS, PLAUSIBLE, PLAUSIBLE),
        ("none", NONE, UNVERIFIED, UNVERIFIED),
        ("none", FAIL, UNVERIFIED, UNVERIFIED),
    ],
)
def test_an_agents_mail(token: str, verdict: Verdict, by_authentication: Proof, by_token: Proof) -> None:
    owner = {"own": INES, "other": "another@x.example"}.get(token)
    participation = Participation(1, 1, owner, Role.AGENT) if owner else None
    letter = mail(INES, authentication=Authentication(verdict, "said"))
    ways: tuple[tuple[Literal["authenticated", "token"], Proof], ...] = (
        ("authenticated", by_authentication),
        ("token", by_token),
    )
    for agent_proof, expected in ways:
        found = grade(letter, participation, True, agent_proof)
        assert found.proof is expected
        assert found.because


def test_an_usagers_token_alone_never_verifies() -> None:
    own = Participation(1, 1, ULYSSE, Role.USAGER)
    assert grade(mail(), own, True, "token").proof is PLAUSIBLE


def test_an_uncertain_author_is_never_proven() -> None:
    own = Participation(1, 1, INES, Role.AGENT)
    letter = mail(INES, sure=False, authentication=Authentication(PASS, "said"))
    assert grade(letter, own, True, "token").proof is UNVERIFIED
