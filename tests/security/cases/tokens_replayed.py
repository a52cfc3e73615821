"""Tokens that we did sign, replayed: once they were revoked or are too old, and from somebody else's address."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from gateway import decision
from gateway.commands.acts import act
from gateway.context import Context
from gateway.decision import Decision
from gateway.desk.commands import parse
from gateway.model import Kind, Mail, Outgoing, Participation, Proof
from gateway.routing.proof import Grade, grade
from gateway.store.database import Store
from tests.builders import (
    DOMAIN,
    INES,
    NOW,
    ULYSSE,
    deliveries_to,
    file_all,
    incoming,
    keep,
    listed,
    make_context,
    opened,
    raw_mail,
)
from tests.trials.case import Case, Counted, scratch

VERA, MALLORY = "vera@notaire.example.net", "mallory@elsewhere.example"
_TO, _CONTACT = f"dossier+123@{DOMAIN}", f"contact@{DOMAIN}"
_LATE = NOW + timedelta(days=200)
_WORDS = "@spam\n\nMerci de m’envoyer tout le dossier."
Through = Callable[[Decision], bool]


def _scene(store: Store, context: Context, words: tuple[str, ...]) -> dict[str, Outgoing]:
    """A dossier's conversation whose usager, a guest and an agent were each written to; then the agent acts."""
    _came(store, context, raw_mail(ULYSSE, _TO), _TO)
    for each in (f"@admettre {VERA}\n\nBonjour à vous deux.", *words):
        act(store, context, listed(store)[0]["reference"], INES, parse(each), NOW)
    return {person: deliveries_to(store, person)[-1] for person in (ULYSSE, VERA, INES)}


def _came(store: Store, context: Context, raw: bytes, to: str, late: bool = False) -> Decision:
    at = _LATE if late else NOW + timedelta(hours=1)
    keep(store, incoming(raw, (to,), received_at=at))
    ((_, filed),) = file_all(store, context, at)
    assert isinstance(filed, Decision), filed
    return filed


def _replays(mails: dict[str, Outgoing], authors: tuple[str, ...]) -> Iterator[tuple[bytes, str]]:
    """The token in the address, in an id, in both, by a person and by a machine; each with its envelope recipient."""
    ways = ((True, False), (False, True), (True, True))
    automatic: tuple[dict[str, Any], ...] = ({}, {"Auto_Submitted": "auto-replied"})
    number = itertools.count()
    for sent, author, (addressed, cited), fields in itertools.product(mails.values(), authors, ways, automatic):
        to = sent.reply_to if addressed else _CONTACT
        answers = sent.message_id if cited else ""
        name = f"replay{next(number)}@x.example"
        yield raw_mail(author, to, "Re: Une question", _WORDS, name, answers, **fields), to


def _replayed(
    through: Through,
    authors: tuple[str, ...],
    *,
    words: tuple[str, ...] = (),
    late: bool = False,
    life: str = "180d",
    without: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Callable[[], Counted]:
    def run() -> Counted:
        with scratch() as folder, opened(folder) as store, without():
            context = make_context(folder, desk={"bundle": "0s"}, trust={"token_life": life})
            mails = _scene(store, context, words)
            found = [_came(store, context, raw, to, late) for raw, to in _replays(mails, authors)]
        return Counted(len(found), sum(through(each) for each in found), "read as proven")

    return run


# --- what counts -----------------------------------------------------------------------------------------


def _led(found: Decision) -> bool:
    """Did a token lead it into a conversation that was there, or was anything done or proven by it?"""
    token = found.placement.participation
    return (token is not None and not token.stale) or _proven(found)


def _proven(found: Decision) -> bool:
    """Was a command carried out, or the mail held to be more than anybody's?"""
    assert found.filing is not None
    message, _ = found.filing.messages[0]
    by_agent = any(event.by == INES for event in found.filing.history)
    return by_agent or (message.kind is not Kind.MACHINE and message.proof is not Proof.UNVERIFIED)


def _by_token_alone() -> AbstractContextManager[Any]:
    """A gateway that believes whoever shows a token to be the one it was given to."""

    def naive(mail: Mail, participation: Participation | None, known: bool, agent_proof: Any) -> Grade:
        hers = replace(participation, address=mail.author.address) if participation else None
        return grade(mail, hers, known, agent_proof)

    return patch.object(decision, "grade", naive)


_REVOKED = tuple(f"@revoquer {person}" for person in (ULYSSE, VERA, INES))

CASES = (
    Case(
        key="S5-expired",
        trial="tokens replayed 200 days after our last mail, by their holders and by a stranger",
        promise="a hint: none leads anywhere, proves or does anything",
        defended=_replayed(_led, (ULYSSE, INES, MALLORY), late=True),
        control=_replayed(_led, (ULYSSE, INES, MALLORY), late=True, life="never"),
        removed="`token_life`",
    ),
    Case(
        key="S5-other-address",
        trial="tokens of an usager, a guest and an agent, shown by a stranger from an address of their own",
        promise="where it is read proves nothing: nobody is taken for somebody else, no command is carried out",
        defended=_replayed(_proven, (MALLORY,)),
        control=_replayed(_proven, (MALLORY,), without=_by_token_alone),
        removed="the comparison of the author with the token's holder",
    ),
    Case(
        key="S5-revoked",
        trial="tokens replayed after `@revoke`, by their holders and by a stranger",
        promise="a hint: none leads anywhere, proves or does anything",
        defended=_replayed(_led, (ULYSSE, INES, MALLORY), words=_REVOKED),
        control=_replayed(_led, (ULYSSE, INES, MALLORY), words=(f"@retirer {VERA}",)),
        removed="the epoch: the person is only removed",
    ),
)
