"""How a mailbox is cut into what is asked for together, and how long the pauses are."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.settings import ImapIntake
from gateway.intake import imap, imap_take
from gateway.intake.imap import CHUNK, WINDOW, Pace, chunks, retry_in
from gateway.intake.imap_client import View
from gateway.intake.imap_grammar import Fetched
from gateway.intake.imap_take import GROUP, GROUP_OCTETS, Mailbox, groups
from gateway.model import Incoming, Look
from tests.builders import NOW

UIDS = st.sets(st.integers(1, 10 * WINDOW), max_size=200).map(sorted)


@given(st.one_of(UIDS, st.integers(0, 3 * CHUNK).map(lambda n: list(range(1, n)))))
def test_chunks_hold_every_uid_once_and_stay_small(uids: list[int]) -> None:
    parts = list(chunks(uids))
    assert [uid for part in parts for uid in part] == uids
    assert all(len(part) <= CHUNK and part[-1] - part[0] < WINDOW for part in parts)


@given(st.lists(st.one_of(st.integers(0, 2 * GROUP_OCTETS), st.integers(0, 9)), max_size=3 * GROUP))
def test_groups_hold_every_mail_once_and_stay_small(sizes: list[int]) -> None:
    parts = list(groups(dict(enumerate(sizes))))
    assert [item for part in parts for item in part.items()] == list(enumerate(sizes))
    assert all(len(part) <= GROUP for part in parts)
    assert all(len(part) == 1 or sum(part.values()) <= GROUP_OCTETS for part in parts)


def test_the_pauses_grow_are_spread_and_end_somewhere() -> None:
    pace = Pace()
    longest = [retry_in(n, pace, lambda low, high: high) for n in (1, 2, 3, 9, 10, 5000)]
    assert longest == [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]
    assert retry_in(3, pace, lambda low, high: low) == 2.0


class Large:
    """A mailbox with more messages than one SEARCH asks for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int | None]] = []

    async def search(self, low: int, high: int | None) -> tuple[int, ...]:
        self.asked.append((low, high))
        return (low,)


async def test_a_large_mailbox_is_asked_in_windows_that_leave_no_gap() -> None:
    session = Large()
    view = View(1, 2 * WINDOW + 11, WINDOW + 1)
    found = [uids async for uids in imap._windows(session, view, 5)]  # type: ignore[arg-type]
    assert session.asked == [(5, WINDOW + 4), (WINDOW + 5, 2 * WINDOW + 4), (2 * WINDOW + 5, 2 * WINDOW + 10)]
    assert len(found) == 3


async def test_a_small_mailbox_is_asked_at_once_whatever_uidnext_says() -> None:
    session = Large()
    for uidnext in (None, 3, 4_000_000_000):
        assert [uids async for uids in imap._windows(session, View(1, uidnext, 7), 5)]  # type: ignore[arg-type]
    assert session.asked == [(5, None)] * 3
    assert not [uids async for uids in imap._windows(session, View(1, 9, 0), 5)]  # type: ignore[arg-type]


class Sending:
    """A server that sends something from time to time, or nothing at all."""

    def __init__(self, *octets: int) -> None:
        self._octets = iter(octets)
        self.last = 0

    @property
    def octets(self) -> int:
        self.last = next(self._octets, self.last)
        return self.last


class Looks:
    """A ledger that is told of looks; the event is set at the `wanted`-th."""

    def __init__(self, wanted: int) -> None:
        self.seen: list[Look] = []
        self.wanted, self.enough = wanted, asyncio.Event()

    async def looked(self, look: Look) -> None:
        self.seen.append(look)
        if len(self.seen) == self.wanted:
            self.enough.set()


async def test_a_long_round_gives_signs_of_life_while_the_server_sends_and_forgets_nothing() -> None:
    ledger = Looks(wanted=2)
    settings = ImapIntake(name="contact", host="h", user="u", password="p")  # type: ignore[arg-type]
    box = Mailbox(settings, None, ledger, None, uidvalidity=7, owed=(3,))  # type: ignore[arg-type]
    session = Sending(1, 2, 2, 2, 3)
    async with imap._noted(box, session, View(7, 9, 9), 0.001):  # type: ignore[arg-type]
        await ledger.enough.wait()
    assert session.last == 3, "no sign was given while nothing came"
    assert [(look.owed, look.whole) for look in ledger.seen] == [((3,), False)] * 2


class Handing:
    """A server that hands over what it is asked for, and notes when."""

    def __init__(self, doings: list[str]) -> None:
        self.doings = doings

    async def sizes(self, uids: list[int]) -> dict[int, int]:
        return dict.fromkeys(uids, GROUP_OCTETS)  # each is a group of its own

    async def bodies(self, sizes: dict[int, int]) -> dict[int, Fetched]:
        self.doings += [f"fetched {uid}" for uid in sizes]
        return {uid: Fetched(uid, None, None, b"x") for uid in sizes}


@pytest.mark.parametrize(
    ("after", "doings"),
    [
        ("keep", ["fetched 1", "fetched 2", "kept 1", "fetched 3", "kept 2", "kept 3"]),
        (
            "delete",
            ["fetched 1", "kept 1", "after 1", "fetched 2", "kept 2", "after 2", "fetched 3", "kept 3", "after 3"],
        ),
    ],
)
async def test_the_next_is_fetched_while_one_is_kept_where_nothing_else_is_to_be_done(
    after: str, doings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    async def keep(mail: Incoming) -> None:
        await asyncio.sleep(0)
        assert mail.cursor is not None
        assert mail.settled == (after == "keep")
        done.append(f"kept {mail.cursor.uid}")

    async def settle(_box: object, _session: object, _view: object, uids: list[int]) -> bool:
        done.extend(f"after {uid}" for uid in uids)
        return True

    monkeypatch.setattr(imap_take, "settle", settle)
    settings = ImapIntake(name="contact", host="h", user="u", password="p", after=after)  # type: ignore[arg-type]
    box = Mailbox(settings, keep, None, lambda: NOW, uidvalidity=7)  # type: ignore[arg-type]
    assert await imap_take.take(box, Handing(done), View(7, 9, 9), [1, 2, 3]) == 3  # type: ignore[arg-type]
    assert done == doings
