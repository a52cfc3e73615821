"""Signs of life and vitals, on both engines: what is written over, what is counted, what is found first."""

from __future__ import annotations

from datetime import timedelta

from gateway.model import Attempt, DeliveryState, Fact, Look, Occasion
from gateway.store import arrivals, outbox, pulses, rounds, sending
from gateway.store.database import Store
from gateway.store.sending import Settled
from gateway.store.vitals import Heap, Vitals, vitals
from tests.builders import NOW, draft, incoming, keep, make_context, raw_mail

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SIGNER = make_context().signer


def seen(store: Store, after: timedelta = timedelta()) -> Vitals:
    return store.read_now(lambda connection: vitals(connection, NOW + after, 5 * MINUTE))


def test_nothing_is_found_in_a_new_store(store: Store) -> None:
    found = seen(store)
    assert found == Vitals(open=dict.fromkeys(found.open, 0), octets=found.octets)
    assert found.octets > 10_000


def test_mail_is_late_by_the_first_mark_that_knows_it(store: Store) -> None:
    store.write_now(lambda tx: pulses.started(tx, "one", NOW))
    keep(store, incoming(raw_mail()))
    for minutes in (1, 2):
        store.write_now(lambda tx, m=minutes: pulses.beat(tx, "one", NOW + m * MINUTE))  # type: ignore[misc]
    keep(store, incoming(raw_mail(text="Plus tard.")))
    assert seen(store, 5 * MINUTE).late == Heap()
    assert seen(store, 6 * MINUTE).late == Heap(1, NOW + MINUTE, ("1",))
    assert seen(store, 6 * MINUTE).waiting.count == 2
    (daemon,) = seen(store).daemons
    assert (daemon.seen_at, daemon.ended_at) == (NOW + 2 * MINUTE, None)
    store.write_now(lambda tx: pulses.ended(tx, "one", NOW + HOUR))
    store.write_now(lambda tx: pulses.started(tx, "two", NOW + 2 * DAY))
    assert [daemon.name for daemon in seen(store).daemons] == ["two"], "what is long gone is forgotten"


def test_what_is_aside_and_what_lost_its_message(store: Store) -> None:
    ids = keep(store, *(incoming(raw_mail(text=str(nth))) for nth in range(3)))
    store.write_now(lambda tx: arrivals.set_aside(tx, ids[0], "a reason"))
    store.write_now(lambda tx: arrivals.passed(tx, ids[1]))
    assert seen(store).aside == Heap(1, NOW, (str(ids[0]),))
    assert seen(store).lost == Heap(), "a test mail has none"
    assert seen(store).arrivals == ids[2]


def test_deliveries_by_state_and_what_proves_them(store: Store) -> None:
    states = [DeliveryState.SENT, DeliveryState.DEFERRED, DeliveryState.REFUSED, DeliveryState.UNKNOWN]

    def work(tx: object) -> list[int]:
        letters = (draft(f"u{nth}@x.example") for nth in range(len(states) + 2))
        return [outbox.enqueue(tx, None, 0, letter, SIGNER, NOW) for letter in letters]  # type: ignore[arg-type]

    waiting, leaving, *others = store.write_now(work)
    store.write_now(lambda tx: sending.committing(tx, [leaving]))
    for delivery, state in zip(others, states, strict=True):
        one = Settled(Fact(delivery, Occasion.ATTEMPT, Attempt(state, "a reply", "a host")), NOW + DAY)
        store.write_now(lambda tx, o=one: sending.settle(tx, [o], NOW))  # type: ignore[misc]
    found = seen(store, 6 * MINUTE)
    open_ = {DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.DEFERRED, DeliveryState.UNKNOWN}
    assert found.open == dict.fromkeys(open_, 1)
    assert found.overdue == Heap(1, NOW, (str(waiting),))
    assert found.sending == (leaving,)
    assert found.unknown.examples == (str(others[states.index(DeliveryState.UNKNOWN)]),)
    assert found.unproven == Heap()
    assert [each.outcome for each in found.tries] == [state.value for state in reversed(states)]
    assert {each.host for each in found.tries} == {"a host"}


def test_a_mailbox_keeps_its_trouble_until_it_is_looked_at(store: Store) -> None:
    for after in (timedelta(), MINUTE):
        store.write_now(lambda tx, a=after: pulses.troubled(tx, "box", "no route", NOW + a))  # type: ignore[misc]
    (box,) = seen(store).boxes
    assert (box.trouble_since, box.trouble, box.compared_at) == (NOW, "no route", None)
    look = Look("box", 7, 12, whole=True, missing=(3,), owed=(4,), too_large=(5,))
    store.write_now(lambda tx: pulses.looked(tx, look, NOW + HOUR))
    (box,) = seen(store).boxes
    assert (box.trouble_since, box.missing, box.owed, box.too_large) == (None, (3,), (4,), (5,))
    assert store.read_now(lambda c: pulses.reached(c, "box", 7)) == 12
    assert store.read_now(lambda c: pulses.reached(c, "box", 8)) == 1


def test_an_alarm_begins_once_and_ends_once(store: Store) -> None:
    def raised(after: timedelta) -> bool:
        return store.write_now(lambda tx: pulses.raised(tx, "filing", 2, NOW, ("1", "2"), NOW + after))

    assert [raised(timedelta()), raised(MINUTE)] == [True, False]
    (one,) = seen(store).standing
    assert (one.began_at, one.seen_at, one.count, one.examples) == (NOW, NOW + MINUTE, 2, ("1", "2"))
    assert [store.write_now(lambda tx: pulses.over(tx, "filing")) for _ in range(2)] == [True, False]


def test_packs_are_followed_from_arrival_to_arrival(store: Store) -> None:
    assert store.read_now(lambda c: arrivals.extended(c, 0)) == (0, {})
    (first,) = keep(store, incoming(raw_mail()))
    last, before = store.read_now(lambda c: arrivals.extended(c, 0))
    assert last == first
    keep(store, incoming(raw_mail(text="Plus tard.")))
    _, since = store.read_now(lambda c: arrivals.extended(c, last))
    assert since == store.read_now(arrivals.extents)
    assert since != before


def test_rounds_and_addresses_of_test_mails(store: Store) -> None:
    store.write_now(lambda tx: rounds.made(tx, "one", NOW))
    assert store.read_now(lambda c: rounds.times(c, ("one", "two"))) == {"one": NOW}
    delivery = store.write_now(lambda tx: outbox.enqueue(tx, None, 0, draft("a@x.example"), SIGNER, NOW))
    for address, there in (("a@x.example", True), ("b@x.example", False)):
        assert store.read_now(lambda c, a=address: outbox.is_written_to(c, a)) is there  # type: ignore[misc]
    assert store.read_now(lambda c: outbox.sent_to(c, "a@x.example")) == []
    sent = Settled(Fact(delivery, Occasion.ATTEMPT, Attempt(DeliveryState.SENT, "250 ok", "a host")), NOW)
    store.write_now(lambda tx: sending.settle(tx, [sent], NOW))
    ((at, message_id),) = store.read_now(lambda c: outbox.sent_to(c, "a@x.example"))
    assert (at, message_id.split(".")[0]) == (NOW, str(delivery))
