"""Reply addresses and agents' addresses in what leaves, in every disguise (S7-scrub)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from unittest.mock import patch

from gateway import context
from gateway.desk.commands import Command, Parsed, Verb
from gateway.mail import tokens
from gateway.mail.scrub import Secrets
from gateway.mail.tokens import Token, TokenKind
from tests.builders import ALICE, DOMAIN, INES, KEYS, ULYSSE, raw_mail
from tests.security.cases.audience import DOSSIER
from tests.security.hidden import forms, readable, spelt
from tests.security.stage import Left, Stage, stage
from tests.trials.case import Case, Counted

TOGETHER = 16  # in one mail
AGENT = "{}.nomdefamille@mairie.example.org"


def _secrets(kind: TokenKind) -> Iterator[tuple[str, str]]:
    """A token of its own for every form, in the address or Message-ID that it stands in; and the token."""
    for n in range(10_000):
        token = tokens.sign(Token(kind, 1_000 + n, 0), KEYS)
        yield (f"{n}.{token}@{DOMAIN}" if kind is TokenKind.MESSAGE else f"reponse+{token}@{DOMAIN}", token)


def _agents() -> Iterator[tuple[str, str]]:
    for n in range(10_000):
        address = AGENT.format(f"agent{n}")
        yield address, re.sub(r"[^a-z0-9@]", "", address)


def _written() -> Iterator[tuple[str, str, bool]]:
    """Each form with what is hidden in it; and whether that is an agent's address, which agents may read."""
    kinds = [_secrets(kind) for kind in TokenKind]
    for n, form in enumerate((*forms(), *spelt())):
        address, secret = next(kinds[n % len(kinds)])
        yield form(address), secret, False
    agents = _agents()
    for form in forms():
        address, secret = next(agents)
        yield form(address), secret, True


def hidden(*, removed: bool = False) -> Callable[[], Counted]:
    """How many of the hidden are in what leaves: in an agent's answer and note, an usager's mail, and its subject."""

    def run() -> Counted:
        known = [(words, secret, agent) for words, secret, agent in _written() if secret in readable(words)]
        agents = [{"email": address, "notify": "none"} for (address, _), _ in zip(_agents(), forms(), strict=False)]
        unscrubbed = patch.object(context, "scrub", _untouched) if removed else nullcontext()
        with stage(agents=[*agents, {"email": ALICE, "notify": "all"}]) as on, unscrubbed:
            found = sum(_told(on, known[start : start + TOGETHER]) for start in range(0, len(known), TOGETHER))
            return Counted(2 * len(known), found, "times")

    return run


def _untouched(text: str, _: Secrets) -> str:
    return text


def _told(on: Stage, some: list[tuple[str, str, bool]]) -> int:
    """An usager writes all of them, an agent writes all of them; what of it is read by whom."""
    before = len(on.left)
    text = "\n\n".join(f"Voyez {words} svp." for words, _, _ in some)
    subject = " ".join(some[0][0].split())
    decision = on.post(raw_mail(ULYSSE, DOSSIER, subject, f"Bonjour.\n\n{text}", f"h{before}@x"), DOSSIER)
    assert decision.filing is not None
    told = on.left[before:]
    wish = Parsed((Command(Verb.NOTE, f"Pour @alice : {text}"),), f"Bonjour.\n\n{text}")
    on.act(decision.filing.conversation.reference, INES, wish)
    notes = [mail for mail in on.left[before + len(told) :] if not mail.outside]
    answers = [mail for mail in on.left[before + len(told) :] if mail.outside]
    assert told
    assert answers
    inside = sum(not agent and _reads((*told, *notes), secret) for _, secret, agent in some)
    return inside + sum(_reads(answers, secret) for _, secret, _ in some)


def _reads(mails: list[Left] | tuple[Left, ...], secret: str) -> bool:
    return any(secret in readable(mail.outgoing.draft.subject + " " + mail.outgoing.draft.text) for mail in mails)


CASES = (
    Case(
        "S7-scrub",
        "1,014 disguises of reply addresses, Message-IDs and agents' addresses: encoded, broken, spelt",
        "neither agents nor usagers read a token; no usager reads an agent's address",
        hidden(),
        hidden(removed=True),
        "texts leave as they were written",
    ),
)
