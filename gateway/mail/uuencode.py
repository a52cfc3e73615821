"""uuencode (POSIX): as a transfer encoding, and the files that old programs put into a text, from `begin` to `end`.

A line that begins with `begin` isn't one yet: a mode, a name, and a line that has the length it states must follow.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.mail import charsets

MAX_FILES = 100
_MAX_CANDIDATES = 1_000
_ENOUGH = 3  # lines without a closing `end` that still make a file: the mail was cut
MOST_STRIPPED = 100_000  # octets that a file may be larger than its lines: these may have lost spaces at their ends
_BEGIN = re.compile(rb"begin(-base64)? [0-7]{3,4} {1,4}([^\r\n]{1,255})\r?\n")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{1,400}={0,2}\s{0,4}")
_UU = re.compile(rb"[ -`]{1,400}\s{0,4}")


@dataclass(frozen=True, slots=True)
class File:
    """A file out of a text: its name as it stands there, and its bytes."""

    name: bytes
    data: bytes

    def shown(self, label: str) -> str:
        """Its name as characters, in the charset of the text that it stood in."""
        return charsets.decode(self.name, label)


def decode(body: bytes) -> bytes:
    """What stands between the `begin` and `end` lines; lines that can't be read are left out."""
    out = bytearray()
    inside = False
    for line in body.splitlines():
        if not inside:
            inside = line.startswith(b"begin ")
        elif line.strip() == b"end" or len(out) > len(body):
            break
        else:
            out += _line(line)
    return bytes(out) if inside else body


def taken_out(text: bytes) -> tuple[bytes, tuple[File, ...]]:
    """(The text without its files, the files). At most a hundred are taken out."""
    kept: list[bytes] = []
    files: list[File] = []
    done = 0
    for at in _candidates(text):
        match = _BEGIN.match(text, at) if at >= done else None
        found = _file(text, match) if match and len(files) < MAX_FILES else None
        if found is not None:
            data, end = found
            files.append(File(match[2].strip(), data))  # type: ignore[index]
            kept.append(text[done:at])
            done = end
    return b"".join((*kept, text[done:])), tuple(files)


def _candidates(text: bytes) -> Iterator[int]:
    """Where lines begin with `begin`."""
    at = 0 if text.startswith(b"begin") else text.find(b"\nbegin") + 1 or -1
    for _ in range(_MAX_CANDIDATES):
        if at < 0:
            return
        yield at
        at = text.find(b"\nbegin", at) + 1 or -1


def _file(text: bytes, match: re.Match[bytes]) -> tuple[bytes, int] | None:
    """(The bytes of the file whose `begin` line matched, where the text goes on), or None where there is none."""
    base64 = match[1] is not None
    out = bytearray()
    lines = first = 0
    at = match.end()
    while at < len(text) and len(out) <= at - match.end() + MOST_STRIPPED:
        line_end = text.find(b"\n", at)
        line_end = len(text) if line_end < 0 else line_end
        line = text[at:line_end].rstrip(b"\r")
        ended = line.strip() == (b"====" if base64 else b"end")
        if not ended and line.strip() and not (_BASE64.fullmatch(line) if base64 else _is_line(line)):
            break  # the text goes on here
        at = min(line_end + 1, len(text))
        if ended:
            return bytes(out), at
        out += _base64(line) if base64 else _line(line)
        lines, first = lines + 1, first or len(out)
    whole = at >= len(text) and lines >= _ENOUGH and first >= 45
    return (bytes(out), at) if whole else None


def _is_line(line: bytes) -> bool:
    """Is it as long as its first character says? Spaces at the end may be lost, a check character may follow."""
    if not _UU.fullmatch(line):
        return False
    wanted = ((line[0] - 32) & 63) * 4 / 3
    return len(line.rstrip()) - 1 <= wanted + 5 and (len(line) - 1 >= wanted or b"  " not in line.rstrip())


def _base64(line: bytes) -> bytes:
    try:
        return binascii.a2b_base64(line)
    except binascii.Error:
        return b""


def _line(line: bytes) -> bytes:
    if not line:
        return b""  # a2b_uu makes 32 zeros of it
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        # Some encoders pad the line beyond what its length says.
        wanted = (((line[0] - 32) & 63) * 4 + 5) // 3
        try:
            return binascii.a2b_uu(line[: wanted + 1])
        except binascii.Error:
            return b""
