"""What is known of the author's domain: by our own checks, or by a trusted server (Authentication-Results, RFC 8601).

Our own checks beat every header. Of headers, only the topmost field of the configured authserv-id counts, and only
where it stands in that server's own part of the trace: one that lies below another server's Received line was written
by somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from gateway.mail import addresses, charsets
from gateway.mail.headers import Head
from gateway.model import Authentication, Author, Result, Verdict

_MAX_VALUE = 20_000
_MAX_RESULTS = 50
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([;=/])|([^\s";=/]+)', re.DOTALL)
_BY = re.compile(r"\bby\s+\[?([A-Za-z0-9_.:-]+)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def authentication(
    head: Head, authserv_id: str, author: Author, results: tuple[Result, ...] | None = None
) -> Authentication:
    """SPF, DKIM and DMARC, aligned with the author's domain.

    `results`: what our own checks came to, None where there were none; else `authserv_id` names whose field counts.
    """
    if results is not None:
        return judged(results, author)
    if not authserv_id:
        return Authentication(Verdict.NONE, "no server is named whose Authentication-Results count")
    found = _trusted(head, _name(authserv_id))
    if found is None:
        return Authentication(Verdict.NONE, f"no Authentication-Results of {authserv_id}")
    return judged(found, author)


def judged(results: tuple[Result, ...], author: Author) -> Authentication:
    """What results come to for one author."""
    if not author.sure:
        return Authentication(Verdict.NONE, f"the author isn't sure: {author.because}")
    found = _verdict(results, author.address.rpartition("@")[2])
    sealed = next((r.properties for r in results if r.method == "arc" and r.result == "pass"), {})
    saw = f"dmarc=pass for {sealed['header.from']}" if sealed.get("header.from") else "nothing of use"
    note = (
        f"; {sealed['header.d']}, which is listed in trust.arc_sealers, saw {saw}" if sealed.get("header.d") else ""
    )
    return replace(found, because=found.because + note)


def _verdict(results: tuple[Result, ...], domain: str) -> Authentication:
    """DMARC's word where there is one for this domain; else an aligned pass of DKIM, then SPF (RFC 7489 §3.1)."""
    dmarc = [r for r in results if r.method == "dmarc" and _domain(r.properties.get("header.from", "")) == domain]
    if failed := [r for r in dmarc if r.result == "fail"]:
        return _failed(failed, domain)
    if any(r.result == "pass" for r in dmarc):
        return Authentication(Verdict.PASS, f"dmarc=pass for {domain}")
    strict = any(r.method == "dmarc" and r.result == "temperror" for r in results)
    for method, names in (("dkim", ("header.d", "header.i")), ("spf", ("smtp.mailfrom",))):
        for result in results:
            if result.method == method and result.result == "pass":
                signed = _signed(result, names)
                # Where the domain's policy couldn't be had, it may ask for strict alignment.
                if signed and (signed == domain if strict else aligned(signed, domain)):
                    return Authentication(Verdict.PASS, f"{method}=pass for {signed}, aligned with {domain}")
    if any(r.result == "temperror" for r in results):
        return Authentication(Verdict.NONE, f"the DNS of {domain} didn't answer", unanswered=True)
    return _nothing_passed(results, domain)


def _failed(results: list[Result], domain: str) -> Authentication:
    """A domain that only watches (p=none, t=y) asks that its failures change nothing (RFC 9989 §5.4)."""
    if all(r.properties.get("policy.dmarc") == "none" for r in results):
        return Authentication(Verdict.NONE, f"dmarc=fail for {domain}, which asks that nothing be made of it")
    return Authentication(Verdict.FAIL, f"dmarc=fail for {domain}")


def _nothing_passed(results: tuple[Result, ...], domain: str) -> Authentication:
    failed = [r.method for r in results if r.method in ("dkim", "spf") and r.result in ("fail", "softfail", "policy")]
    considered = [r.method for r in results if r.method in ("dkim", "spf")]
    if failed and len(failed) == len(considered):
        return Authentication(Verdict.FAIL, f"{' and '.join(dict.fromkeys(failed))} failed, nothing passed")
    return Authentication(Verdict.NONE, f"nothing passed that is aligned with {domain}")


def _signed(result: Result, names: tuple[str, ...]) -> str:
    """The domain that a result speaks for: that of the first property given."""
    return next((_domain(result.properties[name]) for name in names if name in result.properties), "")


def aligned(signed: str, domain: str) -> bool:
    """Relaxed alignment (RFC 7489 §3.1.1) without a public suffix list: equal, or one above the other."""
    if signed == domain:
        return True
    if min(signed.count("."), domain.count(".")) < 1:
        return False
    return domain.endswith("." + signed) or signed.endswith("." + domain)


def _domain(value: str) -> str:
    """The domain of an address, or a domain, as A-labels (RFC 5890); "" where it is none."""
    return addresses.normal(f"x@{value.rpartition('@')[2].strip()}").rpartition("@")[2]


def _name(authserv_id: str) -> str:
    """An authserv-id as it is compared: as A-labels (RFC 8601 §5) where it is a host's name; any token may be one."""
    plain = authserv_id.strip().lower()
    return plain if plain.endswith(".") else _domain(plain) or plain


# --- which field counts --------------------------------------------------------------------------------


def _trusted(head: Head, authserv_id: str) -> tuple[Result, ...] | None:
    """The results of the topmost field of that id, unless it lies outside the server's part of the trace."""
    hops = 0
    own_hop: int | None = None
    for field in head.fields:
        if field.name == "received":
            hops += 1
            if own_hop is None and _kin(_received_by(field.value), authserv_id):
                own_hop = hops
        elif field.name == "authentication-results" and not field.odd:
            found = parse(charsets.guess(field.value[:_MAX_VALUE]))
            if found is not None and _name(found[0]) == authserv_id:
                return found[1] if hops <= (own_hop or 1) else None
    return None


def _received_by(value: bytes) -> str:
    match = _BY.search(charsets.guess(value[:2_000]))
    return match[1].lower() if match else ""


def _kin(host: str, authserv_id: str) -> bool:
    """Is the host the server, in its domain, or beside it?"""
    parent = authserv_id.partition(".")[2]
    beside = parent.count(".") >= 1 and host.endswith("." + parent)
    return host == authserv_id or host.endswith("." + authserv_id) or beside


# --- the field's grammar ---------------------------------------------------------------------------------


def parse(value: str) -> tuple[str, tuple[Result, ...]] | None:
    """(authserv-id in lower case, its results), or None where the value isn't of the form (RFC 8601 §2.2)."""
    plain = _without_comments(value)
    if plain is None:
        return None
    statements = list(_statements(plain))
    first = statements[0] if statements else []
    if not first or len(first) > 2 or first[0] in "=/":
        return None
    if len(first) == 2 and first[1] != "1":  # §2.2: only version 1 is known
        return None
    results = (_result(tokens) for tokens in statements[1 : _MAX_RESULTS + 1])
    return first[0].lower(), tuple(r for r in results if r is not None)


def _without_comments(value: str) -> str | None:
    """The value with comments (RFC 5322 §3.2.2) taken out; None where one, or a quoted string, doesn't end."""
    out: list[str] = []
    depth = 0
    quoted = False
    escaped = False
    for char in value:
        if escaped:
            escaped = False
        elif char == "\\" and (quoted or depth):
            escaped = True
        elif char == '"' and not depth:
            quoted = not quoted
        elif char == "(" and not quoted:
            depth += 1
        elif char == ")" and depth:
            depth -= 1
            out.append(" ")
            continue
        if not depth:
            out.append(char)
    return None if depth or quoted else "".join(out)


def _statements(plain: str) -> Iterator[list[str]]:
    """The tokens between semicolons. What was quoted is one token, whatever is in it."""
    tokens: list[str] = []
    for quoted, sign, word in _TOKEN.findall(plain):
        if sign == ";":
            yield tokens
            tokens = []
        else:
            # A quoted "=" or ";" must not become a sign of the grammar.
            tokens.append(sign or word or "\0" + _ESCAPE.sub(r"\1", quoted))
    yield tokens


def _result(tokens: list[str]) -> Result | None:
    """`method[/version] = result` and its properties; None where it isn't one, or of another version."""
    if len(tokens) >= 3 and tokens[1] == "/":
        if tokens[2] != "1":
            return None
        tokens = [tokens[0], *tokens[3:]]
    if len(tokens) < 3 or tokens[1] != "=" or tokens[0].startswith("\0") or tokens[2].startswith("\0"):
        return None
    return Result(tokens[0].lower(), tokens[2].lower(), _properties(tokens[3:]))


def _properties(tokens: list[str]) -> dict[str, str]:
    """`ptype.property=value`; one that is repeated with another value says nothing and is left out."""
    found: dict[str, str] = {}
    unclear: set[str] = set()
    for index in range(1, len(tokens) - 1):
        name, value = tokens[index - 1].lower(), tokens[index + 1].removeprefix("\0")
        if tokens[index] != "=" or name.startswith("\0"):
            continue
        if found.setdefault(name, value) != value:
            unclear.add(name)
    return {name: value for name, value in found.items() if name not in unclear}
