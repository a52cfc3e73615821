"""A bad day of a national instance: `python -m tests.bench.national [--write]`. About three minutes.

Daemons with a national directory take, file and relay mails one step after the other, which tells how what a mail
costs is spread over the steps. A whole one then takes mails at half the day's worst rate in real time, which tells
how much that is, and how much of the machine it has; and at the whole of it. The day is simulated from those costs.
What came at the whole of the rate is simulated too: how far the two agree is how far the rest can be believed.
`--write`: into docs/scale.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import aiosmtplib

from tests import measured
from tests.bench import directories, record, servers, simulation
from tests.bench.directories import NATIONAL
from tests.bench.figures import percentile
from tests.bench.footprint import highest
from tests.bench.report import number
from tests.bench.simulation import HOUR, Costs, Day
from tests.bench.sizing import Cost, each, spent, undelivered
from tests.servers.ports import free_port

SIZE = replace(NATIONAL, dossiers=100_000)  # as many as a directory in files should hold
MAILS, WAVE = 100_000, 30_000  # in the day; of which replies to a mailing at ten o'clock
_TEN, _HALF = 10 * HOUR, 1200.0  # half of the replies come within twenty minutes
_OCTETS, _CLIENTS = 4000, 20
_CORES = os.cpu_count() or 1
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
class Found:
    """`slower`: how many times longer things took at half the rate than on a machine that does nothing else.
    `deliveries`: of a mail. `start`: seconds; `peak`: octets of memory."""

    costs: Costs
    slower: float
    deliveries: float
    cost: Cost
    minute: Seen
    peak: int
    start: float


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


def deliveries(mean: float) -> Callable[[int], int]:
    """How many the n-th mail causes, so that the mean is kept."""
    return lambda nth: int((nth + 1) * mean) - int(nth * mean)


def simulated(
    come: Sequence[float], found: Found, *, sent: bool = False, slower: float = 1, away: bool = False
) -> Day:
    """`sent`: by who is on the same machine, as what was measured. `slower`: on a machine so many times. `away`: the
    smarthost, from ten to eleven."""
    costs = found.costs.slower(slower)
    closed = (_TEN, _TEN + HOUR) if away else (math.inf, math.inf)
    each = deliveries(found.deliveries)
    return simulation.passed(come, costs if sent else replace(costs, sending=0.0), each, _CORES, closed)


def bad_day() -> list[float]:
    """When its mails come."""
    return sorted(simulation.arrivals(MAILS - WAVE, 1) + simulation.wave(WAVE, _TEN, _HALF, 2))


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


def _through(server: servers.Server, when: Sequence[float], first: int, before: int = 0) -> Seen:
    """Send mails, and wait until all that they cause has left. `first`: how many are stored; `before`: as many of
    them were there before the daemon started."""
    asyncio.run(_send(server.port, when, first))
    servers.await_filed(server, first + len(when) - before)
    servers.awaited(lambda: not undelivered(server), "an outbox in which nothing waits", 600)
    with servers.asking(server) as store:
        asked = "SELECT id, received_at / 1e6 FROM arrivals WHERE id > ?"
        taken = dict(store.execute(asked, (first,)).fetchall())
    return seen((server.folder / "log").read_text().splitlines(), taken)


def _count(server: servers.Server, asked: str) -> int:
    with servers.asking(server) as store:
        return int(store.execute(f"SELECT count(*) FROM {asked}").fetchone()[0])


def _steps(only: Callable[[str], AbstractContextManager[servers.Server]], mails: int) -> Costs:
    """What each step costs of the processor, by daemons that do nothing else."""
    with only("intake") as server:
        own, sending = servers.own_cpu(server.process.pid), time.process_time()
        asyncio.run(_send(server.port, [0.0] * mails, 0))
        sending = time.process_time() - sending
        taking = servers.own_cpu(server.process.pid) - own
    with only("filing") as server:
        own, reading = servers.own_cpu(server.process.pid), servers.children_cpu(server.process.pid)
        servers.awaited(lambda: not _count(server, "arrivals WHERE state = 'waiting'"), "all mails filed", 600)
        filing = servers.own_cpu(server.process.pid) - own
        reading = servers.children_cpu(server.process.pid) - reading
    with only("relay") as server:
        own = servers.own_cpu(server.process.pid)
        servers.awaited(lambda: not undelivered(server), "an outbox in which nothing waits", 600)
        relaying = (servers.own_cpu(server.process.pid) - own) / _count(server, "deliveries")
    return Costs(sending / mails, taking / mails, reading / mails, filing / mails, relaying)


def _measured(mails: int, seconds: float) -> Found:
    with servers.scratch() as folder:
        port = free_port()
        command = servers.running(servers.configured(folder, port, size=SIZE))

        def only(role: str) -> AbstractContextManager[servers.Server]:
            return servers.started([*command, "--only", role], folder, port)

        costs = _steps(only, mails)
        with servers.started(command, folder, port) as server:
            through = partial(_through, server, before=mails)
            before = spent(server)
            burst = through([0.0] * mails, mails)
            cost = each(before, spent(server), mails)
            half, used = _used(server, lambda: through(_at_random(seconds, worst_rate() / 2), 2 * mails))
            known = 2 * mails + len(half.taken)
            whole: list[Seen] = []
            peak = highest(server, lambda: whole.append(through(_at_random(seconds, worst_rate()), known)))
        per_mail = len(burst.handed) / len(burst.filed)
        costs = scaled(costs, per_mail, *(seconds / len(half.taken) for seconds in used))
        return Found(costs, slower(costs, half, per_mail), per_mail, cost, whole[0], peak, server.seconds)


def _at_random(seconds: float, rate: float) -> list[float]:
    """When mails come, at such a rate."""
    chance = random.Random(3)
    return sorted(chance.uniform(0, seconds) for _ in range(int(rate * seconds)))


def _used(server: servers.Server, work: Callable[[], Seen]) -> tuple[Seen, tuple[float, float]]:
    """With the seconds of a core that the daemon itself took, and its readers."""
    pid = server.process.pid
    own, children = servers.own_cpu(pid), servers.children_cpu(pid)
    found = work()
    return found, (servers.own_cpu(pid) - own, servers.children_cpu(pid) - children)


def scaled(costs: Costs, per_mail: float, own: float, reading: float) -> Costs:
    """So that the daemon itself takes so long for a mail, and its readers. Daemons that do one step alone spread it
    over the steps alike, but it isn't the same."""
    times = own / (costs.taking + costs.filing + costs.relaying * per_mail)
    return replace(costs.slower(times), sending=costs.sending, reading=reading)


def slower(costs: Costs, seen: Seen, per_mail: float) -> float:
    """How many times slower a machine must be for what was seen to be, in the mean, what is simulated: 1 to 8."""

    def mean(times: float) -> float:
        day = simulation.passed(seen.taken, costs.slower(times), deliveries(per_mail), _CORES)
        return statistics.mean(day.delays)

    low, high = 1.0, 8.0
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) < statistics.mean(seen.delays) else (low, middle)
    return low


# --- what is said of it ----------------------------------------------------------------------------------


def _row(what: str, delays: Sequence[float], deepest: int | None) -> str:
    shown = (f"{number(percentile(delays, percent))} s" for percent in (50, 95, 99))
    return f"| {what} | {' | '.join(shown)} | {number(max(delays))} s | {'' if deepest is None else f'{deepest:,}'} |"


def told(found: Found) -> str:
    """Markdown."""
    costs, cost = found.costs, found.cost
    own = costs.taking + costs.filing + costs.relaying * found.deliveries
    return f"""\
{record.machine()}. Directory: {SIZE.demarches:,} démarches, {SIZE.agents:,} agents, {SIZE.dossiers:,} dossiers; \
ready after {number(found.start)} s. Others were on it as if it were \
{number(found.slower)} times slower; load at the end: {os.getloadavg()[0]:.1f}.

- A mail takes {number(costs.taking * 1000)} ms of a core to be taken, {number(costs.reading * 1000)} ms to be read, \
{number(costs.filing * 1000)} ms to be filed, and each of its {number(found.deliveries)} deliveries \
{number(costs.relaying * 1000)} ms; in a burst, {number(cost.cpu)} ms in all. All but reading is done by one \
process, so one daemon carries at most {number(86_400 / max(own, costs.reading / 2))} mails in 24 hours.
- Memory while {number(worst_rate())} mails came in a second: {number(found.peak / 1e6)} MB at most.
- Disk: {number(cost.database)} kB of database and {number(cost.raw)} kB of raw archive for a mail of 4 kB: \
{number(MAILS * (cost.database + cost.raw) / 1e6)} GB for the day.

| from acceptance to the last notification handed over | 50 % within | 95 % | 99 % | all | most in line |
|---|--:|--:|--:|--:|--:|
{_rows(found)}"""


def _rows(found: Found) -> str:
    come, day = found.minute.taken, bad_day()
    days = {
        "the same mails, simulated": simulated(come, found, sent=True, slower=found.slower),
        f"simulated: the bad day, {MAILS:,} mails, on a machine that does nothing else": simulated(day, found),
        "… on a machine four times slower": simulated(day, found, slower=4),
        "… with the smarthost away from ten to eleven": simulated(day, found, away=True),
    }
    return "\n".join(
        [
            _row(f"measured: {len(come):,} mails in real time, at the worst rate", found.minute.delays, None),
            *(_row(what, each.delays, each.deepest) for what, each in days.items()),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.national", description=__doc__)
    parser.add_argument("--times", type=float, default=1, help="of 1000 mails in the burst, and of a minute")
    parser.add_argument("--write", action="store_true", help="write what was found into docs/scale.md")
    arguments = parser.parse_args()
    text = told(_measured(max(200, int(1000 * arguments.times)), max(20.0, 60 * arguments.times)))
    print(text)
    if arguments.write:
        DOCUMENT.write_text(measured.written(DOCUMENT.read_text(), text))


if __name__ == "__main__":
    main()
