"""Scene i: what happens with time. The daemon takes the mail; when it has stopped, a round is made at a later day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway import config, rounds
from gateway.context import context
from gateway.store import keys, opening
from tests.servers.clients import gmail, letter, outlook
from tests.servers.gateway import (
    ALICE,
    BOB,
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

# Half a day from now: the daemon itself comes to no digest while the scenes are played.
HOUR = datetime.now(ZoneInfo("Europe/Paris")) + timedelta(hours=12)
DESK = f"""\
bundle = "0s"
digest_at = ["{HOUR:%H:%M}"]
remind_after = "1d"
close_after = "5d"
close_warning = "3d"
"""
AGENTS = f"""
[[agents]]
email = "{ALICE}"
name = "Alice Admin"
notify = "digest"

[[agents]]
email = "{HOTLINE}"
notify = "assigned"

[[agents]]
email = "{BOB}"
notify = "none"
"""
TO = f"demarche+42@{DOMAIN}"


def later(days: int) -> datetime:
    """Ten minutes after the digest's hour, so many days from now."""
    return (HOUR + timedelta(days=days, minutes=10)).astimezone(UTC)


@contextmanager
def asleep(gateway: Gateway) -> Iterator[None]:
    """The daemon is stopped, and afterwards all that waits in the outbox leaves."""
    gateway.stop()
    yield
    for delivery in gateway.waiting():
        gateway.command("outbox", "retry", str(delivery["id"]))
    gateway.start()
    gateway.until(lambda: not gateway.waiting(), "an outbox in which nothing waits")


def round_at(gateway: Gateway, now: datetime) -> int:
    """Make a round on the store of a daemon that is stopped; how many mails it planned."""
    settings = config.load(gateway.file)
    with opening.opened(settings) as store:
        there = context(settings, keys.load_or_make(settings.store.token_keys_file))
        return store.write_now(lambda tx: rounds.make(tx, there, now))


@dataclass(frozen=True)
class Day:
    """A busy day is over: Alice's digest, Inès's, and the conversations' references."""

    gateway: Gateway
    digest: Sent
    reminder: Sent
    references: dict[str, str]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    with running(
        tmp_path_factory.mktemp("digest"), configuration(directory=DIRECTORY + NEIGHBOURS + AGENTS, desk=DESK)
    ) as gateway:
        references = a_busy_day(gateway)
        before = len(gateway.sent())
        with asleep(gateway):
            assert round_at(gateway, later(3)) == 3, "one to each, and one of what was put off"
            assert round_at(gateway, later(3) + timedelta(minutes=1)) == 0, "once a day"
        new = gateway.sent()[before:]
        assert sorted(mail.to for mail in new) == sorted([ALICE, INES, INES])
        (digest,) = gateway.sent(ALICE)
        (reminder,) = (mail for mail in new if mail.to == INES and "Merci de ne pas répondre" in mail.text)
        yield Day(gateway, digest, reminder, references)


def a_busy_day(gateway: Gateway) -> dict[str, str]:
    """Two usagers write to Alice's démarche, one twice; a dossier is put off, one answered; Bob wants no mail."""
    nora, nadia = "nora@usager.example.net", "nadia@usager.example.net"
    gateway.post(letter(nora, "Bonjour,\n\nPuis-je planter un figuier ?", to=TO, subject="Un figuier"), to=TO)
    gateway.post(gmail(gateway.latest(nora), nora, "Ou un olivier ?"))
    gateway.post(letter(nadia, "Bonjour, où envoyer le plan ?", to=TO, subject="Le plan"), to=TO)
    dossier = f"dossier+123@{DOMAIN}"
    gateway.post(letter(ULYSSE, "Bonjour, mon dossier ?", to=dossier, subject="Mon dossier"), to=dossier)
    gateway.post(outlook(gateway.latest(INES), INES, "@suivre\n\nIl nous manque une pièce."))
    waiting = gateway.latest(ULYSSE).reference
    gateway.post(letter(ULYSSE, "Bonjour, autre chose.", to=dossier, subject="Autre chose"), to=dossier)
    gateway.post(outlook(gateway.latest(INES), INES, "@attente demain"))
    other = gateway.latest(ULYSSE).reference
    gateway.post(letter(ULYSSE, "Bonjour, et ceci ?", to=dossier, subject="Ceci"), to=dossier)
    gateway.post(letter(VERA, "Bonjour, une aide ?", to=f"demarche+43@{DOMAIN}"), to=f"demarche+43@{DOMAIN}")
    gateway.settle()
    assert not gateway.sent(ALICE), "not before the hour"
    assert not gateway.sent(HOTLINE)
    return {
        "figuier": gateway.latest(nora).reference,
        "plan": gateway.latest(nadia).reference,
        "pièce": waiting,
        "autre": other,
        "attend": gateway.latest(ULYSSE).reference,
    }


def test_one_digest_tells_all_that_is_new(day: Day) -> None:
    assert day.digest.from_name == "Démarches d'exemple"
    text = day.digest.text
    assert text.count("NOUVEAUX MESSAGES") == 1
    new, _, waiting = text.partition("NOUVEAUX MESSAGES")[2].partition("EN ATTENTE")
    told = (day.references["figuier"], day.references["plan"])
    assert [new.count(reference) for reference in told] == [1, 1]
    assert [waiting.count(reference) for reference in told] == [0, 0], "each stands in it once"
    assert "2 conversations vous attendent" in day.digest.subject
    assert "2 messages, depuis le" in " ".join(new.split())
    assert "> Ou un olivier ?" in new
    assert "Permis de végétaliser" in new
    assert "nora@usager.example.net" in new
    assert day.references["pièce"] not in text, "Inès's matter"
    assert day.references["autre"] not in text
    assert day.digest.message["Auto-Submitted"] == "auto-generated"
    assert not [mail for mail in day.gateway.sent() if mail.to in {BOB, HOTLINE, IGOR, MANON}]


def test_who_is_told_at_once_is_reminded_in_a_digest(day: Day) -> None:
    """Of what waits for three days: Inès has seen it as it came."""
    waiting = day.reminder.text.partition("EN ATTENTE D’UNE RÉPONSE DE VOTRE PART")[2]
    assert day.references["attend"] in waiting
    assert "> Bonjour, et ceci ?" in waiting
    assert "reminded" in day.gateway.show(day.references["attend"])["history"][-1]["what"]


def test_what_was_put_off_is_told_again(day: Day) -> None:
    woken = [mail for mail in day.gateway.sent(INES) if mail.reference == day.references["autre"]][-1]
    assert "Cette conversation avait été mise de côté jusqu’à aujourd’hui" in woken.words
    assert "Bonjour, autre chose." in woken.text
    seen = day.gateway.show(day.references["autre"])
    assert (seen["status"], seen["snoozed_until"]) == ("active", None)


def test_what_will_be_closed_is_announced_to_its_agent(day: Day) -> None:
    closing = day.reminder.text.partition("BIENTÔT CLOSES, FAUTE DE RÉPONSE DE L’USAGER")[2]
    assert day.references["pièce"] in closing
    assert "Sera close le" in " ".join(closing.split())
    seen = day.gateway.show(day.references["pièce"])
    assert seen["status"] == "pending"
    assert seen["closing_at"]
    assert "will be closed on" in seen["history"][-1]["what"]


def test_each_conversation_is_answered_at_its_own_address(day: Day) -> None:
    """A new mail to the address that stands below it; an answer to the digest itself comes back."""
    gateway = day.gateway
    below = day.digest.text.partition(day.references["figuier"])[2]
    found = re.search(r"Pour répondre\s: (\S+)", below)
    assert found
    to = found[1]
    gateway.send(letter(ALICE, "@note Vu.\n\nUn figuier, oui.", to=to, subject="Votre figuier"), to=to)
    answer = gateway.awaited("nora@usager.example.net", 2)
    assert answer.text.startswith("Un figuier, oui.")
    assert answer.from_name == "Mairie d'Exemple"
    assert answer.reference == day.references["figuier"]

    gateway.send(outlook(day.digest, ALICE, "Oui à tous.\n\n@clore"))
    back = gateway.awaited(ALICE, 2)
    assert "vous avez répondu à un récapitulatif" in back.words
    assert "Oui à tous." in back.text
    assert not [mail for mail in gateway.all_sent() if "Oui à tous" in mail.text and mail.to != ALICE]


def test_closed_at_its_time_and_opened_again_by_the_usager(tmp_path: Path) -> None:
    with running(tmp_path, configuration(desk=DESK)) as gateway:
        dossier = f"dossier+123@{DOMAIN}"
        gateway.post(letter(ULYSSE, "Bonjour, mon dossier ?", to=dossier), to=dossier)
        gateway.post(gmail(gateway.latest(INES), INES, "Il manque une pièce."))
        answer = gateway.latest(ULYSSE)
        gateway.stop()
        assert round_at(gateway, later(3)) == 1
        assert round_at(gateway, later(4)) == 0, "announced once"
        assert gateway.show(answer.reference)["status"] == "pending"
        assert round_at(gateway, later(7)) == 0
        closed = gateway.show(answer.reference)
        assert closed["status"] == "closed"
        assert [event["by"] for event in closed["history"]][-2:] == ["gateway", "gateway"]
        assert "closed: the usager didn't answer" in closed["history"][-1]["what"]
        gateway.start()
        gateway.send(gmail(answer, ULYSSE, "La voici."))
        gateway.until(lambda: gateway.show(answer.reference)["status"] == "active", "active again")
