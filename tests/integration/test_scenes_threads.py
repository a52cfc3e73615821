"""Scenes c, d and e: late parents, repeated mail, strangers, forged tokens; by SMTP and by IMAP."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from itertools import permutations
from pathlib import Path

import pytest

from tests.servers import dovecot as servers
from tests.servers.clients import gmail, letter
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import (
    ALICE,
    CONTACT,
    DOMAIN,
    HOTLINE,
    INES,
    MANON,
    ULYSSE,
    Gateway,
    configuration,
    imap_intake,
    running,
)

NORA = "nora@usager.example.net"
USER, PASSWORD = "contact", "geheim"
needs_dovecot = pytest.mark.skipif(servers.DOVECOT is None, reason=servers.MISSING)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    server = Dovecot()
    server.add_user(USER, PASSWORD)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def both(tmp_path: Path, dovecot: Dovecot) -> Iterator[Gateway]:
    """A gateway that takes mail by SMTP and from a mailbox."""
    with running(tmp_path, configuration(intake=imap_intake(dovecot.imap_port, USER, PASSWORD))) as started:
        yield started


def deliver(dovecot: Dovecot, mail: EmailMessage) -> None:
    """As the mail server of a mailbox does: with its own Return-Path, Delivered-To and Received."""
    with smtplib.LMTP("127.0.0.1", dovecot.lmtp_port, timeout=60) as client:
        refused = client.sendmail(NORA, USER, mail.as_bytes(policy=policy.SMTP))
        assert not refused


# --- scene c ------------------------------------------------------------------------------------------------


def test_a_reply_before_its_parent_is_one_conversation(gateway: Gateway) -> None:
    """A thread of three, in every order, each of its own author."""
    done = 0
    for order in permutations(range(3)):
        mails = thread("".join(map(str, order)) + "@usager.example.net")
        for index in order:
            gateway.send(mails[index])
            done += 1
            gateway.taken_in(done)
    conversations = gateway.conversations()
    assert [c["messages"] for c in conversations] == [3] * 6
    assert len({c["usager"] for c in conversations}) == 6
    assert len({entry["lineage"] for entry in gateway.command("threads")}) == 6
    gateway.all_sent()
    assert len(gateway.sent(MANON)) == done


def thread(author: str) -> tuple[EmailMessage, ...]:
    """A question, a mail that answers it, and one that cites both."""
    first = letter(author, "La question", subject="Ma question")
    second = letter(author, "Une précision", subject="Re: Ma question", In_Reply_To=str(first["Message-ID"]))
    references = f"{first['Message-ID']} {second['Message-ID']}"
    return first, second, letter(author, "Encore une", subject="Re: Ma question", References=references)


def test_an_agents_answer_survives_the_joining(gateway: Gateway) -> None:
    """Two mails that both cite an unknown one are two conversations until it comes. Tokens of both lead on."""
    parent = letter(NORA, "La question", subject="Ma question")
    children = [letter(NORA, f"Rappel {n}", In_Reply_To=str(parent["Message-ID"])) for n in (1, 2)]
    for number, mail in enumerate((*children, parent), 1):
        gateway.send(mail)
        gateway.taken_in(number)
    conversation = gateway.only()
    assert conversation["messages"][-1]["text"].strip() == "La question"
    for notification in [gateway.awaited(MANON, 1), gateway.awaited(MANON, 2)]:
        gateway.send(gmail(notification, MANON, "Réponse"), to=CONTACT)
    gateway.taken_in(5)
    answers = [m for m in gateway.only()["messages"] if m["direction"] == "out"]
    assert len(answers) == 2


@needs_dovecot
def test_the_same_mail_by_smtp_and_imap_is_one_message(both: Gateway, dovecot: Dovecot) -> None:
    mail = letter(NORA, "Bonjour, une seule fois.")
    both.send(mail)
    both.taken_in(1)
    deliver(dovecot, mail)
    deliver(dovecot, mail)
    both.send(mail)
    both.taken_in(4)
    assert [message["author"] for message in both.only()["messages"]] == [NORA]
    assert sorted(sent.to for sent in both.all_sent()) == sorted([MANON, NORA])
    assert both.aside() == [], "known already is no failure"
    assert len(dovecot.uids(USER)) == 2, "after = keep: the mailbox keeps its mail"
    both.restart()
    deliver(dovecot, letter(NORA, "Une autre.", subject="Autre chose"))
    both.taken_in(5)
    assert sorted(c["messages"] for c in both.conversations()) == [1, 1], "nothing comes in again after a restart"


# --- scene d ------------------------------------------------------------------------------------------------


def test_a_stranger_does_not_get_into_a_dossier(gateway: Gateway) -> None:
    to = f"dossier+123@{DOMAIN}"
    gateway.send(letter(NORA, "Donnez-moi la suite du dossier."), to=to, sender=NORA)
    gateway.awaited(ALICE)
    conversation = gateway.only()
    assert conversation["inbox"] == {"kind": "demarche", "number": 42}
    assert any("123" in because and "not its usager" in because for because in conversation["because"])
    assert {mail.to for mail in gateway.all_sent()} == {ALICE, HOTLINE}, "no word to the stranger, none to Inès"
    assert "123" in gateway.awaited(ALICE).text
    assert gateway.conversations("--inbox", "dossier:123") == []
    assert gateway.conversations("--as", INES) == []


def test_a_number_in_the_subject_tells_a_stranger_nothing(gateway: Gateway) -> None:
    """He is acknowledged like anyone who writes to the contact address: without démarche, organisation or dossier."""
    gateway.send(letter(NORA, "Où en est-il ?", subject="Dossier n° 123"))
    acknowledgement = gateway.awaited(NORA)
    assert gateway.only()["inbox"] == {"kind": "demarche", "number": 42}
    whole = acknowledgement.whole.replace("Dossier n° 123", "")
    assert not re.search(r"\b123\b", whole), "beside boundaries and identifiers, which are drawn"
    for told in ("Permis de végétaliser", "Mairie d'Exemple", ULYSSE, INES, ALICE):
        assert told not in whole


def test_a_dossier_that_is_not_there_answers_as_one_that_is(gateway: Gateway) -> None:
    with smtplib.SMTP("127.0.0.1", gateway.port, timeout=60) as client:
        client.ehlo("client.example.net")
        client.mail(NORA)
        replies = {client.rcpt(f"dossier+{number}@{DOMAIN}") for number in (123, 999_999)}
    assert len(replies) == 1, "RCPT must not tell which dossiers exist"


# --- scene e ------------------------------------------------------------------------------------------------


def forged(address: str, at: int) -> str:
    """The signed address with one character of its token changed."""
    local, _, domain = address.partition("@")
    base, _, token = local.partition("+")
    other = "a" if token[at] != "a" else "b"
    return f"{base}+{token[:at]}{other}{token[at + 1 :]}@{domain}"


def test_a_forged_token_is_refused_at_rcpt(gateway: Gateway) -> None:
    gateway.send(letter(ULYSSE, "Bonjour", to=f"dossier+123@{DOMAIN}"), to=f"dossier+123@{DOMAIN}")
    genuine = str(gateway.awaited(INES).message["From"].addresses[0].addr_spec)
    with smtplib.SMTP("127.0.0.1", gateway.port, timeout=60) as client:
        client.ehlo("client.example.net")
        client.mail(NORA)
        for at in (0, 5, 10, 15, 31):
            assert client.rcpt(forged(genuine, at))[0] == 550, at
        assert client.rcpt(genuine.upper().replace(DOMAIN.upper(), DOMAIN))[0] == 250, "case doesn't matter"


@needs_dovecot
def test_a_forged_token_by_imap_is_as_if_there_were_none(both: Gateway, dovecot: Dovecot) -> None:
    both.send(letter(ULYSSE, "Bonjour", to=f"dossier+123@{DOMAIN}"), to=f"dossier+123@{DOMAIN}")
    notification = both.awaited(INES)
    genuine = str(notification.message["From"].addresses[0].addr_spec)
    number, _, rest = notification.id.strip("<>").partition(".")
    fake = letter(
        INES,
        "Refusé.\n@clore",
        to=forged(genuine, 20),
        In_Reply_To=f"<{number}.{forged('x+' + rest, 20).partition('+')[2]}>",
    )
    deliver(dovecot, fake)
    both.taken_in(2)
    there, new = sorted(both.conversations(), key=lambda c: c["created_at"])
    assert (there["messages"], there["status"]) == (1, "active")
    assert new["inbox"] == {"kind": "global", "number": None}
    assert ULYSSE not in new["participants"]
    both.all_sent()
    assert len(both.sent(ULYSSE)) == 1, "only his acknowledgement"
