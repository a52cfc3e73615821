"""What systemd says and is told: sockets it hands over, readiness, the watchdog (sd_notify(3), sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

_FIRST_FD = 3


def notify(*lines: str, environ: Mapping[str, str] = os.environ) -> None:
    """Tell systemd, if it listens. Never fails: a daemon started by hand has nobody to tell."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.connect("\0" + address[1:] if address.startswith("@") else address)
            sender.sendall("\n".join(lines).encode())
        except OSError:
            return


def reloading() -> tuple[str, ...]:
    """The lines that announce a reload (Type=notify-reload wants the time beside it)."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"


def watchdog_interval(environ: Mapping[str, str] = os.environ) -> float | None:
    """Seconds between two signs of life: a third of what systemd allows; None where it doesn't watch."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        allowed = int(environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return allowed / 3_000_000 if allowed > 0 else None


def handed_sockets(environ: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """The listening sockets that systemd opened for us, in the order of the unit."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environ.get("LISTEN_FDS", "0"))
    return [socket.socket(fileno=fd) for fd in range(_FIRST_FD, _FIRST_FD + count)]
