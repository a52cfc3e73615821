"""Several daemons share a store in PostgreSQL: one is killed, the server goes away, and every mail is there once."""

from __future__ import annotations

import os
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.servers import dovecot, postgresql
from tests.servers.clients import letter
from tests.servers.gateway import CONTACT, Gateway, eventually, imap_intake, octets, smtp_relay
from tests.servers.several import several
from tests.servers.sink import Sink

MAILS = int(os.environ.get("GATEWAY_SEVERAL_MAILS", "150"))  # make check-full wants more
AT_ONCE = 4
pytestmark = pytest.mark.skipif(postgresql.BIN is None, reason=postgresql.MISSING)


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.PostgreSQL]:
    server = postgresql.PostgreSQL()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


class Clients:
    """They hand in `count` mails, each to one daemon or another until it is acknowledged. `replies`: their codes."""

    def __init__(self, gateways: Sequence[Gateway], count: int = MAILS) -> None:
        self._ports = [gateway.port for gateway in gateways]
        self._mails = iter(
            [
                letter(f"u{n}@usager.example.net", f"Bonjour, question {n}.", subject=f"Question {n}")
                for n in range(count)
            ]
        )
        self._lock = threading.Lock()
        self.replies: Counter[int] = Counter()
        self.acknowledged: list[str] = []
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(AT_ONCE)]
        for thread in self._threads:
            thread.start()

    def _work(self, nth: int) -> None:
        while True:
            with self._lock:
                mail = next(self._mails, None)
            if mail is None:
                return
            deadline = time.monotonic() + PATIENCE
            while not self._handed_in(self._ports[nth % len(self._ports)], str(mail["From"]), octets(mail)):
                nth += 1  # the other daemon
                assert time.monotonic() < deadline
                time.sleep(0.05)  # as a mail server would wait, and longer
            self.acknowledged.append(str(mail["Message-ID"]).strip("<>"))

    def _handed_in(self, port: int, sender: str, raw: bytes) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
                client.sendmail(sender, CONTACT, raw)
        except smtplib.SMTPResponseException as error:
            self.replies[error.smtp_code] += 1
            return False
        except (OSError, smtplib.SMTPException):
            return False
        self.replies[250] += 1
        return True

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60 + MAILS)
            assert not thread.is_alive()


def settled(gateway: Gateway, clients: Clients, sink: Sink) -> None:
    """Every mail that was acknowledged is filed once, and every mail that was planned has left once."""
    gateway.until(lambda: len(gateway.filed()) >= len(clients.acknowledged), "every mail filed", 60 + MAILS)
    gateway.until(lambda: not gateway.waiting(), "an outbox in which nothing waits", 60 + MAILS)
    assert sorted(gateway.filed()) == sorted(clients.acknowledged)
    assert gateway.aside() == []
    sent = Counter(mail.id for mail in sink.accepted())
    planned = {f"<{delivery['message_id']}>": delivery["state"] for delivery in gateway.outbox()}
    assert set(sent.values()) <= {1}
    assert {identifier for identifier, state in planned.items() if state == "sent"} <= set(sent)
    assert all(state in {"sent", "unknown"} for state in planned.values())


def test_one_of_two_is_killed_under_load(server: postgresql.PostgreSQL, sink: Sink, tmp_path: Path) -> None:
    with several(server, tmp_path, relay=smtp_relay(sink.port)) as (one, other):
        clients = Clients((one, other))
        one.logged("mail_filed")
        other.logged("mail_filed")
        one.kill()
        clients.join()
        other.logged("daemon_gone")
        settled(other, clients, sink)


def test_the_server_is_stopped_and_comes_back(server: postgresql.PostgreSQL, sink: Sink, tmp_path: Path) -> None:
    with several(server, tmp_path, relay=smtp_relay(sink.port)) as (one, other):
        clients = Clients((one, other))
        eventually(lambda: len(clients.acknowledged) > 30, "some mails taken")
        server.stop(immediately=True)
        eventually(lambda: clients.replies[451] > 5, "senders told to come later")
        server.start()
        clients.join()
        settled(one, clients, sink)
        assert set(clients.replies) <= {250, 451}
        assert one.running
        assert other.running


def test_roles(server: postgresql.PostgreSQL, tmp_path: Path) -> None:
    """One takes mail, one files it, one sends: the bells between them ring."""
    with several(server, tmp_path, ("intake", "filing", "relay")) as (intake, filing, relay):
        intake.send(letter("ulysse@usager.example.net", "Bonjour."))
        filing.logged("mail_filed")
        relay.logged("delivery_attempted")
        assert not intake.events("mail_filed", "delivery_attempted")
        assert not filing.events("delivery_attempted")
        with pytest.raises(OSError, match="refused"):
            smtplib.SMTP("127.0.0.1", filing.port)


@pytest.mark.skipif(dovecot.DOVECOT is None, reason=dovecot.MISSING)
def test_a_mailbox_is_polled_by_one_and_then_by_another(server: postgresql.PostgreSQL, tmp_path: Path) -> None:
    with closing(dovecot.Dovecot()) as imap:
        imap.add_user("contact", "a password")
        intake = imap_intake(imap.imap_port, "contact", "a password")
        with several(server, tmp_path, intake=intake) as pair:
            for n in range(3):
                imap.deliver("contact", octets(letter(f"u{n}@usager.example.net", "Bonjour.")))
            pair[0].until(lambda: len(pair[0].filed()) == 3, "the mails taken in")
            (first,) = [gateway for gateway in pair if gateway.events("mailbox_attended")]
            (second,) = [gateway for gateway in pair if gateway is not first]
            first.kill()
            imap.deliver("contact", octets(letter("u9@usager.example.net", "Bonjour encore.")))
            second.logged("mailbox_attended")
            second.until(lambda: len(second.filed()) == 4, "the mail taken in by the other")
