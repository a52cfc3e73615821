"""Outlook's Thread-Index: the conversation's GUID, however much stands behind it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.read import read
from gateway.mail.thread_index import conversation

GUID = bytes(range(0x21, 0x31))
HEADER = b"\x01\xd9\x3c\x01\x02\x03" + GUID
REPLY = b"\x80\x00\x0a\x0b\x0c"


def encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@pytest.mark.parametrize("replies", range(7))
def test_all_mails_of_a_conversation_give_the_same(replies: int) -> None:
    assert conversation(encoded(HEADER + REPLY * replies)) == GUID.hex()


def test_the_time_in_it_means_nothing() -> None:
    assert conversation(encoded(b"\x01\x01\xd9\x44\x05\x06" + GUID)) == GUID.hex()
    assert conversation(encoded(HEADER[:-1] + b"\x00")) not in ("", GUID.hex())


@pytest.mark.parametrize(
    "value",
    [
        encoded(HEADER + REPLY)[:30] + "\r\n " + encoded(HEADER + REPLY)[30:],  # folded
        encoded(HEADER + REPLY)[:12] + " " + encoded(HEADER + REPLY)[12:],
        "\r\n\t\t".join(encoded(HEADER + REPLY)[at : at + 4] for at in range(0, 36, 4)),
        encoded(HEADER).rstrip("="),
        encoded(HEADER) + "==",
        encoded(HEADER + REPLY + b"\x01"),  # cut in a reply
        encoded(HEADER + REPLY)[:-1] + "!é",
    ],
)
def test_as_it_comes(value: str) -> None:
    assert conversation(value) == GUID.hex()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "!",
        "é",
        "AQ==",
        encoded(HEADER[:-1]),  # too short
        encoded(b"\x02" + HEADER[1:]),  # reserved, and must be 1
        encoded(HEADER[:6] + bytes(16)),  # no GUID: the same in all such mails
        encoded(HEADER[:6] + b"\xff" * 16),
        "<a1@x.example>",
    ],
)
def test_malformed(value: str) -> None:
    assert conversation(value) == ""


@given(st.text(max_size=100) | st.binary(max_size=60).map(encoded))
def test_whatever_stands_there(value: str) -> None:
    found = conversation(value)
    assert found == "" or (len(found) == 32 and bytes.fromhex(found))


def test_a_mail_has_it() -> None:
    folded = encoded(HEADER + REPLY).encode()
    assert read(b"Thread-Index: " + folded[:20] + b"\r\n " + folded[20:] + b"\r\n\r\n").thread_index == GUID.hex()
    assert read(b"Thread-Index:\r\n\r\n").thread_index == ""
    assert read(b"Subject: x\r\n\r\n").thread_index == ""
