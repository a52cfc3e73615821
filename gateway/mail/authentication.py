"""What a trusted server found out about the author's domain (Authentication-Results, RFC 8601).

Only the topmost field of the configured authserv-id counts, and only where it stands in that server's own part of the
trace: one that lies below another server's Received line was written by somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.mail import charsets
from gateway.mail.headers import Head
from gateway.model import Authentication, Author, Result, Verdict

_MAX_VALUE = 20_000
_MAX_RESULTS = 50
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([;=/])|([^\s";=/]+)', re.DOTALL)
_BY = re.compile(r"\bby\s+\[?([A-Za-z0-9_.:-]+)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def authentication(head: Head, authserv_id: str, author: Author) -> Authentication:
    """SPF, DKIM and DMARC as the server named `authserv_id` saw them, aligned with the author's domain."""
    if not authserv_id:
        return Authentication(Verdict.NONE, "no server is named whose Authentication-Results count")
    results = _trusted(head, authserv_id.strip().lower())
    if results is None:
        return Authentication(Verdict.NONE, f"no Authentication-Results of {authserv_id}")
    if not author.sure:
        return Authentication(Verdict.NONE, f"the author isn't sure: {author.because}")
    return _verdict(results, author.address.rpartition("@")[2])


def _verdict(results: tuple[Result, ...], domain: str) -> Authentication:
    """DMARC's word where there is one for this domain; else an aligned pass of DKIM, then SPF (RFC 7489 §3.1)."""
    dmarc = [r for r in results if r.method == "dmarc" and _domain(r.properties.get("header.from", "")) == domain]
    if any(r.result == "fail" for r in dmarc):
        return Authentication(Verdict.FAIL, f"dmarc=fail for {domain}")
    if any(r.result == "pass" for r in dmarc):
        return Authentication(Verdict.PASS, f"dmarc=pass for {domain}")
    for method, names in (("dkim", ("header.d", "header.i")), ("spf", ("smtp.mailfrom",))):
        for result in results:
            if result.method == method and result.result == "pass":
                signed = _signed(result, names)
                if signed and aligned(signed, domain):
                    return Authentication(Verdict.PASS, f"{method}=pass for {signed}, aligned with {domain}")
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
    return value.rpartition("@")[2].strip().lower().removesuffix(".")


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
            if found is not None and found[0] == authserv_id:
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
