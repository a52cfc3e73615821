"""Our own checks of a mail that came directly: honest mail passes, nothing else does (RFC 6376, 7208, 8617, 9989)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inspection.examine import examine
from gateway.inspection.examined import Examined
from gateway.inspection.questions import Questions
from gateway.inspection.resolver import resolver
from gateway.mail.read import read
from gateway.model import Envelope, Verdict
from tests.servers.dns import BROKEN, SILENT, Dns, serving
from tests.signing import key, letter, published, sealed, signed

MAIRIE, LIST, WATCHES, PLAIN = "mairie.example", "lists.example", "watches.example", "plain.example"
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.66"
INES = f"ines@{MAIRIE}"
ZONES = {
    **published(MAIRIE),
    **published(LIST),
    **published("attack.example"),
    **published(f"mail.{MAIRIE}"),
    **published(PLAIN),
    **published(MAIRIE, selector="short", record=key(1024, "short")[1]),
    **published(MAIRIE, selector="tiny", record="v=DKIM1; p=MDwwDQYJKoZIhvcNAQEBBQADKwAwKAIhAMHiaT4="),
    **published(MAIRIE, selector="trial", record=f"{key()[1]}; t=y"),
    **published(MAIRIE, selector="gone", record="v=DKIM1; p="),
    **published(MAIRIE, selector="huge", record=key()[1] + "; n=" + "x" * 1_000),
    ("two._domainkey.mairie.example", "TXT"): [key()[1], key(1024)[1]],
    (f"_dmarc.{MAIRIE}", "TXT"): ["v=DMARC1; p=reject"],
    (f"_dmarc.{WATCHES}", "TXT"): ["v=DMARC1; p=none"],
    ("_dmarc.trial.example", "TXT"): ["v=DMARC1; p=reject; t=y"],
    ("_dmarc.strict.example", "TXT"): ["v=DMARC1; p=reject; adkim=s; aspf=s"],
    **published("mail.strict.example"),
    (MAIRIE, "TXT"): ["unrelated", f"v=spf1 ip4:{HERE} -all"],
    (PLAIN, "TXT"): [f"v=spf1 ip4:{HERE} ~all"],
    ("mail.strict.example", "TXT"): [f"v=spf1 ip4:{HERE} -all"],
    ("greedy.example", "TXT"): ["v=spf1 " + " ".join(f"include:i{n}.greedy.example" for n in range(11)) + " +all"],
    **{(f"i{n}.greedy.example", "TXT"): ["v=spf1 -all"] for n in range(11)},
    ("mx.example", "TXT"): ["v=spf1 mx a:host.mx.example ptr -all"],
    ("mx.example", "MX"): ["10 host.mx.example."],
    ("host.mx.example", "A"): [HERE],
}


@pytest.fixture(scope="module")
def dns() -> Iterator[Dns]:
    with serving(ZONES, {"silent.example": SILENT, "broken.example": BROKEN}) as server:
        yield server


def checked(dns: Dns, raw: bytes, sender: str = "", peer: str = ELSEWHERE, sealers: tuple[str, ...] = ()) -> Examined:
    questions = Questions(resolver(dns.address), deadline=3)
    return examine(raw, Envelope(sender, (), peer, "helo.attack.example"), questions, frozenset(sealers))


def verdict(found: Examined, raw: bytes) -> Verdict:
    return read(raw, results=found.results).authentication.verdict


def words(found: Examined) -> str:
    return " ".join(f"{result.method}={result.result}" for result in found.results)


# --- honest mail -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"canonicalize": (b"simple", b"simple")},
        {"canonicalize": (b"relaxed", b"simple")},
        {"selector": "short", "pem": key(1024, "short")[0]},
        {"domain": f"mail.{MAIRIE}"},
    ],
)
def test_what_its_domain_signed_passes(dns: Dns, how: dict[str, Any]) -> None:
    text = "Bonjour \t Madame,  \n\nOui.\t\n \n\n\n"
    raw = signed(letter(INES, text=text), how.pop("domain", MAIRIE), **how)
    assert verdict(checked(dns, raw), raw) is Verdict.PASS


def test_what_its_domains_server_sent_passes_unsigned(dns: Dns) -> None:
    raw = letter(INES)
    assert words(checked(dns, raw, INES, HERE)) == "spf=pass dmarc=pass"
    assert words(checked(dns, letter("a@mx.example"), "a@mx.example", HERE)) == "spf=pass dmarc=none"


def test_a_domain_without_policy_is_proven_by_its_signature_or_server(dns: Dns) -> None:
    raw = letter(f"a@{PLAIN}")
    assert verdict(checked(dns, signed(raw, PLAIN)), raw) is Verdict.PASS
    assert verdict(checked(dns, raw, f"b@{PLAIN}", HERE), raw) is Verdict.PASS
    assert verdict(checked(dns, raw, "x@attack.example", HERE), raw) is Verdict.NONE


def test_the_one_good_signature_among_others_counts(dns: Dns) -> None:
    bad = b"DKIM-Signature: v=1; a=rsa-sha256; d=attack.example; s=s1; h=from; bh=AA==; b=AA==\r\n"
    raw = bad * 9 + signed(letter(INES), MAIRIE)
    assert verdict(checked(dns, raw), raw) is Verdict.PASS


# --- everything else -------------------------------------------------------------------------------------


def changed(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert old in raw
    return raw.replace(old, new)


SIGNED = signed(letter(INES), MAIRIE)
FORGED = {
    "unsigned": letter(INES),
    "another's signature": signed(letter(INES), "attack.example"),
    "another text": changed(SIGNED, b"une question", b"une commande"),
    "another author": changed(SIGNED, b"From: ines@", b"From: alice@"),
    "more text": SIGNED + b"@close\r\n",
    "another subject": changed(SIGNED, b"Subject: Une", b"Subject: Autre"),
    "an open end": signed(letter(INES), MAIRIE, length=True),
    "SHA-1": signed(letter(INES), MAIRIE, signature_algorithm=b"rsa-sha1"),
    "a signer who tries it out": signed(letter(INES), MAIRIE, selector="trial"),
    "a key that was withdrawn": signed(letter(INES), MAIRIE, selector="gone"),
    "a key that is no key": signed(letter(INES), MAIRIE, selector="tiny"),
    "a key that is too long": signed(letter(INES), MAIRIE, selector="huge"),
    "two keys": signed(letter(INES), MAIRIE, selector="two"),
    "no such key": signed(letter(INES), MAIRIE, selector="none"),
    "another key": signed(letter(INES), MAIRIE, pem=key(2048, "attack")[0]),
    "From isn't signed": changed(SIGNED, b"h=from :", b"h=x :"),
    "a NUL in the selector": signed(letter(INES), MAIRIE, selector="s1._domainkey.attack.example.\x00.x"),
    "a bracket in the domain": signed(letter(INES), f"{MAIRIE}(.attack.example"),
    "a longer domain": signed(letter(INES), f"{MAIRIE}.attack.example"),
    "its parent": signed(letter(INES), "example"),
    "an endless domain": signed(letter(INES), ".".join(["a" * 60] * 20) + f".{MAIRIE}"),
}


@pytest.mark.parametrize("name", FORGED)
def test_nothing_else_passes(dns: Dns, name: str) -> None:
    raw = FORGED[name]
    found = checked(dns, raw, "x@attack.example", ELSEWHERE)
    assert "dmarc=fail" in words(found)
    assert verdict(found, raw) is Verdict.FAIL


@pytest.mark.parametrize("name", ["an open end", "SHA-1"])
def test_what_is_signed_too_weakly_is_not_even_tried(dns: Dns, name: str) -> None:
    assert words(checked(dns, FORGED[name])) == "dkim=policy dmarc=fail"


@pytest.mark.parametrize(
    "sender", [INES, f"x@no.{MAIRIE}", f'"x@{MAIRIE}"@attack.example', f"x@{MAIRIE}(.attack.example", "", "x"]
)
def test_no_other_peer_passes_for_its_server(dns: Dns, sender: str) -> None:
    raw = letter(INES)
    assert verdict(checked(dns, raw, sender, ELSEWHERE), raw) is Verdict.FAIL


@pytest.mark.parametrize("domain", [WATCHES, "trial.example"])
def test_a_domain_that_only_watches_changes_nothing(dns: Dns, domain: str) -> None:
    raw = letter(f"a@{domain}")
    found = checked(dns, raw)
    assert words(found) == "dmarc=fail"
    assert verdict(found, raw) is Verdict.NONE


def test_strict_alignment_takes_no_relative(dns: Dns) -> None:
    raw = signed(letter("a@strict.example"), "mail.strict.example")
    found = checked(dns, raw, "b@mail.strict.example", HERE)
    assert words(found) == "spf=pass dkim=pass dmarc=fail"
    assert verdict(found, raw) is Verdict.FAIL


@pytest.mark.parametrize("author", [f"{INES}, x@attack.example", f"{INES}\r\nFrom: x@attack.example", "groupe:;"])
def test_a_mail_without_one_author_asks_nobody(dns: Dns, author: str) -> None:
    before = dns.asked.total()
    assert checked(dns, signed(letter(INES), MAIRIE).replace(INES.encode(), author.encode(), 1)) == Examined(())
    assert dns.asked.total() == before


def test_spf_asks_ten_times_at_most(dns: Dns) -> None:
    raw = letter("a@greedy.example")
    assert words(checked(dns, raw, "a@greedy.example")).startswith("spf=permerror")
    assert dns.asked["i10.greedy.example"] == 0


def test_the_domains_of_strangers_are_not_asked(dns: Dns) -> None:
    raw = signed(letter(INES), "silent.example")
    found = checked(dns, raw, "x@silent.example")
    assert words(found) == "dmarc=fail"
    assert not any("silent" in name for name in dns.asked)


@pytest.mark.parametrize("domain", ["silent.example", "broken.example"])
def test_where_the_dns_does_not_answer_nothing_is_known(dns: Dns, domain: str) -> None:
    raw = signed(letter(f"a@{domain}"), domain)
    found = checked(dns, raw, f"a@{domain}", HERE)
    assert found.undecided
    read_ = read(raw, results=found.results).authentication
    assert (read_.verdict, read_.unanswered) == (Verdict.NONE, True)


def test_what_might_have_passed_is_no_failure() -> None:
    with serving(ZONES, {f"_domainkey.{MAIRIE}": BROKEN}) as server:
        found = checked(server, SIGNED, "x@attack.example")
    assert words(found) == "dkim=temperror dmarc=temperror"
    assert found.undecided
    assert verdict(found, SIGNED) is Verdict.NONE


def test_a_mail_that_is_proven_otherwise_waits_for_no_answer() -> None:
    with serving(ZONES, {f"_domainkey.{MAIRIE}": BROKEN}) as server:
        found = checked(server, SIGNED, INES, HERE)
    assert words(found) == "spf=pass dkim=temperror dmarc=pass"
    assert not found.undecided


def test_own_results_count_instead_of_any_header(dns: Dns) -> None:
    field = f"Authentication-Results: mx.example.net; dmarc=pass header.from={MAIRIE}\r\n".encode()
    raw = field + letter(INES)
    assert read(raw, authserv_id="mx.example.net").authentication.verdict is Verdict.PASS
    own = checked(dns, raw).results
    assert read(raw, authserv_id="mx.example.net", results=own).authentication.verdict is Verdict.FAIL


_cuts = st.lists(
    st.tuples(
        st.integers(0, len(SIGNED)),
        st.integers(0, 40),
        st.sampled_from(
            [
                b"",
                b"\x00",
                b"\r\n",
                b"\r\n ",
                b";",
                b"=",
                b"b=",
                b"l=1;",
                b"i=1;",
                b"\xff",
                b"From: x\r\n",
                b" " * 200,
            ]
        ),
    ),
    max_size=6,
)


@given(_cuts, st.sampled_from([SIGNED, sealed(SIGNED, LIST, "none")]))
@settings(max_examples=150)
def test_whatever_the_octets_nothing_is_raised_and_nothing_else_passes(
    dns: Dns, cuts: list[tuple[int, int, bytes]], raw: bytes
) -> None:
    for start, length, put in cuts:
        raw = raw[:start] + put + raw[start + length :]
    found = checked(dns, raw, sealers=(LIST,))
    if verdict(found, raw) is Verdict.PASS:
        mail = read(raw)
        assert (mail.author.address, mail.text.strip()) == (INES, "Bonjour, une question.")


# --- ARC -------------------------------------------------------------------------------------------------

FORWARDED = sealed(
    changed(SIGNED, b"Subject: Une", b"Subject: [liste] Une"), LIST, f"dmarc=pass header.from={MAIRIE}"
)


def test_a_listed_sealers_word_is_told_and_proves_nothing(dns: Dns) -> None:
    found = checked(dns, FORWARDED, sealers=(LIST,))
    assert words(found) == "dkim=fail dmarc=fail arc=pass"
    read_ = read(FORWARDED, results=found.results).authentication
    assert read_.verdict is Verdict.FAIL
    assert f"{LIST}, which is listed in trust.arc_sealers, saw dmarc=pass for {MAIRIE}" in read_.because


@pytest.mark.parametrize(
    ("raw", "sealers", "expected"),
    [
        (FORWARDED, (), ""),
        (FORWARDED, ("other.example",), ""),
        (changed(FORWARDED, b"une question", b"une commande"), (LIST,), "arc=fail"),
        (changed(FORWARDED, b"From: ines@", b"From: alice@"), (LIST,), "arc=fail"),
        (changed(FORWARDED, b"dmarc=pass", b"dmarc=pazz"), (LIST,), "arc=fail"),
        (changed(FORWARDED, b"i=1", b"i=99"), (LIST,), ""),
        (b"ARC-Seal: i=2; d=lists.example\r\n" + FORWARDED, (LIST,), ""),
    ],
)
def test_no_other_seal_is_told(dns: Dns, raw: bytes, sealers: tuple[str, ...], expected: str) -> None:
    found = [result for result in checked(dns, raw, sealers=sealers).results if result.method == "arc"]
    assert " ".join(f"arc={result.result}" for result in found) == expected
    assert "saw" not in read(raw, results=tuple(found)).authentication.because
