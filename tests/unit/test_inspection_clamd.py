"""One answer alone means clean; every other is « held », and none is waited for longer than was said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.inspection import clamd
from gateway.model import Finding, Scan
from tests.patience import PATIENCE
from tests.servers.clamd import CLAMD, MANNERS, MISSING, SIGNATURE, Clamd, impatient, pretended

SHORT = 0.5  # seconds that an answer is waited for
HELD = sorted(MANNERS.keys() - {"honest"})


async def test_what_is_clean_and_what_is_not(tmp_path: Path) -> None:
    with pretended(tmp_path) as server:
        assert await clamd.scan(server.socket, [b"Bonjour", b"x" * 300_000], PATIENCE) == Scan(Finding.CLEAN)
        found = Scan(Finding.INFECTED, "Eicar")
        assert await clamd.scan(server.socket, [b"Bonjour", b"x" * 300_000 + clamd.PROBE], PATIENCE) == found


@pytest.mark.parametrize("manner", HELD)
async def test_whatever_else_it_does_is_no_answer(tmp_path: Path, manner: str) -> None:
    with pretended(tmp_path, manner) as server:
        for pieces in ([b"Bonjour"], [b"x" * 3_000_000], [clamd.PROBE]):
            found = await asyncio.wait_for(clamd.scan(server.socket, pieces, SHORT), PATIENCE)
            assert found.finding is Finding.HELD, found
            assert found.name


async def test_one_that_speaks_before_it_has_seen_all_is_not_believed(tmp_path: Path) -> None:
    with pretended(tmp_path, impatient) as server:
        found = await clamd.scan(server.socket, [b"x" * 3_000_000 + clamd.PROBE], 5)
    assert found.finding is Finding.HELD


async def test_one_that_finds_not_even_the_test_file_is_not_believed(tmp_path: Path) -> None:
    with pretended(tmp_path, "lies") as server:
        found = await clamd.scan(server.socket, [b"Bonjour"], 5)
    assert found == Scan(Finding.HELD, "it doesn't find the test file: it has no signatures")


async def test_what_is_too_large_says_what_to_do(tmp_path: Path) -> None:
    with pretended(tmp_path, "size") as server:
        assert "StreamMaxLength" in (await clamd.scan(server.socket, [b"x"], 5)).name


@pytest.mark.parametrize("socket", ["unix:/nonexistent/clamd.ctl", "127.0.0.1:1"])
async def test_one_that_is_not_there(socket: str) -> None:
    found = await clamd.scan(socket, [b"Bonjour"], 5)
    assert found.finding is Finding.HELD
    assert found.name.startswith("no answer: ")


@pytest.mark.skipif(CLAMD is None, reason=MISSING)
async def test_the_real_one(tmp_path: Path) -> None:
    server = Clamd(tmp_path, limit="1M")
    try:
        assert await clamd.scan(server.socket, [b"Bonjour", b"x" * 900_000], 20) == Scan(Finding.CLEAN)
        found = Scan(Finding.INFECTED, f"{SIGNATURE}.UNOFFICIAL")
        assert await clamd.scan(server.socket, [b"Bonjour", clamd.PROBE], 20) == found
        assert (await clamd.scan(server.socket, [b"x" * 3_000_000], 20)).finding is Finding.HELD
    finally:
        server.close()
