"""One mail, however it came: the digest of what its author sent, without what transport and mailboxes add."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from gateway.mail.headers import MAX_HEAD

_BLOCK = 1 << 20  # octets of a body that are copied at a time
# What the author's side writes (RFC 5322 §3.6, RFC 2045). Everything else may be added, changed or removed on the
# way: trace, authentication, spam scores, marks of mailboxes. A closed list, since nobody knows all that is added.
_WRITTEN = frozenset(
    {
        b"from",
        b"sender",
        b"reply-to",
        b"to",
        b"cc",
        b"subject",
        b"date",
        b"message-id",
        b"in-reply-to",
        b"references",
        b"resent-from",
        b"resent-to",
        b"resent-message-id",
        b"auto-submitted",
        b"mime-version",
    }
)


def fingerprint(raw: bytes, body: int) -> str:
    """Hex SHA-256 of the author's fields and the body, with LF line endings and no blank lines at the end.

    `body` is where the header block ends (`Head.body`).
    """
    top = body if body <= MAX_HEAD else raw.rfind(b"\n", 0, MAX_HEAD) + 1  # what is added is added at the top
    digest = hashlib.sha256(b"\n".join(_kept(_lf(raw[:top]))))
    digest.update(_lf(raw[top:body]))
    digest.update(b"\n\n")
    lines = 0  # that ended, and are digested once something follows
    for block in _blocks(raw, body):
        words = block.rstrip(b"\n")
        if words:
            digest.update(b"\n" * lines)
            digest.update(words)
            lines = 0
        lines += len(block) - len(words)
    return digest.hexdigest()


def _blocks(raw: bytes, start: int) -> Iterator[bytes]:
    """What follows `start`, with LF line endings, some of it at a time; none ends within a CRLF."""
    while start < len(raw):
        end = start + _BLOCK
        end += raw[end - 1 : end + 1] == b"\r\n"
        yield _lf(raw[start:end])
        start = end


def _lf(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def _kept(head: bytes) -> list[bytes]:
    """The lines of the fields that the author's side wrote; a folded line goes with its field (RFC 5322 §2.2.3)."""
    kept: list[bytes] = []
    keeping = True
    for line in head.split(b"\n"):
        if line[:1] not in (b" ", b"\t"):
            keeping = _written(line)
        if keeping:
            kept.append(line)
    return kept


def _written(line: bytes) -> bool:
    name = line[:80].partition(b":")[0].rstrip().lower()
    return name in _WRITTEN or (name.startswith(b"content-") and name != b"content-length")
