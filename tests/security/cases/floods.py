"""Mail in the name of others, and too much of it: nobody is bombed through us, and what is honest goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes

from gateway.context import Context
from gateway.model import Incoming, Purpose
from gateway.relay.compose import compose
from gateway.store.database import Store
from tests.builders import MANON, NOW, ULYSSE, draft, incoming, raw_mail
from tests.security.pipeline import enqueue, file, letter, make_round, planned, world
from tests.trials.case import Case, Counted

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_WITHOUT = {
    "acknowledgements_per_address": 1_000_000,
    "acknowledgements_per_minute": 1_000_000,
    "alarm_above": 1_000_000,
    "notifications_per_agent": 1_000_000,
}
_VICTIMS = 1_000
_SPAM = "gewinnspiel casino bonus"


def _spoofed(count: int, over: timedelta = HOUR, start: datetime = NOW) -> Iterator[Incoming]:
    """Mails in the name of a thousand people who never wrote, each with words of its own."""
    for nth in range(count):
        yield letter(nth, f"victim{nth % _VICTIMS}@victims.example", start + nth * over / count, said=_SPAM)


# --- acknowledgements as a weapon --------------------------------------------------------------------------


def _backscatter(count: int, **limits: int) -> Counted:
    with world(limits=limits) as (store, context):
        file(store, context, _spoofed(count))
        return Counted(count, len(planned(store, Purpose.ACKNOWLEDGEMENT)), "acknowledgements")


def _unauthenticated(acknowledge: str) -> Counted:
    with world(trust={"acknowledge": acknowledge}) as (store, context):
        file(store, context, _spoofed(500))
        return Counted(500, len(planned(store, Purpose.ACKNOWLEDGEMENT)), "acknowledgements")


def _their_words(in_kind: bool) -> Counted:
    """Octets of the attackers' words in what victims get; or in answers that quote, as other desks write them."""
    with world(limits=_WITHOUT) as (store, context):
        file(store, context, _spoofed(300))
        mails = planned(store, Purpose.ACKNOWLEDGEMENT)
        if in_kind:
            mails = [replace(mail, draft=replace(mail.draft, subject=f"Re: {_SPAM}")) for mail in mails]
        wires = [_decoded(compose(mail, ())) for mail in mails]
        return Counted(
            len(wires), sum(wire.count(word) * len(word) for wire in wires for word in _SPAM.split()), "octets"
        )


def _decoded(wire: bytes) -> str:
    """Header and all parts, as their reader sees them."""
    mail = message_from_bytes(wire)
    texts = (part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart())
    return "\n".join([*mail.values(), *(text.decode() for text in texts if isinstance(text, bytes))])


# --- agents ------------------------------------------------------------------------------------------------


def _bombed_agent(count: int, **limits: int) -> Counted:
    """Notifications to one agent within an hour; the rounds are made each minute."""
    with world(limits=limits) as (store, context):
        minutes = 60
        for minute in range(minutes):
            start, some = NOW + minute * MINUTE, count // minutes
            mails = (
                letter(minute * some + nth, f"u{minute}-{nth}@x.example", start + nth * MINUTE / some)
                for nth in range(some)
            )
            file(store, context, mails)
            make_round(store, context, start + 59 * SECOND)
        hers = [mail for mail in planned(store, Purpose.NOTIFICATION) if mail.draft.to == MANON]
        return Counted(count, len(hers), "mails to an agent")


# --- the brake ---------------------------------------------------------------------------------------------


def _jump(count: int, **limits: int) -> Counted:
    """After days with one acknowledgement an hour, a flood. Meanwhile an agent answers; later all is well."""
    with world(limits=limits) as (store, context):
        _ordinary_days(store, context)
        before = len(planned(store, Purpose.ACKNOWLEDGEMENT))
        file(store, context, _spoofed(count))
        make_round(store, context, NOW + HOUR)
        during = len(planned(store, Purpose.ACKNOWLEDGEMENT)) - before
        _answer(store, context, NOW + HOUR)
        assert len(planned(store, Purpose.ANSWER)) == 1
        if not limits:
            assert [mail.draft.to for mail in planned(store, Purpose.NOTICE)] == [MANON]
        file(store, context, [letter(count, ULYSSE, NOW + 3 * HOUR)])
        assert planned(store, Purpose.ACKNOWLEDGEMENT)[-1].draft.to == ULYSSE
        return Counted(count, during, "acknowledgements")


def _ordinary_days(store: Store, context: Context) -> None:
    usual = draft("u@x.example", purpose=Purpose.ACKNOWLEDGEMENT, automatic=True, silent=True)
    enqueue(store, context, ((usual, NOW - hour * HOUR) for hour in range(8 * 24, 0, -1)))


def _answer(store: Store, context: Context, at: datetime) -> None:
    note = next(mail for mail in planned(store, Purpose.NOTIFICATION) if mail.draft.to == MANON)
    raw = raw_mail(MANON, note.reply_to, text="Bonjour, voici la réponse.", identifier="answer@mairie.example.org")
    file(store, context, [incoming(raw, (note.reply_to,), received_at=at, envelope_sender=MANON)])


# --- hops --------------------------------------------------------------------------------------------------


def _hops(counted: bool) -> Counted:
    """Mails caused by mail that passed 51 to 5,000 servers; without the count, as if nobody had noted them."""
    hop = b"Received: from a.example by b.example; Sat, 01 Mar 2025 10:00:00 +0100\r\n"
    passed = [51 + nth if nth < 50 else nth * 50 for nth in range(100)]
    with world() as (store, context):
        mails = [letter(nth, f"u{nth}@x.example", NOW + nth * MINUTE) for nth in range(len(passed))]
        if counted:
            mails = [
                incoming(hop * hops + mail.raw, received_at=mail.received_at)
                for mail, hops in zip(mails, passed, strict=True)
            ]
        file(store, context, mails)
        return Counted(len(mails), len(planned(store, *Purpose)), "mails")


CASES: tuple[Case, ...] = (
    Case(
        "S4-backscatter",
        "10,000 mails within an hour in the name of 1,000 people who never wrote",
        "no more acknowledgements than the limits allow",
        lambda: _backscatter(10_000),
        lambda: _backscatter(1_000, **_WITHOUT),
        "the limits",
        allowed=100,
    ),
    Case(
        "S4-unauthenticated",
        'the same, with `acknowledge = "authenticated"`',
        "nobody gets anything",
        lambda: _unauthenticated("authenticated"),
        lambda: _unauthenticated("person"),
        '`acknowledge = "person"`',
    ),
    Case(
        "S4-words",
        "the same, each with an advertisement in subject and text",
        "nothing of it is in what their victims get",
        lambda: _their_words(in_kind=False),
        lambda: _their_words(in_kind=True),
        "an acknowledgement that quotes, as other desks write them",
    ),
    Case(
        "S4-bomb-agent",
        "6,000 requests within an hour to one inbox",
        "its agent gets at most 30 notifications in ten minutes, and the rest in one mail",
        lambda: _bombed_agent(6_000),
        lambda: _bombed_agent(600, **_WITHOUT),
        "the limit",
        allowed=7 * 31,
    ),
    Case(
        "S4-brake",
        "1,500 spoofed mails in an hour, where one acknowledgement an hour is usual",
        "the brake is on after a hundred, managers are told, an agent's answer leaves, and it recovers",
        lambda: _jump(1_500),
        lambda: _jump(1_500, alarm_above=1_000_000),
        "the brake",
        allowed=100,
    ),
    Case(
        "S10-hops",
        "a hundred mails that passed 51 to 5,000 servers",
        "kept, and nothing leaves because of them",
        lambda: _hops(counted=True),
        lambda: _hops(counted=False),
        "the count of servers",
    ),
)
