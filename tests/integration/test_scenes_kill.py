"""Scene h: the daemon is killed again and again while mail comes in and goes out. None is lost, none is there twice.

Clients behave as mail servers do: what wasn't acknowledged they hand in again. The moments of the kills are drawn, by
a seed that is printed, from the work that is done: mails acknowledged and mails that left.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from email.message import EmailMessage
from pathlib import Path

from tests.servers.clients import letter
from tests.servers.crowd import Crowd
from tests.servers.gateway import MANON, Gateway, Sent, configuration, octets, running, smtp_relay
from tests.servers.sink import BREAK, TAKEN, Sink

MAILS, KILLS = 480, 7  # a list of the outbox shows a thousand that are done, and alarms are among them
SEED = 20_261_123


def author(number: int) -> str:
    return f"u{number}@usager.example.net"


def questions() -> list[EmailMessage]:
    return [letter(author(n), f"Bonjour, question {n}.", subject=f"Question {n}") for n in range(MAILS)]


def kill_while_it_works(
    gateway: Gateway,
    crowd: Crowd,
    left: Callable[[], int],
    moment_of_death: Callable[[random.Random], AbstractContextManager[None]],
) -> None:
    """Kill and start the daemon at drawn moments; in the end everything has come in."""
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    moments = sorted(chance.sample(range(20, MAILS * 5 // 2), KILLS))
    for moment in moments:

        def reached(moment: int = moment) -> bool:
            return len(crowd.acknowledged) + left() >= moment

        gateway.until(reached, f"{moment} mails acknowledged or gone")
        with moment_of_death(chance):
            gateway.kill()
        gateway.start()
    gateway.until(lambda: crowd.done, "every mail acknowledged", patience=60)
    assert len(crowd.acknowledged) == MAILS


def any_time(_: random.Random) -> AbstractContextManager[None]:
    return nullcontext()


def check_filed_once(gateway: Gateway, mails: list[EmailMessage]) -> None:
    """Every acknowledged mail is one message, in one conversation of its own."""
    expected = {str(mail["Message-ID"]).strip("<>") for mail in mails}
    gateway.until(lambda: _all_filed(gateway, expected), "every mail filed", patience=60)
    counted = Counter(gateway.filed())
    assert set(counted) == expected
    assert set(counted.values()) == {1}, [i for i, n in counted.items() if n > 1]
    conversations = gateway.conversations()
    assert len(conversations) == MAILS
    assert {c["messages"] for c in conversations} == {1}
    assert not gateway.aside()


def _all_filed(gateway: Gateway, expected: set[str]) -> bool:
    """What was at work at three kills is set aside for a person, who lets it be tried again."""
    for mail in gateway.aside():
        assert "ended the process" in mail["reason"]
        gateway.command("aside", "retry", str(mail["id"]))
    return expected <= set(gateway.filed())


def expected_deliveries() -> Counter[tuple[str, str]]:
    """An acknowledgement for each usager, and a notification for the manager of each question; alarms apart."""
    acknowledgements = {(author(n), "") for n in range(MAILS)}
    return Counter(acknowledgements | {(MANON, f"Question {n}") for n in range(MAILS)})


def delivery(mail: Sent) -> tuple[str, str]:
    subject = str(mail.message["Subject"])
    return mail.to, subject[subject.index("Question") :] if mail.to == MANON else ""


def test_sigkill_in_the_middle_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    new = tmp_path / "sent" / "new"
    with running(tmp_path) as gateway:
        mails = questions()
        with Crowd(gateway.port, map(octets, mails)) as crowd:
            kill_while_it_works(gateway, crowd, lambda: len(os.listdir(new)) if new.exists() else 0, any_time)
        check_filed_once(gateway, mails)
        gateway.until(lambda: len(os.listdir(new)) >= 2 * MAILS, "all that is to leave", patience=60)
        sent = gateway.all_sent()
        assert Counter(delivery(mail) for mail in sent) == expected_deliveries()
        assert {d["state"] for d in gateway.outbox()} == {"sent"}


@contextmanager
def unanswered(sink: Sink, chance: random.Random) -> Iterator[None]:
    """While this lasts, the smarthost has all of a mail and gives no answer. It takes some, and drops others."""
    held, gate = threading.Event(), threading.Event()

    def hold(_: Sent) -> str:
        reply = chance.choice((TAKEN, BREAK))
        held.set()
        assert gate.wait(60)
        return reply

    sink.on_mail = hold
    assert held.wait(60)
    yield
    sink.on_mail = lambda _: TAKEN
    gate.set()


def test_sigkill_with_a_smarthost_sends_nothing_twice_and_lists_what_is_uncertain(tmp_path: Path) -> None:
    sink = Sink()
    try:
        with running(tmp_path, configuration(relay=smtp_relay(sink.port))) as gateway:
            mails = questions()
            with Crowd(gateway.port, map(octets, mails)) as crowd:
                kill_while_it_works(gateway, crowd, lambda: len(sink.taken), lambda c: unanswered(sink, c))
            check_filed_once(gateway, mails)
            gateway.until(lambda: not gateway.waiting(), "an outbox in which nothing waits", patience=60)
            rows = gateway.outbox()
            assert {row["state"] for row in rows} <= {"sent", "unknown"}
            came = Counter(mail.id.strip("<>") for mail in sink.accepted())
            assert set(came.values()) == {1}, "nothing twice"
            ours = {row["message_id"] for row in rows if row["conversation"] is not None}
            arrived = [mail for mail in sink.accepted() if mail.id.strip("<>") in ours]
            missing = expected_deliveries() - Counter(map(delivery, arrived))
            uncertain = {row["message_id"] for row in rows if row["state"] == "unknown"}
            absent = ours - set(came)
            assert absent <= uncertain, "what didn't arrive is listed"
            assert len(uncertain) >= KILLS, "each kill came at a moment that leaves doubt"
            assert len(absent) == missing.total()
            assert len(uncertain) <= KILLS * 4, "at most what was on a connection when it was killed"
    finally:
        sink.close()
