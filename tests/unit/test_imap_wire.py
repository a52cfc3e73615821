"""Octets from the server become replies, however they are cut; and never more is held than was asked for."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Temporary
from gateway.intake.imap_wire import MAX_LINE, Wire, harmless

LITERAL = b"1) * 9 EXISTS\r\n(\r\n{7}\r\n"
STREAM = (
    b"* OK {7} hello\r\n* 3 FETCH (UID 7 BODY[] {%d}\r\n%b FLAGS ())\r\n* 4 EXISTS\r\n* LIST () {0}\r\n x\r\n"
    b"* NO it is {99}\r\n" % (len(LITERAL), LITERAL)
)


class Line:
    """A transport that keeps what is written and whether it was ended."""

    def __init__(self) -> None:
        self.written = b""
        self.aborted = False
        self.wrote = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.wrote.set()
        self.written += data

    def abort(self) -> None:
        self.aborted = True


def connected() -> tuple[Any, Line]:
    wire, line = Wire(), Line()
    wire.connection_made(line)
    return wire, line


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_however_the_stream_is_cut_the_replies_are_the_same(cuts: list[int]) -> None:
    async def play() -> None:
        wire, line = connected()
        edges = [0, *sorted(cuts), len(STREAM)]
        for low, high in pairwise(edges):
            wire.data_received(STREAM[low:high])
        assert wire.greeting.result() == b"* OK {7} hello"
        assert wire.exists == 4
        first = b"* 3 FETCH (UID 7 BODY[] {%d}" % len(LITERAL)
        assert wire._replies == [
            (first, LITERAL, b" FLAGS ())"),
            (b"* LIST () {0}", b"", b" x"),
            (b"* NO it is {99}",),
        ]
        assert not line.aborted

    asyncio.run(play())


async def test_ten_thousand_lines_at_once_are_no_trouble() -> None:
    wire, line = connected()
    wire.data_received(b"* OK hello\r\n" + b"".join(b"* %d EXISTS\r\n" % n for n in range(1, 10_001)))
    assert wire.exists == 10_000
    assert wire.news.is_set()
    assert not line.aborted


@pytest.mark.parametrize(
    "octets",
    [
        b"* 1 FETCH (BODY[] {2147483648}\r\n",
        b"* 1 FETCH (BODY[] {99999999999999999999}\r\n",
        b"x" * (MAX_LINE + 10),
        b"* 1 FETCH (BODY[] {900000}\r\n" + (b"y" * 900_000 + b" {900000}\r\n") * 3,
        (b"* LIST " + b"z" * 1000 + b"\r\n") * 1100,
        b"+ go on\r\n",
        b"A1 OK I never asked\r\n",
        b"\xff\xff OK what\r\n",
    ],
)
async def test_what_nobody_asked_for_ends_the_connection(octets: bytes) -> None:
    wire, line = connected()
    wire.data_received(b"* OK hello\r\n")
    before = line.aborted
    wire.data_received(octets)
    assert (before, line.aborted) == (False, True)
    with pytest.raises(Temporary):
        await wire.run("NOOP", deadline=1)


async def test_the_end_of_the_connection_ends_the_command() -> None:
    wire, _ = connected()
    wire.state = "NONAUTH"
    running = asyncio.ensure_future(wire.run("NOOP", deadline=60))
    await asyncio.sleep(0)
    wire.connection_lost(None)
    with pytest.raises(Temporary, match="closed"):
        await running


async def test_a_deadline_ends_the_connection() -> None:
    wire, line = connected()
    wire.state = "NONAUTH"
    with pytest.raises(Temporary, match="no answer to NOOP"):
        await wire.run("NOOP", deadline=0.01)
    assert line.aborted


async def test_only_what_is_wanted_is_kept() -> None:
    wire, line = connected()
    wire.data_received(b"* OK hello\r\n")
    wire.state = "SELECTED"
    running = asyncio.ensure_future(
        wire.run("SEARCH", "UID", "1:9", prefix="UID", deadline=5, wanted=lambda start: b"SEARCH" in start)
    )
    await line.wrote.wait()
    tag = line.written.split()[0]
    wire.data_received(b"* 3 FETCH (FLAGS ())\r\n* 9 EXISTS\r\n* SEARCH 4\r\n* 2 EXPUNGE\r\n")
    wire.data_received(tag + b" OK done\r\n")
    answer = await running
    assert answer.status == "OK"
    assert answer.replies == ((b"* SEARCH 4",),)
    assert wire.exists == 8


def test_what_a_server_said_is_harmless_in_a_log() -> None:
    said = harmless(b"Login of marie@mairie.example failed\r\n\x1b[31m" + b"!" * 900)
    assert "marie" not in said
    assert said.isprintable()
    assert len(said) <= 200
