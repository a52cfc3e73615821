"""Scene d: a request that reached the wrong organisation is handed over, and the usager is told whom."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.clients import gmail, letter, outlook
from tests.servers.gateway import (
    ALICE,
    BOB,
    DIRECTORY,
    DOMAIN,
    EAUX,
    HOTLINE,
    MANON,
    METROPOLE,
    NEIGHBOURS,
    NOWHERE,
    PAULA,
    PIERRE,
    PREFECTURE,
    Gateway,
    Sent,
    configuration,
    running,
)

QUESTION = "Bonjour,\n\nJe voudrais renouveler mon titre.\n\nMerci"
TO = f"demarche+42@{DOMAIN}"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("transfer"), configuration(directory=DIRECTORY + NEIGHBOURS)) as started:
        yield started


def asked(gateway: Gateway, author: str) -> Sent:
    """Somebody writes to the town hall's démarche; what Alice is told."""
    gateway.post(letter(author, QUESTION, to=TO, subject="Mon titre"), to=TO)
    return gateway.latest(ALICE)


def test_to_an_organisation_with_one_demarche(gateway: Gateway) -> None:
    """By SIRET, with words: the conversation is Bob's, and Alice's no more."""
    nora = "nora.one@usager.example.net"
    alice_told = asked(gateway, nora)
    reference = alice_told.reference
    spaced = f"{METROPOLE[:3]} {METROPOLE[3:6]} {METROPOLE[6:9]} {METROPOLE[9:]}"
    words = "Bonjour,\n\nC'est la métropole qui s'en occupe."
    gateway.post(outlook(alice_told, ALICE, f"@transmettre {spaced}\n@note Pas pour nous.\n\n{words}"))

    told = gateway.latest(nora, reference)
    assert told.text.startswith(words)
    assert told.from_name == "Mairie d'Exemple"  # whose words they are
    for fact in (
        "L’organisme auquel vous avez écrit (Mairie d'Exemple) n’est pas compétent pour votre demande",
        "L. 114-2",
        f"Organisme : Métropole d'Exemple (SIRET {METROPOLE})",
        "Démarche : Aide au vélo (n° 43)",
        f"Référence : {reference}",
        "Si vous vouliez écrire à un autre organisme",
    ):
        assert fact in told.words
    assert "Pas pour nous" not in told.whole
    assert ALICE not in told.whole
    bob_told = gateway.latest(BOB, reference)
    assert "a transmis cette conversation à votre organisme. L’usager en a été averti." in bob_told.words
    assert "Je voudrais renouveler mon titre." in bob_told.text
    assert "Note (alice" in bob_told.text

    gateway.command("show", reference, "--as", ALICE, status=1)
    gateway.post(gmail(alice_told, ALICE, "Encore moi."))
    assert "vous n’avez pas accès à cette conversation" in gateway.latest(ALICE, reference).text
    gateway.post(gmail(told, nora, "Merci, et le délai ?"))
    assert "Merci, et le délai ?" in gateway.latest(BOB, reference).text
    gateway.post(gmail(gateway.latest(BOB, reference), BOB, "Dix jours."))
    answer = gateway.latest(nora, reference)
    assert answer.text.startswith("Dix jours.")
    assert answer.from_name == "Métropole d'Exemple"
    assert [mail.to for mail in gateway.sent(about=reference)] == [
        *(ALICE, HOTLINE, nora),
        *(nora, BOB),
        ALICE,
        BOB,
        nora,
    ]
    seen = gateway.show(reference)
    assert (seen["inbox"], seen["status"]) == ({"kind": "demarche", "number": 43}, "pending")
    handed = [event for event in seen["history"] if "handed it over" in event["what"]]
    assert [(event["by"], METROPOLE in event["what"]) for event in handed] == [(ALICE, True)]


def test_to_an_organisation_with_several_demarches(gateway: Gateway) -> None:
    """By name, in another case: before all of its administrateurs, with all that can be said of it to the usager."""
    nora = "nora.several@usager.example.net"
    alice_told = asked(gateway, nora)
    reference = alice_told.reference
    gateway.post(gmail(alice_told, ALICE, "@transmettre PREFECTURE D'EXEMPLE"))
    told = gateway.latest(nora, reference)
    for fact in (
        "Bonjour,",
        f"Organisme : Préfecture d'Exemple (SIRET {PREFECTURE})",
        "Adresse : 1 place de l'Exemple, 31000 Exemple",
        "Téléphone : 05 11 11 11 11",
        "Horaires : 9 h – 12 h",
        "Courriel : accueil@prefecture.example.org",
        "Questions fréquentes : https://prefecture.example.org/faq",
        "Vous n’avez rien à faire : cet organisme vous répondra.",
    ):
        assert fact in told.words
    for agent in (PAULA, PIERRE):
        assert "a transmis" in gateway.latest(agent, reference).text
    seen = gateway.show(reference)
    assert (seen["inbox"]["kind"], seen["organisation"]) == ("global", PREFECTURE)
    gateway.post(gmail(told, nora, "Voici une précision."))
    assert not gateway.sent(MANON, reference), "the platform isn't bothered"
    gateway.post(gmail(gateway.latest(PIERRE, reference), PIERRE, "@demarche 52\n\nC'est fait."))
    answer = gateway.latest(nora, reference)
    assert answer.from_name == "Préfecture d'Exemple"
    assert "Démarche : Permis de conduire (n° 52)" in answer.words
    assert "Pierre, Préfecture d'Exemple" in answer.text, "this démarche lets first names be known"
    gateway.command("show", reference, "--as", PAULA, status=1)


def test_to_one_of_its_demarches_from_the_command_line(gateway: Gateway) -> None:
    nora = "nora.number@usager.example.net"
    reference = asked(gateway, nora).reference
    name = "Préfecture d'Exemple, démarche 51"
    gateway.command("transfer", reference, name, "--as", HOTLINE, "--text", "Bonne chance.")
    gateway.settle()
    told = gateway.latest(nora, reference)
    assert told.text.startswith("Bonne chance.")
    assert "Démarche : Titre de séjour (n° 51)" in told.words
    assert gateway.latest(PAULA, reference)
    assert not gateway.sent(PIERRE, reference)


def test_to_an_organisation_that_is_not_here(gateway: Gateway) -> None:
    """The request leaves for its public address, attachments and all; the conversation ends here."""
    nora = "nora.eaux@usager.example.net"
    request = letter(nora, "Hello,\n\nThere is a leak in my street.", to=TO, subject="A leak", name="Nora")
    request.add_attachment(b"%PDF-1.4 une photo", maintype="application", subtype="pdf", filename="fuite.pdf")
    gateway.post(request, to=TO)
    reference = gateway.latest(ALICE).reference
    gateway.post(gmail(gateway.latest(nora), nora, "The water is rising!"))
    gateway.post(gmail(gateway.latest(ALICE), ALICE, f"@transmettre {EAUX}"))
    told, handed = gateway.latest(nora, reference), gateway.latest("accueil@eaux.example.org")
    for fact in ("Syndicat des eaux", EAUX, "05 22 22 22 22", "accueil@eaux.example.org"):
        assert fact in told.words
    assert handed.from_name == "Mairie d'Exemple"
    assert "There is a leak in my street." in handed.text
    assert "The water is rising!" in handed.text, "all of it, as the usager is told"
    assert "semble relever de votre organisme" in handed.words, "an office reads French, whatever the usager writes"
    assert "with all your messages" not in told.words
    assert nora in handed.text
    (attachment,) = handed.message.iter_attachments()
    assert attachment.get_content() == b"%PDF-1.4 une photo"
    assert gateway.show(reference)["status"] == "closed"


def test_whoever_cannot_be_reached_is_not_handed_to(gateway: Gateway) -> None:
    alice_told = asked(gateway, "nora.no@usager.example.net")
    reference = alice_told.reference
    reasons = {
        NOWHERE: "Association sans adresse n’a ici ni agents ni adresse de courriel",
        "Ministère": "Ministère n’est pas un organisme connu ici",
        "": "l’organisme manque",
        "Mairie d'Exemple": "la conversation s’y trouve déjà",
        f"{PREFECTURE} démarche 43": "il n’existe pas de démarche n° 43",
    }
    for words, reason in reasons.items():
        gateway.post(gmail(alice_told, ALICE, f"@transmettre {words}\n\nBonjour."))
        assert reason in gateway.latest(ALICE, reference).words
    seen = gateway.show(reference)
    assert (seen["inbox"]["number"], seen["status"], seen["organisation"]) == (42, "active", None)
    assert {mail.to for mail in gateway.sent(about=reference)} == {ALICE, HOTLINE, "nora.no@usager.example.net"}
    assert len(gateway.sent("nora.no@usager.example.net")) == 1
