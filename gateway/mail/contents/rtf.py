"""Rich text to text, as far as mails need it: what Outlook leaves in `winmail.dat` where there is no other body.

Compressed RTF is [MS-OXRTFCP]'s; what is unpacked is bounded, and both readings go once over their bytes.
"""

from __future__ import annotations

import re

from gateway.mail import charsets

MAX_UNPACKED = 4_000_000
_MAX_DEPTH = 1_000
# What the window holds before the first byte ([MS-OXRTFCP] 2.1.2.1).
_WINDOW = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor "
    rb"MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_SIZE = 4096


def unpacked(data: bytes) -> bytes:
    """Compressed RTF, unpacked: at most 4 MB of it, and as far as it can be read."""
    form, body = data[8:12], data[16:]
    if form == b"MELA":
        return body[:MAX_UNPACKED]
    if form != b"LZFu":
        return b""
    out = bytearray(_WINDOW)
    most = min(int.from_bytes(data[4:8], "little"), MAX_UNPACKED) + len(_WINDOW)
    at = 0
    while at < len(body) and len(out) < most:
        flags = body[at]
        at += 1
        for bit in range(8):
            if flags >> bit & 1:
                token = int.from_bytes(body[at : at + 2], "big")
                distance = (len(out) - (token >> 4)) % _SIZE
                if len(body) < at + 2 or not distance:
                    return bytes(out[len(_WINDOW) : most])  # the end is a reference to where it stands
                _copy(out, distance, (token & 15) + 2)
                at += 2
            else:
                out += body[at : at + 1]
                at += 1
    return bytes(out[len(_WINDOW) : most])


def _copy(out: bytearray, distance: int, length: int) -> None:
    """Repeat what stands `distance` back; what no one wrote yet are spaces."""
    start = len(out) - distance
    if start < 0:
        out += (bytes(out[-_SIZE:]).rjust(_SIZE, b" ")[_SIZE - distance :])[:length]
    elif distance >= length:
        out += out[start : start + length]
    else:
        piece = out[start:]
        out += (piece * (length // distance + 1))[:length]


_TOKEN = re.compile(
    rb"\\'([0-9a-fA-F]{2})|\\([a-z]{1,32})(-?[0-9]{1,10})? ?|\\([^a-z])|([{}])|([^\\{}\r\n]+)", re.DOTALL
)
_SKIPPED = frozenset(
    b"fonttbl colortbl stylesheet info pict object header footer headerl headerr footerl footerr listtable "
    b"listoverridetable revtbl rsidtbl generator themedata datastore latentstyles fldinst xmlnstbl".split()
)
_WORDS = {
    b"par": "\n", b"line": "\n", b"sect": "\n", b"page": "\n", b"row": "\n", b"cell": "  ", b"tab": "\t",
    b"emdash": "—", b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”",
    b"bullet": "•",
}  # fmt: skip
_SIGNS = {b"~": "\xa0", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\n": "\n", b"\r": "\n"}


def to_text(source: bytes) -> str:
    """What a reader of this RTF would see, without its pictures and forms."""
    writer = _Writer()
    for match in _TOKEN.finditer(source[:MAX_UNPACKED]):
        byte, word, number, sign, brace, plain = match.groups()
        if brace:
            writer.group(brace)
        elif word:
            writer.word(word, int(number) if number else None)
        elif sign:
            writer.sign(sign)
        else:
            writer.octets(bytes.fromhex(byte.decode()) if byte else plain)
    return writer.finish()


class _Writer:
    """Collects the text; octets that follow each other are decoded together."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.pending = bytearray()
        self.label = "windows-1252"
        self.skipping = False
        self.groups: list[bool] = []  # was the group around this one left out?
        self.after = 1  # how many characters stand in for one in Unicode
        self.left = 0  # of those, still to be left out

    def group(self, brace: bytes) -> None:
        if brace == b"{":
            if len(self.groups) < _MAX_DEPTH:
                self.groups.append(self.skipping)
        elif self.groups:
            self.skipping = self.groups.pop()
        self.left = 0

    def word(self, word: bytes, number: int | None) -> None:
        if word in _SKIPPED:
            self.skipping = True
        elif word == b"ansicpg" and number:
            self.label = "utf-8" if number == 65001 else f"cp{number}"
        elif word == b"uc":
            self.after = min(max(number or 0, 0), 8)
        elif word == b"u" and number is not None:
            self.text(chr(number % 65536))
            self.left = self.after
        elif word in _WORDS:
            self.text(_WORDS[word])

    def sign(self, sign: bytes) -> None:
        if sign == b"*":
            self.skipping = True
        elif sign in _SIGNS:
            self.text(_SIGNS[sign])

    def octets(self, data: bytes) -> None:
        kept = data[self.left :]
        self.left = max(self.left - len(data), 0)
        if not self.skipping:
            self.pending += kept

    def text(self, text: str) -> None:
        if not self.skipping:
            self._flush()
            self.out.append(text)

    def _flush(self) -> None:
        if self.pending:
            self.out.append(charsets.decode(bytes(self.pending), self.label))
            self.pending.clear()

    def finish(self) -> str:
        self._flush()
        # Characters beyond the first plane come as two surrogates.
        return "".join(self.out).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
