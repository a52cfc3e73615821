"""A daemon beside an antivirus: what is infected goes nowhere, what waits for it follows, mail never waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest

from gateway.inspection.clamd import PROBE
from tests.servers.clamd import CLAMD, MISSING, Clamd, pretended
from tests.servers.clients import letter, outlook
from tests.servers.gateway import ALICE, DOMAIN, HOTLINE, MANON, Gateway, Sent, configuration, running

NORA = "nora@usager.example.net"
TO = f"vegetaliser@{DOMAIN}"


@contextmanager
def beside(folder: Path, socket: str, timeout: str = "60s") -> Iterator[Gateway]:
    antivirus = f'[antivirus]\nsocket = "{socket}"\ntimeout = "{timeout}"\n'
    with running(folder, f"{configuration()}\n{antivirus}") as started:
        yield started


def with_file(mail: EmailMessage, data: bytes = b"%PDF-1.7 plan", name: str = "plan.pdf") -> EmailMessage:
    mail.add_attachment(data, maintype="application", subtype="pdf", filename=name)
    return mail


def files(mail: Sent) -> list[str | None]:
    return [part.get_filename() for part in mail.message.iter_attachments()]


@pytest.mark.skipif(CLAMD is None, reason=MISSING)
def test_a_virus_goes_nowhere_in_either_direction(tmp_path: Path) -> None:
    clamd = Clamd(tmp_path)
    try:
        with beside(tmp_path, clamd.socket) as gateway:
            gateway.post(with_file(letter(NORA, "Voici la facture.", to=TO), PROBE), to=TO)
            told = gateway.latest(ALICE)
            assert files(told) == []
            assert "Voici la facture." in told.text
            assert "– plan.pdf : un virus y a été trouvé" in told.words

            gateway.post(with_file(outlook(told, ALICE, "Voici le formulaire."), PROBE, "formulaire.pdf"))
            back = gateway.latest(ALICE)
            assert "un virus a été trouvé dans vos pièces jointes (formulaire.pdf)" in back.words
            assert "Voici le formulaire." in back.text
            assert len(gateway.sent(NORA)) == 1  # the acknowledgement

            gateway.post(with_file(outlook(told, ALICE, "Voici le formulaire."), name="formulaire.pdf"))
            assert files(gateway.latest(NORA)) == ["formulaire.pdf"]
            verdicts = [(scan["verdict"], scan["conversation"]) for scan in gateway.command("scans", "list")]
            assert verdicts == [("infected", told.reference)] * 2
    finally:
        clamd.close()


def test_mail_is_told_at_once_and_its_attachments_once_they_are_checked(tmp_path: Path) -> None:
    with pretended(tmp_path, "hangs") as clamd, beside(tmp_path, clamd.socket, "2s") as gateway:
        for n in range(5):
            gateway.send(with_file(letter(f"usager{n}@x.example", f"Facture {n}.", to=TO)), to=TO)
        gateway.taken_in(5)
        gateway.settle()
        told = gateway.sent(ALICE)
        assert [files(mail) for mail in told] == [[]] * 5
        assert all("– plan.pdf : recherche de virus en attente" in mail.words for mail in told)
        (answered,) = [mail for mail in told if "Facture 0." in mail.text]
        gateway.send(with_file(outlook(answered, ALICE, "Voici le reçu."), name="recu.pdf"))
        gateway.taken_in(6)

        clamd.behave("honest")
        gateway.command("scans", "retry")
        gateway.awaited(ALICE, 10)
        later = gateway.sent(ALICE)[5:]
        assert [files(mail) for mail in later] == [["plan.pdf"]] * 5
        assert sorted(mail.reference for mail in later) == sorted(mail.reference for mail in told)
        assert files(gateway.awaited("usager0@x.example", 2)) == ["recu.pdf"]
        assert len(gateway.sent(HOTLINE)) == 10
        assert gateway.sent(MANON) == []
        assert gateway.command("scans", "list") == []


def test_a_manager_releases_what_was_taken_for_a_virus_and_files_are_got_out(tmp_path: Path) -> None:
    with pretended(tmp_path) as clamd, beside(tmp_path, clamd.socket) as gateway:
        gateway.post(with_file(letter(NORA, "Voici.", to=TO), PROBE), to=TO)
        reference = gateway.latest(ALICE).reference
        (scan,) = gateway.command("scans", "list")
        saved = gateway.command("attachments", reference, "--save", str(tmp_path / "out"))
        assert [file["saved"] for file in saved] == [None]
        gateway.command("scans", "release", scan["sha256"], "--as", ALICE, status=1)
        gateway.command("scans", "release", scan["sha256"], "--as", MANON)
        assert files(gateway.awaited(ALICE, 2)) == ["plan.pdf"]
        (file,) = gateway.command("attachments", reference, "--as", ALICE, "--save", str(tmp_path / "out"))
        assert Path(file["saved"]).read_bytes() == PROBE
        history = gateway.command("show", reference)["history"]
        assert ("released the attachments of message 1", MANON) in [(event["what"], event["by"]) for event in history]
