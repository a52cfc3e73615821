"""Kills while replies leave: none is lost, and none leaves twice but those of which nobody could know.

Where a process is killed between the last octet of a mail and our word of the answer, nobody knows whether it arrived
(RFC 1047). With `uncertain = "retry"` it leaves again. So there may be one too many for each connection at each kill,
and only of deliveries that were noted to be at their last step; each the same to the octet.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, func, select

from gateway import config
from gateway.clock import utc_now
from gateway.context import context
from gateway.model import Draft, Filing, Purpose, Role
from gateway.store import filing, keys, outbox
from gateway.store.database import Store, Tx
from gateway.store.opening import opened
from gateway.store.tables import deliveries
from tests.builders import conversation
from tests.chaos import careless
from tests.servers.gateway import COMMAND, Gateway, configuration, eventually, smtp_relay
from tests.servers.sink import Sink
from tests.trials.case import Case, Counted, When, scratch

_T = TypeVar("_T")
_SEED = 20_261_129
_CONNECTIONS = 4


def _write(gateway: Gateway, replies: int) -> None:
    """Answers of agents, in the outbox of a gateway that doesn't run."""
    settings = config.load(gateway.file)
    with opened(settings) as store:
        signer = context(settings, keys.load_or_make(Path(settings.store.token_keys_file))).signer
        now = utc_now()

        def work(tx: Tx) -> None:
            filing.file(tx, Filing(conversation(0)), signer, now)
            for number in range(replies):
                to = f"u{number}@usager{number % 9}.example.net"
                reply = Draft(Purpose.ANSWER, to, Role.USAGER, "Mairie d'Exemple", f"Re: {number}", "Bonjour.\n.\n")
                outbox.enqueue(tx, 1, 0, reply, signer, now)

        store.write_now(work)


def _asked(gateway: Gateway, question: Callable[[Connection], _T]) -> _T:
    settings = config.load(gateway.file)
    assert isinstance(settings.store.raw, Path)
    store = Store(settings.store.url, settings.store.raw)
    try:
        return store.read_now(question)
    finally:
        store.close()


def _in_doubt(connection: Connection) -> set[str]:
    """The Message-IDs of those at their last step, as the killed process left them."""
    return set(connection.scalars(select(deliveries.c.message_id).where(deliveries.c.state == "sending")))


def _settled(connection: Connection) -> bool:
    return connection.scalar(select(func.count()).where(deliveries.c.state.not_in(("sent", "unknown")))) == 0


def _killed(program: tuple[str | Path, ...], replies: int, kills: int) -> Counted:
    """SIGKILL at drawn moments of the work; count what left twice without need, differs, or never left."""
    chance, sink, doubts = random.Random(_SEED), Sink(), Counter[str]()
    relay = smtp_relay(sink.port, uncertain="retry")
    with scratch() as folder, Gateway(folder, configuration(relay=relay), program) as gateway:
        try:
            _write(gateway, replies)
            for moment in sorted(chance.sample(range(replies // 20, replies * 9 // 10), kills)):
                gateway.start()
                eventually(lambda m=moment: len(sink.taken) >= m, f"{moment} mails taken")  # type: ignore[misc]
                os.kill(gateway.pid, signal.SIGKILL)
                gateway.ended()
                doubts.update(_asked(gateway, _in_doubt))
            gateway.start()
            eventually(lambda: _asked(gateway, _settled), "an outbox in which nothing waits", 120)
            gateway.stop()
        finally:
            sink.close()
        return Counted(replies, _wrong(sink, doubts, replies, kills), "mails")


def _wrong(sink: Sink, doubts: Counter[str], replies: int, kills: int) -> int:
    """`doubts`: at how many kills each was at its last step; so often it may have left once more."""
    came, octets = Counter[str](), defaultdict[str, set[bytes]](set)
    for mail in sink.accepted():
        identifier = mail.id.strip("<>")
        came[identifier] += 1
        octets[identifier].add(mail.raw)
    needless = sum(max(0, count - 1 - doubts[identifier]) for identifier, count in came.items())
    differ = sum(len(versions) > 1 for versions in octets.values())
    too_many = max(0, doubts.total() - kills * _CONNECTIONS)
    return needless + differ + too_many + (replies - len(came))


def _case(key: str, replies: int, kills: int, when: When) -> Case:
    return Case(
        key=key,
        trial=f"SIGKILL at {kills} moments while {replies:,} replies leave by SMTP".replace(",", " "),
        promise="each leaves; twice only what was at its last step, one for each connection at most, the same octets",
        defended=partial(_killed, (COMMAND,), replies, kills),
        control=partial(_killed, careless.program("last_step"), replies, kills),
        removed="the note that a mail is at its last step",
        when=when,
    )


CASES = (
    _case("kill-replies", 600, 6, When.SHORT),
    _case("kill-replies-10000", 10_000, 60, When.FULL),
)
