"""Ports of loopback for servers that must be told theirs before they start.

The kernel gives a connection on its way out any port of its range that nobody holds, also one that a server has
left for a moment, to start again. Ours lie below that range, and each is marked while the process lives that chose
it: by a name that no other process can bind, and that goes with the process.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
_MARKS: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different, and given to no other process of these tests."""
    return [_claimed() for _ in range(count)]


def free_port() -> int:
    """One of these."""
    return _claimed()


def _claimed() -> int:
    first = int(_RANGE.read_text().split()[0])
    above = first if first > 2 * _LOWEST else 65_536  # where there is no room below it, better any than none
    while True:
        port = _LOWEST + secrets.randbelow(above - _LOWEST)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            mark = socket.socket(socket.AF_UNIX)
            _MARKS.append(mark)
            mark.bind(f"\0gateway-tests-port-{port}")
            return port
