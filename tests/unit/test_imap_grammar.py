"""What servers say, read right or not at all; mailbox names; sequence sets."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake import utf7
from gateway.intake.imap_grammar import announced, code, fetched, found, named, number, numbered, sequence


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("INBOX", "INBOX"),
        ("Traités", "Trait&AOk-s"),
        ("R&D", "R&-D"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501 §5.1.3's example
        ("a\r\nb", "a&AA0ACg-b"),
    ],
)
def test_a_mailbox_name_becomes_modified_utf7(name: str, wire: str) -> None:
    assert utf7.encode(name) == wire


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_name_is_printable_ascii_and_can_be_read_back(name: str) -> None:
    wire = utf7.encode(name)
    assert re.fullmatch(r"[\x20-\x7e]*", wire)
    assert re.sub(r"&([^-]*)-", lambda m: _unshift(m[1]) if m[1] else "&", wire) == name


def _unshift(text: str) -> str:
    return base64.b64decode(text.replace(",", "/") + "=" * (-len(text) % 4)).decode("utf-16-be")


def test_a_fetch_reply_is_read_in_any_order() -> None:
    one = fetched(
        (
            b"* 7 FETCH (FLAGS (\\Seen (x)) BODY[] {5}",
            b"a)(b\n",
            b' INTERNALDATE " 1-Feb-2026 23:30:00 -0130" RFC822.SIZE 5 UID 42)',
        )
    )
    assert one is not None
    assert (one.uid, one.size, one.raw) == (42, 5, b"a)(b\n")
    assert one.internaldate == datetime(2026, 2, 2, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reply", "raw"),
    [
        ((b"* 1 FETCH (UID 1 BODY[] NIL)",), None),
        ((b'* 1 FETCH (UID 1 BODY[] "a\\"b")',), b'a"b'),
        ((b"* 1 FETCH (UID 1 BODY[] {3}", b"NIL", b")"), b"NIL"),
        ((b"* 1 FETCH (UID 1 BODY[] {0}", b"", b")"), b""),
        ((b"* 1 FETCH (UID 1 FLAGS (BODY[] x))",), None),
    ],
)
def test_only_a_string_is_a_body(reply: tuple[bytes, ...], raw: bytes | None) -> None:
    one = fetched(reply)
    assert one is not None
    assert one.raw == raw


@pytest.mark.parametrize("date", [b"31-Feb-2026 10:00:00 +0000", b"1-Foo-2026 10:00:00 +0000", b"yesterday"])
def test_a_date_that_is_none_is_none(date: bytes) -> None:
    one = fetched((b'* 1 FETCH (UID 1 INTERNALDATE "' + date + b'")',))
    assert one is not None
    assert one.internaldate is None


def test_a_literal_is_announced_at_the_end_of_a_line_but_not_in_plain_text() -> None:
    assert announced(b"* 1 FETCH (BODY[] {123}") == 123
    assert announced(b"* OK have a look at {123}") is None
    assert announced(b"* 1 FETCH (BODY[] {123} ") is None


def test_counts_codes_and_numbers() -> None:
    assert numbered(b"* 23 EXISTS") == (23, b"EXISTS")
    assert numbered(b"* 23 FETCH (FLAGS ())") is None
    assert code(b"* OK [UIDNEXT 12] next", b"UIDNEXT") == b"12"
    assert code(b"* OK [READ-ONLY] done", b"READ-ONLY") == b""
    assert code(b"* OK done", b"UIDNEXT") is None
    assert number(b"4294967295") == 4294967295
    assert number(b"-1") is None
    assert found([(b"* SEARCH 3 1 x 99999999999",), (b"* SEARCH",), (b"* SEARCH 2",)]) == {1, 2, 3}


@given(st.sets(st.integers(1, 200)))
def test_a_sequence_set_names_its_members_and_no_other(uids: set[int]) -> None:
    assert named(sequence(uids).encode(), range(1, 201)) == uids


def test_a_huge_range_is_not_expanded() -> None:
    assert named(b"1:4294967295", [5, 7]) == {5, 7}


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_reading_never_raises(parts: list[bytes]) -> None:
    fetched((b"* 1 FETCH (" + parts[0], *parts[1:]))
    found([tuple(parts)])
    for part in parts:
        announced(part)
        numbered(part)
        code(part, b"COPYUID")
        named(part, [1])
