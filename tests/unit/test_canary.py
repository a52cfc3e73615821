"""The test mail: known by its address and its words together, seen by nobody, missed when it doesn't come through."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.context import Context
from gateway.health import canary, flight
from gateway.health.canary import SUBJECT, TEXT, Leg
from gateway.health.gaps import Kind
from gateway.mail import tokens
from gateway.mail.tokens import Keys, Token, TokenKind
from gateway.model import Attempt, DeliveryState, Fact, Incoming, Occasion, Outgoing
from gateway.relay.maildir import file_name
from gateway.store import outbox, pulses, rounds, sending
from gateway.store.database import Store
from gateway.store.sending import Settled
from gateway.store.vitals import vitals
from tests.builders import DOMAIN, KEYS, NOW, file_all, incoming, keep, listed, make_context, opened, raw_mail

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
SMTP = {"smtp": [{"listen": "127.0.0.1:0"}]}
SMARTHOST = {"transport": "smtp", "host": "smtp.example.org"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path, intake=SMTP)


def came(context: Context, at: datetime = NOW, **values: Any) -> Incoming:
    """A test mail as it comes in by our listener."""
    to = values.pop("to", canary.address(context, Leg.IN, NOW))
    raw = values.pop("raw", canary.octets(context, NOW))
    return incoming(raw, (to,), received_at=at, envelope_sender="", **values)


def done(store: Store, context: Context, mail: Incoming) -> object:
    """What becomes of a mail."""
    keep(store, mail)
    ((_, decision),) = file_all(store, context)
    return decision


def steps(store: Store) -> dict[str, datetime]:
    return store.read_now(lambda connection: rounds.times(connection, canary.STEPS))


def launched(store: Store, at: datetime = NOW) -> None:
    store.write_now(lambda tx: rounds.made(tx, canary.SENT, at))


# --- what is one --------------------------------------------------------------------------------------------


def test_it_goes_in_and_out_and_nobody_sees_it(store: Store, context: Context) -> None:
    launched(store)
    assert done(store, context, came(context)) is Leg.IN
    assert canary.FILED in steps(store)
    assert listed(store) == []
    (going,) = store.read_now(lambda connection: sending.due(connection, NOW + DAY, 9))
    assert going.draft.to == canary.address(context, Leg.BACK, NOW)
    assert going.envelope_sender == ""
    sent = Settled(Fact(going.id, Occasion.ATTEMPT, Attempt(DeliveryState.SENT, "written as new/x")), NOW)
    assert len(store.read_now(outbox.listed)) == 1, "it is shown while it waits"
    store.write_now(lambda tx: sending.settle(tx, [sent], NOW))
    assert store.read_now(outbox.listed) == []
    seen = store.read_now(lambda connection: vitals(connection, NOW, MINUTE))
    assert seen.lost.count == 0


def test_several_that_waited_go_out_as_one(store: Store, context: Context) -> None:
    launched(store)
    for _ in range(3):
        assert done(store, context, came(context)) is Leg.IN
    assert len(store.read_now(lambda connection: sending.due(connection, NOW + DAY, 9))) == 1


def due(store: Store) -> list[Outgoing]:
    return store.read_now(lambda connection: sending.due(connection, NOW + DAY, 9))


def settled(store: Store, context: Context, delivery: Outgoing) -> Path:
    """It left into the folder; its file there."""
    sent = Settled(Fact(delivery.id, Occasion.ATTEMPT, Attempt(DeliveryState.SENT, "written as new/x")), NOW)
    store.write_now(lambda tx: sending.settle(tx, [sent], NOW))
    file = Path(context.settings.relay.folder) / "new" / file_name(delivery.created_at, delivery.message_id)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return file


def filed_at(store: Store, context: Context, minute: int) -> None:
    """One is launched at that minute, and filed at once."""
    at = NOW + minute * MINUTE
    to = canary.address(context, Leg.IN, at)
    launched(store, at)
    assert done(store, context, came(context, at, to=to, raw=canary.octets(context, at))) is Leg.IN


async def test_none_stays_in_the_folder_where_the_relay_stood_still_for_several(
    store: Store, context: Context
) -> None:
    """The first leaves late: those that came meanwhile don't follow it, and it is taken away."""
    for minute in range(3):
        filed_at(store, context, minute)
    (late,) = due(store)
    assert late.draft.to == canary.address(context, Leg.BACK, NOW)
    file = settled(store, context, late)
    filed_at(store, context, 3)
    assert due(store) == [], "it lies there still"
    await flight.step(store, context, (), NOW, NOW + 3 * MINUTE)
    assert not file.exists()
    assert canary.LEFT in steps(store)
    filed_at(store, context, 4)
    (following,) = due(store)
    assert following.draft.to == canary.address(context, Leg.BACK, NOW + 4 * MINUTE)


async def test_what_couldnt_leave_for_an_hour_is_withdrawn_and_followed(store: Store, tmp_path: Path) -> None:
    """After days without a smarthost they don't come back in heaps, when their addresses count no more."""
    context = make_context(tmp_path, relay=SMARTHOST, health={"canary_returns": True})
    times = [NOW + hours * timedelta(minutes=61) for hours in range(5)]
    for at in times:
        await flight.step(store, context, (), NOW - DAY, at)
    assert [mail.draft.to for mail in due(store)] == [canary.address(context, Leg.BACK, times[-1])]
    gone = text("SELECT count(*) FROM deliveries WHERE state = 'cancelled'")
    assert store.read_now(lambda connection: connection.scalar(gone)) == 4


def test_one_that_comes_back_goes_no_further(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path, intake=SMTP, relay=SMARTHOST, health={"canary_returns": True})
    to = canary.address(context, Leg.BACK, NOW)
    raw = raw_mail(f"contact@{DOMAIN}", to, text=TEXT, subject=SUBJECT, Received="from smtp.example.org by us")
    assert done(store, context, came(context, raw=raw, to=to)) is Leg.BACK
    assert canary.BACK in steps(store)
    assert store.read_now(lambda connection: sending.due(connection, NOW + DAY, 9)) == []


def test_with_a_smarthost_that_doesnt_bring_it_back_it_ends_where_it_would_be_filed(
    store: Store, tmp_path: Path
) -> None:
    context = make_context(tmp_path, intake=SMTP, relay=SMARTHOST)
    launched(store)
    assert done(store, context, came(context)) is Leg.IN
    assert store.read_now(lambda connection: sending.due(connection, NOW + DAY, 9)) == []


def test_from_a_mailbox_it_is_known_by_its_header(store: Store, context: Context) -> None:
    raw = canary.octets(context, NOW)
    assert done(store, context, incoming(raw, (f"contact@{DOMAIN}",), received_at=NOW)) is Leg.IN


def address(context: Context, token: Token, keys: Keys = KEYS) -> str:
    return f"{context.settings.addresses.reply}+{tokens.sign(token, keys)}@{DOMAIN}"


def test_no_mail_vanishes_for_its_address_and_no_address_for_its_words(store: Store, context: Context) -> None:
    """Whatever is wrong with it: it is filed as anybody's mail, and agents see it."""
    to, second = canary.address(context, Leg.IN, NOW), int(NOW.timestamp())
    wrong = {
        "other words": came(context, raw=raw_mail(to=to, text="Bonjour, une question.", subject=SUBJECT)),
        "more words": came(
            context, raw=raw_mail(to=to, text=f"{TEXT}\nBonjour, une question.", identifier="a@x", subject=SUBJECT)
        ),
        "another subject": came(context, raw=raw_mail(to=to, text=TEXT, subject="Une question", identifier="h@x")),
        "a file": came(context, raw=_with_file(to)),
        "too late": came(context, NOW + 7 * DAY + SECOND),
        "too early": came(context, NOW - 7 * DAY - SECOND, raw=_worded(to, "b@x")),
        "an inbox": came(context, to=f"contact@{DOMAIN}", raw=_worded(f"contact@{DOMAIN}", "c@x")),
        "another kind": _to(context, Token(TokenKind.REPLY, second, 0), "d@x"),
        "another leg": _to(context, Token(TokenKind.CANARY, second, 2), "e@x"),
        "another key": _to(context, Token(TokenKind.CANARY, second, 0), "f@x", Keys(((1, b"z" * 32),))),
    }
    for what, mail in wrong.items():
        before = len(listed(store))
        assert not isinstance(done(store, context, mail), Leg), what
        assert len(listed(store)) == before + 1, what
    assert steps(store) == {}


def _worded(to: str, identifier: str) -> bytes:
    return raw_mail(to=to, text=TEXT, identifier=identifier, subject=SUBJECT)


def _to(context: Context, token: Token, identifier: str, keys: Keys = KEYS) -> Incoming:
    to = address(context, token, keys)
    return came(context, to=to, raw=_worded(to, identifier))


def _with_file(to: str) -> bytes:
    body = f'--b\nContent-Type: text/plain\n\n{TEXT}\n--b\nContent-Type: application/pdf; name="a.pdf"\n\nx\n--b--'
    return raw_mail(to=to, text=body, identifier="g@x", subject=SUBJECT, Content_Type='multipart/mixed; boundary="b"')


def test_its_address_is_taken_at_the_door_and_a_forged_one_isnt(context: Context) -> None:
    token = Token(TokenKind.CANARY, int(NOW.timestamp()), Leg.IN)
    assert context.recognise(canary.address(context, Leg.IN, NOW)).ours
    assert not context.recognise(address(context, token, Keys(((1, b"z" * 32),)))).ours


# --- is it missed? --------------------------------------------------------------------------------------------


def untested(store: Store, context: Context, at: datetime) -> list[str]:
    seen = store.read_now(lambda connection: vitals(connection, at, MINUTE))
    gaps = canary.untested(seen, context.settings, at)
    assert all(gap.kind is Kind.CANARY for gap in gaps)
    return [gap.examples[0] for gap in gaps]


def living(store: Store, at: datetime) -> None:
    store.write_now(lambda tx: pulses.beat(tx, "one", at))


def test_it_is_missed_within_six_minutes_of_the_last(store: Store, context: Context) -> None:
    store.write_now(lambda tx: pulses.started(tx, "one", NOW))
    for step in (canary.SENT, canary.FILED, canary.LEFT):
        store.write_now(lambda tx, s=step: rounds.made(tx, s, NOW + 4 * MINUTE))  # type: ignore[misc]
    launched(store, NOW + 8 * MINUTE)
    living(store, NOW + 9 * MINUTE)
    assert untested(store, context, NOW + 9.5 * MINUTE) == []
    assert untested(store, context, NOW + 9.6 * MINUTE) == ["the last step was: canary sent"]
    store.write_now(lambda tx: rounds.made(tx, canary.LEFT, NOW + 9.6 * MINUTE))
    assert untested(store, context, NOW + 9.7 * MINUTE) == []


def test_the_first_is_missed_too_and_none_where_no_daemon_is(store: Store, context: Context) -> None:
    assert untested(store, context, NOW) == []
    store.write_now(lambda tx: pulses.started(tx, "one", NOW))
    living(store, NOW + 5.6 * MINUTE)
    assert untested(store, context, NOW + 5.6 * MINUTE) == ["the last step was: none"]
    assert untested(store, context, NOW + DAY) == [], "that no daemon is there is told already"


@pytest.mark.parametrize(
    "tables",
    [
        {"intake": SMTP, "health": {"canary": "never"}},
        {"intake": SMTP, "addresses": {"reply": ""}},
        {"intake": {"imap": [{"name": "a", "host": "h", "user": "u", "password": "p"}]}},
    ],
    ids=["never", "no address", "no way in"],
)
def test_where_there_is_none_none_is_missed(store: Store, tmp_path: Path, tables: dict[str, Any]) -> None:
    context = make_context(tmp_path, **tables)
    store.write_now(lambda tx: pulses.started(tx, "one", NOW))
    living(store, NOW + 9 * MINUTE)
    assert untested(store, context, NOW + 9 * MINUTE) == []
