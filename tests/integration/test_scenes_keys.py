"""Keys and reply addresses change while the daemon runs: no mail is refused that we asked for."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.clients import gmail, letter
from tests.servers.gateway import ALICE, DOMAIN, ULYSSE, Gateway, configuration, running

TO = f"demarche+42@{DOMAIN}"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with running(tmp_path, configuration()) as started:
        yield started


def test_keys_rotate_and_retire_under_a_running_daemon(gateway: Gateway) -> None:
    gateway.post(letter(ULYSSE, "Bonjour, où en est ma demande ?", to=TO), to=TO)
    old = gateway.latest(ULYSSE)
    gateway.command("keys", "rotate")
    gateway.command("reply", old.reference, "--as", ALICE, text="Elle est complète.")
    new = gateway.awaited(ULYSSE, 2)
    gateway.post(gmail(new, ULYSSE, "Merci."), to=new.answer_to)
    gateway.post(gmail(old, ULYSSE, "Encore merci."), to=old.answer_to)
    assert [message["author"] for message in gateway.only()["messages"]] == [ULYSSE, ALICE, ULYSSE, ULYSSE]
    assert gateway.logged("keys_taken")["keys"] == [2, 1]
    gateway.command("keys", "retire", "1", "--yes")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        gateway.send(gmail(old, ULYSSE, "Et encore."), to=old.answer_to)
    assert [key["id"] for key in gateway.command("keys", "list")] == [2]
    assert gateway.command("audit", "--verify")["fault"] is None


def test_what_comes_to_a_revoked_address_is_taken_and_told_as_related(gateway: Gateway) -> None:
    gateway.post(letter(ULYSSE, "Bonjour, où en est ma demande ?", to=TO), to=TO)
    told, answered = gateway.latest(ULYSSE), gateway.latest(ALICE)
    gateway.post(gmail(answered, ALICE, f"@revoquer {ULYSSE}"), to=answered.answer_to)
    gateway.post(gmail(told, "mallory@elsewhere.example", "Envoyez-moi tout."), to=told.answer_to)
    new, _ = gateway.conversations()
    assert new["usager"] == "mallory@elsewhere.example"
    assert gateway.show(new["reference"])["related"] == [told.reference]
    (act,) = gateway.command("audit", "--conversation", told.reference)["acts"]
    assert (act["by"], act["what"]) == (ALICE, f"revoked the reply addresses of {ULYSSE}")
