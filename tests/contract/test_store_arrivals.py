"""Arrivals: kept once, claimed with care, filed, a duplicate, or set aside; and the ledger of a mailbox."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway.decision import Decision
from gateway.errors import NotFound
from gateway.mail import ids
from gateway.model import Arrival, ImapCursor, Incoming
from gateway.store import arrivals, holders, ledger
from gateway.store.database import Store
from gateway.store.tables import raws
from tests.builders import NOW, file_all, incoming, keep, make_context, raw_mail

FIVE = timedelta(minutes=5)


def claim(store: Store, at: Any = NOW, limit: int = 50, owner: str = "daemon") -> tuple[list[Arrival], list[Arrival]]:
    """(to work on, to set aside): what was begun before, else new ones."""
    work, spent = store.write_now(lambda tx: arrivals.claim_begun(tx, owner, at))
    return work or store.write_now(lambda tx: arrivals.claim(tx, owner, at, limit)), spent


def claimed(store: Store, at: Any = NOW, limit: int = 50) -> list[int]:
    return [arrival.id for arrival in claim(store, at, limit)[0]]


def mails(count: int) -> list[Any]:
    return [incoming(raw_mail(text=str(n))) for n in range(count)]


# --- keeping ---------------------------------------------------------------------------------------------


def test_what_is_kept_comes_back(store: Store) -> None:
    mail = incoming(raw_mail(), ("a@x", "b@x"), envelope_sender="", authserv_id="mx", source="lmtp")
    keep(store, mail)
    ((arrival,), _) = claim(store)
    assert (arrival.envelope, arrival.source, arrival.authserv_id, arrival.received_at) == (
        mail.envelope,
        "lmtp",
        "mx",
        NOW,
    )
    assert (arrival.size, arrival.attempts) == (len(mail.raw), 1)
    location = store.read_now(lambda c: arrivals.locate(c, arrival.digest))
    assert store.packs.read(location) == mail.raw


def test_the_same_octets_are_kept_once(store: Store) -> None:
    mail = incoming(raw_mail())
    assert keep(store, mail, mail) + keep(store, mail) == [1, 2, 3]
    assert store.read_now(lambda c: c.scalar(select(func.count()).select_from(raws))) == 1


def test_a_cursor_brings_its_mail_in_once(store: Store) -> None:
    """A second poller, a repeated fetch, twice in one batch: the first arrival is the answer."""
    at = ImapCursor("contact/INBOX", 1, 7)
    first, other = (
        incoming(raw_mail(), cursor=at),
        incoming(raw_mail(text="x"), cursor=ImapCursor("contact/INBOX", 1, 8)),
    )
    assert keep(store, first, other, first) == [1, 2, 1]
    assert keep(store, other, first) == [2, 1]
    assert keep(store, incoming(raw_mail(), cursor=ImapCursor("contact/INBOX", 2, 7))) == [3]  # renumbered


def test_the_ledger(store: Store) -> None:
    keep(store, *(incoming(raw_mail(text=str(n)), cursor=ImapCursor("m", 1, n)) for n in (3, 5, 9)))

    def known(*bounds: int) -> frozenset[int]:
        return store.read_now(lambda c: ledger.known_uids(c, "m", *bounds))

    assert (known(1, 1, 5), known(1, 4, 99), known(2, 1, 99)) == ({3, 5}, {5, 9}, set())
    store.write_now(lambda tx: ledger.settle(tx, [ImapCursor("m", 1, 3)]))
    assert store.read_now(lambda c: ledger.unsettled_uids(c, "m", 1, 10)) == (5, 9)
    assert store.read_now(lambda c: ledger.unsettled_uids(c, "m", 1, 1)) == (5,)
    keep(store, incoming(raw_mail(text="10"), cursor=ImapCursor("m", 1, 10), settled=True))
    assert store.read_now(lambda c: ledger.unsettled_uids(c, "m", 1, 10)) == (5, 9)
    assert known(1, 10, 10) == {10}
    keep(store, incoming(raw_mail(text="10"), cursor=ImapCursor("m", 1, 10), settled=True))
    assert store.read_now(lambda c: ledger.unsettled_uids(c, "m", 1, 10)) == (5, 9)
    assert known(1, 10, 10) == {10}


# --- claiming --------------------------------------------------------------------------------------------


def test_what_is_claimed_is_nobody_elses(store: Store) -> None:
    keep(store, *mails(3))
    assert claimed(store, limit=2) == [1, 2]
    assert claimed(store) == [3]
    assert claimed(store) == []
    assert claimed(store, NOW + FIVE) == [1]  # its lease is over; it was begun before, so it is taken alone


def test_what_is_given_back_was_not_begun(store: Store) -> None:
    keep(store, *mails(2))
    for _ in range(10):
        work, spent = claim(store)
        assert ([a.attempts for a in work], spent) == ([1, 1], [])
        store.write_now(lambda tx: arrivals.unclaim(tx, [1, 2], "daemon"))


def test_giving_back_twice_counts_once(store: Store) -> None:
    keep(store, *mails(1))
    claim(store)
    for _ in range(3):
        store.write_now(lambda tx: arrivals.unclaim(tx, [1], "daemon", NOW + FIVE))
    assert claimed(store) == []
    ((arrival,), _) = claim(store, NOW + FIVE)
    assert arrival.attempts == 1


def test_giving_back_what_is_filed_changes_nothing(store: Store) -> None:
    keep(store, *mails(1))
    claim(store)
    store.write_now(lambda tx: arrivals.set_aside(tx, 1, "odd"))
    store.write_now(lambda tx: arrivals.unclaim(tx, [1], "daemon"))
    assert claimed(store, NOW + FIVE) == []
    assert store.read_now(arrivals.aside)[0]["attempts"] == 1


def test_a_process_that_is_no_more_holds_nothing(store: Store) -> None:
    keep(store, *mails(1))
    claim(store, owner="daemon")
    store.write_now(lambda tx: holders.leave(tx, "import:5"))
    assert claimed(store) == []
    store.write_now(lambda tx: holders.leave(tx, "daemon"))
    ((arrival,), _) = claim(store)
    assert arrival.attempts == 2


def test_who_keeps_may_claim_at_once(store: Store) -> None:
    until = NOW + FIVE
    store.write_now(lambda tx: arrivals.keep(tx, mails(1), "import:5", until))
    assert (claimed(store), claimed(store, until)) == ([], [1])


def test_attempts_are_spent(store: Store) -> None:
    keep(store, *mails(2))
    seen = []
    for _ in range(arrivals.MOST_ATTEMPTS):
        seen.append(claim(store, limit=1)[0][0].attempts)
        store.write_now(lambda tx: holders.leave(tx, "daemon"))
    work, spent = store.write_now(lambda tx: arrivals.claim_begun(tx, "daemon", NOW))
    assert (seen, work, [a.id for a in spent]) == ([1, 2, 3], [], [1])


def test_the_last_attempt_is_for_a_process_that_has_lived_for_a_while(store: Store) -> None:
    """Who kills it again and again as it starts has no mail set aside that was at work each time."""

    def starts(calm: bool) -> tuple[list[int], list[int]]:
        store.write_now(holders.leave_all)
        holding = store.write_now(lambda tx: holders.beat(tx, "daemon"))
        work, spent = store.write_now(lambda tx: arrivals.claim_begun(tx, "daemon", NOW, calm=calm))
        assert not holding
        return [arrival.id for arrival in work], [arrival.id for arrival in spent]

    keep(store, *mails(2))
    store.write_now(lambda tx: (holders.beat(tx, "daemon"), arrivals.claim(tx, "daemon", NOW, 50)))
    assert [starts(False) for _ in range(4)] == [([1], []), ([2], []), ([], []), ([], [])]
    assert starts(True) == ([1], [])
    assert starts(False) == ([], [1]), "what had its attempts is set aside at once"


def test_the_last_check_is_for_a_process_that_has_lived_for_a_while(store: Store) -> None:
    keep(store, incoming(raw_mail(), verify=True))
    seen = []
    for calm in (False, False, False, True):
        work, _ = store.write_now(lambda tx, calm=calm: arrivals.claim_uninspected(tx, "daemon", NOW, 5, calm=calm))  # type: ignore[misc]
        seen.append([arrival.attempts for arrival in work])
        store.write_now(lambda tx: holders.leave(tx, "daemon"))
    assert seen == [[1], [2], [], [3]]


def test_a_claim_of_which_nobody_was_told_is_given_back(store: Store) -> None:
    keep(store, *mails(3))
    assert claimed(store, NOW, 1) == [1]
    assert claimed(store, NOW + FIVE / 2, 1) == [2]
    for owner, at in (("daemon", NOW + FIVE / 2), ("daemon", NOW + FIVE), ("other", NOW)):
        store.write_now(lambda tx, owner=owner, at=at: arrivals.unclaim_taken(tx, owner, at))  # type: ignore[misc]
    assert [(a.id, a.attempts) for a in claim(store, NOW + FIVE / 2)[0]] == [(2, 1), (3, 1)]


def test_what_was_worked_on_in_vain_is_not_new_any_more(store: Store) -> None:
    keep(store, *mails(3))
    claim(store, limit=2)
    store.write_now(lambda tx: arrivals.release(tx, [1, 2], "daemon"))
    fresh = store.write_now(lambda tx: arrivals.claim(tx, "daemon", NOW, 50))
    begun, _ = store.write_now(lambda tx: arrivals.claim_begun(tx, "daemon", NOW))
    assert ([a.id for a in fresh], [(a.id, a.attempts) for a in begun]) == ([3], [(1, 2)])


def test_no_more_is_claimed_at_once_than_fits_into_memory(store: Store) -> None:
    """What is too large for it by itself is claimed alone."""
    sizes = (9_000_000, 1_000, 9_000_000, 1_000, 20_000_000)
    mine = keep(store, *(incoming(raw_mail(text=f"{n}" + "a" * size)) for n, size in enumerate(sizes)))
    assert [[a.id for a in store.write_now(lambda tx: arrivals.claim(tx, "d", NOW, 50))] for _ in range(4)] == [
        mine[:2],
        mine[2:4],
        mine[4:],
        [],
    ]


# --- aside -----------------------------------------------------------------------------------------------


def test_set_aside_shown_and_tried_again(store: Store) -> None:
    keep(store, *mails(2))
    claim(store)
    store.write_now(lambda tx: arrivals.set_aside(tx, 2, "odd \ud800"))
    (row,) = store.read_now(arrivals.aside)
    assert (row["id"], row["attempts"], row["received_at"]) == (2, 1, NOW)
    assert row["reason"].startswith("odd ")
    assert store.read_now(lambda c: arrivals.one_aside(c, 2)) == row
    store.write_now(lambda tx: arrivals.retry(tx, 2))
    assert store.read_now(arrivals.aside) == []
    ((arrival,), _) = claim(store)
    assert (arrival.id, arrival.attempts) == (2, 1)


@pytest.mark.parametrize("identifier", [1, 2, -1])
def test_what_is_not_aside(store: Store, identifier: int) -> None:
    keep(store, *mails(1))
    with pytest.raises(NotFound, match="aside list"):
        store.read_now(lambda c: arrivals.one_aside(c, identifier))
    with pytest.raises(NotFound, match="aside list"):
        store.write_now(lambda tx: arrivals.retry(tx, identifier))
    with pytest.raises(NotFound):
        store.read_now(lambda c: arrivals.locate(c, "00" * 32))


def test_what_was_filed_is_not_set_aside_by_whoever_comes_late(store: Store) -> None:
    """Its claim was over before it was done, and another filed the mail meanwhile."""
    (arrival,) = keep(store, *mails(1))
    store.write_now(lambda tx: arrivals.set_aside(tx, arrival, "the first reason"))
    store.write_now(lambda tx: arrivals.set_aside(tx, arrival, "too late"))
    (aside,) = store.read_now(arrivals.aside)
    assert aside["reason"] == "the first reason"


def test_whoever_asks_for_no_ids_has_mail_kept_the_same(store: Store) -> None:
    """Many at once, some of them there already; each mail has its arrival, and each octets lie in the packs once."""
    mails = [Incoming(f"Subject: {n}\r\n\r\n".encode(), "smtp", NOW) for n in range(50)]
    fetched = Incoming(b"Subject: fetched\r\n\r\n", "imap", NOW, cursor=ImapCursor("box", 1, 7))
    store.write_now(lambda tx: arrivals.keep(tx, mails[30:]))
    store.write_now(lambda tx: arrivals.keep_all(tx, [*mails, fetched, mails[0]]))
    before = sum(store.packs.sizes().values())
    store.write_now(lambda tx: arrivals.keep_all(tx, [fetched, *mails]))
    assert sum(store.packs.sizes().values()) == before
    claimed = store.write_now(lambda tx: arrivals.claim(tx, "x", NOW, 500))
    assert len(claimed) == 20 + 52 + 50
    assert {arrival.digest for arrival in claimed} == {mail.digest.hex() for mail in (*mails, fetched)}
    assert store.read_now(lambda c: ledger.known_uids(c, "box", 1, 0, 9)) == {7}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_what_an_index_has_no_room_for_holds_up_nobody_elses_mail(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server says so in the words that it has for its own trouble."""
    monkeypatch.setattr(ids, "MAX_ID", 10_000)
    letters = (chr(letter) for letter in random.Random(1).sample(range(0x20000, 0x2A6D0), 1000))
    keep(store, incoming(raw_mail(identifier=f"{''.join(letters)}@x.example")), incoming(raw_mail()))
    filed = [decision for _, decision in file_all(store, make_context(tmp_path))]
    assert [type(decision) for decision in filed] == [str, Decision]
    assert "index row size" in str(filed[0])
