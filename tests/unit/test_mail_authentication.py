"""Authentication-Results: only the trusted server's own field counts (RFC 8601 §5), and only what it really says."""

from __future__ import annotations

import pytest

from gateway.mail.authentication import aligned, parse
from gateway.mail.read import read
from gateway.model import Verdict
from tests.security import forgeries

PASS = "mx.example.net; dmarc=pass header.from=example.org"


def verdict(*fields: str, sender: str = "claire@example.org", authserv_id: str = "mx.example.net") -> Verdict:
    raw = "\n".join((*fields, f"From: {sender}", "Subject: x", "", "")).encode()
    return read(raw, authserv_id=authserv_id).authentication.verdict


def results(value: str, **kwargs: str) -> Verdict:
    return verdict(f"Authentication-Results: {value}", **kwargs)


@pytest.mark.parametrize(
    "value",
    [
        PASS,
        "MX.example.NET; DMARC=Pass header.From=Example.org",
        "mx.example.net 1; dmarc=pass header.from=example.org",
        "mx.example.net (filter; v=1);\n dmarc=pass (p=reject dis=none) header.from=example.org",
        "mx.example.net; spf=fail smtp.mailfrom=list.example; dkim=pass header.d=example.org",
        "mx.example.net; dkim=pass header.i=@example.org header.s=2025",
        'mx.example.net; dkim=pass reason="good; signature" header.d=example.org',
        "mx.example.net; dkim/1=pass header.d=example.org",
        "mx.example.net; dkim=fail header.d=x.example; dkim=pass header.d=example.org",
        "mx.example.net; dkim=pass header.d=mail.example.org",
        "mx.example.net; spf=pass smtp.mailfrom=bounce@mail.example.org",
        "mx.example.net; iprev=pass policy.iprev=192.0.2.1; spf=pass smtp.mailfrom=example.org",
    ],
)
def test_an_aligned_pass(value: str) -> None:
    assert results(value) is Verdict.PASS


def test_a_server_below_its_own_received_lines_is_believed() -> None:
    own = "Received: from relay.example.org by mx.example.net; Mon, 3 Feb 2025 10:00:00 +0100"
    inner = "Received: by 192.0.2.7 with SMTP id x; Mon, 3 Feb 2025 10:00:01 +0100"
    sender = "Received: from poste by relay.example.org; Mon, 3 Feb 2025 09:59:00 +0100"
    assert verdict(inner, own, f"Authentication-Results: {PASS}", sender) is Verdict.PASS
    assert verdict(f"Authentication-Results: {PASS}", own, sender) is Verdict.PASS


@pytest.mark.parametrize(
    "value",
    [
        "mx.example.net; dmarc=fail header.from=example.org",
        "mx.example.net; dmarc=fail header.from=example.org; dkim=pass header.d=example.org",
        "mx.example.net; spf=fail smtp.mailfrom=example.org; dkim=fail header.d=example.org",
        "mx.example.net; spf=softfail smtp.mailfrom=example.org",
        "mx.example.net; dmarc=pass header.from=example.org; dmarc=fail header.from=example.org",
    ],
)
def test_a_fail(value: str) -> None:
    assert results(value) is Verdict.FAIL


@pytest.mark.parametrize("value", forgeries.VALUES)
def test_forged_results_never_count(value: str) -> None:
    assert results(value) is not Verdict.PASS


@pytest.mark.parametrize(
    "value",
    [
        "mx.example.net; none",
        "mx.example.net; dmarc=pass",
        "mx.example.net; dkim=neutral header.d=example.org",
        "mx.example.net; dkim=pass header.d=evil.example",
        "mx.example.net; dkim=pass header.d=org",
        "mx.example.net; dmarc=temperror header.from=example.org; dkim=pass header.d=mail.example.org",
        "mx.example.net; dmarc=fail header.from=example.org policy.dmarc=none; dkim=pass header.d=mail.example.org",
    ],
)
def test_what_says_nothing_of_the_author_is_no_pass(value: str) -> None:
    assert results(value) is Verdict.NONE


def test_what_a_server_was_not_answered_is_told() -> None:
    raw = b"Authentication-Results: mx.example.net; dmarc=temperror header.from=example.org\nFrom: a@example.org\n\nx"
    assert read(raw, authserv_id="mx.example.net").authentication.unanswered
    exact = "mx.example.net; dmarc=temperror header.from=example.org; dkim=pass header.d=example.org"
    assert results(exact) is Verdict.PASS


@pytest.mark.parametrize(
    "authserv_id", ["mx.évry.example", "mx.xn--vry-9la.example", "MX.ÉVRY.example", "mx.e\u0301vry.example"]
)
@pytest.mark.parametrize("written", ["mx.évry.example", "mx.xn--vry-9la.example", "Mx.Évry.Example"])
def test_a_servers_name_is_one_however_it_is_spelled(authserv_id: str, written: str) -> None:
    """RFC 8601 §5: names are compared as A-labels."""
    assert results(PASS.replace("mx.example.net", written), authserv_id=authserv_id) is Verdict.PASS
    assert results(PASS.replace("mx.example.net", "mx.evry.example"), authserv_id=authserv_id) is Verdict.NONE


@pytest.mark.parametrize(
    "fields",
    [
        ("Authentication-Results: mx.example.net; none", f"Authentication-Results: {PASS}"),
        ("Received: by mx.example.net; x", "Received: by evil.example; x", f"Authentication-Results: {PASS}"),
        ("Received: by a.example; x", "Received: by b.example; x", f"Authentication-Results: {PASS}"),
        (f"Authentication-Results : {PASS}",),
        (f"X-Authentication-Results: {PASS}",),
        (f"ARC-Authentication-Results: i=1; {PASS}",),
        (f"Subject: x\n Authentication-Results: {PASS}",),
    ],
)
def test_only_the_servers_own_part_of_the_trace_counts(fields: tuple[str, ...]) -> None:
    assert verdict(*fields) is not Verdict.PASS


def test_nothing_inside_an_attached_mail_or_the_body_counts() -> None:
    raw = f"From: claire@example.org\nContent-Type: message/rfc822\n\nAuthentication-Results: {PASS}\n\nx".encode()
    assert read(raw, authserv_id="mx.example.net").authentication.verdict is Verdict.NONE


def test_without_a_trusted_server_or_a_sure_author_nothing_passes() -> None:
    assert results(PASS, authserv_id="") is Verdict.NONE
    assert results(PASS, sender="claire@example.org, b@example.org") is Verdict.NONE
    assert verdict(f"Authentication-Results: {PASS}", "From: b@evil.example") is Verdict.NONE


def test_alignment_without_a_suffix_list() -> None:
    assert aligned("example.org", "example.org")
    assert aligned("example.org", "mail.example.org")
    assert aligned("mail.example.org", "example.org")
    assert not aligned("org", "example.org")
    assert not aligned("ample.org", "example.org")
    assert not aligned("a.example.org", "b.example.org")


def test_parsing() -> None:
    found = parse('MX.example (c) 1; dkim=pass reason="a;b" header.d="example.org" (c); spf=none')
    assert found is not None
    assert found[0] == "mx.example"
    assert [(r.method, r.result) for r in found[1]] == [("dkim", "pass"), ("spf", "none")]
    assert found[1][0].properties == {"reason": "a;b", "header.d": "example.org"}
    assert parse("") is None
