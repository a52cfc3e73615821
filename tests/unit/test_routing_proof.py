"""Proof: token × authentication × known address, case by case."""

from __future__ import annotations

from typing import Literal

import pytest

from gateway.model import Authentication, Participation, Proof, Role, Verdict
from gateway.relay.templating import packaged, rendered
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


def _codes() -> dict[str, str]:
    """Every code that a grade can have, with an occasion."""
    own, other = Participation(1, 1, INES, Role.AGENT), Participation(1, 1, "x@x.example", Role.AGENT)
    said = {verdict: Authentication(verdict, "said") for verdict in Verdict}
    silent = Authentication(NONE, "said", unanswered=True)
    graded = [
        grade(mail(INES, sure=False), own, True, "token"),
        grade(mail(INES, authentication=said[FAIL]), own, True, "token"),
        grade(mail(INES, authentication=said[PASS]), other, True, "token"),
        grade(mail(INES, authentication=said[PASS]), own, True, "token"),
        grade(mail(INES, authentication=said[NONE]), own, True, "token"),
        grade(mail(INES, authentication=said[NONE]), own, True, "authenticated"),
        grade(mail(INES, authentication=silent), own, True, "authenticated"),
        grade(mail(INES, authentication=said[PASS]), None, True, "token"),
        grade(mail(INES, authentication=said[PASS]), None, False, "token"),
        grade(mail(INES, authentication=silent), None, True, "token"),
        grade(mail(INES, authentication=said[NONE]), None, True, "token"),
    ]
    return {found.code: found.proof.value for found in graded}


@pytest.mark.parametrize("language", ["fr", "en"])
def test_agents_are_told_in_words_what_every_grade_rests_on(language: str) -> None:
    codes = _codes()
    assert len(codes) == 11
    words = {
        code: rendered(packaged(), language, "/_authenticity.txt", {"message": {"proof": proof, "proof_code": code}})
        for code, proof in codes.items()
    }
    assert len({text.strip().split("\n")[-1] for text in words.values()}) == len(words)
    assert all(len(text.strip().split("\n")) == 2 for text in words.values())


def test_an_usagers_token_alone_never_verifies() -> None:
    own = Participation(1, 1, ULYSSE, Role.USAGER)
    assert grade(mail(), own, True, "token").proof is PLAUSIBLE


def test_an_uncertain_author_is_never_proven() -> None:
    own = Participation(1, 1, INES, Role.AGENT)
    letter = mail(INES, sure=False, authentication=Authentication(PASS, "said"))
    assert grade(letter, own, True, "token").proof is UNVERIFIED
