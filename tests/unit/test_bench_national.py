"""The simulated day of a national instance, and what is read from a daemon's log for it."""

from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.bench import national, simulation
from tests.bench.sizing import Cost

NOTHING = simulation.Costs(0, 0, 0, 0, 0)


def one(_: int) -> int:
    return 1


def test_mails_wait_for_those_before_them() -> None:
    day = simulation.passed([0, 0, 0, 10], replace(NOTHING, relaying=2), one, cores=2)
    assert day == simulation.Day((2, 4, 6, 2), 3, 12)


def test_every_delivery_takes_its_time_of_the_relay() -> None:
    day = simulation.passed([0, 10], replace(NOTHING, filing=1, relaying=2), lambda nth: 3 - nth, cores=1)
    assert day.delays == (1 + 6, 1 + 4)


def test_the_daemon_does_one_thing_at_a_time_and_readers_work_beside_it() -> None:
    """On two cores, two mails of which each is read for 4 s are filed after 4 + 1 and 4 + 2; on one after 8 + 1."""
    costs = replace(NOTHING, taking=1, reading=4, filing=1)
    assert simulation.passed([0, 20], costs, lambda _: 0, cores=2).delays == (5, 5)
    assert simulation.passed([0, 0.5], replace(costs, taking=0), lambda _: 0, cores=1).delays == (5, 9.5)


def test_nothing_is_relayed_while_the_smarthost_is_away() -> None:
    costs = replace(NOTHING, relaying=1)
    day = simulation.passed([0, 8.5, 9.5, 12, 25], costs, one, cores=1, closed=(9, 20))
    assert day.delays == (1, 1, 11.5, 10, 1)


def test_random_arrivals_wait_as_long_as_queueing_theory_says() -> None:
    """M/D/1: at a load ρ a piece waits ρ ÷ 2(1 − ρ) of the time it takes (Pollaczek and Khinchine)."""
    even = simulation.arrivals(8_000, seed=5, curve=(1,) * 24)
    seconds = 0.8 * 86_400 / 8_000
    day = simulation.passed(even, replace(NOTHING, relaying=seconds), one, cores=1)
    assert statistics.mean(day.delays) / seconds == pytest.approx(1 + 0.8 / (2 * 0.2), rel=0.15)


def test_the_curve_and_the_wave_bring_what_they_should() -> None:
    come = simulation.arrivals(50_000, seed=1)
    peak = sum(10 * 3600 <= at < 11 * 3600 for at in come)
    assert peak == pytest.approx(3600 * simulation.rate(simulation.OFFICE_DAY, 50_000, 10), rel=0.05)
    wave = simulation.wave(10_000, begin=100, spread=60, seed=1)
    assert wave[0] >= 100
    assert sum(at < 160 for at in wave) == pytest.approx(5_000, rel=0.05)


@pytest.mark.parametrize("mean", [0.3, 1, 3.63])
def test_mails_cause_as_many_deliveries_as_were_seen(mean: float) -> None:
    each = national.deliveries(mean)
    assert sum(map(each, range(1000))) == pytest.approx(1000 * mean, abs=1)


LOG = """\
{"event": "mail_filed", "mail": "old", "arrival": 1, "timestamp": "2026-11-29T10:00:00Z"}
not a line of the log
{"event": "mail_filed", "mail": "b", "arrival": 3, "timestamp": "2026-11-29T10:00:05Z"}
{"event": "mail_filed", "mail": "a", "arrival": 2, "timestamp": "2026-11-29T10:00:03Z"}
{"event": "delivery_attempted", "mail": "a", "purpose": "notification", "state": "deferred", "timestamp": "2026-11-29T10:00:04Z"}
{"event": "delivery_attempted", "mail": "a", "purpose": "notification", "state": "sent", "timestamp": "2026-11-29T10:00:06Z"}
{"event": "delivery_attempted", "mail": "a", "purpose": "notification", "state": "sent", "timestamp": "2026-11-29T10:00:07Z"}
{"event": "delivery_attempted", "mail": "a", "purpose": "acknowledgement", "state": "sent", "timestamp": "2026-11-29T10:00:09Z"}
{"event": "delivery_attempted", "mail": "old", "purpose": "notification", "state": "sent", "timestamp": "2026-11-29T10:00:09Z"}
"""  # noqa: E501 (lines as a daemon writes them)


def test_delays_and_costs_are_read_from_the_log() -> None:
    taken = {number: datetime(2026, 11, 29, 10, 0, number, tzinfo=UTC).timestamp() for number in (2, 3)}
    seen = national.seen(LOG.splitlines(), taken)
    assert seen == national.Seen((0, 1), (1, 3), (5, 3), (4, 5, 7))
    assert seen.delays == (5, 2)


COSTS = simulation.Costs(0.001, 0.002, 0.003, 0.004, 0.002)


def test_costs_are_those_of_the_whole_daemon_spread_as_single_steps_are() -> None:
    found = national.scaled(COSTS, per_mail=3, own=0.024, reading=0.005)
    assert (found.sending, found.reading) == (0.001, 0.005)
    assert (found.taking, found.filing, found.relaying) == pytest.approx((0.004, 0.008, 0.004))


@pytest.mark.parametrize("times", [1, 2.5])
def test_how_much_slower_the_machine_was_is_found(times: float) -> None:
    come = [0.02 * nth for nth in range(200)]
    day = simulation.passed(come, COSTS.slower(times), one, cores=national._CORES)
    seen = national.Seen(tuple(come), (), tuple(at + delay for at, delay in zip(come, day.delays, strict=True)), ())
    assert national.slower(COSTS, seen, per_mail=1) == pytest.approx(times, rel=0.1)


def test_what_is_told_of_a_bad_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(national, "MAILS", 1000)
    monkeypatch.setattr(national, "WAVE", 300)
    seen = national.Seen((0, 1), (1, 3), (5, 3), (4, 5, 7))
    found = national.Found(COSTS, 1.0, 2.0, Cost(10, 20, 4), seen, peak=300_000_000, start=2.5)
    text = national.told(found)
    assert "at most 8,640,000 mails in 24 hours" in text
    assert "0.024 GB for the day" in text
    assert "| measured: 2 mails in real time, at the worst rate | 2.00 s | 5.00 s | 5.00 s | 5.00 s |  |" in text
    assert text.count("\n| ") == 6
