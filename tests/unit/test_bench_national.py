"""The simulated day of a national instance, and what is read from a daemon's log for it."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime

import pytest

from tests.bench import national, simulation
from tests.bench.sizing import Cost

FREE = simulation.Station(0.0)


def test_mails_wait_for_those_before_them() -> None:
    day = simulation.passed([0, 0, 0, 10], simulation.Station(2), FREE, lambda _: 1)
    assert day == simulation.Day((2, 4, 6, 2), 3)


def test_every_delivery_takes_its_time_of_the_relay() -> None:
    day = simulation.passed([0, 10], simulation.Station(1), simulation.Station(2), lambda nth: 3 - nth)
    assert day.delays == (1 + 6, 1 + 4)


@pytest.mark.parametrize(("start", "done"), [(0, 1), (8.5, 9.5), (9.5, 20.5), (12, 21), (20, 21)])
def test_nothing_is_done_while_a_station_is_closed(start: float, done: float) -> None:
    assert simulation.Station(1, closed=(10, 20)).done(start) == done


def test_random_arrivals_wait_as_long_as_queueing_theory_says() -> None:
    """M/D/1: at a load ρ a piece waits ρ ÷ 2(1 − ρ) of the time it takes (Pollaczek and Khinchine)."""
    even = simulation.arrivals(86_400, seed=5, curve=(1,) * 24)
    day = simulation.passed(even, simulation.Station(0.8), FREE, lambda _: 0)
    assert statistics.mean(day.delays) == pytest.approx(0.8 + 0.8 * 0.8 / (2 * 0.2), rel=0.1)


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
    found = national.costs(seen, Cost(10, 20, 4))
    assert (found.filing.seconds, found.relay.seconds, found.deliveries) == (2, 1.5, 1.5)


def test_what_is_told_of_a_bad_day() -> None:
    seen = national.Seen((0, 1), (1, 3), (5, 3), (4, 5, 7))
    costs = national.Costs(simulation.Station(0.01), simulation.Station(0.002), 3.0, Cost(10, 20, 4))
    text = national.told(costs, seen, peak=300_000_000, start=2.5)
    assert "at most 8,640,000 mails in 24 hours" in text
    assert "2.40 GB for the day" in text
    assert "| measured: 2 mails in real time, at the worst rate | 2.00 s | 5.00 s | 5.00 s | 5.00 s |  |" in text
    assert text.count("\n| ") == 6
