"""What is stuck, gone or passed over raises its alarm in a running daemon, and is over when it is mended.

Five minutes are made of a moment: what the store says of the past is moved back by SQL, as if it had been so long.
"""

from __future__ import annotations

import smtplib
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.servers import dovecot as dovecots
from tests.servers.clients import letter
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import MANON, Gateway, Sent, configuration, imap_intake, running, smtp_relay
from tests.servers.ports import free_ports
from tests.servers.sink import TAKEN, Sink

NORA = "nora@usager.example.net"
OFTEN = '[health]\nreconcile = "1s"\nmetrics_file = "gateway.prom"\n'
MINUTES = 60_000_000  # microseconds


def sql(gateway: Gateway, *statements: str) -> None:
    """Change the store behind the daemon's back."""
    with closing(sqlite3.connect(gateway.folder / "var/gateway.db", timeout=60)) as base, base:
        for statement in statements:
            base.execute(statement)


def raised(gateway: Gateway, kind: str) -> None:
    """Its alarm stands: in the log, in the status of the command, among the figures."""
    gateway.until(lambda: kind in [e["kind"] for e in gateway.events("alarm_raised")], f"an alarm of {kind}")
    gateway.until(lambda: kind in gateway.health(), f"{kind} in health")
    figure = f'gateway_gap{{kind="{kind}"}} 1'
    gateway.until(lambda: figure in (gateway.folder / "gateway.prom").read_text(), f"{kind} among the figures")


def over(gateway: Gateway, kind: str) -> None:
    gateway.until(lambda: kind in [e["kind"] for e in gateway.events("alarm_over")], f"the end of {kind}")
    gateway.until(lambda: gateway.health() == {}, "health")
    assert len([e for e in gateway.events("alarm_raised") if e["kind"] == kind]) == 1


@pytest.mark.skipif(dovecots.DOVECOT is None, reason=dovecots.MISSING)
def test_a_mail_that_the_ledger_forgot_is_told_and_fetched(tmp_path: Path) -> None:
    with closing(Dovecot()) as dovecot:
        dovecot.add_user("contact", "geheim")
        intake = imap_intake(dovecot.imap_port, "contact", "geheim")
        with running(tmp_path, configuration(intake=intake) + OFTEN) as gateway:
            for nth in range(3):
                dovecot.deliver("contact", letter(NORA, f"Question {nth}", subject=f"Question {nth}").as_bytes())
            gateway.taken_in(3)
            assert gateway.health() == {}
            sql(gateway, "DELETE FROM imap_ledger WHERE uid = 2")
            gateway.logged("imap_missing")
            gateway.logged("mail_duplicate")
            over_at_last(gateway, "mailbox_missing")
            assert len(gateway.conversations()) == 3
            dovecot.stop()
            gateway.logged("imap_trouble")
            gateway.until(lambda: troubled(gateway), "a note of the trouble")
            sql(gateway, f"UPDATE mailboxes SET trouble_since = trouble_since - {5 * MINUTES}")
            raised(gateway, "mailbox_unreached")
            dovecot.start()
            over(gateway, "mailbox_unreached")


def troubled(gateway: Gateway) -> bool:
    with closing(sqlite3.connect(gateway.folder / "var/gateway.db", timeout=60)) as base:
        return base.execute("SELECT 1 FROM mailboxes WHERE trouble_since IS NOT NULL").fetchone() is not None


def over_at_last(gateway: Gateway, kind: str) -> None:
    """It began, and ended by itself."""
    gateway.until(lambda: [e["kind"] for e in gateway.events("alarm_over")] == [kind], f"the end of {kind}")
    assert [e["kind"] for e in gateway.events("alarm_raised")] == [kind]
    assert gateway.health() == {}


@contextmanager
def silent() -> Iterator[tuple[int, socket.socket]]:
    """An antivirus that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1], listener


def with_file() -> EmailMessage:
    mail = letter(NORA, "Voici la pièce.")
    mail.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="piece.pdf")
    return mail


def test_a_mail_that_stands_still_and_raw_mail_that_is_gone(tmp_path: Path) -> None:
    """Filing waits for an antivirus that hangs; a pack is moved away."""
    with silent() as (port, listener):
        config = configuration() + OFTEN + f'[antivirus]\nsocket = "127.0.0.1:{port}"\ntimeout = "2m"\n'
        with running(tmp_path, config) as gateway:
            gateway.send(with_file())
            gateway.until(lambda: marked(gateway), "a sign of life since it came")
            assert gateway.health() == {}, "so far, nothing is late"
            sql(gateway, f"UPDATE marks SET at = at - {6 * MINUTES}")
            raised(gateway, "filing")
            listener.close()
            gateway.stop()
            gateway.configure(configuration() + OFTEN)
            gateway.start()
            over(gateway, "filing")
            assert "gateway health" in gateway.awaited(MANON).text
            (pack,) = (tmp_path / "var/raw").glob("*.pack")
            away = pack.rename(tmp_path / "away")
            raised(gateway, "raw")
            away.rename(pack)
            over(gateway, "raw")


def marked(gateway: Gateway) -> bool:
    with closing(sqlite3.connect(gateway.folder / "var/gateway.db", timeout=60)) as base:
        return base.execute("SELECT 1 FROM marks WHERE arrival = 1").fetchone() is not None


def test_a_smarthost_that_is_gone_and_a_daemon_that_is(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with running(tmp_path, configuration(relay=smtp_relay(port)) + OFTEN) as gateway:
        gateway.send(letter(NORA, "Bonjour"))
        gateway.logged("delivery_attempted", 2)
        sql(
            gateway,
            "DROP TRIGGER evidence_stays",
            f"UPDATE evidence SET at = at - {6 * MINUTES}",
        )
        gateway.until(lambda: "relay" in [e["kind"] for e in gateway.events("alarm_raised")], "an alarm")
        assert set(gateway.health()) == {"relay"}
        gateway.kill()
        assert set(gateway.health()) == {"relay"}, "it was there a moment ago"
        sql(gateway, f"UPDATE daemons SET seen_at = seen_at - {2 * MINUTES}")
        assert set(gateway.health()) == {"relay", "daemon"}
        sink = Sink(port)
        try:
            sql(gateway, "UPDATE deliveries SET next_at = 0 WHERE state = 'deferred'")
            gateway.start()
            over(gateway, "relay")
        finally:
            sink.close()
        assert not [mail for mail in sink.accepted(MANON) if "gateway health" in mail.text], "not by that relay"


# --- the canary ---------------------------------------------------------------------------------------------

CANARY = '[health]\nreconcile = "1s"\ncanary = "1s"\n'


def test_a_test_mail_goes_in_and_out_and_leaves_no_trace(tmp_path: Path) -> None:
    with running(tmp_path, configuration() + CANARY) as gateway:
        gateway.logged("canary_passed", 2)
        gateway.until(lambda: step(gateway, "canary left"), "a test mail that left")
        assert gateway.conversations() == []
        assert gateway.health() == {}
        gateway.configure(configuration())
        gateway.restart()  # what had left by then is taken away by the next process
        folder = tmp_path / "sent/new"  # one that is sent isn't in the outbox any more: it lies there
        gateway.until(lambda: not gateway.outbox() and not list(folder.iterdir()), "neither mail nor delivery left")
        assert not gateway.events("canary_refused", "mail_filed")


def test_a_test_mail_comes_back_from_the_smarthost_and_is_missed_when_it_doesnt(tmp_path: Path) -> None:
    door = tmp_path / "lmtp"

    def back(mail: Sent) -> str:
        """Our domain is known there: mail for it is brought here."""
        if mail.to.startswith("reponse+"):
            with smtplib.LMTP(str(door)) as client:
                client.sendmail(mail.sender, mail.to, b"Received: from smarthost\r\n" + mail.raw)
        return TAKEN

    with closing(Sink()) as sink:
        sink.on_mail = back
        config = configuration(listen=f"unix:{door}", protocol="lmtp", relay=smtp_relay(sink.port))
        with running(tmp_path, config + CANARY + "canary_returns = true\n") as gateway:
            gateway.until(lambda: [e for e in gateway.events("canary_passed") if e["back"]], "one that came back")
            assert gateway.health() == {}
            sink.on_recipient = lambda _: "451 4.3.0 later"
            gateway.until(lambda: "4.3.0" in str(gateway.outbox()), "one that is put off")
            sql(
                gateway,
                f"UPDATE daemons SET started_at = started_at - {6 * MINUTES}",
                f"UPDATE rounds SET at = at - {6 * MINUTES} WHERE name = 'canary back'",
            )
            gateway.until(lambda: "canary" in [e["kind"] for e in gateway.events("alarm_raised")], "an alarm")
            assert gateway.conversations() == []


def step(gateway: Gateway, name: str) -> bool:
    with closing(sqlite3.connect(gateway.folder / "var/gateway.db", timeout=60)) as base:
        return base.execute("SELECT 1 FROM rounds WHERE name = ?", (name,)).fetchone() is not None
