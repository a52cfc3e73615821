"""DKIM (RFC 6376) and ARC (RFC 8617): who signed this mail as it is? dkimpy verifies.

dkimpy verifies whatever RFC 6376 allows, and its work grows with what a mail holds: what is handed to it is bounded
here (the fields' length, how many of them, keys), and the body is hashed in `gateway.inspection.body`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dkim
from dkim.util import InvalidTagValueList, parse_tag_value

from gateway.inspection.body import Body
from gateway.inspection.questions import Questions, Unanswered
from gateway.mail import authentication, charsets
from gateway.model import Result

_MOST = 5  # signatures
_MOST_SEALS = 10
_LONGEST_HEAD = 100_000
_LONGEST_FIELD = 8_000
_SHORTEST_KEY = 1024  # bits (RFC 8301 §3.2)
_LONGEST_KEY = 1_000  # octets of its record: RSA with 4,096 bits needs 750; larger ones cost us, not their owner
_ALGORITHM = b"rsa-sha256"  # RFC 8301 §3.1 forbids SHA-1; Ed25519 (RFC 8463) always comes beside RSA
_HOST = re.compile(rb"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*", re.IGNORECASE)
_INSTANCE = re.compile(rb"\s*i\s*=\s*(\d{1,3})\s*(?:;|\Z)")

Tags = Mapping[bytes, bytes]


def dkim_results(raw: bytes, related: Callable[[str], bool], questions: Questions) -> Iterator[Result]:
    """A result for each of the first signatures of `related` domains; nobody else's are looked at."""
    head, body = _parted(raw)
    fields = enumerate(map(_tags, _values(head, b"dkim-signature")))
    signed = [(nth, tags) for nth, tags in fields if tags and related(_text(tags, b"d"))]
    for nth, tags in signed[:_MOST]:
        yield _dkim(head, body, nth, tags, questions)


def _dkim(head: bytes, body: Body, nth: int, tags: Tags, questions: Questions) -> Result:
    properties = {"header.d": _text(tags, b"d"), "header.s": _text(tags, b"s")}
    if fault := _fault(tags):
        return Result("dkim", fault, properties)
    try:
        key = _key(tags, questions)
    except Unanswered:
        return Result("dkim", "temperror", properties)
    if key is None:
        return Result("dkim", "permerror", properties)
    if _tried_out(key):
        return Result("dkim", "neutral", properties)
    try:
        verified = _Dkim(head, body).verify(nth, dnsfunc=lambda name, timeout: key)
    except Exception:  # noqa: BLE001 (dkimpy raises what it likes on odd signatures and keys)
        verified = False
    return Result("dkim", "pass" if verified else "fail", properties)


class _OurHash:
    """Checks the body's hash (bh=) in our way, and leaves the rest to dkimpy, which then finds none to check."""

    body: Body

    def verify_sig_process(self, sig: Tags, include_headers: list[bytes], sig_header: Any, dnsfunc: Any) -> bool:
        wanted = b"".join(sig.get(b"bh", b"").split())
        if wanted and base64.b64decode(wanted) != self.body.digest(sig.get(b"c", b"simple/simple")):
            return False
        rest = {name: value for name, value in sig.items() if name != b"bh"}
        verified = super().verify_sig_process(rest, include_headers, sig_header, dnsfunc)  # type: ignore[misc]
        return bool(verified)


class _Dkim(_OurHash, dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    def __init__(self, head: bytes, body: Body) -> None:
        super().__init__(head, minkey=_SHORTEST_KEY)
        self.body = body


class _Arc(_OurHash, dkim.ARC):  # type: ignore[misc]
    def __init__(self, head: bytes, body: Body) -> None:
        super().__init__(head, minkey=_SHORTEST_KEY)
        self.body = body


def _fault(tags: Tags) -> str:
    """Why a signature can't count, as a result (RFC 8601 §2.7.1), or "".

    `l=` leaves the end of the body open to anyone (RFC 6376 §8.2). Odd names are never asked of the DNS: with a
    NUL or a bracket in them, different programs read different names.
    """
    if not (_HOST.fullmatch(tags.get(b"d", b"")) and _HOST.fullmatch(tags.get(b"s", b""))):
        return "permerror"
    if b"from" not in re.split(rb"\s*:\s*", tags.get(b"h", b"").lower().strip()):
        return "permerror"
    if tags.get(b"a") != _ALGORITHM or b"l" in tags:
        return "policy"
    return ""


def _key(tags: Tags, questions: Questions) -> bytes | None:
    """The public key's record, None where there isn't one, and only one, that we take.

    Raises:
        Unanswered: the DNS didn't answer.
    """
    found = questions.texts(f"{_text(tags, b's')}._domainkey.{_text(tags, b'd')}")
    keys = [record for record in found if _tags(record) and b"p" in (_tags(record) or {})]
    return keys[0] if len(keys) == 1 and len(keys[0]) <= _LONGEST_KEY else None


def _tried_out(key: bytes) -> bool:
    """Is the signer only trying it out (RFC 6376 §3.6.1)? Then it is as if nothing was signed."""
    flags = (_tags(key) or {}).get(b"t", b"").lower()
    return b"y" in re.split(rb"\s*:\s*", flags)


# --- ARC -------------------------------------------------------------------------------------------------


def arc_result(raw: bytes, sealers: frozenset[str], questions: Questions) -> Result | None:
    """What the last sealer saw, if its seal holds and it is one of ours to listen to; None where there is no such.

    `header.d` is the sealer, `header.from` the author's domain for which it saw DMARC pass. It informs, and proves
    nothing: a sealer vouches for what it says it saw.
    """
    head, body = _parted(raw)
    latest = _latest_set(head) if sealers else {}
    seal = _tags(latest.get(b"arc-seal", b""))
    message = _tags(latest.get(b"arc-message-signature", b""))
    if not seal or not message or _text(seal, b"d").lower() not in sealers:
        return None
    instances = int(seal.get(b"i", b"0")) if seal.get(b"i", b"").isdigit() else 0
    if not 1 <= instances <= _MOST_SEALS or b"from" not in message.get(b"h", b"").lower():
        return None
    properties = {"header.d": _text(seal, b"d").lower()}
    try:
        holds = _chain_holds(head, body, questions)
    except Unanswered:
        return Result("arc", "temperror", properties)
    if not holds:
        return Result("arc", "fail", properties)
    return Result("arc", "pass", properties | _seen(latest.get(b"arc-authentication-results", b"")))


def _chain_holds(head: bytes, body: Body, questions: Questions) -> bool:
    """Raises Unanswered."""
    missing: list[Unanswered] = []

    def key(name: bytes, timeout: float = 0) -> bytes | None:
        try:
            found = questions.texts(name.decode("ascii").removesuffix("."))
        except Unanswered as error:
            missing.append(error)
            return None
        return found[0] if len(found) == 1 and len(found[0]) <= _LONGEST_KEY else None

    try:
        verdict, _, _ = _Arc(head, body).verify(dnsfunc=key)
    except Exception:  # noqa: BLE001 (as for DKIM)
        verdict = dkim.CV_Fail
    if missing:
        raise missing[0]
    return bool(verdict == dkim.CV_Pass)


def _latest_set(head: bytes) -> dict[bytes, bytes]:
    """The three fields of the highest instance, by name."""
    found: dict[int, dict[bytes, bytes]] = {}
    for name in (b"arc-seal", b"arc-message-signature", b"arc-authentication-results"):
        for value in _values(head, name):
            if instance := _INSTANCE.match(value) or re.search(rb";\s*i\s*=\s*(\d{1,3})\s*(?:;|\Z)", value):
                found.setdefault(int(instance[1]), {})[name] = value
    return found[max(found)] if found else {}


def _seen(value: bytes) -> dict[str, str]:
    """For which author's domain the sealer saw DMARC pass."""
    parsed = authentication.parse(charsets.guess(_INSTANCE.sub(b"", value, count=1)))
    passed = (r for r in parsed[1] if r.method == "dmarc" and r.result == "pass") if parsed else ()
    return {"header.from": next((r.properties["header.from"] for r in passed if "header.from" in r.properties), "")}


# --- pieces ----------------------------------------------------------------------------------------------


def _parted(raw: bytes) -> tuple[bytes, Body]:
    """Header and body, at the first empty line. A header that is too long is taken for none."""
    head, _, body = raw.partition(b"\r\n\r\n")
    return (head + b"\r\n" if len(head) <= _LONGEST_HEAD else b"", Body(body))


def _values(head: bytes, name: bytes) -> list[bytes]:
    """The values of a field as dkimpy counts them; too long ones are empty."""
    try:
        fields, _ = dkim.rfc822_parse(head)
    except (dkim.DKIMException, IndexError):
        return []
    return [value if len(value) <= _LONGEST_FIELD else b"" for field, value in fields if field.lower() == name]


def _tags(value: bytes) -> Tags | None:
    """`tag=value; …` (RFC 6376 §3.2), None where it isn't of the form."""
    try:
        tags: Tags = parse_tag_value(value)
    except (InvalidTagValueList, IndexError):
        return None
    return tags


def _text(tags: Tags, name: bytes) -> str:
    return tags.get(name, b"").decode("ascii", "replace").lower()
