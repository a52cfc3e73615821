"""An agent's mail that isn't proven, on a running gateway: nothing of it leaves before she says that it is hers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.clients import Client, gmail, letter, outlook, telephone
from tests.servers.gateway import DOMAIN, INES, ULYSSE, Gateway, Sent, configuration, running

DOSSIER = f"dossier+123@{DOMAIN}"
ANSWER = "Bonjour,\n\nVotre dossier est complet."
MX = "mx.example.org"
ELSEWHERE = "ines@private.example.net"


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Gateway]:
    """Authentication is asked of agents; a trusted server in front tells it."""
    with running(tmp_path, configuration(agent_proof="authenticated", authserv_id=MX)) as started:
        yield started


def told(gateway: Gateway) -> Sent:
    gateway.send(letter(ULYSSE, "Bonjour, où en est-il ?", to=DOSSIER), to=DOSSIER)
    return gateway.awaited(INES)


def asked(gateway: Gateway, text: str = ANSWER) -> Sent:
    """Inès answers through a server that vouches for nothing; the question that she gets."""
    notification = told(gateway)
    gateway.post(gmail(notification, INES, text), to=notification.answer_to)
    question = gateway.awaited(INES, 2)
    assert "Ce message est-il de vous" in question.subject.replace("\u00a0", " ")
    assert [mail.to for mail in gateway.sent(ULYSSE)] == [ULYSSE], "only the acknowledgement"
    return question


def answers(gateway: Gateway) -> list[Sent]:
    return [mail for mail in gateway.all_sent() if mail.to == ULYSSE and "Votre dossier est complet" in mail.text]


def confirmation(gateway: Gateway) -> dict[str, Any]:
    (found,) = (m["confirmation"] for m in gateway.only()["messages"] if m["confirmation"])
    return dict(found)


@pytest.mark.parametrize("client", [gmail, outlook, telephone])
def test_her_yes_sends_it_once(strict: Gateway, client: Client) -> None:
    question = asked(strict, f"@clore\n\n{ANSWER}")
    assert (question.sender, question.message["Auto-Submitted"]) == ("", "auto-replied")
    assert confirmation(strict)["state"] == "asked"
    for _ in range(2):
        strict.post(client(question, INES, "Oui"), to=question.answer_to)
    (answer,) = answers(strict)
    assert answer.from_name == "Mairie d'Exemple"
    assert INES not in answer.whole
    assert strict.only()["status"] == "closed"
    assert confirmation(strict)["state"] == "confirmed"
    assert "déjà été confirmé" in strict.latest(INES).words


def test_her_no_sends_it_never(strict: Gateway) -> None:
    question = asked(strict)
    for words in ("Non, ce n'est pas moi !", "Oui"):
        strict.post(gmail(question, INES, words), to=question.answer_to)
    assert answers(strict) == []
    assert confirmation(strict)["state"] == "withdrawn"


def test_her_absence_confirms_nothing(strict: Gateway) -> None:
    question = asked(strict)
    robot = letter(
        INES,
        "Oui, je suis absente jusqu'au 3 décembre.",
        to=question.answer_to,
        subject=f"Réponse automatique : {question.subject}",
        Auto_Submitted="auto-replied",
        In_Reply_To=question.id,
    )
    before = len(strict.all_sent())
    strict.post(robot, to=question.answer_to)
    assert answers(strict) == []
    assert len(strict.all_sent()) == before, "machines are told nothing"
    assert confirmation(strict)["state"] == "asked"


def test_what_came_from_her_private_mailbox_leaves_with_its_attachment(strict: Gateway) -> None:
    notification = told(strict)
    mail = gmail(notification, ELSEWHERE, ANSWER)
    mail.add_attachment(b"%PDF-1.4 piece", maintype="application", subtype="pdf", filename="piece.pdf")
    strict.post(mail, to=notification.answer_to)
    question = strict.awaited(INES, 2)
    assert ELSEWHERE in question.words
    assert "cette adresse n’est pas la vôtre" in question.words
    assert "piece.pdf" in question.words
    assert list(question.message.iter_attachments()) == []
    strict.post(gmail(question, INES, "oui"), to=question.answer_to)
    (answer,) = answers(strict)
    assert ELSEWHERE not in answer.whole
    (piece,) = answer.message.iter_attachments()
    assert (piece.get_filename(), piece.get_content()) == ("piece.pdf", b"%PDF-1.4 piece")
    assert not strict.sent(ELSEWHERE)


def test_killed_between_it_still_leaves_once(strict: Gateway) -> None:
    """Killed when the question is due, when her yes is kept, and when the answer is due; she says yes each time."""
    notification = told(strict)
    strict.send(gmail(notification, INES, ANSWER), to=notification.answer_to)
    strict.kill()
    strict.start()
    question = strict.awaited(INES, 2)
    for _ in range(3):
        strict.send(gmail(question, INES, "Oui"), to=question.answer_to)
        strict.kill()
        strict.start()
    strict.until(lambda: len(strict.filed()) >= 5, "all her answers filed")
    assert len(answers(strict)) == 1
    assert confirmation(strict)["state"] == "confirmed"
    assert not strict.aside()


def test_explain_says_what_would_be_asked(strict: Gateway, tmp_path: Path) -> None:
    notification = told(strict)
    (tmp_path / "mail.eml").write_bytes(gmail(notification, INES, ANSWER).as_bytes())
    document = strict.command("explain", str(tmp_path / "mail.eml"))
    assert document["proof"] == "plausible"
    assert document["confirmation"].startswith(f"asked {INES} to confirm a mail in her name")
    assert "confirmation asked" in strict.page("explain", str(tmp_path / "mail.eml"))
