"""Places and memory: who comes in, who has to go."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.smtp_limits import LOCAL, Limits, Peer, Room, networks, peer_of

LIMITS = Limits(connections=10, reserved=2, share=2, stalled=5, budget=2, small=10)
FRONT = Peer("127.0.0.1", "127.0.0.1", trusted=True)
STRANGER = Peer("192.0.2.1", "192.0.2.1", trusted=False)


@dataclass(eq=False)
class Seat:
    peer: Peer
    progress: float = 0.0
    told: list[str] = field(default_factory=list)

    def leave(self, reply: str) -> None:
        self.told.append(reply)


def room(*peers: Peer) -> Room:
    place = Room(LIMITS, max_size=100)
    for peer in peers:
        place.enter(Seat(peer))
    return place


def others(number: int) -> list[Peer]:
    return [Peer(f"198.51.100.{i}", f"198.51.100.{i}", trusted=False) for i in range(number)]


def test_one_peer_may_use_half_of_all_places_and_then_its_share() -> None:
    assert room(*[STRANGER] * 5).refusal(STRANGER, 0.0) == ""
    assert room(*[STRANGER] * 6).refusal(STRANGER, 0.0) == "too many connections of this peer"
    assert room(*[STRANGER] * 6).refusal(others(1)[0], 0.0) == ""
    assert room(*[FRONT] * 7).refusal(FRONT, 0.0) == ""


def test_the_last_places_are_for_trusted_peers() -> None:
    assert room(*others(8)).refusal(STRANGER, 0.0) == "too many connections"
    assert room(*others(8)).refusal(FRONT, 0.0) == ""
    assert room(*[FRONT] * 10).refusal(FRONT, 0.0) == "too many connections"


def test_who_does_nothing_makes_room_and_who_works_stays() -> None:
    place = room()
    idle, idlest, working = Seat(FRONT, 3.0), Seat(FRONT, 1.0), Seat(FRONT, float("inf"))
    for seat in [idle, idlest, *[working] * 1, *(Seat(FRONT, 9.0) for _ in range(7))]:
        place.enter(seat)
    assert place.refusal(FRONT, 5.9) == "too many connections"
    assert place.refusal(FRONT, 6.0) == ""
    assert idlest.told
    assert not idle.told
    assert len(place.guests) == 9
    place.leave(idlest)  # once more, when its connection is gone
    assert len(place.guests) == 9


def test_few_peers_cant_keep_everybody_else_out() -> None:
    """A peer with fewer places gets one of those who have most, as soon as one of them pauses."""
    place = room()
    crowd = [Seat(STRANGER, 3.0 + number) for number in range(4)]
    for seat in [*crowd, *(Seat(peer, 2.0) for peer in others(4))]:
        place.enter(seat)
    newcomer = Peer("203.0.113.1", "203.0.113.1", trusted=False)
    assert place.refusal(newcomer, 3.9) == "too many connections"
    assert place.refusal(newcomer, 4.0) == ""
    assert [bool(seat.told) for seat in crowd] == [True, False, False, False]
    place.enter(Seat(newcomer, 4.0))
    place.enter(Seat(newcomer, 4.0))
    assert place.refusal(newcomer, 5.0) == "too many connections of this peer"
    assert place.refusal(others(1)[0], 5.5) == ""  # has one, and another has three
    assert crowd[1].told
    assert not crowd[2].told


def test_only_those_at_work_are_never_sent_away() -> None:
    place = room()
    for _ in range(10):
        place.enter(Seat(FRONT, float("inf")))
    assert place.refusal(FRONT, 1e9) == "too many connections"


def test_memory_is_shared_and_given_back() -> None:
    place = room()
    first, second, third = place.hold(), place.hold(), place.hold()
    assert first.resize(110)
    assert second.resize(109)
    assert third.resize(11)
    assert third.resize(10)
    assert not third.resize(12)
    first.release()
    assert third.resize(110)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300))))
def test_no_more_memory_is_held_than_there_is(steps: list[tuple[int, int]]) -> None:
    place = room()
    holds = [place.hold() for _ in range(4)]
    held = [0] * 4
    for which, octets in steps:
        if holds[which].resize(octets):
            held[which] = max(0, octets - LIMITS.small)
        assert sum(held) <= 200
    for hold in holds:
        hold.release()
    assert place.take(200)
    assert not place.take(1)


@pytest.mark.parametrize(
    ("peername", "address", "key", "trusted"),
    [
        (("127.0.0.1", 1), "127.0.0.1", "127.0.0.1", True),
        (("::ffff:127.0.0.1", 1, 0, 0), "127.0.0.1", "127.0.0.1", True),
        (("10.1.2.3", 1), "10.1.2.3", "10.1.2.3", True),
        (("10.2.2.3", 1), "10.2.2.3", "10.2.2.3", False),
        (("2001:db8::1:2", 1, 0, 0), "2001:db8::1:2", "2001:db8::/64", False),
        (("fe80::1%eth0", 1, 0, 2), "fe80::1", "fe80::/64", False),
        ("", "unix", "unix", True),
        (None, "unix", "unix", True),
    ],
)
def test_who_is_there(peername: object, address: str, key: str, trusted: bool) -> None:
    assert peer_of(peername, networks(["127.0.0.1", "10.1.0.0/16"])) == Peer(address, key, trusted)
    assert LOCAL.trusted
