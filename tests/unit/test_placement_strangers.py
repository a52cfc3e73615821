"""What a stranger's mails can do to a conversation that isn't theirs: be read in it, and nothing else."""

from __future__ import annotations

from pathlib import Path

from gateway.commands.acts import act
from gateway.desk.commands import parse
from tests.builders import (
    DOMAIN,
    INES,
    NOW,
    ULYSSE,
    deliveries_to,
    listed,
    make_context,
    opened,
    raw_mail,
    shown,
    take,
)

EVE = "eve@attacker.example"


def test_a_strangers_mails_dont_take_a_conversation_that_an_agent_answered(tmp_path: Path) -> None:
    """His older conversation answers a mail that he then sends to her reply address: hers goes on, and stays hers."""
    context = make_context(tmp_path)
    with opened(tmp_path) as store:
        take(store, context, raw_mail(EVE, identifier="e1@x", answers="e2@x"), envelope_sender=EVE)
        take(store, context, raw_mail(ULYSSE, f"dossier+123@{DOMAIN}", identifier="u1@x"))
        hers = next(c["reference"] for c in listed(store) if c["usager"] == ULYSSE)
        act(store, context, hers, INES, parse("Bonjour."), NOW)
        to = deliveries_to(store, ULYSSE)[-1].reply_to
        take(store, context, raw_mail(EVE, to, identifier="e2@x"), recipients=(to,), envelope_sender=EVE)
        now = shown(store, hers)
        assert (now["reference"], now["usager"]) == (hers, ULYSSE)
        assert {message["author"] for message in now["messages"]} >= {EVE, ULYSSE}
