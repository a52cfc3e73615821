"""What our own checks are made of: questions within bounds, DMARC's tree walk, the body's hash."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inspection import dmarc
from gateway.inspection.body import _BLOCK, Body
from gateway.inspection.questions import MOST, Questions, Unanswered
from gateway.inspection.resolver import resolver
from tests.servers.dns import serving

# --- questions -------------------------------------------------------------------------------------------


def test_questions_end_with_their_time_and_their_number() -> None:
    now = 0.0
    given_seconds: list[float] = []

    def ask(name: str, kind: str, seconds: float) -> tuple[Any, ...]:
        given_seconds.append(seconds)
        return ()

    hasty = Questions(ask, deadline=4, clock=lambda: now)
    hasty.records("a.example", "TXT")
    now = 2.5
    hasty.records("a.example", "TXT")
    now = 4.0
    with pytest.raises(Unanswered, match="too long"):
        hasty.records("a.example", "TXT")
    assert given_seconds == [3.0, 1.5]

    many = Questions(ask, deadline=4, clock=lambda: 0.0)
    for _ in range(MOST):
        many.records("a.example", "TXT")
    with pytest.raises(Unanswered, match="questions"):
        many.records("a.example", "TXT")


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "x" * 64 + ".example", "a." * 200, "\\", "\\999", "é.example", "\x00"]
)
def test_a_name_that_is_none_has_no_records(name: str) -> None:
    with serving({}) as server:
        assert Questions(resolver(server.address)).texts(name) == ()


def test_texts_are_whole_and_not_too_long() -> None:
    with serving({("a.example", "TXT"): ["x" * 600, "y" * 5_000]}) as server:
        assert Questions(resolver(server.address)).texts("a.example") in {(b"x" * 600,), ()}


# --- DMARC -----------------------------------------------------------------------------------------------


def published(zone: dict[str, str]) -> dmarc.Texts:
    return lambda name: tuple(zone[name].encode().split(b"|")) if name in zone else ()


def outcome(zone: dict[str, str], domain: str, *signed: str, sender: str = "") -> str:
    texts = published(zone)
    return dmarc.evaluate(dmarc.policy(domain, texts), signed, sender, texts).result


ORGANISATION = {"_dmarc.example.org": "v=DMARC1; p=reject; sp=quarantine"}
SUFFIX = {"_dmarc.gov.example": "v=DMARC1; p=reject; psd=y"}


@pytest.mark.parametrize(
    ("zone", "domain", "signed", "expected"),
    [
        (ORGANISATION, "example.org", "example.org", "pass"),
        (ORGANISATION, "a.example.org", "b.example.org", "pass"),
        (ORGANISATION, "example.org", "c.b.a.example.org", "pass"),
        (ORGANISATION, "example.org", "notexample.org", "fail"),
        (ORGANISATION, "example.org", "org", "fail"),
        (ORGANISATION, "example.org", "example.org.attack.example", "fail"),
        (ORGANISATION | {"_dmarc.b.example.org": "v=DMARC1; p=none; psd=n"}, "example.org", "b.example.org", "fail"),
        (SUFFIX, "a.gov.example", "mail.a.gov.example", "pass"),
        (SUFFIX, "a.gov.example", "b.gov.example", "fail"),
        ({}, "example.org", "example.org", "none"),
        ({"_dmarc.example.org": "v=DMARC1; p=reject|v=DMARC1; p=none"}, "example.org", "x.example", "none"),
        ({"_dmarc.example.org": "v=DMARC1; p=reject|other"}, "example.org", "x.example", "fail"),
        ({"_dmarc.example.org": "p=reject; v=DMARC1"}, "example.org", "x.example", "none"),
        ({"_dmarc.example.org": "v=DMARC10; p=reject"}, "example.org", "x.example", "none"),
        ({"_dmarc.example.org": "v=DMARC1; adkim=s; p=reject"}, "example.org", "a.example.org", "fail"),
    ],
)
def test_who_speaks_for_whom(zone: dict[str, str], domain: str, signed: str, expected: str) -> None:
    assert outcome(zone, domain, signed) == expected
    assert (
        outcome({name: text.replace("adkim", "aspf") for name, text in zone.items()}, domain, sender=signed)
        == expected
    )


@pytest.mark.parametrize(
    ("zone", "domain", "asked"),
    [
        (ORGANISATION, "example.org", "reject"),
        (ORGANISATION, "a.example.org", "quarantine"),
        (SUFFIX, "a.gov.example", "reject"),
        ({"_dmarc.example.org": "v=DMARC1"}, "example.org", "none"),
        ({"_dmarc.example.org": "v=DMARC1; p=refuse"}, "example.org", "none"),
        ({"_dmarc.example.org": "v=DMARC1; p=reject; t=y"}, "example.org", "none"),
        ({"_dmarc.example.org": "V = DMARC1 ; P = Reject"}, "example.org", "none"),
        ({"_dmarc.example.org": "v = DMARC1 ; P = Reject"}, "example.org", "reject"),
        ({}, "example.org", "none"),
    ],
)
def test_what_a_domain_asks_for(zone: dict[str, str], domain: str, asked: str) -> None:
    assert dmarc.policy(domain, published(zone)).asked == asked


def test_a_long_name_is_walked_up_in_eight_steps() -> None:
    asked: list[str] = []

    def texts(name: str) -> tuple[bytes, ...]:
        asked.append(name)
        return ()

    dmarc.policy(".".join("abcdefghijkl") + ".example", texts)
    assert len(asked) == 8
    assert asked[0] == "_dmarc.a.b.c.d.e.f.g.h.i.j.k.l.example"
    assert asked[1:3] == ["_dmarc.g.h.i.j.k.l.example", "_dmarc.h.i.j.k.l.example"]


def test_a_name_is_not_cut_off_at_a_hyphen() -> None:
    assert (
        outcome({"_dmarc.legit.example": "v=DMARC1; p=reject"}, "legit.example", "legit.example-attack.example")
        == "fail"
    )


# --- the body's hash -------------------------------------------------------------------------------------

_pieces = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"bc", b"  \t ", b"\r\n\r\n", b" \r\n"]), max_size=40)


@given(_pieces)
@settings(max_examples=300)
def test_the_body_is_hashed_as_dkimpy_hashes_it(pieces: list[bytes]) -> None:
    body = b"".join(pieces) + b"\r\n"
    assert Body(body).digest(b"relaxed/simple") == hashlib.sha256(Simple.canonicalize_body(body)).digest()
    assert Body(body).digest(b"simple/relaxed") == hashlib.sha256(Relaxed.canonicalize_body(body)).digest()


@pytest.mark.parametrize("run", [b" ", b"\t", b"\r\n", b"a "])
def test_nothing_is_lost_between_blocks(run: bytes) -> None:
    body = b"a" * (_BLOCK - 5) + run * 10 + b"b" * (_BLOCK - 10) + b" \r\n\r\n"
    assert Body(body).digest(b"r/relaxed") == hashlib.sha256(Relaxed.canonicalize_body(body)).digest()


def test_no_hash_for_what_is_not_known() -> None:
    assert Body(b"x\r\n").digest(b"relaxed/nowsp") == b""
    assert Body(b"x\r\n").digest(b"relaxed") == Body(b"x\r\n").digest(b"simple/simple")
