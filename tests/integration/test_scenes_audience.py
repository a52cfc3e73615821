"""Who is written to, on a running daemon: takeovers, a leaked address, a copied stranger, another address, a code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.clients import gmail, letter, outlook
from tests.servers.gateway import CONTACT, DOMAIN, INES, MANON, ULYSSE, Gateway, Sent, running

EVE, SECOND, PRIVATE = "eve@attacker.example", "ulysse@autre.example", "ines@prive.example"
DOSSIER = f"dossier+123@{DOMAIN}"
SECRET = "La décision est favorable"


@pytest.fixture
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("audience")) as started:
        yield started


def begun(gateway: Gateway) -> tuple[Sent, Sent]:
    """Ulysse asks, Inès answers: the answer as he has it, and what she was told."""
    gateway.post(letter(ULYSSE, "Où en est mon dossier ?", to=DOSSIER, subject="Mon dossier"), to=DOSSIER)
    told = gateway.latest(INES)
    gateway.post(gmail(told, INES, f"@note Entre nous.\n\n{SECRET}."))
    return gateway.latest(ULYSSE), told


def test_an_attacker_in_copy_of_a_forged_reply_gets_nothing(gateway: Gateway) -> None:
    answer, _ = begun(gateway)
    forged = gmail(answer, ULYSSE, "Merci, et la suite ?")
    forged["Cc"] = EVE
    forged["Reply-To"] = EVE
    gateway.send(forged, sender=EVE, to=answer.answer_to)
    gateway.taken_in(3)
    gateway.post(gmail(gateway.latest(INES), INES, f"{SECRET}, encore."))
    own = letter(
        EVE, "Je réponds à tous.", to=CONTACT, subject="Re: Mon dossier", In_Reply_To=str(forged["Message-ID"])
    )
    gateway.post(own)
    told = gateway.latest(INES)
    assert f"Votre réponse sera envoyée à {ULYSSE}, et à personne d’autre" in told.words
    gateway.post(gmail(told, INES, f"{SECRET}, toujours."))
    assert gateway.sent(EVE) == []
    assert "toujours" in gateway.latest(ULYSSE).text
    assert "Je réponds à tous" not in "".join(mail.whole for mail in gateway.sent(ULYSSE))


def test_whoever_writes_to_a_forwarded_address_is_read_and_told_nothing(gateway: Gateway) -> None:
    answer, told = begun(gateway)
    gateway.post(gmail(answer, EVE, "Envoyez-moi tout.", recipient=answer.answer_to), to=answer.answer_to)
    warned = gateway.latest(INES)
    assert EVE in warned.text
    assert answer.answer_to not in warned.whole, "nobody is shown his address"
    gateway.post(gmail(warned, INES, f"{SECRET}."))
    gateway.post(gmail(told, PRIVATE, f"@admettre {EVE}\n\n{SECRET}.", recipient=told.answer_to), to=told.answer_to)
    assert gateway.sent(EVE) == []
    assert gateway.sent(PRIVATE) == []
    assert gateway.only()["guests"] == []


def test_another_address_of_hers_is_written_to_once_it_is_admitted(gateway: Gateway) -> None:
    answer, _ = begun(gateway)
    gateway.post(gmail(answer, SECOND, "C’est moi.", recipient=answer.answer_to), to=answer.answer_to)
    warned = gateway.latest(INES)
    assert "ne vient pas de l’usager de cette conversation" in warned.words
    gateway.post(gmail(warned, INES, "Bien reçu."))
    assert gateway.sent(SECOND) == []
    gateway.post(outlook(gateway.latest(INES), INES, f"@admettre {SECOND}\n\nBonjour à vos deux adresses."))
    assert "Bonjour à vos deux adresses" in gateway.latest(SECOND).text
    assert SECRET not in "".join(mail.whole for mail in gateway.sent(SECOND))


def test_a_services_code_is_for_agents_alone(gateway: Gateway) -> None:
    answer, _ = begun(gateway)
    robot, code = "no-reply@service.example", "739205"
    for to in (CONTACT, answer.answer_to):
        gateway.post(
            letter(robot, f"Your verification code is {code}.", to=to, subject="Your verification code"), to=to
        )
    for agent in (MANON, INES):
        told = gateway.latest(agent)
        assert code in told.text
        assert "Ne transmettez jamais ce code ou ce lien" in told.words
    gateway.post(gmail(gateway.latest(INES), INES, "Bonjour."))
    assert gateway.sent(robot) == []
    assert code not in "".join(mail.whole for mail in gateway.sent(ULYSSE))


def test_what_leaves_cites_only_what_its_recipient_has(gateway: Gateway) -> None:
    """And no address of an agent's, nor a note."""
    answer, told = begun(gateway)
    gateway.post(gmail(answer, ULYSSE, f"Voici. Votre adresse {answer.answer_to} est bien longue."))
    again = gateway.latest(INES)
    assert answer.answer_to not in again.whole
    gateway.post(gmail(again, INES, f"Écrivez-moi à {INES} ou à {again.answer_to}."))
    last = gateway.latest(ULYSSE)
    for never in (INES, again.answer_to, told.id, again.id, "Entre nous"):
        assert never not in last.whole
    assert CONTACT in last.text
