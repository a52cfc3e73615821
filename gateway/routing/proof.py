"""How far a message is proven to be its author's: token × aligned authentication × known address (DESIGN §6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.model import Mail, Participation, Proof, Role, Verdict


@dataclass(frozen=True, slots=True)
class Grade:
    """The proof, and what it rests on or lacks."""

    proof: Proof
    because: str


def grade(
    mail: Mail,
    participation: Participation | None,
    known: bool,
    agent_proof: Literal["authenticated", "token"],
) -> Grade:
    """Grade a mail. `participation`: whose token it bears. `known`: the directory knows its author's address.

    An agent's address with an agent's token is `verified` only with authentication, unless `agent_proof` says that
    the token is enough (loopback and trials).
    """
    if not mail.author.sure:
        return Grade(Proof.UNVERIFIED, f"the author is uncertain: {mail.author.because}")
    token = participation is not None and participation.address == mail.author.address
    authentic = mail.authentication.verdict is Verdict.PASS
    if mail.authentication.verdict is Verdict.FAIL:
        return Grade(Proof.UNVERIFIED, f"authentication failed: {mail.authentication.because}")
    if participation is not None and not token:
        return Grade(Proof.UNVERIFIED, "the token was given to another address than the author's")
    if token and authentic:
        return Grade(Proof.VERIFIED, f"the author's own token, and {mail.authentication.because}")
    if token and participation is not None and participation.role is Role.AGENT and agent_proof == "token":
        return Grade(Proof.VERIFIED, "the agent's own token (the configuration asks for no more)")
    if token:
        return Grade(Proof.PLAUSIBLE, f"the author's own token; {mail.authentication.because}")
    if authentic:
        known_words = "a known address" if known else "an address that is new to us"
        return Grade(Proof.PLAUSIBLE, f"{known_words}, and {mail.authentication.because}")
    return Grade(Proof.UNVERIFIED, f"no token; {mail.authentication.because}")
