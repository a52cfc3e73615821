"""The door: which octets may leave, and what exactly is written to the wire."""

from __future__ import annotations

import re

import pytest
from aiosmtplib.email import quote_address
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.relay.wire import FIELDS, WireError, assert_wire, enveloped, path, transmitted

GOOD = b"From: a@x\r\nTo: b@x\r\n\r\ntext\r\n"
NAMES = ("From", "To")
FAULTY = [
    GOOD.replace(b"\r\nTo", b"\r\nX-Other: e@x\r\nTo"),
    GOOD.replace(b"\r\nTo", b"\r\nBcc: e@x\r\nTo"),
    GOOD.replace(b"\r\nTo", b"\r\nFrom: e@x\r\nTo"),
    b"To: b@x\r\nFrom: a@x\r\n\r\ntext\r\n",
    GOOD.replace(b"a@x", b"a\n@x"),
    GOOD.replace(b"a@x", b"a\r@x"),
    GOOD.replace(b"a@x", b"a\0@x"),
    GOOD.replace(b"text", b"te\nxt"),
    GOOD.replace(b"text", b"te\rxt"),
    GOOD.replace(b"text", b"te\r\r\n\nxt"),
    GOOD.replace(b"text", b"te\0xt"),
    GOOD.replace(b"text", b"\n.\r\n"),
    GOOD.replace(b"text", b"\r.\r"),
    GOOD.replace(b"text", b"x" * 999),
    GOOD.replace(b"a@x", b"x" * 999),
    GOOD.replace(b"\r\n\r\n", b"\r\n"),
    GOOD.replace(b"\r\nTo", b"\r\n\xe9To"),
    b"",
]


def test_what_was_meant_may_leave() -> None:
    assert_wire(GOOD, NAMES)
    assert_wire(GOOD.replace(b"a@x", b"a@x\r\n\tc"), NAMES)
    assert_wire(GOOD.replace(b"text", b"x" * 998), NAMES)
    assert transmitted(GOOD.replace(b"text", b"." * 998)).endswith(b"\r\n" + b"." * 999 + b"\r\n.\r\n")


@pytest.mark.parametrize("mail", [*FAULTY, GOOD.replace(b"\r\nTo", b"\r\n\r\nTo")])
def test_what_wasnt_meant_may_not(mail: bytes) -> None:
    with pytest.raises(WireError):
        assert_wire(mail, NAMES)


@pytest.mark.parametrize("mail", FAULTY)
def test_a_transport_gets_no_octet_of_it(mail: bytes) -> None:
    with pytest.raises(WireError):
        transmitted(mail)


def test_the_fields_are_a_closed_list() -> None:
    every = b"".join(f"{name}: x\r\n".encode() for name in FIELDS) + b"\r\n"
    assert transmitted(every) == every + b".\r\n"
    for extra in ("Bcc", "Sender", "Resent-To", "X-Envelope-To"):
        with pytest.raises(WireError):
            assert_wire(f"{extra}: x\r\n".encode() + GOOD, (extra, *NAMES))


# --- what is written after 354 ---------------------------------------------------------------------------

lines = st.lists(
    st.sampled_from([b"", b".", b"..", b".x", b"x", b"MAIL FROM:<a@b>", b" ."]) | st.binary(max_size=9), max_size=9
).map(lambda each: b"\r\n".join(re.sub(rb"[\r\n\0]", b"", line) for line in each))


@given(lines)
@example(b".")
@example(b"x\r\n.\r\n")
def test_one_mail_comes_out_at_the_other_end_as_it_went_in(body: bytes) -> None:
    mail = GOOD + body
    octets = transmitted(mail)
    received: list[bytes] = []
    *told, rest = octets.split(b"\r\n")
    for number, line in enumerate(told):  # the reading side of RFC 5321 §4.5.2
        if line == b".":
            assert number == len(told) - 1
            break
        received.append(line.removeprefix(b"."))
    assert (told[-1], rest) == (b".", b"")
    assert b"".join(line + b"\r\n" for line in received) == mail + (b"" if mail.endswith(b"\r\n") else b"\r\n")


# --- addresses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "a@b.fr",
        "a.b+c=d'e_f-g%h!i@b-c.example",
        "é@exemple.fr",
        "a@é.fr",
        '"a b"@x.fr',
        "a..b.@x.fr",
        "a" * 240 + "@x.fr",
    ],
)
def test_a_plain_mailbox_stands_in_a_command(address: str) -> None:
    assert path(address) == f"<{address}>"


def test_the_null_reverse_path() -> None:
    assert path("") == "<>"


@pytest.mark.parametrize(
    "address",
    [
        "a",
        "@b.fr",
        "a@",
        "a@b.fr>",
        "<a@b.fr>",
        "a@b.fr> SIZE=1",
        "a@b.fr SMTPUTF8",
        "a@b.fr>\r\nRCPT TO:<e@x.fr",
        "a@b.fr\r\nDATA",
        "a@b.fr\n",
        "a@b.fr\0",
        "a\t@b.fr",
        "a@b.fr,c@d.fr",
        "X <a@b.fr>",
        "@c.fr:a@b.fr",
        "a@b@c.fr",
        "a(x)@b.fr",
        "a@[127.0.0.1]",
        '"a>b"@c.fr',
        '"a\\" b"@c.fr',
        '"a\r\nb"@c.fr',
        "a@b\u2028.fr",
        "a@b\u0085.fr",
        "a@b\u200b.fr",
        "a@b\u00a0.fr",
        "a@b\u202e.fr",
        "a@\udcff.fr",
        "a" * 250 + "@x.fr",
    ],
)
def test_what_a_server_could_misread_stands_in_none(address: str) -> None:
    with pytest.raises(WireError):
        path(address)
    with pytest.raises(WireError):
        enveloped(address, "a@b.fr", GOOD)
    with pytest.raises(WireError):
        enveloped("a@b.fr", address, GOOD)


odd = st.text(st.sampled_from('ab.@"<>(), :;\\[]\r\n\t\0é+%!\u2028\u200b=?'), max_size=12)
mostly = st.text(st.sampled_from("ab.-+é%!'=?/{}|&~^`$#*"), min_size=1, max_size=12)


@given(odd | st.builds("{}@{}".format, mostly, mostly) | st.builds('"{}"@{}'.format, odd, mostly))
@example("=?utf-8?q?a?=@b.fr")
def test_the_library_writes_the_address_that_was_looked_at(address: str) -> None:
    try:
        expected = path(address)
    except WireError:
        return
    assert quote_address(address) == expected
    assert re.fullmatch(r"<[^<>\r\n\0]*>", expected)
