"""Scenes a, b and g: a conversation goes along the hierarchy, by mail; who may not move it is told why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.clients import gmail, letter, outlook, telephone, thunderbird
from tests.servers.gateway import (
    AGENTS,
    ALICE,
    BOB,
    DIRECTORY,
    DOMAIN,
    EVERYBODY,
    HOTLINE,
    INES,
    MANON,
    NEIGHBOURS,
    NOE,
    PAULA,
    SUZIE,
    ULYSSE,
    WANDA,
    Gateway,
    Sent,
    configuration,
    running,
)

ANSWER = "Bonjour,\n\nLe formulaire se trouve sur la page d'accueil.\n\nCordialement"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One daemon for all scenes: each has an usager, and so a conversation, of its own."""
    with running(tmp_path_factory.mktemp("hierarchy"), configuration(directory=DIRECTORY + NEIGHBOURS)) as started:
        yield started


def asked(gateway: Gateway, author: str, agent: str, to: str = f"contact@{DOMAIN}") -> Sent:
    """Somebody writes; the notification that an agent gets of it."""
    before = len(gateway.sent(agent))
    subject = "Une question" + ", encore" * before  # the same words below the same subject aren't acknowledged again
    text = "Bonjour,\n\nOù trouver le formulaire ?\n\nMerci"
    gateway.post(letter(author, text, to=to, name="Nora Usager", subject=subject), to=to)
    (notification,) = gateway.sent(agent)[before:]
    return notification


def whom(gateway: Gateway, reference: str) -> list[str]:
    """Whom the mails about a conversation went to, in their order."""
    return [mail.to for mail in gateway.sent(about=reference)]


# --- scene a ------------------------------------------------------------------------------------------------


def test_an_assigned_instructeur_answers_and_the_usager_sees_the_platform(gateway: Gateway) -> None:
    """Of the global inbox, where there is no organisation: nothing of her leaves, whatever her program adds."""
    nora = "nora.a@usager.example.net"
    manon_told = asked(gateway, nora, MANON)
    reference = manon_told.reference
    gateway.post(gmail(manon_told, MANON, "@affecter Inès Instruit\n@note C'est pour toi, je crois."))
    told = gateway.latest(INES, reference)
    assert "vous a confié cette conversation" in told.text
    assert "C'est pour toi, je crois." in told.text
    assert "Où trouver le formulaire ?" in told.text
    assert whom(gateway, reference) == [MANON, nora, INES], "nothing to the usager, who need not know"

    signed = f"{ANSWER}\n\n-- \nInès Instruit\nMairie, bureau 12\n{INES}"
    gateway.post(outlook(told, INES, signed, name="Inès Instruit"))
    answer = gateway.latest(nora, reference)
    assert answer.text.startswith(ANSWER)
    assert answer.from_name == "Démarches d'exemple"
    assert answer.html, "and the HTML alternative is looked at below too"
    token = told.answer_to.partition("+")[2].partition("@")[0]
    for hers in (INES, "Inès", "Instruit", "bureau 12", token, manon_told.answer_to, "C'est pour toi"):
        assert hers not in answer.whole
    seen = gateway.show(reference)
    assert (seen["status"], seen["assignee"]) == ("pending", INES)

    gateway.post(telephone(answer, nora, "Merci, je l'ai."))
    assert whom(gateway, reference) == [MANON, nora, INES, nora, INES], "the assignee alone is told"
    gateway.post(thunderbird(gateway.latest(INES, reference), INES, "@clore"))
    closed = gateway.show(reference)
    assert closed["status"] == "closed"
    assert closed["messages"][-2]["text"].startswith("Merci, je l'ai.")


def test_who_is_unassigned_sees_and_does_nothing_any_more(gateway: Gateway) -> None:
    nora = "nora.u@usager.example.net"
    manon_told = asked(gateway, nora, MANON)
    reference = manon_told.reference
    gateway.post(gmail(manon_told, MANON, f"@affecter {INES}"))
    told = gateway.latest(INES, reference)
    assert gateway.command("show", reference, "--as", INES)["reference"] == reference
    gateway.post(gmail(manon_told, MANON, "@affecter personne"))
    gateway.command("show", reference, "--as", INES, status=1)

    gateway.post(outlook(told, INES, ANSWER))
    refused = gateway.latest(INES, reference)
    assert "vous n’avez pas accès à cette conversation" in refused.text
    assert "Le formulaire se trouve sur la page d'accueil." in refused.text, "her text comes back"
    gateway.post(letter(nora, "Encore moi.", In_Reply_To=gateway.latest(nora, reference).id))
    assert whom(gateway, reference) == [MANON, nora, INES, INES, MANON]


# --- scene b ------------------------------------------------------------------------------------------------


def test_an_instructeur_cannot_assign_to_a_stranger(gateway: Gateway) -> None:
    ines_told = asked(gateway, ULYSSE, INES, to=f"dossier+123@{DOMAIN}")
    reference = ines_told.reference
    words = {
        BOB: f"vous ne pouvez pas affecter cette conversation à {BOB}, qui n’est pas agent de cette démarche",
        "bob": "bob n’est ni le nom ni l’adresse d’un agent",
        MANON: f"vous ne pouvez pas affecter cette conversation à {MANON}",
    }
    for target, reason in words.items():
        gateway.post(outlook(ines_told, INES, f"@clore\n@affecter {target}\n\n{ANSWER}"))
        back = gateway.latest(INES, reference)
        assert back.subject.startswith(f"[{reference}] Votre message n’a pas été transmis")
        assert reason in back.text
        assert "Le formulaire se trouve sur la page d'accueil." in back.text
    assert set(whom(gateway, reference)) == {INES, ULYSSE}
    assert len(gateway.sent(ULYSSE, reference)) == 1, "the acknowledgement"
    seen = gateway.show(reference)
    assert (seen["status"], seen["assignee"]) == ("active", None)
    assert [message["kind"] for message in seen["messages"]] == ["external", "internal", "internal", "internal"]
    told = [event["what"] for event in seen["history"] if INES in event["what"]]
    assert len(told) == 3
    assert f"you may not assign this conversation to {BOB}" in told[0]


def test_an_instructeur_assigns_within_her_groupe_and_back_up(gateway: Gateway) -> None:
    """Noé treats dossiers of the north, Suzie those of the south."""
    noe_told = asked(gateway, WANDA, NOE, to=f"dossier+511@{DOMAIN}")
    reference = noe_told.reference
    assert whom(gateway, reference) == [NOE, WANDA]
    gateway.post(gmail(noe_told, NOE, f"@affecter {SUZIE}"))
    assert "vous ne pouvez pas affecter" in gateway.latest(NOE, reference).text
    gateway.command("show", reference, "--as", SUZIE, status=1)
    gateway.post(gmail(noe_told, NOE, "@affecter paula"))
    assert "vous a confié" in gateway.latest(PAULA, reference).text
    assert gateway.show(reference)["assignee"] == PAULA
    gateway.post(outlook(gateway.latest(PAULA, reference), PAULA, f"@assign {SUZIE}"))
    assert "a confié" in gateway.latest(SUZIE, reference).text, "an administrateur may, to any instructeur of it"
    assert gateway.command("show", reference, "--as", SUZIE)["assignee"] == SUZIE


# --- scene g ------------------------------------------------------------------------------------------------


def test_from_the_global_inbox_to_a_dossier_by_three_agents(gateway: Gateway) -> None:
    ulysse_asks = letter(ULYSSE, "Bonjour, une question sur mon arbre.", subject="Mon arbre")
    gateway.post(ulysse_asks)
    manon_told = gateway.latest(MANON)
    reference = manon_told.reference
    gateway.post(gmail(manon_told, MANON, "@note Ulysse parle d'un arbre.\n@demarche 42"))
    alice_told = gateway.latest(ALICE, reference)
    assert "a déplacé cette conversation, qui se trouve maintenant dans l’une de vos boîtes" in alice_told.text
    assert "Ulysse parle d'un arbre." in alice_told.text
    gateway.post(outlook(alice_told, ALICE, "@dossier n° 123\n@tag arbre"))
    ines_told = gateway.latest(INES, reference)
    assert "Dossier : n° 123" in ines_told.words
    gateway.post(thunderbird(ines_told, INES, ANSWER))
    answer = gateway.latest(ULYSSE, reference)
    assert answer.text.startswith(ANSWER)
    for told in ("Mairie d'Exemple", "21310555400017", "Permis de végétaliser", "n° 123", reference):
        assert told in answer.words
    assert answer.from_name == "Mairie d'Exemple"
    assert set(whom(gateway, reference)) == {MANON, ULYSSE, ALICE, HOTLINE, INES}

    seen = gateway.show(reference)
    assert seen["inbox"] == {"kind": "dossier", "number": 123}
    assert seen["tags"] == ["arbre"]
    history = [(event["by"], event["what"]) for event in seen["history"]]
    assert history[0][0] == "gateway"
    assert history[0][1].startswith("opened in global: ")
    assert history[1:] == [
        (MANON, "wrote a note"),
        (MANON, "moved it from global to demarche:42"),
        (ALICE, "tagged with arbre"),
        (ALICE, "moved it from demarche:42 to dossier:123"),
        (INES, "answered the usager"),
    ]
    times = [event["at"] for event in seen["history"]]
    assert times == sorted(times)
    assert f"{ALICE} moved it to dossier:123" in seen["because"]


def test_who_may_not_move_it_is_told_and_it_stays(gateway: Gateway) -> None:
    """An instructeur moves her dossier's conversations up, not sideways; an administrateur within hers."""
    noe_told = asked(gateway, WANDA, NOE, to=f"dossier+511@{DOMAIN}")
    reference = noe_told.reference
    for command in ("@dossier 512", "@demarche 52", "@global", "@spam"):
        gateway.post(gmail(noe_told, NOE, command))
    backs = gateway.sent(NOE, reference)[-4:]
    reasons = ["dossier n° 512", "démarche n° 52", "boîte générale", "marquer une conversation comme indésirable"]
    assert all(reason in back.text for reason, back in zip(reasons, backs, strict=True))
    gateway.post(gmail(noe_told, NOE, "@demarche"))
    assert "a déplacé" in gateway.latest(PAULA, reference).text
    gateway.post(gmail(gateway.latest(PAULA, reference), PAULA, "@demarche 52"))
    assert (
        "vous ne pouvez pas déplacer cette conversation à cet endroit (démarche n° 52)"
        in gateway.latest(PAULA, reference).text
    )
    reply = gmail(
        gateway.latest(WANDA, reference), WANDA, "Il s'agit du dossier 511.", recipient=f"dossier+511@{DOMAIN}"
    )
    gateway.post(reply, to=f"dossier+511@{DOMAIN}")
    seen = gateway.show(reference)
    assert seen["inbox"] == {"kind": "demarche", "number": 51}, "an agent's move is final: no mail moves it again"
    gateway.command("show", reference, "--as", NOE, status=1)


# --- the same rules on the command line -----------------------------------------------------------------------


def test_commands_obey_the_same_rules(gateway: Gateway) -> None:
    noe_told = asked(gateway, WANDA, NOE, to=f"dossier+511@{DOMAIN}")
    reference = noe_told.reference
    forbidden = {
        (
            "move",
            reference,
            "demarche:52",
            "--as",
            NOE,
        ): "you may not move this conversation there (procedure no. 52)",
        ("transfer", reference, "21310555400017", "--as", NOE): "you may not hand this conversation over",
        ("admit", reference, "ami@usager.example.net", "--as", SUZIE): "you have no access to this conversation",
        ("mute", reference, "--as", "eve@elsewhere.example.net"): "you have no access to this conversation",
        ("status", reference, "pending", "--until", "demain ?", "--as", NOE): "demain ? is not a date",
    }
    for arguments, reason in forbidden.items():
        assert reason in gateway.command(*arguments, status=1), arguments
    untouched = gateway.show(reference)
    assert (untouched["status"], untouched["inbox"]["number"], untouched["guests"]) == ("active", 511, [])

    gateway.command("follow", reference, "--as", PAULA)
    gateway.command("admit", reference, "ami@usager.example.net", "--as", NOE)
    gateway.command("move", reference, "demarche:51", "--as", PAULA)
    seen = gateway.show(reference)
    assert (seen["inbox"]["number"], seen["guests"], seen["followers"]) == (51, ["ami@usager.example.net"], [PAULA])
    gateway.settle()
    assert not [mail for mail in gateway.sent(about=reference) if mail.to not in {*EVERYBODY, WANDA}]


def test_tables_fit_a_terminal(gateway: Gateway) -> None:
    long = f"quelqu.un.de.tres.long.{'x' * 30}@usager.example.net"
    asked(gateway, long, MANON)
    listed = gateway.page("conversations")
    history = gateway.page("show", gateway.latest(MANON).reference).partition("when ")[2]
    for page in (listed, history):
        assert len(page.splitlines()) > 1
        assert max(len(line.rstrip()) for line in page.splitlines()) <= 80


def test_nobody_else_ever_got_a_mail(gateway: Gateway) -> None:
    """Of all the scenes above: agents and usagers who took part, and nobody else."""
    strangers = {mail.to for mail in gateway.sent()} - {*EVERYBODY} - {ULYSSE, WANDA}
    assert all(stranger.endswith("@usager.example.net") for stranger in strangers)
    assert BOB in AGENTS
    assert not gateway.sent(BOB)
