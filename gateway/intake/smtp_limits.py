"""How much of us one client, and all of them together, may use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one listener. Times are seconds, sizes octets. They are the same for whoever runs this."""

    connections: int = 200
    reserved: int = 20  # of them, for trusted peers alone
    share: int = 20  # of one untrusted peer, once more than half of all are used
    stalled: float = 5  # who has done nothing for that long makes room when all are used ...
    crowded: float = 1  # ... and so long, for a peer with fewer places than its own
    mails: int = 10  # in a session
    mails_trusted: int = 1000  # a front server reuses its connections
    recipients: int = 100  # RFC 5321 §4.5.3.1.8
    unknown: int = 10  # recipients that aren't ours, in a session
    errors: int = 20
    commands: int = 1000  # between two mails that were kept
    command: int = 2048  # RFC 5321 §4.5.3.1.4 wants 512 and more for each extension
    session: float = 1800
    idle: float = 120
    handshake: float = 30
    data: float = 300  # from DATA to its answer
    answer: float = 10  # of these, set apart for saying « later »
    budget: int = 8  # mails of the largest size that may be in memory at once ...
    small: int = 64 * 1024  # ... not counting the first octets of each (RFC 5321 §4.5.3.1.7)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end. `key` is what connections are counted by: an address, or an IPv6 /64."""

    address: str
    key: str
    trusted: bool


LOCAL = Peer("unix", "unix", trusted=True)
"""Whoever may open our unix socket: its mode decides who that is."""


def networks(trusted_peers: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and CIDR networks. Raises ValueError."""
    return tuple(ip_network(peer, strict=False) for peer in trusted_peers)


def peer_of(peername: object, trusted: Iterable[Network]) -> Peer:
    """The peer behind what the transport calls `peername`: a tuple for TCP, a string or nothing for unix."""
    if not isinstance(peername, tuple):
        return LOCAL
    address = ip_address(str(peername[0]).partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    key = str(address)
    if isinstance(address, IPv6Address):
        key = str(ip_network((address, 64), strict=False))
    return Peer(str(address), key, any(address in network for network in trusted))


class Guest(Protocol):
    """A session, as far as places are concerned."""

    peer: Peer
    progress: float
    """When it last did something of use, by the loop's clock; infinity while we are at work for it."""

    def leave(self, reply: str) -> None:
        """Say this and go."""


class Room:
    """The places and the memory that all sessions of a listener share."""

    def __init__(self, limits: Limits, max_size: int) -> None:
        self._limits = limits
        self._free = limits.budget * max_size
        self._peers: Counter[str] = Counter()
        self.guests: set[Guest] = set()

    def refusal(self, peer: Peer, now: float) -> str:
        """Why this peer can't come in now, or "". Somebody who does nothing may be sent away for it."""
        limits, used = self._limits, len(self.guests)
        places = limits.connections - (0 if peer.trusted else limits.reserved)
        if not peer.trusted and used > limits.connections // 2 and self._peers[peer.key] >= limits.share:
            return "too many connections of this peer"
        if used >= places and not self._make_room(peer, now):
            return "too many connections"
        return ""

    def _make_room(self, peer: Peer, now: float) -> bool:
        """Send away the guest who has done nothing for longest, if that is too long.

        One of a peer that would still have as many places as this one is sent away sooner: few addresses can't keep
        everybody else out.
        """
        own = self._peers[peer.key] + 1
        crowd = (each for each in self.guests if self._peers[each.peer.key] > own)
        guest = min(self.guests, key=_progress, default=None)
        if guest is None or now - guest.progress < self._limits.stalled:
            guest = min(crowd, key=_progress, default=None)
        if guest is None or now - guest.progress < self._limits.crowded:
            return False
        self.leave(guest)  # at once: the guest itself may take a while to be gone
        guest.leave("421 4.3.2 Too many connections, and nothing came")
        return True

    def enter(self, guest: Guest) -> None:
        self.guests.add(guest)
        self._peers[guest.peer.key] += 1

    def leave(self, guest: Guest) -> None:
        """Give the place back; does nothing the second time."""
        if guest not in self.guests:
            return
        self.guests.discard(guest)
        self._peers[guest.peer.key] -= 1
        if not self._peers[guest.peer.key]:
            del self._peers[guest.peer.key]

    def hold(self) -> Hold:
        """Memory for one mail, none at first."""
        return Hold(self, self._limits.small)

    def take(self, octets: int) -> bool:
        """Is there that much memory? Then it is taken. A negative number gives back."""
        if octets > self._free:
            return False
        self._free -= octets
        return True


def _progress(guest: Guest) -> float:
    return guest.progress


class Hold:
    """One mail's part of the memory."""

    def __init__(self, room: Room, small: int) -> None:
        self._room = room
        self._small = small
        self._held = 0

    def resize(self, octets: int) -> bool:
        """May the mail be this big in all? If not, all stays as it was."""
        counted = max(0, octets - self._small)
        if not self._room.take(counted - self._held):
            return False
        self._held = counted
        return True

    def release(self) -> None:
        self.resize(0)
