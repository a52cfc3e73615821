"""The nineteen ways of « espoofer » (Chen, Paxson, Jiang, USENIX Security 2020) to look like somebody's mail.

Each comes from a domain of the attacker's own, which is authentic, and lets some program read the victim's. Written
anew from the paper's ideas; the mails are signed by the attacker's domain.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from tests.signing import key, signed

ATTACKER = "attack.example"
_FIRST = f"first@{ATTACKER}"


@dataclass(frozen=True, slots=True)
class Spoof:
    """One mail: the envelope as it is said, and the octets."""

    name: str
    helo: str
    sender: str
    raw: bytes


def spoofs(victim: str, to: str, text: str) -> tuple[Spoof, ...]:
    """All of them, in the name of `victim`."""
    legit = victim.rpartition("@")[2]
    plain = (f"From: <{victim}>",)
    encoded = base64.b64encode(f"<{victim}>".encode()).decode()
    by_form: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
        "A1": (f"any@no.such.{legit}", plain, {}),
        "A2": (f"(any@{legit}", plain, {}),
        "A3": (f"any@{ATTACKER}", plain, {"d": legit, "s": f"s1._domainkey.{ATTACKER}.\x00.any"}),
        "A4": (f"any@{ATTACKER}", plain, {"d": f"{legit}(.{ATTACKER}"}),
        "A5": (f"any@{legit}(a.{ATTACKER}", plain, {}),
        "A6": (f"any@{legit}'@any.{ATTACKER}", plain, {}),
        "A7": (f"@{legit},@any.example:'any@{ATTACKER}", plain, {}),
        "A8": (f"any@{ATTACKER}", (f"From: <{_FIRST}>", f"From: <{victim}>"), {}),
        "A9": (f"any@{ATTACKER}", (f"From: <{_FIRST}>", f" From: <{victim}>"), {}),
        "A10": (f"any@{ATTACKER}", (f"From: <{_FIRST}>", f"From : <{victim}>"), {}),
        "A11": (f"any@{ATTACKER}", (f"From: <{_FIRST}>", "From", f" : <{victim}>"), {}),
        "A12": (f"any@{ATTACKER}", (f"From: <{_FIRST}>", f"Sender: <{victim}>"), {}),
        "A13": (f"any@{ATTACKER}", ("From", f" : <{_FIRST}>", f"Resent-From: <{victim}>"), {}),
        "A14": (f"any@{ATTACKER}", (f"From: <{_FIRST}>, <{victim}>",), {}),
        "A15": (f"any@{ATTACKER}", (f"From: =?utf-8?b?{encoded}?=, <{_FIRST}>",), {}),
        "A16": (f"any@{ATTACKER}", (f"From: <@{ATTACKER},@any.example:{victim}>",), {}),
        "A17": (f"any@{ATTACKER}", (f"From: <{victim}>\\,<{_FIRST}>",), {}),
        "A18": (f"any@{ATTACKER}", (f"From: {victim},<{_FIRST}>",), {}),
        "A19": (f"any@{ATTACKER}", (f"From: <{victim}> <{_FIRST}>",), {}),
    }
    return tuple(
        Spoof(name, f"helo.{ATTACKER}", sender, _mail(name, victim, fields, to, text, signature))
        for name, (sender, fields, signature) in by_form.items()
    )


def _mail(name: str, victim: str, fields: tuple[str, ...], to: str, text: str, signature: dict[str, str]) -> bytes:
    """The mail, signed so that the attacker's signature is good wherever it can be."""
    identifier = f"<{name}.{victim.partition('@')[0]}.{len(to)}@{ATTACKER}>"
    rest = (f"To: <{to}>", f"Subject: {name}", "Date: Tue, 05 May 2026 10:00:00 +0000", f"Message-ID: {identifier}")
    raw = "\r\n".join((*fields, *rest, "", text, "")).encode()
    # dkimpy signs no malformed header: the signature is made over what it reads, a plain From of the attacker's.
    clean = "\r\n".join((f"From: <{_FIRST}>", *rest, "", text, "")).encode()
    well_formed = not any(":" not in field.split(" ")[0] or field.startswith(" ") for field in fields)
    body = raw if well_formed else clean
    made = signed(body, signature.get("d", ATTACKER), selector=signature.get("s", "s1"), pem=key(2048, ATTACKER)[0])
    return made[: len(made) - len(body)] + raw
