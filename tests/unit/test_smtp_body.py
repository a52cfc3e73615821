"""The octets of DATA: the same mail comes out, however it arrives."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.intake.smtp_body import BLOCK, Body, Flaw, is_malformed

LIMIT = 1000
AWKWARD = st.lists(st.sampled_from([b"\r\n", b".", b"..", b"\r", b"\n", b"\0", b"a", b"bc", b"\r\n.", b"\xff"])).map(
    b"".join
)
LINES = st.lists(st.binary(max_size=12).map(lambda line: re.sub(rb"[\r\n\0]", b".", line))).map(
    lambda lines: b"".join(line + b"\r\n" for line in lines)
)
CUTS = st.lists(st.integers(min_value=0, max_value=300)).map(sorted)


def pieces(wire: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *cuts, len(wire)]
    return [wire[a:b] for a, b in pairwise(bounds)]


def fed(wire: bytes, cuts: list[int], limit: int = LIMIT) -> tuple[bytes | Flaw | None, bytes]:
    """What comes out, and what is left over for the next command."""
    body = Body(limit)
    parts = pieces(wire, cuts)
    for i, piece in enumerate(parts):
        if (rest := body.feed(piece)) is not None:
            return body.take(), rest + b"".join(parts[i + 1 :])
    return None, b""


def line_by_line(wire: bytes) -> tuple[bytes | Flaw | None, bytes]:
    """The reference: one line after the other, as the RFC tells it."""
    lines, rest = list[bytes](), wire
    while b"\r\n" in rest:
        line, _, rest = rest.partition(b"\r\n")
        if line == b".":
            mail = b"".join(lines)
            return (Flaw.MALFORMED if re.search(rb"\r(?!\n)|(?<!\r)\n|\0", mail) else mail), rest
        lines.append(line.removeprefix(b".") + b"\r\n")
    return None, b""


@given(AWKWARD, AWKWARD, CUTS)
@example(b".", b"\r\nQUIT\r\n", [1])
@example(b"\r\n..\r\n", b"", [1, 2, 3, 4])
def test_any_octets_in_any_pieces_are_read_as_line_by_line(before: bytes, after: bytes, cuts: list[int]) -> None:
    wire = before + b"\r\n.\r\n" + after
    assert fed(wire, cuts) == line_by_line(wire)


@given(LINES, CUTS)
def test_a_proper_mail_comes_out_as_it_went_in(mail: bytes, cuts: list[int]) -> None:
    wire = re.sub(rb"(?m)^\.", b"..", mail)
    assert fed(wire + b".\r\n", cuts) == (mail, b"")


@given(AWKWARD)
def test_malformed_is_what_isnt_made_of_whole_lines(octets: bytes) -> None:
    assert is_malformed(octets) == bool(re.search(rb"\r(?!\n)|(?<!\r)\n|\0", octets))


@pytest.mark.parametrize("line", [b"x\r\n", b".\r\n", b"\r\n"])
def test_the_limit_is_exact_and_dots_dont_count(line: bytes) -> None:
    mail = line * (LIMIT // len(line)) + b"\r\n" * (LIMIT % len(line) // 2)
    mail = mail if len(mail) == LIMIT else b"x" * (LIMIT - len(mail)) + mail
    wire = re.sub(rb"(?m)^\.", b"..", mail) + b".\r\n"
    for cuts in ([], [len(wire) - 2], list(range(1, len(wire)))):
        assert fed(wire, cuts) == (mail, b"")
    assert fed(b"x" + wire.removeprefix(b"."), [], limit=LIMIT - 1)[0] is Flaw.TOO_BIG


@given(CUTS)
@example(list(range(1, 200)))
def test_a_mail_too_big_isnt_held_and_its_end_is_found(cuts: list[int]) -> None:
    body = Body(10)
    wire = b"0123456\r\n" * 20 + b".\r\nQUIT\r\n"
    rest = None
    for piece in pieces(wire, cuts):
        if rest is None:
            rest = body.feed(piece)
            assert body.held <= 25 or rest is not None
    assert rest is not None
    assert b"QUIT\r\n".startswith(rest)
    assert body.take() is Flaw.TOO_BIG


def test_a_mail_of_single_octets_takes_linear_time() -> None:
    """Some 0.2 s; looking at everything again for each octet would take minutes."""
    wire = b"." * 300_000 + b"\r\n.\r\n"
    assert fed(wire, list(range(1, len(wire))), limit=400_000) == (b"." * 299_999 + b"\r\n", b"")


@pytest.mark.parametrize("short", range(4))
@pytest.mark.parametrize(("end", "malformed"), [(b"\r\n", False), (b"\r", True), (b"\n", True), (b"\0", True)])
def test_a_large_mail_is_looked_at_in_blocks_and_none_parts_a_line_end(
    short: int, end: bytes, malformed: bool
) -> None:
    assert is_malformed(b"x" * (BLOCK - short) + end + b"x" * BLOCK) is malformed
