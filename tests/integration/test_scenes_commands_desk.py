"""Scenes e and f, and the other commands of agents' mails: what is done, what isn't, and that nothing of it leaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from itertools import count
from pathlib import Path

import pytest

from tests.servers.clients import gmail, gmail_forward, letter, outlook, outlook_forward, telephone, thunderbird
from tests.servers.gateway import (
    ALICE,
    BOB,
    CONTACT,
    DIRECTORY,
    DOMAIN,
    HOTLINE,
    IGOR,
    INES,
    MANON,
    NEIGHBOURS,
    ULYSSE,
    VERA,
    Gateway,
    Sent,
    configuration,
    running,
)

DOSSIERS = "".join(
    f'[[dossiers]]\nnumber = {n}\ndemarche = 42\nfollowers = ["{INES}"]\nusager = "u{n}@usager.example.net"\n'
    for n in range(900, 940)
)
_numbers = count(900)
ANSWER = "Bonjour,\n\nVotre demande est en cours d'examen.\n\nCordialement"
SECRET = "Vu avec le service juridique."
AMI = "ami@usager.example.net"
MODELE = """\
Bonjour,

Il manque une pièce à votre dossier n° {{ dossier }} ({{ demarche.title }}).
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("commands")
    modeles = folder / "textes" / "modeles"
    modeles.mkdir(parents=True)
    (modeles / "Pièces manquantes.txt").write_text(MODELE)
    (modeles / "merci.txt").write_text("Merci de votre message.\n")
    desk = 'bundle = "0s"\ntemplates = "textes"'
    with running(folder, configuration(directory=DIRECTORY + NEIGHBOURS + DOSSIERS, desk=desk)) as started:
        yield started


def asked(gateway: Gateway, text: str = "Où en est ma demande ?") -> tuple[Sent, str]:
    """An usager writes to her dossier, each time another one; what Inès, who follows it, is told, and the usager."""
    number = next(_numbers)
    to, usager = f"dossier+{number}@{DOMAIN}", f"u{number}@usager.example.net"
    gateway.post(letter(usager, f"Bonjour,\n\n{text}", to=to, name="Ursule"), to=to)
    return gateway.latest(INES), usager


def answers(gateway: Gateway, usager: str) -> list[Sent]:
    """What she got after her acknowledgement."""
    return gateway.sent(usager)[1:]


# --- scene e ------------------------------------------------------------------------------------------------


def test_a_note_a_mention_and_an_answer_in_one_mail(gateway: Gateway) -> None:
    """Igor and the hotline may see it and are told; Bob, of another organisation, isn't."""
    told, usager = asked(gateway)
    reference = told.reference
    note = f"{SECRET} @igor.instruit {HOTLINE} @bob.admin {BOB} qu'en pensez-vous ?"
    gateway.post(outlook(told, INES, f"@note {note}\n@tag juridique\n\n{ANSWER}"))
    (answer,) = answers(gateway, usager)
    assert answer.text.startswith(ANSWER)
    for inner in (SECRET, "@igor", HOTLINE, "bob", "juridique", INES):
        assert inner not in answer.whole
    for agent in (IGOR, HOTLINE):
        (mention,) = gateway.sent(agent, reference)
        assert "Inès Instruit vous a mentionné dans une note" in mention.text
        assert note in mention.words
        assert "Attention : une réponse à ce courriel est envoyée à l’usager." in mention.words
        assert mention.subject.startswith(f"[{reference}]")
    assert not gateway.sent(BOB)
    seen = gateway.show(reference)
    assert [(m["kind"], m["text"]) for m in seen["messages"][1:]] == [("external", ANSWER), ("internal", note)]
    assert [event["what"] for event in seen["history"][1:]] == [
        "answered the usager",
        "wrote a note",
        "tagged with juridique",
        f"did not tell {BOB}, whom {INES} named in a note: no access",
    ]

    gateway.post(thunderbird(gateway.latest(IGOR, reference), IGOR, "@note Rien à redire, @ines."))
    assert "Rien à redire" in gateway.latest(INES, reference).text
    assert len(answers(gateway, usager)) == 1


# --- scene f ------------------------------------------------------------------------------------------------

FAULTY: dict[str, tuple[str, str]] = {
    "unknown command": ("@cloturons", "@cloturons n’est pas une commande"),
    "unknown agent": ("@affecter personne.du.tout@mairie.example.org", "n’est ni le nom ni l’adresse d’un agent"),
    "no agent": ("@affecter", "l’adresse de l’agent manque"),
    "a stranger": (f"@affecter {BOB}", "qui n’est pas agent de cette démarche"),
    "spam": ("@spam", "marquer une conversation comme indésirable"),
    "another dossier": (
        "@dossier 456",
        "vous ne pouvez pas déplacer cette conversation à cet endroit (dossier n° 456)",
    ),
    "no dossier": ("@dossier n° 999 999", "il n’existe pas de dossier n° 999999"),
    "no number": ("@demarche Permis", "il n’existe pas de démarche n° Permis"),
    "no right to hand over": ("@transmettre 24310002000011", "vous ne pouvez pas transmettre"),
    "no date": ("@attente la saint-glinglin", "la saint-glinglin n’est pas une date"),
    "a day gone by": ("@attente 01/01/2020", "cette date est passée"),
    "no modèle": ("@modele inconnu", "il n’y a pas de réponse préparée du nom de inconnu"),
    "an agent admitted": (f"@admettre {IGOR}", "un agent ne s’admet pas"),
    "no address": ("@admettre le notaire", "le notaire n’est pas une adresse de courriel"),
    "no tag": ("@tag", "indiquez une étiquette après @tag"),
    "words after": ("@clore Bonne journée", "@clore se place seul sur sa ligne"),
    "two places": ("@demarche 42\n@global", "ces commandes ne peuvent pas être combinées"),
    "nothing forwarded": ("@fwd", "aucun message transféré n’a été trouvé sous @fwd"),
    "misplaced": ("Bonjour,\n\n@note Ne pas lui dire.\n@clore", "@note se trouve au milieu du texte"),
}


def test_faulty_commands_leak_nothing_and_come_back(gateway: Gateway) -> None:
    """One conversation, a good command before each faulty one: nothing is done, nothing leaves, all is told."""
    told, usager = asked(gateway)
    reference = told.reference
    clients = (outlook, gmail, thunderbird, telephone)
    before = gateway.show(reference)
    for number, (faulty, reason) in enumerate(FAULTY.values()):
        text = f"@note {SECRET}\n@tag fait\n{faulty}\n\nBonjour, voici la réponse {number}."
        gateway.post(clients[number % 4](told, INES, text, name="Inès Instruit"))
        back = gateway.latest(INES, reference)
        assert len(gateway.sent(INES, reference)) == 2 + number, faulty
        assert back.subject == f"[{reference}] Votre message n’a pas été transmis : Une question", faulty
        assert reason in back.words, faulty
        if faulty != "@fwd":
            assert f"voici la réponse {number}." in back.text, faulty
        assert SECRET in back.text, faulty
        assert back.sender == "", "an answer to it would be a machine's"
    assert not answers(gateway, usager)
    assert {mail.to for mail in gateway.sent(about=reference)} == {usager, INES}
    after = gateway.show(reference)
    changing = {"messages", "history", "updated_at"}
    assert {k: v for k, v in after.items() if k not in changing} == {
        k: v for k, v in before.items() if k not in changing
    }
    refused = after["history"][1:]
    assert len(refused) == len(FAULTY)
    assert all(event["what"].startswith(f"did not act on a mail in the name of {INES}: ") for event in refused)
    assert all(message["kind"] == "internal" for message in after["messages"][1:])

    repaired = gateway.latest(INES, reference)
    gateway.post(outlook(repaired, INES, f"@tag fait\n\n{ANSWER}"))
    (answer,) = answers(gateway, usager)
    assert answer.text.startswith(ANSWER), "the mail that gave her text back can be answered"


@pytest.mark.parametrize("client", [outlook, gmail, thunderbird, telephone])
def test_commands_are_understood_however_they_are_written(
    gateway: Gateway, client: Callable[..., EmailMessage]
) -> None:
    told, usager = asked(gateway, f"Bonjour de {client.__name__}")
    text = (
        f"\xa0@NOTE : {SECRET}\n*@Étiquette*\n".replace("*@Étiquette*", "• @TAG\xa0à revoir") + f"@Clôre\n\n{ANSWER}"
    )
    gateway.post(client(told, INES, text))
    (answer,) = answers(gateway, usager)
    assert answer.text.startswith(ANSWER)
    assert SECRET not in answer.whole
    assert "@" not in answer.text.partition("\n-- \n")[0]
    seen = gateway.show(told.reference)
    assert (seen["status"], seen["tags"]) == ("closed", ["à revoir"])


# --- one command each -----------------------------------------------------------------------------------------


def test_a_prepared_answer_is_filled_in(gateway: Gateway) -> None:
    told, usager = asked(gateway)
    gateway.post(gmail(told, INES, "@modele"))
    listed = gateway.latest(INES, told.reference)
    assert "– Pièces manquantes" in listed.text
    assert not answers(gateway, usager), "to ask for the list sends the usager nothing"
    gateway.post(gmail(listed, INES, "@modèle pieces manquantes\n\nMerci de l'envoyer avant lundi."))
    (answer,) = answers(gateway, usager)
    number = usager.partition("@")[0].removeprefix("u")
    prepared = (
        f"Bonjour,\n\nIl manque une pièce à votre dossier n° {number} (Permis de végétaliser).\n\nMerci de l'envoyer"
    )
    assert answer.text.startswith(prepared)
    gateway.post(gmail(listed, INES, "@template merci"))
    assert answers(gateway, usager)[-1].text.startswith("Merci de votre message.")


def test_a_guest_takes_part(gateway: Gateway) -> None:
    """Admitted by an agent: gets the answers with a token of his own, and what he writes is told."""
    told, usager = asked(gateway)
    reference = told.reference
    gateway.post(outlook(told, INES, f"@admettre {AMI}\n\n{ANSWER}"))
    for person in (usager, AMI):
        assert gateway.latest(person, reference).text.startswith(ANSWER)
    (his,) = gateway.sent(AMI, reference)
    assert his.answer_to != gateway.latest(usager).answer_to
    gateway.post(gmail(his, AMI, "Je suis son voisin."))
    assert "Je suis son voisin." in gateway.latest(INES, reference).text
    assert gateway.show(reference)["guests"] == [AMI]
    assert [mail.to for mail in gateway.sent(about=reference)] == [INES, usager, usager, AMI, INES]


def test_who_follows_is_told_and_who_mutes_is_not(gateway: Gateway) -> None:
    told, usager = asked(gateway)
    reference = told.reference
    gateway.command("follow", reference, "--as", ALICE)
    gateway.post(gmail(told, INES, "@taire"))
    gateway.post(gmail(gateway.latest(usager), usager, "Et alors ?"))
    assert [mail.to for mail in gateway.sent(about=reference)] == [INES, usager, ALICE, IGOR], "else nobody would be"
    gateway.post(gmail(gateway.latest(ALICE, reference), ALICE, "@taire"))
    gateway.post(gmail(told, INES, "@suivre"))
    gateway.post(gmail(gateway.latest(usager), usager, "Allô ?"))
    assert [mail.to for mail in gateway.sent(about=reference)][4:] == [INES]


@pytest.mark.parametrize("forward", [outlook_forward, gmail_forward])
def test_an_agent_brings_in_what_was_written_to_her(gateway: Gateway, forward: Callable[..., EmailMessage]) -> None:
    """The conversation is the original sender's, who is acknowledged; her note stays inside.

    Where nothing but her token proves her, she writes to her reply address too, of whichever notification.
    """
    to = f"demarche+42@{DOMAIN}"
    gateway.post(letter(f"v.{forward.__name__}@usager.example.net", "Une question.", to=to), to=to)
    nadia = f"nadia.{forward.__name__.partition('_')[0]}@usager.example.net"
    private = letter(
        nadia, "Bonjour Alice,\n\nJ'aimerais végétaliser ma rue.", name="Nadia", subject="Ma rue", to=ALICE
    )
    both = f"{to}, {gateway.latest(ALICE).answer_to}"
    gateway.post(forward(private, ALICE, f"@fwd\n@note {SECRET}", to=both), to=to)
    (acknowledged,) = gateway.sent(nadia)
    reference = acknowledged.reference
    assert "Mairie d'Exemple" in acknowledged.text
    assert SECRET not in acknowledged.whole
    assert ALICE not in acknowledged.whole
    seen = gateway.show(reference)
    assert (seen["usager"], seen["subject"], seen["inbox"]["number"]) == (nadia, "Ma rue", 42)
    assert seen["messages"][0]["text"] == "Bonjour Alice,\n\nJ'aimerais végétaliser ma rue."
    assert (seen["messages"][0]["author"], seen["messages"][0]["proof"]) == (nadia, "unverified")
    assert [(m["kind"], m["text"]) for m in seen["messages"][1:]] == [("internal", SECRET)]
    hotline = gateway.latest(HOTLINE, reference)
    gateway.post(outlook(hotline, HOTLINE, ANSWER))
    assert gateway.latest(nadia, reference).text.startswith(ANSWER)


def test_a_forward_of_a_stranger_opens_nothing_in_anothers_name(gateway: Gateway) -> None:
    """`@fwd` is an agent's: from anybody else it is a mail like any other."""
    eve = "eve@elsewhere.example.net"
    private = letter(VERA, "Supprimez mon dossier.", name="Vera", subject="Vite", to=eve)
    gateway.post(outlook_forward(private, eve, "@fwd"))
    assert not gateway.sent(VERA)
    assert gateway.show(gateway.latest(MANON).reference)["usager"] == eve


def test_put_off_until_a_day(gateway: Gateway) -> None:
    told, usager = asked(gateway)
    year = datetime.now(UTC).year + 1
    gateway.command("status", told.reference, "pending", "--until", f"1er février {year}", "--as", INES)
    seen = gateway.show(told.reference)
    assert (seen["status"], seen["snoozed_until"]) == ("pending", f"{year}-02-01T07:00:00Z")
    words = gateway.command("status", told.reference, "pending", "--until", "1/2/2999", "--as", INES, status=1)
    assert "too far away" in words
    gateway.post(gmail(gateway.latest(usager), usager, "C'est urgent."))
    seen = gateway.show(told.reference)
    assert (seen["status"], seen["snoozed_until"]) == ("active", None), "a person's mail ends it"


# --- repair ---------------------------------------------------------------------------------------------------


def test_a_message_is_split_off_and_answers_follow_it(gateway: Gateway) -> None:
    """Two matters in one conversation: each with its own answers afterwards; then made one again."""
    told, usager = asked(gateway)
    reference = told.reference
    gateway.post(gmail(gateway.latest(usager), usager, "Autre chose : ma clôture."))
    second = gateway.latest(INES, reference)
    wanted = gateway.show(reference)["messages"][-1]["id"]
    assert "administrateur" in gateway.command("split", reference, str(wanted), "--as", INES, status=1)
    own = gateway.command("split", reference, str(wanted), "--as", ALICE)["reference"]
    assert own != reference
    gateway.post(gmail(second, INES, "Votre clôture est autorisée."))
    answer = gateway.latest(usager)
    assert answer.reference == own, "the answer to its notification goes with it"
    assert answer.subject == "Re: Une question", "not that of our acknowledgement, to which he replied"
    gateway.post(gmail(answer, usager, "Merci pour la clôture."))
    gateway.post(gmail(told, INES, "Votre demande avance."))
    first, other = gateway.show(reference), gateway.show(own)
    assert [m["text"].partition("\n")[0] for m in first["messages"]] == ["Bonjour,", "Votre demande avance."]
    assert [m["text"] for m in other["messages"]] == [
        "Autre chose : ma clôture.",
        "Votre clôture est autorisée.",
        "Merci pour la clôture.",
    ]

    assert gateway.command("merge", own, reference, "--as", ALICE)["reference"] == reference
    gateway.post(gmail(answer, usager, "Encore merci."))
    whole = gateway.show(own)
    assert whole["reference"] == reference
    assert whole["messages"][-1]["text"] == "Encore merci."
    assert len(whole["messages"]) == 6


def test_conversations_of_different_dossiers_are_never_merged(gateway: Gateway) -> None:
    first = asked(gateway)[0].reference
    to = f"dossier+456@{DOMAIN}"
    gateway.post(letter(VERA, "Bonjour", to=to), to=to)
    second = gateway.latest(BOB).reference
    words = gateway.command("merge", first, second, "--as", MANON, status=1)
    assert "never merged" in words


# --- bursts -----------------------------------------------------------------------------------------------------


def test_a_burst_is_told_in_two_notifications(tmp_path: Path) -> None:
    """The first mail at once, the rest together; an agent's own act ends it."""
    with running(tmp_path, configuration(desk='bundle = "2s"')) as gateway:
        gateway.post(letter(ULYSSE, "Premier message.", to=f"dossier+123@{DOMAIN}"), to=f"dossier+123@{DOMAIN}")
        reply = gateway.latest(ULYSSE)
        for word in ("deuxième", "troisième", "quatrième", "cinquième"):
            gateway.post(gmail(reply, ULYSSE, f"Voici le {word}."))
        assert len(gateway.sent(INES)) == 1
        rest = gateway.awaited(INES, 2)
        gateway.all_sent()  # its delivery is logged once it has left
        last, told = (gateway.events(name)[-1]["timestamp"] for name in ("mail_filed", "delivery_attempted"))
        assert datetime.fromisoformat(told) - datetime.fromisoformat(last) > timedelta(seconds=2)
        places = [rest.text.index(f"Voici le {w}.") for w in ("deuxième", "troisième", "quatrième", "cinquième")]
        assert places == sorted(places)
        assert "Premier message." not in rest.text
        first = gateway.sent(INES)[0]
        assert rest.subject == first.subject
        assert first.id in str(rest.message["References"]), "one thread in her mail program"
        gateway.post(gmail(rest, INES, "Bien reçu, tout."))
        gateway.post(gmail(gateway.latest(ULYSSE), ULYSSE, "Merci."))
        assert gateway.sent(INES)[2].text.count("Merci.") == 1, "a new turn: told at once"
        assert len(gateway.all_sent()) == 5
        assert gateway.sent(CONTACT) == []
