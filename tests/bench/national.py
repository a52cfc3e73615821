"""A bad day of a national instance: `python -m tests.bench.national [--write]`. About three minutes.

A daemon with a national directory takes a burst, which tells what a mail and a delivery cost when there are always
more, then a minute of the day's worst rate in real time. The whole day is simulated from those costs; that minute is
simulated too, so that one sees how far the simulation can be believed. `--write`: into docs/scale.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import aiosmtplib

from tests import measured
from tests.bench import directories, record, servers, simulation
from tests.bench.directories import NATIONAL
from tests.bench.figures import percentile
from tests.bench.footprint import highest
from tests.bench.report import number
from tests.bench.simulation import HOUR, Day, Station
from tests.bench.sizing import Cost, each, spent, undelivered

SIZE = replace(NATIONAL, dossiers=100_000)  # as many as a directory in files should hold
MAILS, WAVE = 100_000, 30_000  # in the day; of which replies to a mailing at ten o'clock
_TEN, _HALF = 10 * HOUR, 1200.0  # half of the replies come within twenty minutes
_OCTETS, _CLIENTS = 4000, 20
DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "scale.md"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the log of a daemon says of some mails: seconds since the first was taken."""

    taken: tuple[float, ...]
    filed: tuple[float, ...]
    notified: tuple[float, ...]  # the last notification's hand-over; when it was filed, where there is none
    handed: tuple[float, ...]  # each delivery's

    @property
    def delays(self) -> tuple[float, ...]:
        return tuple(done - at for at, done in zip(self.taken, self.notified, strict=True))


@dataclass(frozen=True, slots=True)
class Costs:
    filing: Station
    relay: Station
    deliveries: float  # of a mail
    cost: Cost


def seen(lines: Iterable[str], taken: dict[int, float]) -> Seen:
    """`taken`: when each arrival was (seconds since 1970). Arrivals that aren't there are passed over."""
    filed: dict[str, float] = {}
    of: dict[str, int] = {}
    handed: list[float] = []
    notified: dict[str, float] = {}
    for line in lines:
        event = json.loads(line) if line.startswith("{") else {}
        at = datetime.fromisoformat(event["timestamp"]).timestamp() if event else 0.0
        if event.get("event") == "mail_filed" and event["arrival"] in taken:
            filed[event["mail"]], of[event["mail"]] = at, event["arrival"]
        elif event.get("event") == "delivery_attempted" and event["mail"] in filed and event["state"] == "sent":
            handed.append(at)
            if event["purpose"] == "notification":
                notified[event["mail"]] = at
    first = min(taken[arrival] for arrival in of.values())
    order = sorted(of, key=lambda mail: taken[of[mail]])
    return Seen(
        tuple(taken[of[mail]] - first for mail in order),
        tuple(filed[mail] - first for mail in order),
        tuple(notified.get(mail, filed[mail]) - first for mail in order),
        tuple(at - first for at in sorted(handed)),
    )


def costs(burst: Seen, cost: Cost) -> Costs:
    """What a piece took while there was always another: the time in which all were done, over how many they were."""
    filing = (max(burst.filed) - min(burst.filed)) / (len(burst.filed) - 1)
    relay = (burst.handed[-1] - burst.handed[0]) / (len(burst.handed) - 1)
    return Costs(Station(filing), Station(relay), len(burst.handed) / len(burst.filed), cost)


def deliveries(mean: float) -> Callable[[int], int]:
    """How many the n-th mail causes, so that the mean is kept."""
    return lambda nth: int((nth + 1) * mean) - int(nth * mean)


def bad_day(found: Costs, relay: Station | None = None, slower: float = 1) -> Day:
    """The day's mail through one daemon. `relay`: another than was measured. `slower`: a machine so many times."""
    come = sorted(simulation.arrivals(MAILS - WAVE, 1) + simulation.wave(WAVE, _TEN, _HALF, 2))
    filing = replace(found.filing, seconds=found.filing.seconds * slower)
    relay = relay or replace(found.relay, seconds=found.relay.seconds * slower)
    return simulation.passed(come, filing, relay, deliveries(found.deliveries))


def worst_rate() -> float:
    """Mails per second when the wave begins."""
    hour = int(_TEN // HOUR)
    return simulation.rate(simulation.OFFICE_DAY, MAILS - WAVE, hour) + WAVE * 0.6931 / _HALF


# --- the daemon ------------------------------------------------------------------------------------------


def _address(nth: int, chance: random.Random) -> tuple[str, str]:
    """Who writes the n-th mail, and to whom: three of ten to their dossier, the others to a démarche."""
    if nth % 10 < 3:
        dossier = chance.randrange(SIZE.dossiers)
        return f"usager.{dossier}@usager.example.net", f"dossier+{directories.FIRST + dossier}@support.example.org"
    demarche = directories.FIRST + chance.randrange(SIZE.demarches)
    return f"personne.{nth}@usager.example.net", f"demarche+{demarche}@support.example.org"


def _mail(nth: int, sender: str, recipient: str) -> bytes:
    fields = (
        f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: Question {nth}\r\n"
        f"Message-ID: <{nth}.national@usager.example.net>\r\n"
        "Date: Mon, 02 Nov 2026 10:00:00 +0100\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    line = "Bonjour, je n'ai pas compris ce qu'il faut joindre à ma demande ; merci de votre aide.\r\n"
    text = fields + line * ((_OCTETS - len(fields)) // len(line.encode()))
    return text.encode()


async def _send(port: int, when: Sequence[float], first: int) -> None:
    """Each mail at its time (seconds from now) over a connection of its own, as from the Internet; few at once."""
    chance = random.Random(first)
    begin = asyncio.get_running_loop().time()
    places = asyncio.Semaphore(_CLIENTS)

    async def one(nth: int, at: float) -> None:
        sender, recipient = _address(nth, chance)
        await asyncio.sleep(max(0.0, begin + at - asyncio.get_running_loop().time()))
        async with places:
            await aiosmtplib.send(
                _mail(nth, sender, recipient),
                sender=sender,
                recipients=[recipient],
                hostname="127.0.0.1",
                port=port,
                start_tls=False,
            )

    await asyncio.gather(*(one(first + nth, at) for nth, at in enumerate(when)))


def _through(server: servers.Server, when: Sequence[float], first: int) -> Seen:
    """Send mails, and wait until all that they cause has left."""
    asyncio.run(_send(server.port, when, first))
    servers.await_filed(server, first + len(when))
    servers.awaited(lambda: not undelivered(server), "an outbox in which nothing waits", 600)
    with servers.asking(server) as store:
        asked = "SELECT id, received_at / 1e6 FROM arrivals WHERE id > ?"
        taken = dict(store.execute(asked, (first,)).fetchall())
    return seen((server.folder / "log").read_text().splitlines(), taken)


def _measured(mails: int, seconds: float) -> tuple[Costs, Seen, int, float]:
    """What things cost, a minute of the worst, the most memory (octets), and the start (seconds)."""
    with servers.daemon(size=SIZE) as server:
        _through(server, [0.0] * 50, 0)
        before = spent(server)
        burst = _through(server, [0.0] * mails, 50)
        cost = each(before, spent(server), mails)
        chance = random.Random(3)
        when = sorted(chance.uniform(0, seconds) for _ in range(int(worst_rate() * seconds)))
        minute: list[Seen] = []
        peak = highest(server, lambda: minute.append(_through(server, when, 50 + mails)))
    return costs(burst, cost), minute[0], peak, server.seconds


# --- what is said of it ----------------------------------------------------------------------------------


def _row(what: str, delays: Sequence[float], deepest: int | None) -> str:
    shown = (f"{number(percentile(delays, percent))} s" for percent in (50, 95, 99))
    return f"| {what} | {' | '.join(shown)} | {number(max(delays))} s | {'' if deepest is None else f'{deepest:,}'} |"


def told(found: Costs, minute: Seen, peak: int, start: float) -> str:
    """Markdown."""
    cost = found.cost
    per_day = 86_400 / max(found.filing.seconds, found.relay.seconds * found.deliveries)
    return f"""\
{record.machine()}. Directory: {SIZE.demarches:,} démarches, {SIZE.agents:,} agents, {SIZE.dossiers:,} dossiers; \
ready after {number(start)} s. Load of the machine at the end: {os.getloadavg()[0]:.1f}.

- With always another mail waiting, filing took {number(found.filing.seconds * 1000)} ms of each, the relay \
{number(found.relay.seconds * 1000)} ms of each of its {number(found.deliveries)} deliveries, and both together \
{number(cost.cpu)} ms of a core. So one daemon carries at most {number(per_day)} mails in 24 hours.
- Memory while {number(worst_rate())} mails came in a second: {number(peak / 1e6)} MB at most.
- Disk: {number(cost.database)} kB of database and {number(cost.raw)} kB of raw archive for a mail of 4 kB: \
{number(MAILS * (cost.database + cost.raw) / 1e6)} GB for the day.

| from acceptance to the last notification handed over | 50 % within | 95 % | 99 % | all | most in line |
|---|--:|--:|--:|--:|--:|
{_rows(found, minute)}"""


def _rows(found: Costs, minute: Seen) -> str:
    again = simulation.passed(minute.taken, found.filing, found.relay, deliveries(found.deliveries))
    away = replace(found.relay, closed=(_TEN, _TEN + HOUR))
    days = {
        f"simulated: the bad day, {MAILS:,} mails": bad_day(found),
        "… on a machine four times slower": bad_day(found, slower=4),
        "… with the smarthost away from ten to eleven": bad_day(found, away),
    }
    return "\n".join(
        [
            _row(f"measured: {len(minute.taken):,} mails in real time, at the worst rate", minute.delays, None),
            _row("the same mails, simulated", again.delays, again.deepest),
            *(_row(what, day.delays, day.deepest) for what, day in days.items()),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.national", description=__doc__)
    parser.add_argument("--times", type=float, default=1, help="of 1000 mails in the burst, and of a minute")
    parser.add_argument("--write", action="store_true", help="write what was found into docs/scale.md")
    arguments = parser.parse_args()
    text = told(*_measured(max(200, int(1000 * arguments.times)), max(20.0, 60 * arguments.times)))
    print(text)
    if arguments.write:
        DOCUMENT.write_text(measured.written(DOCUMENT.read_text(), text))


if __name__ == "__main__":
    main()
