"""`gateway health`, the figures for Prometheus, and what looking costs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from gateway.commands.health import health
from gateway.errors import StoreError
from gateway.health import canary, metrics
from gateway.health.gaps import Gap, Kind
from gateway.store import arrivals, pulses, rounds
from tests.builders import NOW, incoming, keep, raw_mail, settings, take
from tests.watched import (
    MINUTE,
    Daemon,
    packs_of,
    planned,
    watched,
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with watched(tmp_path) as daemon:
        yield daemon


def test_before_the_first_start_nobody_can_tell_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store yet"):
        health(settings(tmp_path), NOW, as_metrics=False)
    assert os.listdir(tmp_path) == []


def test_the_command_says_what_is_wrong_and_what_to_do(daemon: Daemon, tmp_path: Path) -> None:
    well = health(daemon.context.settings, NOW, as_metrics=False)
    assert (well.status, well.lines) == (0, ("OK: 0 mails accepted, 0 wait to be filed, 0 to be sent",))
    keep(daemon.store, incoming(raw_mail()))
    daemon.store.write_now(lambda tx: arrivals.set_aside(tx, 1, "a reason"))
    wrong = health(daemon.context.settings, NOW, as_metrics=False)
    assert wrong.status == 1
    first, second = wrong.lines
    assert str(first).startswith("WRONG aside: mail is set aside, since ")
    assert "gateway aside list" in str(second)
    (gap,) = wrong.document["gaps"]
    assert (gap["kind"], gap["count"], gap["examples"]) == ("aside", 1, ("1",))
    figures = health(daemon.context.settings, NOW, as_metrics=True)
    assert (figures.status, 'gateway_gap{kind="aside"} 1' in str(figures.lines[0])) == (1, True)


async def test_what_only_the_daemon_sees_is_told_by_the_command_too(daemon: Daemon) -> None:
    take(daemon.store, daemon.context, raw_mail())
    (pack,) = packs_of(daemon).glob("*.pack")
    pack.unlink()
    await daemon.until(NOW + MINUTE, 30)
    found = health(daemon.context.settings, daemon.at, as_metrics=False).document["gaps"]
    assert [gap["kind"] for gap in found] == ["raw"]
    assert found[0]["alarm_since"] == daemon.at


# --- figures, and what they cost --------------------------------------------------------------------------


def test_figures_are_in_the_form_that_prometheus_reads(daemon: Daemon) -> None:
    keep(daemon.store, incoming(raw_mail()))
    planned(daemon, 2)
    daemon.store.write_now(lambda tx: rounds.made(tx, canary.FILED, NOW))
    daemon.store.write_now(lambda tx: rounds.made(tx, canary.SENT, NOW + MINUTE))
    told = metrics.text(daemon.seen(), [Gap(Kind.FILING, 3)], canary.FILED, NOW + MINUTE)
    sample = re.compile(r'gateway_[a-z_]+(?:\{[a-z]+="[^"\\\n]*"\})? -?[0-9.e+]+')
    assert [line for line in told.splitlines() if not line.startswith("# ") and not sample.fullmatch(line)] == []
    for wanted in (
        "gateway_accepted_total 1",
        "gateway_waiting 1",
        "gateway_healthy 0",
        'gateway_gap{kind="filing"} 3',
        'gateway_gap{kind="relay"} 0',
        'gateway_outbox{state="waiting"} 2',
        'gateway_daemon_seen_seconds{daemon="one"} 60',
        "gateway_canary_seconds 60",
    ):
        assert wanted in told.splitlines(), wanted


async def test_the_file_of_figures_is_whole_and_anew_at_each_look(tmp_path: Path) -> None:
    file = tmp_path / "gateway.prom"
    with watched(tmp_path, health={"metrics_file": str(file)}) as daemon:
        await daemon.until(NOW + MINUTE)
    assert f"gateway_looked_timestamp_seconds {(NOW + MINUTE).timestamp():.15g}" in file.read_text().splitlines()
    assert [name for name in os.listdir(tmp_path) if ".prom" in name] == [file.name]


def test_no_question_walks_through_what_is_stored(daemon: Daemon) -> None:
    """Each has its index, or ends after the newest rows: what is asked every ten seconds costs the same for ever."""
    asked: list[tuple[str, Any]] = []

    @event.listens_for(daemon.store.engine, "before_cursor_execute")
    def _(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    daemon.seen()
    daemon.store.write_now(lambda tx: pulses.beat(tx, "one", NOW))
    assert len(asked) > 20
    fine = re.compile(
        r"SCAN (rounds|daemons|mailboxes|alarms|marks|CONSTANT ROW|.* USING .*INDEX ix_\w+)\b.*|(?!SCAN).*"
    )
    with daemon.store.engine.connect() as connection:
        for statement, parameters in list(asked):
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                few = row.detail == "SCAN evidence" and "ORDER BY evidence.id DESC" in statement
                assert few or fine.fullmatch(row.detail), (row.detail, statement)
