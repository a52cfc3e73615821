"""How far a message is proven to be its author's: token × aligned authentication × known address (DESIGN §6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.model import Mail, Participation, Proof, Role, Verdict


@dataclass(frozen=True, slots=True)
class Grade:
    """The proof, and what it rests on or lacks: in words for who runs the gateway, and as a code that the templates
    put into words for agents (`_authenticity.txt`)."""

    proof: Proof
    because: str
    code: str = ""


def grade(
    mail: Mail,
    participation: Participation | None,
    known: bool,
    agent_proof: Literal["authenticated", "token"],
) -> Grade:
    """Grade a mail. `participation`: whose token it bears; a stale one proves nothing. `known`: the directory knows
    its author's address.

    An agent's address with an agent's token is `verified` only with authentication, unless `agent_proof` says that
    the token is enough (loopback and trials).
    """
    if participation is not None and participation.stale:
        participation = None
    if not mail.author.sure:
        return Grade(Proof.UNVERIFIED, f"the author is uncertain: {mail.author.because}", "uncertain")
    token = participation is not None and participation.address == mail.author.address
    found = mail.authentication
    authentic = found.verdict is Verdict.PASS
    if found.verdict is Verdict.FAIL:
        return Grade(Proof.UNVERIFIED, f"authentication failed: {found.because}", "failed")
    if participation is not None and not token:
        because = "the token was given to another address than the author's"
        return Grade(Proof.UNVERIFIED, because, "other_token")
    if token and authentic:
        return Grade(Proof.VERIFIED, f"the author's own token, and {found.because}", "token_authenticated")
    if token and participation is not None and participation.role is Role.AGENT and agent_proof == "token":
        because = "the agent's own token (the configuration asks for no more)"
        return Grade(Proof.VERIFIED, because, "token_enough")
    if token:
        code = "token_unanswered" if found.unanswered else "token"
        return Grade(Proof.PLAUSIBLE, f"the author's own token; {found.because}", code)
    if authentic:
        known_words = "a known address" if known else "an address that is new to us"
        code = "authenticated" if known else "authenticated_new"
        return Grade(Proof.PLAUSIBLE, f"{known_words}, and {found.because}", code)
    code = "unanswered" if found.unanswered else "nothing"
    return Grade(Proof.UNVERIFIED, f"no token; {found.because}", code)
