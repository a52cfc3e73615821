"""Ports for servers of tests: below the kernel's own, and never given twice."""

from __future__ import annotations

import errno
import secrets
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.builders import ROOT
from tests.servers import ports

_ANOTHER = "from tests.servers.ports import free_ports; print(*free_ports(200), flush=True); input()"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The kernel's range, which begins where the test says."""
    monkeypatch.setattr(ports, "_RANGE", tmp_path / "range")
    monkeypatch.setattr(ports, "_PORTS", ports._free())
    return tmp_path / "range"


@pytest.mark.parametrize(
    ("range_", "most"), [("32768\t60999\n", 32_768), ("20050 65535", 20_050), ("1024 65535", 65_536)]
)
def test_they_lie_below_the_range_of_the_kernel_where_there_is_room(few: Path, range_: str, most: int) -> None:
    few.write_text(range_)
    assert all(10_000 <= port < most for port in ports.free_ports(300))


def test_a_range_that_is_hidden_is_held_for_the_usual_one() -> None:
    assert all(10_000 <= port < 32_768 for port in ports.free_ports(300))


def test_a_block_that_another_process_has_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = next(n for n in count() if ports._marked(10_000 + 50 * n))
    offered = count(taken)
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(offered))
    assert next(ports._free()) >= 10_050 + 50 * taken


def test_no_two_threads_or_processes_are_given_the_same() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _ANOTHER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as another:
        assert another.stdout is not None
        theirs = [int(port) for port in another.stdout.readline().split()]
        with ThreadPoolExecutor(8) as pool:
            ours = [port for some in pool.map(ports.free_ports, [25] * 8) for port in some]
        another.communicate(b"\n")
    assert len({*theirs, *ours}) == len(theirs) + len(ours) == 400


def test_one_that_somebody_listens_on_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        assert not ports._is_free(held.getsockname()[1])


def test_where_no_socket_can_be_had_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socket", none)
    with pytest.raises(OSError, match="Too many open files"):
        ports.free_port()
