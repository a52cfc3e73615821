"""One mail, however it came: the digest of what its author sent, without what transport and mailboxes add."""

from __future__ import annotations

import hashlib

from gateway.mail.headers import MAX_HEAD

_ADDED = frozenset(
    {
        b"received",
        b"x-received",
        b"return-path",
        b"delivered-to",
        b"x-original-to",
        b"envelope-to",
        b"x-delivered-to",
        b"authentication-results",
        b"received-spf",
        b"x-keywords",
        b"status",
        b"x-status",
        b"lines",
        b"content-length",
    }
)
_ADDED_PREFIXES = (
    b"x-envelope-",
    b"arc-",
    b"x-spam",
    b"x-virus",
    b"x-uid",
    b"x-mozilla-",
    b"x-google-",
    b"x-gm-",
)


def fingerprint(raw: bytes, body: int) -> str:
    """Hex SHA-256 of the mail with LF line endings, without trace and mailbox fields, nor blank lines at its end.

    `body` is where the header block ends (`Head.body`).
    """
    top = body if body <= MAX_HEAD else raw.rfind(b"\n", 0, MAX_HEAD) + 1  # what is added is added at the top
    digest = hashlib.sha256(b"\n".join(_kept(_lf(raw[:top]))))
    digest.update(_lf(raw[top:body]))
    digest.update(b"\n\n")
    digest.update(_lf(raw[body:]).rstrip(b"\n"))
    return digest.hexdigest()


def _lf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def _kept(head: bytes) -> list[bytes]:
    """The lines of the fields that the author's side wrote; a folded line goes with its field (RFC 5322 §2.2.3)."""
    kept: list[bytes] = []
    keeping = True
    for line in head.split(b"\n"):
        if line[:1] not in (b" ", b"\t"):
            keeping = bool(line.rstrip(b"\r")) and not _added(line)
        if keeping:
            kept.append(line)
    return kept


def _added(line: bytes) -> bool:
    if line.startswith((b"From ", b">From ")):
        return True
    name = line[:80].partition(b":")[0].rstrip().lower()
    return name in _ADDED or name.startswith(_ADDED_PREFIXES)
