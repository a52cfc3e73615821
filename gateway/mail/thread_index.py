"""Outlook's Thread-Index (MS-OXOMSG §2.2.1.3, PidTagConversationIndex): 22 octets, then 5 for each reply.

The 22 are a 1, five of the time, and a GUID that all mails of one Outlook conversation share.
"""

from __future__ import annotations

import binascii
import re

_HEADER = 22
_GUID = slice(6, 22)
_RESERVED = 1
_MAX_VALUE = 10_000  # some 1,500 replies
_SPACE = re.compile(r"\s+")


def conversation(value: str) -> str:
    """The conversation's GUID as 32 hex digits, or "" where the field is none.

    What stands behind the header isn't looked at: servers cut it, and not always between two replies.
    """
    text = _SPACE.sub("", value[:_MAX_VALUE])
    try:
        # Only the header's characters: junk or a cut behind them spoils nothing.
        header = binascii.a2b_base64(text[:32].rstrip("=") + "==", strict_mode=False)[:_HEADER]
    except (binascii.Error, ValueError):
        return ""
    guid = header[_GUID]
    if len(header) < _HEADER or header[0] != _RESERVED or len(set(guid)) == 1:
        return ""
    return guid.hex()
