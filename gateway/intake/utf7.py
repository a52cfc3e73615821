"""Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3)."""

from __future__ import annotations

import base64
import re

SHIFTED = re.compile(r"[^\x20-\x7e]+")


def encode(name: str) -> str:
    """« Traités » → `Trait&AOk-s`. Printable ASCII stays, `&` becomes `&-`, all else UTF-16 in base64.

    Raises UnicodeEncodeError for a lone surrogate, which no mailbox name can hold.
    """
    return SHIFTED.sub(lambda match: f"&{_shift(match[0])}-", name.replace("&", "&-"))


def _shift(text: str) -> str:
    return base64.b64encode(text.encode("utf-16-be"), b"+,").decode().rstrip("=")
