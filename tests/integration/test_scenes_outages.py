"""Scene g, and the daemon's life: servers that go away, refuse, break off; reload and end."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Iterator
from pathlib import Path
from signal import SIGHUP
from typing import Any

import pytest

from tests.servers import dovecot as dovecots
from tests.servers import postfix as postfixes
from tests.servers.clients import gmail, letter
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import (
    ALICE,
    CONTACT,
    DOMAIN,
    HOTLINE,
    INES,
    ULYSSE,
    Gateway,
    Sent,
    configuration,
    imap_intake,
    octets,
    running,
    smtp_relay,
)
from tests.servers.postfix import Postfix
from tests.servers.sink import BREAK, TAKEN, Sink

NORA = "nora@usager.example.net"
DOSSIER = f"dossier+123@{DOMAIN}"
needs_dovecot = pytest.mark.skipif(dovecots.DOVECOT is None, reason=dovecots.MISSING)
needs_postfix = pytest.mark.skipif(not postfixes.AVAILABLE, reason=postfixes.MISSING)


@pytest.fixture
def sink() -> Iterator[Sink]:
    server = Sink()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def relaying(tmp_path: Path, sink: Sink) -> Iterator[Gateway]:
    with running(tmp_path, configuration(relay=smtp_relay(sink.port))) as started:
        yield started


def answer(gateway: Gateway, sink: Sink) -> None:
    """Ulysse asks and Inès answers, as far as the gateway has the answer."""
    gateway.send(letter(ULYSSE, "Où en est ma demande ?", to=DOSSIER), to=DOSSIER)
    notification = gateway.until(lambda: sink.accepted(INES), "a notification")[0]
    gateway.until(lambda: sink.accepted(ULYSSE), "the acknowledgement")
    gateway.send(gmail(notification, INES, "Elle est en cours."), to=CONTACT)


def settled(gateway: Gateway, state: str) -> dict[str, Any]:
    """The delivery of the answer, as `show` shows it, once it is in that state."""
    reference = gateway.conversations("--inbox", "dossier:123")[0]["reference"]

    def there() -> list[dict[str, Any]]:
        outs = [m for m in gateway.show(reference)["messages"] if m["direction"] == "out"]
        return [d for out in outs for d in out["deliveries"] if d["state"] == state]

    return gateway.until(there, f"a delivery that is {state}")[0]


# --- a mailbox whose server goes away -----------------------------------------------------------------------


@needs_dovecot
def test_a_mailbox_that_comes_back_is_read_on(tmp_path: Path) -> None:
    dovecot = Dovecot()
    try:
        dovecot.add_user("contact", "geheim")
        with running(tmp_path, configuration(intake=imap_intake(dovecot.imap_port, "contact", "geheim"))) as gateway:
            dovecot.deliver("contact", letter(NORA, "Avant", subject="Avant").as_bytes())
            gateway.taken_in(1)
            dovecot.stop()
            gateway.logged("imap_trouble", 2)
            gateway.send(letter(NORA, "Pendant", subject="Pendant"))
            gateway.taken_in(2)
            dovecot.start()
            dovecot.deliver("contact", letter(NORA, "Après", subject="Après").as_bytes())
            gateway.taken_in(3)
            assert sorted(c["subject"] for c in gateway.conversations()) == ["Après", "Avant", "Pendant"]
            assert not gateway.events("mail_duplicate")
    finally:
        dovecot.close()


# --- a smarthost that refuses -------------------------------------------------------------------------------


def test_a_smarthost_that_refuses_for_now_is_tried_again(relaying: Gateway, sink: Sink) -> None:
    later = "450 4.2.0 greylisted"
    sink.on_recipient = lambda to: later if to == ULYSSE and len(sink.accepted(ULYSSE)) == 1 else "250 ok"
    answer(relaying, sink)
    assert "greylisted" in settled(relaying, "deferred")["last_reply"]
    (row,) = [d for d in relaying.outbox() if d["state"] == "deferred"]
    assert row["next_at"] is not None
    sink.on_recipient = lambda _: "250 ok"
    relaying.command("outbox", "retry", str(row["id"]))
    delivered = settled(relaying, "sent")
    assert delivered["attempts"] == 2
    mails = sink.offered(ULYSSE)
    assert len(mails) == 2
    assert "Elle est en cours." in mails[1].text
    assert len(sink.accepted(INES)) == 1, "what is only late is told to nobody"


def test_a_deferred_mail_goes_by_itself(relaying: Gateway, sink: Sink) -> None:
    """No command, no restart: the first interval is ten seconds and a little."""
    sink.on_mail = lambda mail: TAKEN if mail.to != NORA or sink.offered(NORA) else "451 4.3.0 later"
    relaying.send(letter(NORA, "Bonjour"))
    relaying.until(lambda: sink.accepted(NORA), "a second try")
    assert [taken.reply[:3] for taken in sink.taken if taken.mail.to == NORA] == ["451", "250"]
    first, second = sink.offered(NORA)
    assert first.raw == second.raw, "the same octets, the same Message-ID"


@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
def test_a_final_refusal_is_shown_and_told_to_the_agent(relaying: Gateway, sink: Sink, stage: str) -> None:
    no = "550 5.1.1 no such user"

    def refused(to: str) -> bool:
        return to == ULYSSE and len(sink.accepted(ULYSSE)) == 1

    if stage == "RCPT":
        sink.on_recipient = lambda to: no if refused(to) else "250 ok"
    else:
        sink.on_mail = lambda mail: no if refused(mail.to) else TAKEN
    answer(relaying, sink)
    told = relaying.until(lambda: sink.accepted(INES)[1:], "a notice")[0]
    assert ULYSSE in told.text
    assert "no such user" in told.text
    assert told.sender == ""
    delivery = settled(relaying, "refused")
    assert delivery["attempts"] == 1
    assert "5.1.1" in delivery["last_reply"]
    assert any("5.1.1" in entry["what"] for entry in relaying.only()["history"])
    assert not relaying.waiting()


def test_a_connection_broken_after_the_final_dot_is_unknown(relaying: Gateway, sink: Sink) -> None:
    sink.on_mail = lambda mail: BREAK if mail.to == ULYSSE and sink.accepted(ULYSSE) else TAKEN
    answer(relaying, sink)
    assert settled(relaying, "unknown")["attempts"] == 1
    told = relaying.until(lambda: sink.accepted(INES)[1:], "a notice")[0]
    assert ULYSSE in told.text
    assert len(sink.offered(ULYSSE)) == 2
    sink.on_mail = lambda _: TAKEN
    relaying.restart()
    relaying.send(letter(NORA, "Une autre"))
    relaying.until(lambda: sink.accepted(NORA), "mail that goes on")
    assert len(sink.offered(ULYSSE)) == 2, "not sent again by itself"
    (row,) = [d for d in relaying.outbox() if d["state"] == "unknown"]
    relaying.command("outbox", "retry", str(row["id"]))
    settled(relaying, "sent")
    first, second = sink.offered(ULYSSE)[1:]
    assert first.raw == second.raw


@needs_postfix
def test_a_real_postfix_as_the_smarthost_refuses_then_accepts(tmp_path: Path) -> None:
    postfix = Postfix()
    try:
        with running(tmp_path, configuration(relay=smtp_relay(postfix.port))) as gateway:
            gateway.send(letter(ULYSSE, "Où en est ma demande ?", to=DOSSIER), to=DOSSIER)
            asked = gateway.until(lambda: postfix.box_of(INES), "a notification")[0]
            gateway.until(lambda: postfix.box_of(ULYSSE), "the acknowledgement")
            postfix.refuse({ULYSSE: "450 4.2.1 mailbox busy"})
            gateway.send(gmail(Sent("", INES, asked.as_bytes()), INES, "Elle est en cours."), to=CONTACT)
            assert "mailbox busy" in settled(gateway, "deferred")["last_reply"]
            postfix.refuse({})
            for row in gateway.waiting():  # unless its time has come meanwhile
                gateway.command("outbox", "retry", str(row["id"]))
            arrived = gateway.until(lambda: postfix.box_of(ULYSSE)[1:], "the answer")[0]
            assert "Elle est en cours." in Sent("", ULYSSE, arrived.as_bytes()).text
            assert arrived["From"].addresses[0].display_name == "Mairie d'Exemple"
            assert settled(gateway, "sent")["last_reply"].startswith("250")
    finally:
        postfix.close()


# --- SIGHUP and SIGTERM -------------------------------------------------------------------------------------


def test_a_faulty_reload_keeps_the_old_configuration_and_a_good_one_is_taken(tmp_path: Path) -> None:
    alias = f"nouveau@{DOMAIN}"
    good = configuration().replace(f'["vegetaliser@{DOMAIN}"]', f'["{alias}"]')
    with running(tmp_path) as gateway:
        gateway.configure(good.replace("number = 43", 'number = "quarante-trois"', 1))
        gateway.signal(SIGHUP)
        problems = gateway.logged("configuration_kept")["problems"]
        line = 1 + gateway.file.read_text().splitlines().index('number = "quarante-trois"')
        assert f"gateway.toml:{line}" in problems
        gateway.send(letter(NORA, "Ancien alias"), to=f"vegetaliser@{DOMAIN}")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            gateway.send(letter(NORA, "Nouvel alias"), to=alias)
        gateway.taken_in(1)  # a mail is filed by what is configured then

        gateway.configure(good)
        gateway.signal(SIGHUP)
        gateway.logged("configuration_reloaded")
        gateway.send(letter(NORA, "Nouvel alias", subject="Nouveau"), to=alias)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            gateway.send(letter(NORA, "Ancien alias"), to=f"vegetaliser@{DOMAIN}")
        gateway.taken_in(2)
        assert {mail.to for mail in gateway.all_sent()} == {ALICE, HOTLINE, NORA}
        assert {c["inbox"]["number"] for c in gateway.conversations()} == {42}


def test_sigterm_under_load_ends_in_peace_and_loses_nothing(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    with running(tmp_path) as gateway:
        clients = [threading.Thread(target=pour, args=(gateway.port, n, acknowledged)) for n in range(4)]
        for client in clients:
            client.start()
        gateway.until(lambda: len(acknowledged) >= 40, "mail under way")
        gateway.stop()
        for client in clients:
            client.join()
        gateway.start()
        gateway.until(lambda: set(acknowledged) <= set(gateway.filed()), "every mail that was acknowledged")
        filed = gateway.filed()
        assert len(filed) == len(set(filed))
        sent = gateway.all_sent()
        assert len({mail.id for mail in sent}) == len(sent) == 2 * len(filed)


def pour(port: int, number: int, acknowledged: list[str]) -> None:
    """Write mail after mail until the server is gone."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            for count in range(1000):
                author = f"u{number}-{count}@usager.example.net"
                mail = letter(author, "Bonjour", subject=f"Question {number}-{count}")
                client.sendmail(author, CONTACT, octets(mail))
                acknowledged.append(str(mail["Message-ID"]).strip("<>"))
    except (OSError, smtplib.SMTPException):
        return
