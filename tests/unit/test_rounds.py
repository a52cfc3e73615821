"""What happens with time alone, on a real store with a clock that is an argument."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from gateway import digests as digests_
from gateway import log, rounds
from gateway.commands.acts import act
from gateway.commands.repair import split
from gateway.context import Context
from gateway.desk.commands import parse
from gateway.errors import StoreError
from gateway.model import Outgoing
from gateway.relay import plan
from gateway.relay.templating import texts_of
from gateway.store import audit, evidence, outbox, sending
from gateway.store.database import Store
from tests.builders import (
    ALICE,
    DOMAIN,
    HOTLINE,
    INES,
    KEYS,
    MANON,
    NOW,
    ULYSSE,
    draft,
    file_all,
    incoming,
    keep,
    listed,
    make_context,
    opened,
    raw_mail,
    settings,
    shown,
)

MONDAY = datetime(2025, 3, 3, 7, 30, tzinfo=UTC)  # 8:30 in Paris; NOW is the Saturday before, 10:30
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
TO_DOSSIER = f"dossier+123@{DOMAIN}"


class World:
    """A store and a configuration that may change."""

    def __init__(self, store: Store, folder: Path, **tables: Any) -> None:
        self.store, self.folder = store, folder
        self.threads: set[str] = set()
        self.context = self.with_(**tables)

    def with_(self, **tables: Any) -> Context:
        return make_context(self.folder, **tables)

    def mail(self, text: str, at: datetime, to: str = TO_DOSSIER, thread: str = "root", **fields: Any) -> None:
        """A mail comes in; the first of its thread, or an answer to that."""
        if thread in self.threads:
            fields = {"identifier": f"{text}@usager", "references": (f"{thread}@usager",)} | fields
        self.threads.add(thread)
        raw = raw_mail(to=to, text=text, **{"identifier": f"{thread}@usager"} | fields)
        sender = fields.get("sender", ULYSSE)
        keep(self.store, incoming(raw, (to,), received_at=at, envelope_sender=sender))
        file_all(self.store, self.context, at)

    def act(self, agent: str, own: str, at: datetime, reference: str = "") -> None:
        act(self.store, self.context, reference or self.reference, agent, parse(own), at)

    def round(self, at: datetime) -> int:
        """One round if there is anything to do, as the loop makes it; how many mails it planned."""
        if not self.store.read_now(lambda c: rounds.is_due(c, self.context, at)):
            return 0
        return self.store.write_now(lambda tx: rounds.make(tx, self.context, at))

    def rounds(self, start: datetime, end: datetime, step: timedelta) -> list[datetime]:
        """Rounds from `start` to `end`; when mails were planned."""
        told: list[datetime] = []
        while start <= end:
            told += [start] * self.round(start)
            start += step
        return told

    def to(self, agent: str) -> list[Outgoing]:
        found = self.store.read_now(lambda c: sending.due(c, NOW + 999 * DAY, 1000))
        return [mail for mail in found if mail.draft.to == agent]

    def texts(self, agent: str) -> list[str]:
        return [mail.draft.text for mail in self.to(agent)]

    @property
    def reference(self) -> str:
        return str(listed(self.store)[0]["reference"])

    @property
    def whole(self) -> dict[str, Any]:
        return shown(self.store, self.reference)

    def history(self) -> list[str]:
        return [event["what"] for event in self.whole["history"]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path) as store:
        yield World(store, tmp_path)


def agents(**notify: str) -> list[dict[str, Any]]:
    people = {"manon": MANON, "ines": INES, "alice": ALICE, "hotline": HOTLINE}
    return [
        {
            "email": address,
            "name": name.title(),
            "notify": notify.get(name, "all"),
            "capacities": ["manager"] if name == "manon" else [],
        }
        for name, address in people.items()
    ]


# --- bursts ----------------------------------------------------------------------------------------------


def test_a_burst_is_told_in_one_notification(world: World) -> None:
    for seconds, text in ((0, "premier"), (10, "deuxième"), (20, "troisième")):
        world.mail(text, NOW + seconds * SECOND)
    assert len(world.to(INES)) == 1
    last = NOW + 21 * SECOND  # filed a second after it came
    assert world.rounds(NOW, last + 29 * SECOND, SECOND) == []
    assert world.round(last + 30 * SECOND) == 1
    first, burst = world.texts(INES)
    assert "premier" in first
    assert "deuxième" not in first
    assert "premier" not in burst
    assert burst.index("deuxième") < burst.index("troisième")
    assert world.rounds(last, last + 5 * DAY, HOUR) == []


def test_without_bundling_each_is_told_at_once(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        world = World(store, tmp_path, desk={"bundle": "0s"})
        for seconds in range(3):
            world.mail(f"n{seconds}", NOW + seconds * SECOND)
        assert len(world.to(INES)) == 3
        assert world.rounds(NOW, NOW + 60 * SECOND, SECOND) == []


def test_what_comes_after_an_act_is_told_at_once(world: World) -> None:
    """The agent is at it: she waits for the answer to hers."""
    world.mail("premier", NOW)
    world.act(INES, "Bonjour", NOW + 5 * SECOND)
    world.mail("second", NOW + 10 * SECOND)
    assert len(world.to(INES)) == 2


def test_a_burst_without_end_is_told_all_the_same(world: World) -> None:
    told: list[datetime] = []
    for number in range(60):  # a mail every twenty seconds, for twenty minutes
        at = NOW + 20 * number * SECOND
        world.mail(f"mail{number}.", at)
        told += world.rounds(at + 2 * SECOND, at + 19 * SECOND, 4 * SECOND)
    told += world.rounds(NOW + 1200 * SECOND, NOW + 1300 * SECOND, SECOND)
    assert 1 <= len(told) <= 3
    assert told[0] <= NOW + timedelta(minutes=11)
    words = "\n".join(world.texts(INES))
    assert [words.count(f"mail{number}.") for number in range(60)] == [1] * 60


@given(st.lists(st.integers(1, 45), max_size=6))
@profile(max_examples=15)
def test_every_message_is_told_once_and_in_order(gaps: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as store:
        world = World(store, Path(folder))
        at = NOW
        for number, gap in enumerate((*gaps, 45)):
            world.mail(f"mail{number}.", at)
            world.rounds(at + 2 * SECOND, at + gap * SECOND, 2 * SECOND)
            at += gap * SECOND
        world.rounds(at, at + 60 * SECOND, 2 * SECOND)
        words = "\n".join(world.texts(INES))
        where = [words.find(f"mail{number}.") for number in range(len(gaps) + 1)]
        assert -1 not in where
        assert where == sorted(where)
        assert [words.count(f"mail{number}.") for number in range(len(gaps) + 1)] == [1] * (len(gaps) + 1)


def test_two_agents_and_two_conversations_are_kept_apart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        world = World(store, tmp_path)
        to = f"demarche+42@{DOMAIN}"
        for seconds in range(2):
            world.mail(f"a{seconds}", NOW + seconds * SECOND, to, thread="a")
            world.mail(f"b{seconds}", NOW + seconds * SECOND, to, thread="b", sender="eve@x.example")
        assert world.round(NOW + 60 * SECOND) == 4
        for agent in (ALICE, HOTLINE):
            burst = world.texts(agent)[2:]
            assert len(burst) == 2
            assert sorted(("a1" in text, "b1" in text) for text in burst) == [(False, True), (True, False)]


# --- digests ---------------------------------------------------------------------------------------------


@pytest.fixture
def digests(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path) as store:
        world = World(store, tmp_path, agents=agents(ines="digest"), desk={"digest_at": ["08:30", "17:00"]})
        world.round(NOW)
        yield world


def test_a_digest_leaves_at_its_hour_and_once(digests: World) -> None:
    digests.mail("premier", NOW)
    digests.mail("deuxième", NOW + SECOND)
    digests.mail("autre", NOW + HOUR, thread="other", subject="Autre chose")
    assert digests.to(INES) == []
    evening = NOW.replace(hour=16, minute=0)  # 17:00 in Paris
    assert digests.rounds(NOW, evening - SECOND, timedelta(minutes=10)) == []
    assert digests.round(evening) == 1
    (digest,) = digests.to(INES)
    assert digest.conversation is None
    assert "Une question" in digest.draft.text
    assert "Autre chose" in digest.draft.text
    assert digests.rounds(evening, evening + 3 * DAY, timedelta(minutes=30)) == []


@pytest.mark.parametrize("day", [datetime(2025, 3, 30, tzinfo=UTC), datetime(2025, 10, 26, tzinfo=UTC)])
def test_a_digest_on_the_day_the_clocks_change(tmp_path: Path, day: datetime) -> None:
    with opened(tmp_path) as store:
        world = World(store, tmp_path, agents=agents(ines="digest"))
        world.round(day - DAY)
        world.mail("premier", day - 8 * HOUR)
        expected = day.replace(hour=6 if day.month == 3 else 7, minute=30)
        assert world.rounds(day - 8 * HOUR, day + 2 * DAY, timedelta(minutes=10)) == [expected]


def test_what_was_missed_while_the_gateway_was_off_comes_in_one_digest(digests: World) -> None:
    digests.mail("premier", NOW)
    assert digests.rounds(MONDAY + 5 * DAY, MONDAY + 5 * DAY + HOUR, timedelta(minutes=1)) == [MONDAY + 5 * DAY]


def test_an_answer_to_the_address_of_an_entry_reaches_its_conversation(digests: World) -> None:
    digests.mail("premier", NOW)
    digests.round(MONDAY)
    (digest,) = digests.to(INES)
    address = next(word for word in digest.draft.text.split() if word.strip("<>").startswith("reponse+")).strip("<>")
    digests.mail("Voici.", MONDAY + HOUR, address, thread="own", sender=INES)
    assert [mail.draft.purpose.value for mail in digests.to(ULYSSE)] == ["acknowledgement", "answer"]
    assert digests.whole["status"] == "pending"


def test_an_answer_to_a_digest_itself_is_nobodys_and_comes_back(digests: World) -> None:
    digests.mail("premier", NOW)
    digests.round(MONDAY)
    (digest,) = digests.to(INES)
    mail: dict[str, Any] = {
        "sender": INES,
        "thread": "own",
        "references": (digest.message_id,),
        "identifier": "r@mairie",
    }
    digests.mail("Oui, accordé.", MONDAY + HOUR, f"contact@{DOMAIN}", **mail)
    assert [mail.draft.purpose.value for mail in digests.to(ULYSSE)] == ["acknowledgement"]
    notice = digests.to(INES)[-1].draft
    assert (notice.purpose.value, "Oui, accordé." in notice.text) == ("notice", True)


# --- rights, when the mail is written ----------------------------------------------------------------------


def test_who_may_not_see_it_any_more_is_not_told_of_it(world: World) -> None:
    for agent, to in ((INES, TO_DOSSIER), (HOTLINE, f"demarche+42@{DOMAIN}")):
        world.mail(f"un {agent}", NOW, to, thread=agent)
        world.mail(f"deux {agent}", NOW + SECOND, to, thread=agent)
    demarche = asdict(world.context.settings.demarches[0]) | {"instructeurs": []}
    world.context = world.with_(demarches=[demarche], support_groups=[])
    assert world.round(NOW + 60 * SECOND) == 2  # Alice's own, and what nobody but Inès was told of
    assert (len(world.to(INES)), len(world.to(HOTLINE)), len(world.to(ALICE))) == (1, 1, 3)
    assert all(f"{word} {INES}" in world.texts(ALICE)[-1] for word in ("un", "deux"))
    assert world.rounds(NOW, NOW + 3 * DAY, HOUR) == []


@pytest.mark.parametrize("first", [HOTLINE, "zoe@mairie.example.org"])
def test_who_is_told_instead_is_told_once(tmp_path: Path, first: str) -> None:
    """Alice's own burst is over as well: before that of who has no part in it any more, or after it."""
    with opened(tmp_path) as store:
        groups = [{"name": "g", "organisations": ["21310555400017"], "agents": [first]}]
        people = {"agents": [*agents(), {"email": first}][: 5 if first != HOTLINE else 4]}
        world = World(store, tmp_path, support_groups=groups, **people)
        to = f"demarche+42@{DOMAIN}"
        world.mail("un.", NOW, to)
        world.mail("deux.", NOW + SECOND, to)
        world.context = world.with_(support_groups=[], **people)
        assert world.round(NOW + 60 * SECOND) == 1
        assert "\n".join(world.texts(ALICE)).count("deux.") == 1
        assert len(world.to(first)) == 1


@pytest.mark.parametrize("own", ["@clore", "@spam", "Bonjour"])
def test_of_what_needs_nobody_nobody_is_told_instead(digests: World, own: str) -> None:
    digests.mail("premier", NOW)
    digests.act(ALICE, own, NOW + HOUR)
    digests.act(MANON, f"@affecter {ALICE}\n@taire", NOW + HOUR)
    demarche = asdict(digests.context.settings.demarches[0]) | {"instructeurs": []}
    digests.context = digests.with_(demarches=[demarche], agents=agents(ines="digest"))
    before = len(digests.to(ALICE))
    assert digests.rounds(NOW, MONDAY + DAY, HOUR) == []
    assert len(digests.to(ALICE)) == before


def test_a_digest_leaves_out_what_is_out_of_sight(digests: World) -> None:
    digests.mail("premier", NOW)
    demarche = asdict(digests.context.settings.demarches[0]) | {"instructeurs": []}
    digests.context = digests.with_(demarches=[demarche], agents=agents(ines="digest"))
    assert digests.rounds(NOW, MONDAY, HOUR) == [MONDAY - DAY] * 2
    assert digests.to(INES) == []
    assert all("premier" in digests.texts(agent)[0] for agent in (ALICE, HOTLINE))  # whose it is without her


def test_a_burst_that_turned_out_to_be_spam_is_not_told(world: World) -> None:
    world.mail("un", NOW)
    world.mail("deux", NOW + SECOND)
    world.act(ALICE, "@spam", NOW + 2 * SECOND)
    assert world.rounds(NOW, NOW + 90 * SECOND, SECOND) == []


def test_who_muted_it_meanwhile_is_not_told_of_it(digests: World) -> None:
    digests.mail("premier", NOW)
    digests.act(INES, "@taire", NOW + HOUR)
    assert digests.rounds(NOW, MONDAY, HOUR) == [NOW + 7 * HOUR] * 2
    assert [len(digests.to(agent)) for agent in (INES, ALICE, HOTLINE)] == [0, 1, 1]


# --- what fails ------------------------------------------------------------------------------------------


def test_a_digest_whose_template_fails_leaves_in_our_words(digests: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(log, "template_failed", lambda **fields: told.append(fields))
    source = "{% if entry.title %}{{ entry.title }} n° {{ entry.dossier.x }}{% endif %}"
    digests.context = replace(digests.context, texts=texts_of({"_entry.txt": source}))
    digests.mail("premier", NOW)
    assert digests.rounds(NOW, MONDAY + DAY, HOUR) == [NOW + 7 * HOUR]
    assert "Une question" in digests.texts(INES)[0]
    assert [(fields["template"], fields["line"]) for fields in told] == [("_entry.txt", 1)]


def test_a_burst_whose_template_fails_leaves_in_our_words(world: World) -> None:
    world.context = replace(world.context, texts=texts_of({"notification.txt": "s\n{{ dossier.x }}"}))
    world.mail("premier", NOW)
    world.mail("second", NOW + SECOND)
    assert world.rounds(NOW, NOW + 90 * SECOND, SECOND) == [NOW + 32 * SECOND]
    assert "second" in world.texts(INES)[1]


def test_one_digest_that_fails_takes_nothing_from_the_others_and_comes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as store:
        told: list[dict[str, Any]] = []
        monkeypatch.setattr(log, "round_failed", lambda **fields: told.append(fields))
        world = World(store, tmp_path, agents=agents(ines="digest", manon="digest", hotline="digest", alice="digest"))
        world.round(NOW)
        world.mail("premier", NOW)
        world.mail("second", NOW, f"demarche+42@{DOMAIN}", thread="other")
        digest = plan.digest

        def failing(to: str, *arguments: Any, **values: Any) -> Any:
            if to == INES:
                raise RuntimeError
            return digest(to, *arguments, **values)

        with monkeypatch.context() as patch:
            patch.setattr(plan, "digest", failing)
            assert world.round(MONDAY) == 2
            assert world.rounds(MONDAY, MONDAY + 8 * HOUR, HOUR) == []
        assert told == [{"reason": "RuntimeError", "to": INES}]
        assert [len(world.to(agent)) for agent in (ALICE, HOTLINE, INES)] == [1, 1, 0]
        assert world.round(MONDAY + DAY) == 1
        assert "premier" not in "".join(world.texts(ALICE))
        assert len(world.to(INES)) == 1


# --- how much at a time --------------------------------------------------------------------------------------


def test_digests_of_many_agents_are_planned_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests_, "_MOST", 1)
    with opened(tmp_path) as store:
        world = World(store, tmp_path, agents=agents(ines="digest", hotline="digest", alice="digest"))
        world.round(NOW)
        world.mail("premier", NOW)
        world.mail("second", NOW, f"demarche+42@{DOMAIN}", thread="other")
        assert [world.round(MONDAY) for _ in range(4)] == [1, 1, 1, 0]
        assert [len(world.to(agent)) for agent in (ALICE, HOTLINE, INES)] == [1, 1, 1]


def test_reminders_without_number_come_with_the_next_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests_, "_MOST", 2)
    with opened(tmp_path) as store:
        world = reminding(tmp_path, store)
        for number in range(5):
            world.mail("x", NOW + number * SECOND, thread=f"t{number}", subject=f"Sujet {number}.")
        found: list[list[int]] = []
        for day in range(1, 16):
            before = len(world.to(INES))
            world.rounds(MONDAY + day * DAY, MONDAY + day * DAY + 4 * SECOND, 2 * SECOND)
            found += [[n for n in range(5) if f"Sujet {n}." in text] for text in world.texts(INES)[before:]]
        assert found[:3] == [[0, 1], [0, 1], [0, 1]]
        assert sorted(sum(found, [])) == sorted([*range(5)] * 3)  # noqa: RUF017
        assert all(len(one) <= 2 for one in found)


@pytest.mark.parametrize(("source", "age"), [("import:old.mbox", 0), ("smtp", 40)])
def test_of_quiet_mail_nobody_is_reminded_until_it_is_not(tmp_path: Path, source: str, age: int) -> None:
    with opened(tmp_path) as store:
        world = reminding(tmp_path, store)
        raw = raw_mail(to=TO_DOSSIER, identifier="old@x")
        keep(store, incoming(raw, (TO_DOSSIER,), received_at=NOW - age * DAY, source=source))
        file_all(store, world.context, NOW)
        assert world.whole["status"] == "active"
        assert world.rounds(NOW, MONDAY + 5 * DAY, HOUR / 2) == []
        world.threads.add("old")
        raw = raw_mail(to=TO_DOSSIER, identifier="new@x", answers="old@x")
        keep(store, incoming(raw, (TO_DOSSIER,), received_at=MONDAY + 5 * DAY))
        file_all(store, world.context, MONDAY + 5 * DAY)
        assert len(listed(store)) == 1
        assert len(world.rounds(MONDAY + 5 * DAY, MONDAY + 9 * DAY, HOUR / 2)) == 3


def test_what_waits_for_long_without_anybody_told_is_reminded_of_all_the_same(tmp_path: Path) -> None:
    """No acknowledgement, and nobody wanted to be told when it came: the reminder is all there is."""
    with opened(tmp_path) as store:
        values = {"trust": {"acknowledge": "never"}}
        nobody = agents(manon="none", ines="none", alice="none", hotline="none")
        world = reminding(tmp_path, store, agents=nobody, **values)
        world.mail("premier", NOW)
        assert world.rounds(NOW, MONDAY + 2 * DAY, HOUR) == []
        world.context = world.with_(desk=OFFICE, **values)
        assert len(world.rounds(MONDAY + 2 * DAY, MONDAY + 9 * DAY, HOUR / 2)) == 3


# --- reminders -------------------------------------------------------------------------------------------

OFFICE = {"hours": "lun-ven 09:00-17:00", "remind_after": "8h"}


def reminding(folder: Path, store: Store, **tables: Any) -> World:
    world = World(store, folder, **{"desk": OFFICE} | tables)
    world.round(NOW)
    return world


def test_reminders_count_open_hours_and_end_after_some(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        world = reminding(tmp_path, store)
        world.mail("premier", NOW)
        told = world.rounds(NOW, MONDAY + 10 * DAY, timedelta(minutes=30))
        assert told == [MONDAY + DAY, MONDAY + 2 * DAY, MONDAY + 3 * DAY]
        assert "Une question" in world.texts(INES)[-1]
        reminded = [what for what in world.history() if "reminded" in what]
        assert reminded == [f"reminded {INES}: it waits since 2025-03-01"] * 3


def test_on_closed_days_nobody_is_reminded(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        world = reminding(tmp_path, store, desk={**OFFICE, "closed_days": ["2025-03-03", "2025-03-05"]})
        world.mail("premier", NOW)
        told = world.rounds(NOW, MONDAY + 10 * DAY, timedelta(minutes=30))
        assert told == [MONDAY + 3 * DAY, MONDAY + 4 * DAY, MONDAY + 7 * DAY]


@pytest.mark.parametrize("own", ["Bonjour", "@clore", "@spam", "@attente", "@attente 20/03"])
def test_what_does_not_wait_for_an_agent_is_reminded_of_to_nobody(tmp_path: Path, own: str) -> None:
    with opened(tmp_path) as store:
        world = reminding(tmp_path, store)
        world.mail("premier", NOW)
        world.act(ALICE, own, NOW + HOUR)
        assert world.rounds(NOW, MONDAY + 5 * DAY, HOUR / 2) == []


def test_a_demarche_has_its_own_patience_and_hours(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        demarche = asdict(settings(tmp_path).demarches[0])
        patient = reminding(
            tmp_path, store, demarches=[{**demarche, "remind_after": "1h", "hours": "sam 09:00-18:00"}]
        )
        patient.mail("premier", NOW)
        patient.mail("ailleurs", NOW, f"contact@{DOMAIN}", thread="other")
        told = patient.rounds(NOW, MONDAY + 6 * DAY, HOUR / 2)
        saturday = MONDAY + 5 * DAY
        assert told == [MONDAY + DAY, MONDAY + 2 * DAY, MONDAY + 3 * DAY, saturday]  # the desk's thrice, then its own
        assert "ailleurs" in patient.texts(MANON)[-1]
        assert len(patient.to(INES)) == 2


def test_a_reminder_goes_to_whom_it_is_assigned(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        world = reminding(tmp_path, store)
        world.mail("premier", NOW)
        world.act(INES, f"@affecter {ALICE}", NOW + HOUR)
        before = len(world.to(ALICE))
        assert world.rounds(NOW, MONDAY + DAY, HOUR / 2) == [MONDAY + DAY]
        assert len(world.to(ALICE)) == before + 1


# --- closing ---------------------------------------------------------------------------------------------

CLOSING = {"close_after": "30d", "close_warning": "3d"}


@pytest.fixture
def closing(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path) as store:
        world = World(store, tmp_path, desk=CLOSING)
        world.round(NOW)
        world.mail("premier", NOW)
        world.act(INES, "Il manque une pièce.", NOW + HOUR)
        yield world


def test_what_nobody_can_be_told_of_is_not_closed(closing: World) -> None:
    closing.context = closing.with_(
        desk=CLOSING, agents=agents(manon="none", ines="none", alice="none", hotline="none")
    )
    closing.rounds(NOW, CLOSED + 9 * DAY, 6 * HOUR)
    assert (closing.whole["status"], closing.whole["closing_at"]) == ("pending", None)
    closing.context = closing.with_(desk=CLOSING)
    closing.rounds(CLOSED + 9 * DAY, CLOSED + 11 * DAY, 6 * HOUR)
    assert closing.whole["closing_at"] is not None


def test_what_is_to_be_closed_is_named_before(closing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a digest has no room for is announced in the next one."""
    monkeypatch.setattr(digests_, "MOST_ENTRIES", 2)
    for number in range(4):
        closing.mail("x", NOW + number * SECOND, thread=f"t{number}", subject=f"Sujet {number}.")
    for one in listed(closing.store):
        closing.act(INES, "Répondu.", NOW + HOUR, one["reference"])
    closing.round(ANNOUNCED)
    assert sum(c["closing_at"] is not None for c in listed(closing.store)) == 2
    closing.round(ANNOUNCED + DAY)
    closing.round(ANNOUNCED + 2 * DAY)
    assert all(c["closing_at"] is not None for c in listed(closing.store))
    text = "\n".join(closing.texts(INES)[-3:])
    assert [text.count(f"Sujet {number}.") for number in range(4)] == [1] * 4
    assert "autre" not in text


def test_nothing_is_closed_once_closing_is_turned_off(closing: World) -> None:
    closing.round(ANNOUNCED)
    assert closing.whole["closing_at"] == CLOSED
    closing.context = closing.with_(desk={})
    assert closing.rounds(CLOSED, CLOSED + 3 * DAY, HOUR) == []
    assert (closing.whole["status"], closing.whole["closing_at"]) == ("pending", None)


ANNOUNCED = datetime(2025, 3, 29, 7, 30, tzinfo=UTC)  # the first digest within three days of the end
CLOSED = ANNOUNCED + 3 * DAY  # the end of the thirty days would leave less than three to object


def test_what_nobody_answers_is_closed_after_it_was_announced(closing: World) -> None:
    assert closing.rounds(NOW, ANNOUNCED - SECOND, HOUR / 2) == []
    assert closing.round(ANNOUNCED) == 1
    assert closing.whole["closing_at"] == CLOSED
    assert closing.rounds(ANNOUNCED, CLOSED - SECOND, HOUR / 2) == []
    assert closing.whole["status"] == "pending"
    assert closing.round(CLOSED) == 0
    assert (closing.whole["status"], closing.whole["closing_at"]) == ("closed", None)
    assert closing.history()[-2:] == [
        "will be closed on 2025-04-01: the usager doesn't answer",
        "closed: the usager didn't answer, and nobody objected",
    ]
    assert closing.rounds(CLOSED, CLOSED + 60 * DAY, 12 * HOUR) == []


def test_her_answer_keeps_it_open(closing: World) -> None:
    closing.round(ANNOUNCED)
    closing.mail("voici", ANNOUNCED + HOUR)
    assert (closing.whole["status"], closing.whole["closing_at"]) == ("active", None)
    closing.rounds(ANNOUNCED, CLOSED + DAY, HOUR)
    assert closing.whole["status"] == "active"


@pytest.mark.parametrize("own", ["@attente", "@rouvrir", "@attente 15/06", "Un rappel."])
def test_an_agents_word_begins_the_wait_afresh(closing: World, own: str) -> None:
    closing.round(ANNOUNCED)
    closing.act(INES, own, ANNOUNCED + HOUR)
    closing.rounds(ANNOUNCED, CLOSED + 10 * DAY, 2 * HOUR)
    assert closing.whole["status"] != "closed"


def test_after_an_outage_the_warning_still_comes_long_enough_before(closing: World) -> None:
    back = CLOSED + 10 * DAY
    assert closing.round(back) == 1
    assert closing.whole["closing_at"] == back + 3 * DAY
    closing.rounds(back, back + 3 * DAY - SECOND, HOUR)
    assert closing.whole["status"] == "pending"
    closing.round(back + 3 * DAY)
    assert closing.whole["status"] == "closed"


# --- set aside until a date ----------------------------------------------------------------------------------


def test_a_snoozed_conversation_wakes_and_its_agents_are_told(world: World) -> None:
    world.round(NOW)
    world.mail("premier", NOW)
    world.act(INES, "@attente 10/03", NOW + HOUR)
    wakes = datetime(2025, 3, 10, 7, tzinfo=UTC)
    assert world.whole["snoozed_until"] == wakes
    assert world.rounds(NOW, wakes - SECOND, HOUR) == []
    assert world.round(wakes) == 1
    assert (world.whole["status"], world.whole["snoozed_until"]) == ("active", None)
    assert world.whole["waiting_since"] == wakes
    assert "premier" in world.texts(INES)[-1]
    assert world.rounds(wakes, wakes + 5 * DAY, HOUR) == []


def test_it_wakes_in_a_digest_for_whom_wants_digests(digests: World) -> None:
    digests.mail("premier", NOW)
    digests.round(MONDAY)
    digests.act(INES, "@attente demain", MONDAY)
    assert digests.rounds(MONDAY, MONDAY + DAY - 30 * 60 * SECOND, HOUR / 2) == []
    assert digests.whole["status"] == "active"
    assert digests.round(MONDAY + DAY) == 1


def test_her_mail_wakes_it_earlier_and_it_does_not_wake_twice(world: World) -> None:
    world.mail("premier", NOW)
    world.act(INES, "@attente 10/03", NOW + HOUR)
    world.mail("second", NOW + DAY)
    told = len(world.to(INES))
    world.rounds(NOW + DAY, NOW + 20 * DAY, HOUR)
    assert (world.whole["snoozed_until"], len(world.to(INES))) == (None, told)


def test_what_has_no_message_left_wakes_without_a_word(digests: World) -> None:
    """All of it was moved elsewhere meanwhile: there is nothing to tell, and nothing to stumble over."""
    digests.mail("premier", NOW)
    digests.mail("autre", NOW, thread="other")
    empty = next(c["reference"] for c in listed(digests.store) if shown(digests.store, c["reference"])["messages"])
    digests.act(INES, "@attente demain", NOW + HOUR, empty)
    (full,) = {c["reference"] for c in listed(digests.store)} - {empty}
    for message in [m for m in shown(digests.store, empty)["messages"] if m["kind"] != "event"]:
        split(digests.store, digests.context, empty, message["id"], full, ALICE, NOW + HOUR)
    digests.rounds(NOW, MONDAY, 4 * HOUR)
    assert shown(digests.store, empty)["status"] == "active"


# --- a crash in between ------------------------------------------------------------------------------------


class _Killed(BaseException):
    """The process ends."""


def test_a_round_that_fails_leaves_nothing_and_the_next_tells_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst, a digest, a reminder, a waking and an announcement, cut off at each mail it plans."""
    with opened(tmp_path) as store:
        everything = {**CLOSING, "remind_after": "1d", "digest_at": ["08:30"]}
        world = World(store, tmp_path, desk=everything, agents=agents(ines="digest", alice="digest"))
        world.round(NOW)
        world.mail("annonce", NOW, thread="a", subject="Annonce")
        world.act(INES, "Répondu.", NOW)
        at = datetime(2025, 3, 29, 7, 30, tzinfo=UTC)
        world.mail("dort", at - 9 * DAY, thread="d", subject="Dort")
        sleeping = world.reference
        world.act(INES, "@attente 29/03 à 8h20", at - 9 * DAY, sleeping)
        world.mail("attend", at - 2 * DAY, f"demarche+42@{DOMAIN}", thread="w", subject="Attend")
        for seconds in (40, 35):
            world.mail(f"m{seconds}", at - seconds * SECOND, f"contact@{DOMAIN}", thread="m", subject="Manon")

        before, planned, enqueue = _state(store), 0, outbox.enqueue
        with monkeypatch.context() as patch:
            while True:
                left = iter(range(planned))

                def failing(*arguments: Any, left: Iterator[int] = left) -> Any:
                    if next(left, None) is None:
                        raise _Killed
                    return enqueue(*arguments)

                patch.setattr(outbox, "enqueue", failing)
                try:
                    told = world.round(at)
                    break
                except _Killed:
                    assert _state(store) == before
                    planned += 1
        assert told == planned >= 4
        assert world.round(at) == 0
        assert len(world.to(INES)) == 1  # her digest, with what woke and what will be closed


def _state(store: Store) -> list[Any]:
    from gateway.store.tables import metadata

    return store.read_now(lambda c: [c.execute(table.select()).all() for table in metadata.sorted_tables])


# --- the loop --------------------------------------------------------------------------------------------


async def test_the_loop_goes_on_through_trouble_of_the_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_PACE", 0.001)
    for seconds in range(2):
        world.mail(f"n{seconds}", NOW + seconds * SECOND)
    failures, make = [StoreError("full")] * 3, rounds.make

    def failing(*arguments: Any) -> int:
        if failures:
            raise failures.pop()
        return make(*arguments)

    monkeypatch.setattr(rounds, "make", failing)
    planned = asyncio.Event()
    loop = rounds.run(world.store, lambda: world.context, planned=planned, now=lambda: NOW + 60 * SECOND)
    task = asyncio.create_task(loop)
    await asyncio.wait_for(planned.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert failures == []
    assert len(world.to(INES)) == 2
    assert KEYS is world.context.keys


async def test_the_loop_waits_where_nothing_can_be_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect is logged once a minute, not every two seconds."""
    naps: list[float] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 4:
            raise asyncio.CancelledError

    for seconds in range(2):
        world.mail(f"n{seconds}", NOW + seconds * SECOND)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(plan, "notification", lambda *_, **__: 1 / 0)
    with pytest.raises(asyncio.CancelledError):
        await rounds.run(world.store, lambda: world.context, planned=asyncio.Event(), now=lambda: NOW + 60 * SECOND)
    assert naps == [60.0, 2.0, 60.0, 2.0]


# --- the evidence --------------------------------------------------------------------------------------------


def test_the_evidence_is_sealed_each_hour_in_which_something_left(world: World) -> None:
    world.mail("Bonjour", NOW)
    delivery = world.store.write_now(lambda tx: outbox.enqueue(tx, 1, 0, draft(), world.context.signer, NOW))

    def sealed(at: datetime) -> int:
        world.store.write_now(lambda tx: rounds.make(tx, world.context, at))
        return len(world.store.read_now(audit.listed))

    def retried() -> None:
        world.store.write_now(lambda tx: outbox.retry(tx, delivery, MANON, NOW))

    assert sealed(NOW) == 0, "there is nothing to seal"
    retried()
    assert (sealed(NOW), sealed(NOW + HOUR)) == (1, 1)
    retried()
    assert (sealed(NOW + HOUR - SECOND), sealed(NOW + HOUR)) == (1, 2)
    assert world.store.read_now(evidence.broken_seal) == ""
