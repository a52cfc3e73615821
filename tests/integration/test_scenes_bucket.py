"""Raw mail in object storage: a daemon whose storage goes away and comes back, and one with a wrong key."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.servers.clients import gmail, letter
from tests.servers.gateway import CONTACT, DOMAIN, INES, ULYSSE, Gateway, configuration, octets, running
from tests.servers.storage import Storage, Way, serving

DOSSIER = f"dossier+123@{DOMAIN}"
NORA = "nora@usager.example.net"
SHEET = b"%PDF-1.4 a sheet of paper"


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    with serving() as server:
        yield server


def refused(gateway: Gateway, mail: EmailMessage) -> int:
    """The code that a mail is answered with which isn't taken."""
    with pytest.raises(smtplib.SMTPDataError) as said:
        gateway.send(mail)
    return said.value.smtp_code


def test_mail_goes_through_a_bucket_and_waits_while_it_is_away(storage: Storage, tmp_path: Path) -> None:
    way = Way(storage.endpoint)
    behind = replace(storage, endpoint=way.endpoint)
    with running(tmp_path, configuration(store=behind.tables())) as gateway:
        question = letter(ULYSSE, "Voici ma pièce.", to=DOSSIER)
        gateway.post(question, to=DOSSIER)
        assert not list(tmp_path.glob("var/raw/*"))
        assert any(octets(question) in pack for pack in storage.objects("mail/").values())

        answer = gmail(gateway.awaited(INES), INES, "Voici le plan.")
        answer.add_attachment(SHEET, maintype="application", subtype="pdf", filename="plan.pdf")
        gateway.post(answer, to=CONTACT)
        relayed = gateway.latest(ULYSSE).message
        assert [part.get_content() for part in relayed.iter_attachments()] == [SHEET]

        way.cut()
        assert refused(gateway, letter(NORA, "Personne ?")) == 451
        paused = gateway.logged("keeping_paused")
        assert paused["reason"].endswith("it can't be reached: is it up, and is endpoint of [store.s3] right?")
        assert gateway.conversations(), "what is in the database can be seen all the same"
        way.mend()
        gateway.post(letter(NORA, "Me voici."))
        gateway.logged("keeping_resumed")
        assert len(gateway.filed()) == len(gateway.conversations()) + 1, "the refused one is nowhere"
    way.cut()


def test_a_wrong_key_is_said_at_once_and_nothing_is_taken(storage: Storage, tmp_path: Path) -> None:
    wrong = replace(storage, secret="somebody-else's")
    with running(tmp_path, configuration(store=wrong.tables("wrong"))) as gateway:
        paused = gateway.logged("keeping_paused")
        assert paused["reason"] == (
            "nothing can be written to s3://raw/wrong: key_id and secret of [store.s3] don't match: correct them"
        )
        assert refused(gateway, letter(NORA, "Bonjour")) == 451
    assert storage.objects("wrong/") == {}
