"""The arithmetic of `make bench`, its record, its table and its chart, on numbers made up for them."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway import config
from gateway.config.values import siret as check_siret
from gateway.store.engines import file_of
from gateway.store.opening import opened
from tests.bench import chart, directories, filing, large, record, report, servers
from tests.bench.directories import Size, siret
from tests.bench.figures import Contender, Figure, Goal, Peer, Spread, interleaved, percentile
from tests.bench.load import LARGE, mail
from tests.bench.record import Measured, Run
from tests.measured import BEGIN, END
from tests.servers.postgresql import BIN, MISSING, PostgreSQL

RATE = Figure(
    "accepted",
    "mails/s",
    (200.0, 400.0, 300.0),
    (Peer("bare", (100.0, 100.0, 300.0)), Peer("Postfix", (50.0, 50.0, 50.0))),
    (Goal(2.0, "bare", least=True), Goal(4.0, "Postfix", least=True)),
)
COST = Figure(
    "memory", "MB", (60.0, 90.0, 70.0), (Peer("bare", (20.0, 30.0, 35.0)),), (Goal(80),), ("mox: isn't there",)
)
RUN = Run(
    "2 cores",
    ("CPython 3.11",),
    (
        Measured("accept", "2026-11-29 12:00", 61.2, 3, (0.5, 1.25), (RATE,)),
        Measured("memory", "2026-11-29 12:02", 9.0, 3, (1.0, 1.0), (COST,)),
        Measured("relay", "2026-11-29 12:03", 0.1, 3, (1.0, 1.0), (), "RuntimeError: no smtp-sink"),
    ),
)


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    assert RATE.ours == Spread(200, 300, 400)
    assert RATE.ratio(RATE.peers[0]) == Spread(1, 2, 4)


def test_rates_are_held_to_a_least_and_costs_to_a_most() -> None:
    assert [RATE.met(goal) for goal in RATE.goals] == [True, True]
    assert [COST.met(Goal(bound)) for bound in (80, 70, 69.9)] == [True, True, False]
    assert not RATE.met(Goal(2.01, "bare", least=True))
    assert COST.met(Goal(2.5, "bare")) is False


def test_a_goal_against_somebody_who_is_missing_is_neither_met_nor_missed() -> None:
    figure = Figure("x", "s", (1.0,), (), (Goal(2.0, "nobody", least=True),))
    assert figure.met(figure.goals[0]) is None
    assert report.row(figure)[-1] == ""


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100), (0, 1), (1, 1), (99.9, 100)])
def test_a_percentile_is_the_least_value_that_so_many_are_within(percent: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == value


def test_a_percentile_of_few() -> None:
    assert [percentile([3.0, 1.0, 2.0], percent) for percent in (50, 95)] == [2, 3]


def test_contenders_take_turns_and_a_peer_that_fails_is_left_out() -> None:
    turns: list[str] = []

    @contextlib.contextmanager
    def contender(name: str, fails_in: int = -1) -> Iterator[Callable[[int], float]]:
        def measured(number: int) -> float:
            turns.append(f"{name}{number}")
            if number == fails_in:
                raise RuntimeError("long story\nbroken pipe")
            return float(number)

        yield measured
        turns.append(f"end {name}")

    def absent() -> contextlib.AbstractContextManager[Callable[[int], float]]:
        raise RuntimeError("it isn't installed")

    peers: dict[str, Contender[float]] = {"b": partial(contender, "b"), "c": partial(contender, "c", 1), "d": absent}
    found = interleaved(3, {"a": partial(contender, "a")}, peers)
    assert turns == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "end c", "end b", "end a"]
    assert found.values == {"a": [0, 1, 2], "b": [0, 1, 2]}
    assert found.without == ["d: it isn't installed", "c: broken pipe"]
    assert found.peers(lambda value: value * 2, "a") == (Peer("b", (0, 2, 4)),)
    with pytest.raises(RuntimeError, match="broken pipe"):
        interleaved(1, {"a": partial(contender, "a", 0)}, {})


def test_a_measure_that_fails_says_so() -> None:
    def broken() -> list[Figure]:
        raise RuntimeError("first line\nnothing listens on port 1")

    measured = record.measure("x", 5, broken)
    assert (measured.figures, measured.failure) == ((), "RuntimeError: nothing listens on port 1")
    assert record.measure("x", 5, lambda: [RATE]).figures == (RATE,)


def test_what_is_measured_again_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "bench.json"
    assert record.load(path) == Run()
    record.save(path, RUN)
    assert record.load(path) == RUN
    again = Measured("accept", "2026-11-30 12:00", 1.0, 5, (0.0, 0.0), (COST,))
    names = [(m.name, m.at[:10]) for m in record.added(RUN, again, ["memory", "accept"]).measured]
    assert names == [("memory", "2026-11-29"), ("accept", "2026-11-30")]


def test_the_table() -> None:
    assert report.table(RUN) == (
        "| figure | median (lowest–highest) | beside others, in the same run | aimed at |  |\n"
        "|---|--:|---|---|---|\n"
        "| accepted | 300 (200–400) mails/s | 2.00 (1.00–4.00) × bare; 6.00 (4.00–8.00) × Postfix"
        " | ≥ 2 × bare, ≥ 4 × Postfix | met |\n"
        "| memory | 70.0 (60.0–90.0) MB | 3.00 (2.00–3.00) × bare | ≤ 80 MB | met |\n"
        "\nNot measured:\n\n"
        "- relay: RuntimeError: no smtp-sink\n"
        "- memory: without mox: isn't there"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2285.4, "2,285"), (99.96, "100"), (37.24, "37.2"), (9.996, "10.0"), (2.0, "2.00"), (0.0042, "0.0042")],
)
def test_numbers_have_three_figures(value: float, shown: str) -> None:
    assert report.number(value) == shown


def test_the_document_keeps_what_stands_around_the_marks() -> None:
    document = f"# Title\n\n{BEGIN}\nold\n{END}\n\nBelow.\n"
    written = report.written(document, RUN)
    assert written.startswith("# Title\n")
    assert written.endswith(f"{END}\n\nBelow.\n")
    assert "old" not in written
    assert report.table(RUN) in written
    assert "| accept | 2026-11-29 12:00 | 61 s | 3 | 0.5, 1.25 |" in written
    assert report.written(written, RUN) == written
    with pytest.raises(ValueError, match="lacks"):
        report.written("no marks", RUN)


def test_costs_are_turned_so_that_ahead_is_always_above_one() -> None:
    assert report.bars(RUN) == [
        ("accepted", "bare", Spread(1, 2, 4)),
        ("accepted", "Postfix", Spread(4, 6, 8)),
        ("memory", "bare", Spread(1 / 3, 1 / 3, 1 / 2)),
    ]


def test_the_chart_has_a_bar_of_each_comparison_on_the_side_it_belongs_to() -> None:
    root = ET.fromstring(chart.chart([("a <b>", "c & d", Spread(1, 2, 4)), ("a <b>", "e", Spread(0.05, 0.1, 0.2))]))
    space = "{http://www.w3.org/2000/svg}"
    one = next(float(line.attrib["x1"]) for line in root.iter(f"{space}line") if line.attrib["class"] == "one")
    ahead, behind = (r for r in root.iter(f"{space}rect") if r.attrib["class"] != "ground")
    assert (ahead.attrib["class"], float(ahead.attrib["x"])) == ("ahead", one)
    assert behind.attrib["class"] == "behind"
    assert float(behind.attrib["x"]) + float(behind.attrib["width"]) == pytest.approx(one)
    tenth = next(float(t.attrib["x"]) for t in root.iter(f"{space}text") if t.text == "1/10")
    assert float(behind.attrib["x"]) == pytest.approx(tenth)
    texts = [text.text for text in root.iter(f"{space}text")]
    assert texts.count("a <b>") == 1
    assert {"c & d", "e", "2.00 ×", "0.10 ×"} <= set(texts)
    assert "prefers-color-scheme:dark" in (root.findtext(f"{space}style") or "")


@pytest.mark.parametrize("size", [4_000, LARGE])
def test_mails_have_the_size_asked_for_and_other_octets_each(size: int) -> None:
    assert [len(mail(number, size)) for number in (1, 2)] == [size, size]
    assert mail(1, size) != mail(2, size)
    assert mail(1, size).endswith(b"\r\n")
    assert b"\n.\r\n" not in mail(1, size)


@pytest.mark.parametrize("nth", [0, 1, 17, 99_999])
def test_made_up_organisations_have_a_valid_siret(nth: int) -> None:
    assert check_siret(siret(nth)) == siret(nth)


def test_a_directory_has_the_size_asked_for(tmp_path: Path) -> None:
    path = servers.configured(tmp_path, 0, size=Size(demarches=30, agents=40, dossiers=50))
    directory = config.load(path)
    assert (len(directory.demarches), len(directory.dossiers)) == (30 + 1, 50 + 1)
    people = {person for demarche in directory.demarches for person in demarche.instructeurs}
    assert len(people) == 40 + 1
    assert {agent.email for agent in directory.agents} >= {directories.agent(nth) for nth in range(40)}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield ""
        return
    if BIN is None:
        pytest.skip(MISSING)
    with contextlib.closing(PostgreSQL(durable=False)) as server:
        yield server.url(server.database())


def test_a_store_is_multiplied_with_all_that_belongs_together(tmp_path: Path, url: str) -> None:
    """Each copy has other people and other ids, its rows refer to each other, and more mail can be filed."""
    path = large.grow(tmp_path, mails=24, url=url, template=8)
    settings = config.load(path)
    with opened(settings) as store:

        def told(question: str) -> tuple[int, ...]:
            return store.read_now(lambda connection: tuple(connection.exec_driver_sql(question).one()))

        assert told(WHOLE) == (24, 24, 18, 24, 24)
        assert told(REPLIES) == (6,)
        first, last = told("SELECT min(received_at), max(received_at) FROM messages")
        assert 364 < timedelta(microseconds=last - first).days < 366
        assert timedelta(microseconds=time.time_ns() // 1000 - last) < timedelta(minutes=5)
        assert url or sound(settings.store.url)
        filing.rate(store, settings, [mail(1, 4000)])
        more = 1 + filing.WARMING
        assert told(WHOLE) == (24 + more, 24 + more, 18 + more, 24 + more, 24 + more)


# Mails, their Message-IDs, conversations, mails of whom opened the conversation, and mails whose arrival is filed.
WHOLE = """
    SELECT count(*), count(DISTINCT messages.message_id), count(DISTINCT conversation),
    count(CASE WHEN author = usager THEN 1 END), count(arrivals.id) FROM messages
    JOIN conversations ON conversations.id = messages.conversation
    LEFT JOIN arrivals ON arrivals.message = messages.id AND arrivals.state = 'filed'
"""
REPLIES = """
    SELECT count(*) FROM citations JOIN messages reply ON reply.id = citations.message
    JOIN messages parent ON parent.message_id = cited AND parent.conversation = reply.conversation
"""


def sound(url: str) -> bool:
    with contextlib.closing(sqlite3.connect(file_of(url) or "")) as store:
        whole = store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return whole and store.execute("PRAGMA foreign_key_check").fetchall() == []
