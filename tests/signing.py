"""Mail that is signed as its domain signs it: keys, the records that publish them, DKIM and ARC."""

from __future__ import annotations

import base64
from functools import cache

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.builders import raw_mail

SELECTOR = "s1"
HEADERS = [b"from", b"to", b"subject", b"date", b"message-id"]


@cache
def key(bits: int = 2048, name: str = "") -> tuple[bytes, str]:
    """A private key (PEM), and the record of its public one. `name` tells keys of one size apart."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    der = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return pem, f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def signed(raw: bytes, domain: str, *, selector: str = SELECTOR, pem: bytes | None = None, **how: object) -> bytes:
    """The mail with a DKIM signature on top. `how`: as dkimpy's `sign` takes it."""
    values = {"include_headers": HEADERS, "canonicalize": (b"relaxed", b"relaxed")} | how
    field = dkim.sign(raw, selector.encode(), domain.encode(), pem or key()[0], **values)
    return bytes(field) + raw


def sealed(raw: bytes, sealer: str, results: str, *, selector: str = SELECTOR, pem: bytes | None = None) -> bytes:
    """The mail as a forwarder passes it on: its Authentication-Results, and an ARC set over them."""
    reported = f"Authentication-Results: {sealer}; {results}\r\n".encode() + raw
    fields = dkim.arc_sign(
        reported, selector.encode(), sealer.encode(), pem or key()[0], sealer.encode(), include_headers=HEADERS
    )
    return b"".join(fields) + reported


def published(domain: str, *, record: str = "", selector: str = SELECTOR) -> dict[tuple[str, str], list[str]]:
    """The zone entry of a key."""
    return {(f"{selector}._domainkey.{domain}", "TXT"): [record or key()[1]]}


def letter(sender: str, **values: object) -> bytes:
    """A plain mail of somebody, with CRLF."""
    identifier = f"m1@{sender.rpartition('@')[2].strip('>')}"
    return raw_mail(sender=sender, **{"identifier": identifier, **values})  # type: ignore[arg-type]
