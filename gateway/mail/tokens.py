"""Signed tokens: how a mail finds its way home. A token routes; it never authenticates.

A token is 20 octets, written as 32 lower-case base32 characters (RFC 4648 §6, no padding needed):

    kind (1) · key id (1) · subject (5) · epoch (1) · HMAC-SHA-256 over these, truncated to 96 bits (12)

`subject` is the participation for `REPLY` and `MESSAGE`, the delivery for `BOUNCE`, the delivery that asks for
`CONFIRM`, and the second of sending for `CANARY`. One kind is never valid as another. Checking is constant in time
and asks no database.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from functools import lru_cache

LENGTH = 32
_SIGNED = 8
_CONTEXT = b"gateway token 1\0"
_NO_KEY = bytes(32)
LAST_EPOCH = 255


class TokenKind(IntEnum):
    """What a token stands in: a reply address, a Message-ID, an envelope sender, a question, a test mail."""

    REPLY = 1
    MESSAGE = 2
    BOUNCE = 3
    CONFIRM = 4  # in a reply address and in a Message-ID alike: it leads to no conversation
    CANARY = 5  # in the address of a test mail of our own: it leads nowhere


_KINDS = frozenset(int(kind) for kind in TokenKind)
_IN_IDS = frozenset({TokenKind.MESSAGE, TokenKind.CONFIRM})


@dataclass(frozen=True, slots=True)
class Token:
    """What a valid token says."""

    kind: TokenKind
    subject: int
    epoch: int


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """Signing keys by id (0–255, at least 32 octets each). The first signs, all verify.

    `verifying`: the key of each id, or one that signs nothing: looking it up takes as long for every id.
    """

    by_id: tuple[tuple[int, bytes], ...]
    verifying: tuple[bytes, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        known = dict(self.by_id)
        object.__setattr__(self, "verifying", tuple(known.get(key_id, _NO_KEY) for key_id in range(256)))

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(key_id for key_id, _ in self.by_id)

    def __repr__(self) -> str:
        return f"Keys(ids={list(self.ids)})"


def sign(token: Token, keys: Keys) -> str:
    """The token's 32 characters.

    Raises:
        OverflowError: subject beyond 40 bits or epoch beyond 8.
    """
    key_id, key = keys.by_id[0]
    head = bytes([token.kind, key_id]) + token.subject.to_bytes(5, "big") + token.epoch.to_bytes(1, "big")
    return base64.b32encode(head + _mac(head, key)).decode("ascii").lower()


def verify(text: str, keys: Keys) -> Token | None:
    """What `text` says if one of our keys signed it, else None. Upper and lower case are the same."""
    octets = _decoded(text)
    if octets is None:
        return None
    head, mac = octets[:_SIGNED], octets[_SIGNED:]
    # The same work whatever the head says, so that the time taken tells neither which key ids exist nor how much of
    # the signature is right.
    key = keys.verifying[head[1]]
    signed = hmac.compare_digest(_mac(head, key), mac)
    if not signed or key is _NO_KEY or head[0] not in _KINDS:
        return None
    return Token(TokenKind(head[0]), int.from_bytes(head[2:7], "big"), head[7])


def _mac(head: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _CONTEXT + head, "sha256")[:12]


def _decoded(text: str) -> bytes | None:
    if len(text) != LENGTH or not text.isascii():
        return None
    try:
        return base64.b32decode(text.upper())
    except binascii.Error:
        return None


def expired(written_at: datetime | None, life: timedelta | None, now: datetime) -> bool:
    """Is a token's life over, counted from our last mail that bore it? `life` None: never."""
    return life is not None and written_at is not None and now - written_at > life


# --- where tokens stand ----------------------------------------------------------------------------------


def message_id(delivery: int, token: str, domain: str) -> str:
    """Our Message-ID (without angle brackets): unique by the delivery, recognised by its token."""
    return f"{delivery}.{token}@{domain}"


def in_message_id(identifier: str, domain: str, keys: Keys) -> tuple[int, Token] | None:
    """The delivery and the token of one of our own Message-IDs, else None."""
    left, at, host = identifier.rpartition("@")
    delivery, dot, text = left.partition(".")
    if not at or not dot or host.lower() != domain or not (delivery.isascii() and delivery.isdigit()):
        return None
    token = verify(text, keys)
    if token is None or token.kind not in _IN_IDS or len(delivery) > 12:
        return None
    return int(delivery), token


def found(text: str, keys: Keys) -> Iterator[tuple[int, int]]:
    """The stretches of a text that are tokens of ours, in upper or lower case, whatever stands around them."""
    for start, end in looking_so(text, keys.ids):
        if verify(text[start:end], keys) is not None:
            yield start, end


def looking_so(text: str, key_ids: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """The stretches of a text that look like tokens which one of these keys signed: for whoever has no keys."""
    if not key_ids:
        return  # as before the first start
    for match in _looks(key_ids).finditer(text):
        yield match.start(), match.start() + LENGTH


@lru_cache
def _looks(key_ids: tuple[int, ...]) -> re.Pattern[str]:
    """How a token looks: kind and key id decide on its first three characters, as which hardly any word begins."""
    heads = (bytes([kind, key_id]) for kind in _KINDS for key_id in key_ids)
    begin = {base64.b32encode(head).decode("ascii")[:3] for head in heads}
    first = "".join(sorted({letter for three in begin for letter in (three[0], three[0].lower())}))
    then = "|".join(sorted({three[1:] for three in begin}))
    return re.compile(rf"[{first}](?=(?i:(?:{then})[a-z2-7]{{{LENGTH - 3}}}))", re.ASCII)


def key_named(identifier: str) -> int:
    """The id of the key that signed a Message-ID which we made."""
    octets = _decoded(identifier.partition("@")[0].partition(".")[2])
    assert octets is not None
    return octets[1]


def of_kind(tokens: Iterable[Token], kind: TokenKind) -> tuple[Token, ...]:
    """Those of one kind, each once, in order."""
    return tuple(dict.fromkeys(token for token in tokens if token.kind is kind))
