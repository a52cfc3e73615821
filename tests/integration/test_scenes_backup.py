"""Backup while mail comes in, the machine lost, the store restored elsewhere: all there, nobody written to twice."""

from __future__ import annotations

import shutil
import smtplib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.clients import letter
from tests.servers.gateway import (
    CONTACT,
    DOMAIN,
    MANON,
    ULYSSE,
    Gateway,
    Sent,
    configuration,
    octets,
    running,
    smtp_relay,
)

NEW = "nouvelle@usager.example.net"
DOSSIER = f"dossier+123@{DOMAIN}"


class Load:
    """Somebody who writes one mail after the other, and notes which were taken."""

    def __init__(self, gateway: Gateway) -> None:
        self.taken: list[str] = []
        self.many = threading.Event()
        self._gateway = gateway
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        with suppress(smtplib.SMTPException, OSError), smtplib.SMTP("127.0.0.1", self._gateway.port) as client:
            for number in range(1000):
                if self._stop.is_set():
                    return
                person = f"load{number}@usager.example.net"
                mail = letter(person, f"Question {number}.", to=CONTACT)
                client.sendmail(person, CONTACT, octets(mail))
                self.taken.append(str(mail["Message-ID"]).strip("<>"))
                if len(self.taken) % 10 == 0:
                    self.many.set()

    def more(self) -> None:
        """Wait until some more were taken."""
        self.many.clear()
        assert self.many.wait(60)

    def end(self) -> None:
        self._stop.set()
        self._thread.join(60)


def run(gateway: Gateway, *arguments: str | Path, status: int = 0) -> Any:
    """A command: its document, or its words where it fails."""
    return gateway.command(*map(str, arguments), status=status)


def left(gateway: Gateway) -> list[Sent]:
    """What has left, but for the alarm that deliveries are held: where the machine is slow, it is there by then."""
    return [mail for mail in gateway.all_sent() if "a besoin de son administrateur" not in mail.message["Subject"]]


@dataclass(frozen=True)
class Lost:
    """A gateway that is lost, and its backups: what it took before the last one and in all, and what it sent."""

    folder: Path
    backups: Path
    before: list[str]
    taken: list[str]
    sent: list[str]


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Lost:
    """Mail comes in all the time; the daemon is killed some time after the backup was made."""
    folder, backups = tmp_path_factory.mktemp("lost"), tmp_path_factory.mktemp("backups")
    with running(folder, configuration()) as gateway:
        gateway.post(letter(ULYSSE, "Où en est mon dossier ?", to=DOSSIER), to=DOSSIER)
        load = Load(gateway)
        load.more()
        before = list(load.taken)
        made = run(gateway, "backup", backups)
        assert made["arrivals"] > len(before)
        load.more()
        gateway.kill()
        load.end()
        sent = [mail.id for mail in gateway.sent()]
    return Lost(folder, backups, before, load.taken, sent)


@contextmanager
def elsewhere(folder: Path) -> Iterator[Gateway]:
    """A machine on which nothing runs yet."""
    gateway = Gateway(folder, configuration())
    try:
        yield gateway
    finally:
        if gateway.running:
            gateway.stop()


def test_what_was_taken_before_the_backup_is_there_and_nothing_is_sent_again(lost: Lost, tmp_path: Path) -> None:
    with elsewhere(tmp_path) as gateway:
        said = run(gateway, "restore", lost.backups)
        assert said["arrivals"] >= len(lost.before) + 1
        gateway.start()
        gateway.until(lambda: set(lost.before) <= set(gateway.filed()), "all that was taken before")
        assert left(gateway) == []
        gateway.send(letter(NEW, "Une nouvelle question."))
        gateway.awaited(NEW)
        gateway.awaited(MANON)
        assert {mail.to for mail in gateway.all_sent()} <= {NEW, MANON}
        assert not {mail.id for mail in gateway.all_sent()} & set(lost.sent), "an id of a mail that was sent before"


def test_what_came_after_it_is_had_again_from_packs_that_outlived(lost: Lost, tmp_path: Path) -> None:
    shutil.copytree(lost.folder / "var" / "raw", tmp_path / "var" / "raw")
    with elsewhere(tmp_path) as gateway:
        assert run(gateway, "restore", lost.backups)["packs_put"] == 0
        found = run(gateway, "recover")
        assert (found["mails"] > 0, found["applied"]) == (True, False)
        assert run(gateway, "recover", "--apply")["mails"] == found["mails"]
        assert run(gateway, "recover")["mails"] == 0
        gateway.start()
        assert "another gateway runs on this store" in run(gateway, "restore", lost.backups, status=75)
        gateway.until(lambda: set(lost.taken) <= set(gateway.filed()), "all that was ever taken")
        assert left(gateway) == []
        assert len(gateway.outbox()) > len(lost.taken)
        run(gateway, "outbox", "cancel", "--held")
        assert {each["state"] for each in gateway.outbox()} <= {"sent", "cancelled"}
        gateway.stop()
        assert "holds a store already: --replace sets it aside" in run(gateway, "restore", lost.backups, status=1)
        run(gateway, "restore", lost.backups, "--replace")
        assert list(tmp_path.rglob("gateway.db.before-*"))
        assert len(gateway.filed()) <= len(lost.taken)


def test_what_waits_is_held_unless_nothing_has_left_since(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with running(tmp_path, configuration(relay=smtp_relay(nobody.getsockname()[1]))) as gateway:
            gateway.post(letter(ULYSSE, "Un.", to=DOSSIER), to=DOSSIER)
            gateway.stop()
            run(gateway, "backup", tmp_path / "backups")
            assert {each["state"] for each in gateway.outbox()} == {"deferred"}
            assert run(gateway, "restore", tmp_path / "backups", "--replace")["held"] == 2
            assert {each["state"] for each in gateway.outbox()} == {"unknown"}
            assert run(gateway, "evidence", "--verify")["faults"] == []
            assert run(gateway, "audit", "--verify")
            assert len(run(gateway, "outbox", "retry", "--held")) == 2
            assert {each["state"] for each in gateway.outbox()} == {"waiting"}
            assert run(gateway, "restore", tmp_path / "backups", "--replace", "--send")["held"] == 0
            assert {each["state"] for each in gateway.outbox()} == {"deferred"}
            assert run(gateway, "backup", tmp_path / "backups", "--check")["faults"] == []
