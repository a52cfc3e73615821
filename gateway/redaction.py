"""Words that are fit for a log: no secret, no signed address, and mail addresses by pseudonyms alone.

The mail log has closed fields (`gateway.log`); this is the last line, for the free text that some of them hold: an
exception's words, a server's answer. What must never be said is registered where it is read: `hide`.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading

_LONGEST = 10_000  # characters of one value
_SHORTEST_SECRET = 4  # what is shorter would take every word apart
_LOGIN = re.compile(r"(\w{2,20}://[^\s/:@]{0,200}):[^\s/@]{1,200}@")
_ADDRESS = re.compile(r"([^\s<>\"'(),;:\[\]\\=]{1,128})@([\w.-]{1,255})")
_PSEUDONYM = re.compile(r"[0-9a-f]{8}")
# A token's characters (gateway.mail.tokens), also within an address or a Message-ID.
_TOKEN_LENGTH = 32
_TOKEN = re.compile(rf"(?<![a-z2-7])[a-z2-7]{{{_TOKEN_LENGTH}}}(?![a-z2-7])", re.IGNORECASE)


class _Known:
    """What the process must not say, and the key of its pseudonyms: drawn by lot until the instance's is known."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.secrets: tuple[str, ...] = ()
        self.key = secrets.token_bytes(32)


_known = _Known()


def hide(*found: str) -> None:
    """Never let these be written, whatever they stand in. The longest are looked for first."""
    with _known.lock:
        every = {*_known.secrets, *(secret for secret in found if len(secret) >= _SHORTEST_SECRET)}
        _known.secrets = tuple(sorted(every, key=len, reverse=True))


def pseudonyms_by(key: bytes) -> None:
    """Pseudonyms are made with this key, so that nobody without it can try names out on a log."""
    _known.key = hmac.digest(key, b"gateway pseudonyms 1", "sha256")


def pseudonym(address: str) -> str:
    """An address as it may stand in a log: its domain, and eight digits that tell two people apart."""
    local, _, domain = address.rpartition("@")
    return f"{_digits(local)}@{domain}" if local else "-"


def redacted(text: str) -> str:
    """A text without secrets and tokens, its addresses as pseudonyms. What is one already stays. Linear time."""
    text = text[:_LONGEST]
    if not text.isprintable():  # a terminal obeys some of the others
        text = "".join(c for c in text if c.isprintable() or c == "\n")
    for secret in _known.secrets:
        text = text.replace(secret, "[secret]")
    if "@" in text:
        text = _ADDRESS.sub(_instead, _LOGIN.sub(r"\1:[secret]@", text))
    return _TOKEN.sub("[token]", text) if len(text) >= _TOKEN_LENGTH else text


def _instead(found: re.Match[str]) -> str:
    local, domain = found.groups()
    kept = _PSEUDONYM.fullmatch(local) or local.endswith("[secret]")
    return found[0] if kept else f"{_digits(local)}@{_TOKEN.sub('[token]', domain)}"


def _digits(local: str) -> str:
    return hmac.digest(_known.key, local.lower().encode("utf-8", "replace"), "sha256").hex()[:8]
