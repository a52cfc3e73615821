"""Ports of loopback for servers that must be told theirs before they start.

The kernel gives a connection on its way out any port of its range that nobody holds, also one that a server has
left for a moment, to start again. Ours lie below that range, where there is room. They are taken from blocks, each
of which is marked while the process lives that chose it: by a name that no other process can bind, and that goes
with the process.
"""

from __future__ import annotations

import errno
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _HIGHEST = 10_000, 65_535
_USUAL = 32_768  # where the range begins, unless somebody has set it
_BLOCK = 50
_MARKS: list[socket.socket] = []
_ONE_BY_ONE = threading.Lock()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different, and given to no other process of these tests."""
    with _ONE_BY_ONE:
        return [next(_PORTS) for _ in range(count)]


def free_port() -> int:
    """One of these."""
    return free_ports(1)[0]


def _free() -> Iterator[int]:
    first = _first_of_the_kernel()
    end = first if first > 2 * _LOWEST else _HIGHEST  # where there is no room below it, better any than none
    while True:
        block = _LOWEST + _BLOCK * secrets.randbelow((end - _LOWEST) // _BLOCK)
        if _marked(block):
            yield from filter(_is_free, range(block, block + _BLOCK))


def _first_of_the_kernel() -> int:
    try:
        return int(_RANGE.read_text().split()[0])
    except OSError:  # a container may hide it
        return _USUAL


def _marked(block: int) -> bool:
    """Is it ours from now on?"""
    mark = socket.socket(socket.AF_UNIX)
    if not _bound(mark, f"\0gateway-tests-ports-{block}"):
        mark.close()
        return False
    _MARKS.append(mark)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return _bound(probe, ("127.0.0.1", port))


def _bound(one: socket.socket, address: str | tuple[str, int]) -> bool:
    try:
        one.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


_PORTS = _free()
