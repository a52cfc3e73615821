"""A draft becomes the octets on the wire, the same ones at every attempt.

We write the header ourselves, from a closed list of fields, and look at the result (`wire.assert_wire`): no
interpreter or library version can slip in a field, a bare CR or LF, or an endless line.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from binascii import b2a_base64, b2a_qp
from collections.abc import Sequence
from email.utils import format_datetime
from urllib.parse import quote

from gateway.mail import mark
from gateway.model import Attachment, Draft, Outgoing, Role
from gateway.relay import html
from gateway.relay.templating import NO_SUBJECT
from gateway.relay.wire import assert_wire, path

_LONGEST_ID = 970  # characters; a line has room for 998
_END = 20  # characters of a file name that are never cut off
_BLANK_AT_END = re.compile(rb"[ \t]\n")
_SHORT = 24  # octets, which may become 72
_Part = tuple[dict[str, str], bytes]  # its header fields and its octets


def compose(outgoing: Outgoing, contents: Sequence[bytes]) -> bytes:
    """The mail as it leaves, with CRLF line ends. `contents` are the octets of the draft's enclosures, in order.

    Raises:
        WireError: the result breaks a rule of the wire, or an address can't be written to.
    """
    draft = outgoing.draft
    for address in (draft.to, outgoing.reply_to, outgoing.envelope_sender):
        path(address)
    automatic = "auto-replied" if draft.silent else "auto-generated"
    fields = {
        "From": _mailbox(draft.from_name, outgoing.reply_to),
        "To": _mailbox("", draft.to),
        "Reply-To": _mailbox("", outgoing.reply_to),
        "Subject": _unstructured(draft.subject, "Subject") or _unstructured(NO_SUBJECT[draft.language], "Subject"),
        "Date": format_datetime(outgoing.created_at),
        "Message-ID": f"<{outgoing.message_id}>",
        "In-Reply-To": _ids(outgoing.in_reply_to),
        "References": _ids(outgoing.references),
        "Auto-Submitted": automatic if draft.automatic else "",
        "X-Auto-Response-Suppress": "All" if draft.automatic else "",
        "Precedence": "bulk" if draft.automatic and draft.role is not Role.AGENT else "",
        mark.FIELD: mark.marked(outgoing.message_id.rpartition("@")[2], automatic=draft.automatic),
        "Content-Language": draft.language,
        "MIME-Version": "1.0",
    }
    body_fields, body = _body(outgoing, contents)
    header = {name: value for name, value in {**fields, **body_fields}.items() if value}
    lines = [f"{name}: {value}".encode() for name, value in header.items()]
    wire = b"\r\n".join((*lines, b"", body))
    assert_wire(wire, tuple(header))
    return wire


# --- header fields ---------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """One line: every control, format and separator character is a space or nothing."""
    if text.isprintable():  # most are, and this is much quicker
        return " ".join(text.split())
    kept = (" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text)
    return " ".join("".join(c for c in kept if unicodedata.category(c) not in {"Cf", "Cs"}).split())


def _mailbox(name: str, address: str) -> str:
    address = _plain(address).replace(" ", "").replace("<", "").replace(">", "")
    name = _plain(name)[:120]
    if not name:
        return address if address.isascii() else f"<{address}>"
    if name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"\r\n <{address}>'
    return f"{_encoded_words(name)}\r\n <{address}>"


def _unstructured(text: str, field: str) -> str:
    text = _plain(text)[:500]
    if not text.isascii() or "=?" in text:
        return _encoded_words(text)
    return _folded(text.split(" "), len(field) + 2)


def _folded(words: Sequence[str], begin: int) -> str:
    """Words joined by spaces, folded before column 78 where they allow it (RFC 5322 §2.2.3)."""
    lines, length = [""], begin
    for word in words:
        if lines[-1] and length + 1 + len(word) > 78:
            lines.append("")
            length = 0
        lines[-1] += f" {word}" if lines[-1] or len(lines) > 1 else word
        length += len(word) + 1
    return "\r\n".join(lines)


def _encoded_words(text: str) -> str:
    """RFC 2047 §2: base64 words of at most 75 characters, none of them cutting a character."""
    octets, words, begin = text.encode("utf-8", "replace"), list[str](), 0
    while begin < len(octets):
        end = begin + 42
        while octets[end : end + 1] and octets[end] & 0xC0 == 0x80:  # in the midst of a character
            end -= 1
        words.append(f"=?utf-8?b?{b2a_base64(octets[begin:end], newline=False).decode('ascii')}?=")
        begin = end
    return "\r\n ".join(words)


def _ids(ids: Sequence[str]) -> str:
    """Message-IDs in angle brackets, one a line. One that can't stand in a header is left out."""
    sound = [i for i in ids if i.isascii() and i.isprintable() and " " not in i and len(i) < _LONGEST_ID]
    return "\r\n ".join(f"<{identifier}>" for identifier in sound)


# --- body ------------------------------------------------------------------------------------------------


def _body(outgoing: Outgoing, contents: Sequence[bytes]) -> _Part:
    words = _words(outgoing.draft, outgoing.message_id)
    if not contents:
        return words
    enclosed = zip(outgoing.draft.enclosures, contents, strict=True)
    attachments = (_attachment(enclosure.attachment, content) for enclosure, content in enclosed)
    return _multipart("mixed", outgoing.message_id, [words, *attachments])


def _words(draft: Draft, identifier: str) -> _Part:
    """Agents answer with commands, in plain text; everybody else may read it as HTML too (RFC 2046 §5.1.4)."""
    plain = _text("plain", draft.text)
    if draft.role is Role.AGENT:
        return plain
    return _multipart(
        "alternative", identifier, [plain, _text("html", html.page(draft.text, draft.subject, draft.language))]
    )


def _multipart(kind: str, identifier: str, parts: Sequence[_Part]) -> _Part:
    # "=_" stands in neither base64 nor quoted-printable (RFC 2045 §6.7), so no part can hold the boundary.
    boundary = "=_" + hashlib.sha256(f"{kind} {identifier}".encode()).hexdigest()[:32]
    octets: list[bytes] = []
    for fields, content in parts:
        octets.append(f"--{boundary}".encode())
        octets += [f"{name}: {value}".encode() for name, value in fields.items()]
        octets += (b"", content)
    octets.append(f"--{boundary}--\r\n".encode())
    return {"Content-Type": f'multipart/{kind};\r\n boundary="{boundary}"'}, b"\r\n".join(octets)


def _text(kind: str, text: str) -> _Part:
    fields = {
        "Content-Type": f"text/{kind}; charset=utf-8",
        "Content-Transfer-Encoding": "quoted-printable",
    }
    return fields, _quoted_printable(html.visible(text).encode())


def _quoted_printable(octets: bytes) -> bytes:
    """RFC 2045 §6.7. A long line that ends in blanks becomes longer than it may be, unless binascii has it alone."""
    blanks = (found.start() for found in _BLANK_AT_END.finditer(octets))
    if any(blank - octets.rfind(b"\n", 0, blank) > _SHORT for blank in blanks):
        return b"\n".join(map(b2a_qp, octets.split(b"\n"))).replace(b"\n", b"\r\n")
    return b2a_qp(octets).replace(b"\n", b"\r\n")


def _attachment(attachment: Attachment, content: bytes) -> _Part:
    # A message may not be sent as base64 (RFC 2046 §5.2.1): it travels as a file.
    opaque = attachment.type.startswith(("message/", "multipart/"))
    name = _short(_plain(attachment.name) or "attachment")
    ascii_name = _short(_ascii(name))  # some letters become many
    encoded = quote(name, safe="")
    fields = {
        "Content-Type": "application/octet-stream" if opaque else _media_type(attachment.type),
        "Content-Transfer-Encoding": "base64",
        "Content-Disposition": f"attachment;\r\n filename=\"{ascii_name}\";\r\n filename*=utf-8''{encoded}",
    }
    return fields, base64.encodebytes(content).replace(b"\n", b"\r\n").rstrip(b"\r\n")


def _ascii(name: str) -> str:
    """The name for programs that know no other: letters without their accents, "_" for what ASCII hasn't."""
    bare = (c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    kept = "".join(c if (c.isascii() and c.isalnum()) or c in "._- " else "_" for c in bare)
    return kept.strip() or "attachment"


def _short(name: str) -> str:
    """A file name that fits on a line however it is written. Its end stays: by that its type was looked at."""
    head, end = name[:-_END], name[-_END:]
    head = head[: 150 - len(end)]
    while len(quote(head + end, safe="")) > 900:
        head = head[:-8]
    return head + end


def _media_type(name: str) -> str:
    allowed = frozenset("abcdefghijklmnopqrstuvwxyz0123456789!#$&-^_.+/")
    sound = name.count("/") == 1 and set(name) <= allowed and len(name) < 100
    return name if sound else "application/octet-stream"
