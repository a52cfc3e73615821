"""What systemd says and is told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gateway import systemd


def test_notify_reaches_the_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        systemd.notify("READY=1", "STATUS=here", environ={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert listener.recv(100) == b"READY=1\nSTATUS=here"


def test_notify_reaches_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")  # Linux draws an abstract name
        name = listener.getsockname().decode()
        systemd.notify("WATCHDOG=1", environ={"NOTIFY_SOCKET": "@" + name[1:]})
        assert listener.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["", "/nonexistent/notify", "x" * 200])
def test_nobody_to_tell_is_no_error(address: str) -> None:
    systemd.notify("READY=1", environ={"NOTIFY_SOCKET": address})


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_how_often_to_give_a_sign_of_life(environ: dict[str, str], seconds: float | None) -> None:
    assert systemd.watchdog_interval(environ) == seconds


def test_sockets_meant_for_another_process_are_left_alone() -> None:
    assert systemd.handed_sockets({}) == []
    assert systemd.handed_sockets({"LISTEN_FDS": "1", "LISTEN_PID": "1"}) == []


def test_sockets_that_were_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(systemd, "_FIRST_FD", os.dup(listener.fileno()))
        (found,) = systemd.handed_sockets({"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())})
        with found:
            assert found.getsockname() == listener.getsockname()


def test_a_reload_bears_its_time() -> None:
    line, time = systemd.reloading()
    assert line == "RELOADING=1"
    assert time.removeprefix("MONOTONIC_USEC=").isdigit()
