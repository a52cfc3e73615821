"""DMARC (RFC 9989, which replaces RFC 7489): does what was authenticated speak for the author's domain?

Which domains belong together is found by walking up the DNS (§4.10), without a list of public suffixes. authheaders
isn't used for this: it cuts names off at the first hyphen, so that legit.fr-attack.example passes for legit.fr.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.mail.authentication import aligned
from gateway.model import Result

_MOST_LABELS = 8  # of a name that is walked up: longer ones go on with seven (§4.10)
_VERSION = re.compile(rb"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_POLICIES = frozenset({"none", "quarantine", "reject"})

Texts = Callable[[str], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Record:
    """What the domain `name` publishes (§4.7). `below`: for its subdomains; `suffix`: psd, "y", "n" or ""."""

    name: str
    policy: str
    below: str
    strict_dkim: bool
    strict_spf: bool
    testing: bool
    suffix: str


def record(name: str, text: bytes) -> Record | None:
    """A DMARC record, None where the text is none. Tags that can't be understood count as missing (§4.8)."""
    if not _VERSION.match(text):
        return None
    pairs = (tag.partition("=") for tag in text.decode("ascii", "replace").lower().split(";"))
    tags = {tag.strip(): value.strip() for tag, equals, value in pairs if equals}
    policy = _one_of(_POLICIES, tags.get("p"), "none")
    return Record(
        name,
        policy,
        below=_one_of(_POLICIES, tags.get("sp"), policy),
        strict_dkim=tags.get("adkim") == "s",
        strict_spf=tags.get("aspf") == "s",
        testing=tags.get("t") == "y",
        suffix=_one_of(frozenset({"y", "n"}), tags.get("psd"), ""),
    )


def _one_of(known: frozenset[str], value: str | None, otherwise: str) -> str:
    return value if value in known and value is not None else otherwise


@dataclass(frozen=True, slots=True)
class Policy:
    """What governs an author's domain: its organisation's domain, and the record, None where there is none."""

    domain: str
    home: str
    record: Record | None

    def related(self, other: str) -> bool:
        """Could that domain speak for the author's? What couldn't needn't be asked about."""
        return other == self.home or other.endswith(f".{self.home}") or aligned(other, self.domain)

    @property
    def asked(self) -> str:
        """What is to be done with mail that fails; "none" also where the domain is only trying it out (t=y)."""
        if self.record is None or self.record.testing:
            return "none"
        return self.record.policy if self.record.name == self.domain else self.record.below


def policy(domain: str, texts: Texts) -> Policy:
    """The policy that governs a domain: its own, else its organisation's, else that of the suffix above (§4.10.1).

    Raises:
        Unanswered: by `texts`.
    """
    found = _walked(domain, texts)
    home = _organisational(domain, found)
    return Policy(domain, home, found.get(domain) or found.get(home) or next(iter(found.values()), None))


def evaluate(governing: Policy, signed: Iterable[str], sender: str, texts: Texts) -> Result:
    """DMARC. `signed`: domains of valid DKIM signatures; `sender`: that of an SPF pass, or "".

    Raises:
        Unanswered: by `texts`.
    """
    about = {"header.from": governing.domain}
    if governing.record is None:
        return Result("dmarc", "none", about)

    def speaks(other: str, *, strict: bool) -> bool:
        if other == governing.domain or strict or not governing.related(other):
            return other == governing.domain
        return _organisational(other, _walked(other, texts)) == governing.home

    passed = any(speaks(other, strict=governing.record.strict_dkim) for other in signed)
    passed = passed or speaks(sender, strict=governing.record.strict_spf)
    return Result("dmarc", "pass" if passed else "fail", about | {"policy.dmarc": governing.asked})


def _walked(domain: str, texts: Texts) -> dict[str, Record]:
    """The records from a domain upwards, nearest first, up to one that says what it is (§4.10)."""
    found: dict[str, Record] = {}
    for name in _upwards(domain):
        published = (record(name, text) for text in texts(f"_dmarc.{name}"))
        known = [one for one in published if one is not None]
        if len(known) != 1:  # several are as none
            continue
        found[name] = known[0]
        if known[0].suffix == "n" or (known[0].suffix == "y" and name != domain):
            break
    return found


def _upwards(domain: str) -> Iterable[str]:
    labels = domain.split(".")
    yield domain
    first = max(1, len(labels) - _MOST_LABELS + 1)
    for start in range(first, len(labels)):
        yield ".".join(labels[start:])


def _organisational(domain: str, found: dict[str, Record]) -> str:
    """The domain under which all is one organisation's (§4.10.2)."""
    for name, one in found.items():
        if one.suffix == "n":
            return name
        if one.suffix == "y" and name != domain:
            above = name.count(".") + 1
            return ".".join(domain.split(".")[-above - 1 :])
    return next(reversed(found), domain)
