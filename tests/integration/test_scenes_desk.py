"""Scenes a and b, and what an agent does by mail: who is told, who answers, who must not."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.clients import Client, gmail, letter, outlook
from tests.servers.gateway import (
    AGENTS,
    ALICE,
    CONTACT,
    DOMAIN,
    HOTLINE,
    IGOR,
    INES,
    MANON,
    ULYSSE,
    Gateway,
    Sent,
    configuration,
    running,
)

QUESTION = "Bonjour,\n\nOù en est ma demande ?\n\nUlysse"
ANSWER = "Bonjour,\n\nVotre demande est en cours d'examen.\n\nCordialement"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with running(tmp_path) as started:
        yield started


def address_of(mail: Sent, field: str) -> str:
    return str(mail.message[field].addresses[0].addr_spec)


def asked(gateway: Gateway) -> Sent:
    """Ulysse writes to his dossier; the notification that Inès gets."""
    gateway.send(letter(ULYSSE, QUESTION, to=f"dossier+123@{DOMAIN}", name="Ulysse"), to=f"dossier+123@{DOMAIN}")
    return gateway.awaited(INES)


def answered(gateway: Gateway) -> Sent:
    """Inès answers; what Ulysse gets (after his acknowledgement)."""
    gateway.send(outlook(asked(gateway), INES, ANSWER, name="Inès Instruit"), to=CONTACT)
    return gateway.awaited(ULYSSE, 2)


# --- scene a: three ways to write, three inboxes ------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "author", "inbox", "told", "organisation"),
    [
        (CONTACT, "nora@usager.example.net", {"kind": "global", "number": None}, {MANON}, ""),
        (
            f"vegetaliser@{DOMAIN}",
            "nora@usager.example.net",
            {"kind": "demarche", "number": 42},
            {ALICE, HOTLINE},
            "Mairie d'Exemple",
        ),
        (f"dossier+123@{DOMAIN}", ULYSSE, {"kind": "dossier", "number": 123}, {INES}, "Mairie d'Exemple"),
    ],
    ids=["global", "alias", "dossier"],
)
def test_the_address_decides_the_inbox_and_who_is_told(
    gateway: Gateway, to: str, author: str, inbox: dict[str, object], told: set[str], organisation: str
) -> None:
    gateway.send(letter(author, QUESTION, to=to), to=to)
    gateway.awaited(author)
    sent = gateway.all_sent()
    conversation = gateway.only()
    assert conversation["inbox"] == inbox
    assert conversation["status"] == "active"
    assert sorted(mail.to for mail in sent) == sorted({*told, author}), "each once, and nobody else"
    for agent in told:
        (notification,) = gateway.sent(agent)
        assert "Où en est ma demande ?" in notification.text
        assert conversation["reference"] in str(notification.message["Subject"])
        assert "@affecter" in notification.text
    (acknowledgement,) = gateway.sent(author)
    assert conversation["reference"] in acknowledgement.text
    assert organisation in acknowledgement.text
    assert acknowledgement.message["Auto-Submitted"] == "auto-replied"
    assert acknowledgement.sender == ""
    assert "Où en est ma demande" not in acknowledgement.text, "nobody is mailed a stranger's words through us"
    if organisation:
        assert "21310555400017" in acknowledgement.text
        assert acknowledgement.message["From"].addresses[0].display_name == organisation


# --- scene b: an answer, and three ways to reply to it ------------------------------------------------------


@pytest.mark.parametrize("client", [outlook, gmail])
def test_an_answer_leaves_under_the_name_of_the_organisation(gateway: Gateway, client: Client) -> None:
    notification = asked(gateway)
    reply = client(notification, INES, ANSWER, name="Inès Instruit")
    gateway.send(reply, to=address_of(notification, "From"))
    answer = gateway.awaited(ULYSSE, 2)
    assert answer.text.startswith(ANSWER)
    assert answer.message["From"].addresses[0].display_name == "Mairie d'Exemple"
    assert answer.message["Auto-Submitted"] is None
    for secret in (INES, "Inès", address_of(notification, "From"), "Répondez au-dessus", "a écrit", "@affecter"):
        assert secret not in answer.whole
    token = address_of(notification, "From").partition("+")[2].partition("@")[0]
    assert token not in answer.whole, "the agent's token in a mail to the usager would let him speak as her"
    conversation = gateway.only()
    assert conversation["status"] == "pending"
    (out,) = [message for message in conversation["messages"] if message["direction"] == "out"]
    assert out["author"] == INES
    assert [(d["to"], d["state"]) for d in out["deliveries"]] == [(ULYSSE, "sent")]
    assert sorted(mail.to for mail in gateway.all_sent()) == sorted([INES, ULYSSE, ULYSSE])


def test_the_answer_threads_in_the_usagers_mail_program(gateway: Gateway) -> None:
    question = letter(ULYSSE, QUESTION, to=f"dossier+123@{DOMAIN}")
    gateway.send(question, to=f"dossier+123@{DOMAIN}")
    gateway.send(gmail(gateway.awaited(INES), INES, ANSWER), to=CONTACT)
    answer = gateway.awaited(ULYSSE, 2)
    assert answer.message["In-Reply-To"] == question["Message-ID"]
    assert str(question["Message-ID"]) in str(answer.message["References"])
    assert answer.message["Subject"] == "Re: Une question"


def test_a_reply_lands_in_its_conversation_and_opens_it_again(gateway: Gateway) -> None:
    """To the answer's From, to its Reply-To, and by References alone, in a client that drops both."""
    answer = answered(gateway)
    for number, way in enumerate(("From", "Reply-To", "References"), 1):
        assert gateway.only()["status"] == "pending"
        recipient = CONTACT if way == "References" else address_of(answer, way)
        reply = gmail(answer, ULYSSE, f"Merci. Et pour quand ? {way}", recipient=recipient)
        if way != "References":
            del reply["References"]
            del reply["In-Reply-To"]
        gateway.send(reply, to=recipient)
        assert f"Et pour quand ? {way}" in gateway.awaited(INES, 1 + number).text
        conversation = gateway.only()
        assert conversation["status"] == "active"
        last = conversation["messages"][-1]
        assert (last["author"], last["text"]) == (ULYSSE, f"Merci. Et pour quand ? {way}")
        assert "en cours d'examen" in last["quoted"]
        gateway.command("status", conversation["reference"], "pending", "--as", INES)
    assert len(gateway.all_sent()) == 6, "no second acknowledgement"


# --- what agents do by mail ---------------------------------------------------------------------------------


def test_commands_of_one_mail_are_all_done_and_none_leaves(gateway: Gateway) -> None:
    notification = asked(gateway)
    text = f"@note Vu avec le service des espaces verts.\n@affecter {IGOR}\n@clore\n\n{ANSWER}"
    gateway.send(outlook(notification, INES, text), to=CONTACT)
    answer = gateway.awaited(ULYSSE, 2)
    assert answer.text.startswith(ANSWER)
    for inner in ("@", "espaces verts", IGOR):
        assert inner not in answer.text.partition("\n-- \n")[0]
    assert "espaces verts" not in answer.whole
    assigned = gateway.awaited(IGOR)
    assert "Où en est ma demande" in assigned.text
    conversation = gateway.only()
    assert (conversation["status"], conversation["assignee"]) == ("closed", IGOR)
    notes = [m["text"] for m in conversation["messages"] if m["kind"] == "internal"]
    assert notes == ["Vu avec le service des espaces verts."]
    assert {entry["by"] for entry in conversation["history"]} >= {INES}


def test_commands_alone_send_the_usager_nothing(gateway: Gateway) -> None:
    gateway.send(gmail(asked(gateway), INES, "@clore"), to=CONTACT)
    gateway.taken_in(2)
    gateway.all_sent()
    assert gateway.only()["status"] == "closed"
    assert len(gateway.sent(ULYSSE)) == 1, "only the acknowledgement"


def test_an_unknown_command_does_nothing_and_gives_the_text_back(gateway: Gateway) -> None:
    gateway.send(gmail(asked(gateway), INES, f"@clore\n@cloturons\n\n{ANSWER}"), to=CONTACT)
    back = gateway.awaited(INES, 2)
    assert "@cloturons" in back.text
    assert "Votre demande est en cours d'examen." in back.text
    gateway.all_sent()
    conversation = gateway.only()
    assert conversation["status"] == "active", "all or none: @clore wasn't done either"
    assert len(gateway.sent(ULYSSE)) == 1
    assert not [m for m in conversation["messages"] if m["direction"] == "out"]


def test_an_agent_without_a_part_in_it_cannot_act(gateway: Gateway) -> None:
    asked(gateway)
    reference = gateway.conversations()[0]["reference"]
    words = gateway.command("reply", reference, "--as", "bob.admin@metropole.example.org", status=1, text=ANSWER)
    assert "you have no access to this conversation" in words
    assert "dossier" not in words, "where it stands is none of his business"
    gateway.all_sent()
    assert len(gateway.sent(ULYSSE)) == 1
    assert gateway.command("reply", reference, "--as", ALICE, text=ANSWER)["reference"] == reference
    assert gateway.awaited(ULYSSE, 2).text.startswith(ANSWER)


# --- stolen tokens ------------------------------------------------------------------------------------------

PASSED = "mx.example.org; dmarc=pass header.from=mairie.example.org"
FORGED = (
    "",
    "mx.example.org; dmarc=fail header.from=mairie.example.org; spf=fail smtp.mailfrom=mairie.example.org",
    "mx.example.org; dkim=pass header.d=elsewhere.example.net",
    "mx.elsewhere.example.net; dmarc=pass header.from=mairie.example.org",
)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Gateway]:
    config = configuration(agent_proof="authenticated", authserv_id="mx.example.org")
    with running(tmp_path, config) as started:
        yield started


def test_a_stolen_token_relays_nothing_without_proof_of_the_address(strict: Gateway) -> None:
    """From: the agent, her token, and every Authentication-Results but the one that counts."""
    notification = asked(strict)
    for number, results in enumerate(FORGED):
        spoofed = gmail(notification, INES, f"Refusé. {number}\n\nCordialement")
        if results:
            spoofed["Authentication-Results"] = results
        strict.send(spoofed, to=address_of(notification, "From"))
    strict.taken_in(1 + len(FORGED))
    sent = strict.all_sent()
    assert len(strict.sent(ULYSSE)) == 1, "nothing but the acknowledgement"
    assert {mail.to for mail in sent} == {ULYSSE, INES}
    conversation = strict.only()
    assert conversation["status"] == "active"
    assert [m["kind"] for m in conversation["messages"]] == ["external"] + ["internal"] * len(FORGED)

    genuine = gmail(notification, INES, ANSWER)
    genuine["Authentication-Results"] = PASSED
    strict.send(genuine, to=address_of(notification, "From"))
    assert strict.awaited(ULYSSE, 2).text.startswith(ANSWER)


def test_a_token_in_another_hand_relays_nothing(gateway: Gateway) -> None:
    """The usager forwards, a stranger answers to the agent's address: neither speaks as the agent."""
    notification = asked(gateway)
    theft = letter("eve@elsewhere.example.net", "Refusé.\n@clore", to=address_of(notification, "From"))
    gateway.send(theft, to=address_of(notification, "From"))
    gateway.taken_in(2)
    sent = gateway.all_sent()
    assert [mail.to for mail in sent if mail.to not in AGENTS] == [ULYSSE]
    assert not gateway.sent("eve@elsewhere.example.net")
    assert gateway.only()["status"] == "active"
    told = gateway.awaited(INES, 2)
    assert "Refusé." not in told.text, "another's words don't come back as her own"


def test_mail_that_is_not_ours_is_refused(gateway: Gateway) -> None:
    with smtplib.SMTP("127.0.0.1", gateway.port, timeout=60) as client:
        client.ehlo("client.example.net")
        client.mail("eve@elsewhere.example.net")
        for stranger in (ULYSSE, f"nobody@{DOMAIN}", f"{ULYSSE.replace('@', '%')}@{DOMAIN}", f"dossier+abc@{DOMAIN}"):
            code, _ = client.rcpt(stranger)
            assert code == 550, stranger
        assert client.rcpt(CONTACT)[0] == 250
