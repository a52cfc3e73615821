"""Bytes to characters, whatever the label says. Never raises.

Only charsets of the list below are used: utf-7, unicode_escape, punycode, idna and EBCDIC would let bytes that
no scanner saw become markup; of UTF-7, only what can't become any is read. Labels lie often: well-formed UTF-8 wins
over them, and where the bytes can't be what the label says, `guessed` looks at the bytes alone.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from contextlib import suppress
from encodings.aliases import aliases
from functools import lru_cache

from gateway.mail.charsets.guessed import likeliest

# What a label means in the mail that carries it: the superset that the senders really use.
_MEANT = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "l1": "cp1252",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
    "ansi": "cp1252",
    "ansi-x3.4-1968": "cp1252",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "utf-8-sig": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "utf-32": "utf-32",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "big5-hkscs": "big5hkscs",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "cp932": "cp932",
    "windows-31j": "cp932",
    "ms-kanji": "cp932",
    "csiso2022jp": "iso2022_jp_ext",
    "iso-2022-jp-ms": "iso2022_jp_ext",
    "iso-2022-jp-1": "iso2022_jp_ext",
    "iso-2022-jp-2": "iso2022_jp_2",
    "cp936": "gb18030",
    "ms936": "gb18030",
    "euc-cn": "gb18030",
    "gb-2312": "gb18030",
    "cp950": "big5hkscs",
    "windows-949": "cp949",
    "ksc5601": "cp949",
    "euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp_ext",
    "iso-2022-kr": "iso2022_kr",
    "euc-kr": "cp949",
    "ks-c-5601-1987": "cp949",
    "cp949": "cp949",
    "koi8-r": "koi8_r",
    "koi8-u": "koi8_u",
    "macintosh": "mac_roman",
    "x-mac-roman": "mac_roman",
    "cp437": "cp437",
    "cp850": "cp850",
    "ibm850": "cp850",
    "tis-620": "cp874",
    **{f"iso-8859-{n}": f"iso8859_{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    "iso-8859-8-i": "iso8859_8",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    **{f"windows-{n}": f"cp{n}" for n in (874, 1250, 1251, 1253, 1254, 1255, 1256, 1257, 1258)},
    **{f"cp{n}": f"cp{n}" for n in (874, 1250, 1251, 1253, 1254, 1255, 1256, 1257, 1258)},
}
_SINGLE = frozenset(
    codec for codec in _MEANT.values() if codec.startswith(("cp125", "iso8859", "koi8", "mac", "cp4", "cp8"))
)
_UTF7 = ("utf-7", "utf7", "unicode-1-1-utf-7", "x-unicode-2-0-utf-7")
_SHIFTED = re.compile(rb"\+([A-Za-z0-9+/]{2,10000})-?")
_MARKUP = re.compile(r"[<>&\x00-\x08\x0b-\x1f]")
_HIGH = re.compile(rb"[\x80-\xff]")
_THREE = re.compile(rb"(?:[\xe1-\xed][\x80-\xbf]{2}){3}")


def load() -> None:
    """Load every codec that reading may take, where it couldn't be loaded later.

    Libraries that are asked for a second opinion decode by whatever Python knows, so all of those.
    """
    for codec in {*_MEANT.values(), *aliases.values(), "euc_jis_2004", "punycode", "ascii"}:
        with suppress(LookupError):  # some are another system's
            codecs.lookup(codec)


@lru_cache(maxsize=256)
def known(label: str) -> str | None:
    """Python's codec for a charset label (RFC 2978), or None where it isn't one of ours."""
    return _MEANT.get(_bare(label))


def _bare(label: str) -> str:
    """A label as it's looked up: `"UTF-8"`, `utf-8*fr` (RFC 2231 §5) and `charset=utf-8` are utf-8."""
    bare = label.strip(" \t\"'<>").lower().rpartition("charset=")[2].strip(" \"'")
    bare = re.split(r"[*;,\s]", bare[:80], maxsplit=1)[0].replace("_", "-")
    bare = bare.removeprefix("x-") if bare.startswith(("x-sjis", "x-gbk", "x-euc", "x-windows", "x-cp")) else bare
    return bare.replace("iso8859", "iso-8859").replace("iso-8859_", "iso-8859-").partition(":")[0]


def guess(data: bytes) -> str:
    """Characters of unlabelled bytes."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        codec = likeliest(data)
        return _mended(data) if codec == "utf-8" else data.decode(codec, "replace")


_STRAY = re.compile(r"[\udca0-\udcff](?=[\x00-\x7f])")
_FAR = re.compile("[\u0370-\u1fff\u3040-\ud7ff]")  # letters that no Western text has
_LOST = re.compile(r"[\udc80-\udcff]")


def _mended(data: bytes) -> str:
    """UTF-8 with Western octets in it, as from a quote; those of characters that were cut can't be told."""
    text = data.decode("utf-8", "surrogateescape")
    if _FAR.search(text):
        return _LOST.sub("\ufffd", text)
    return _LOST.sub("\ufffd", _STRAY.sub(lambda match: chr(ord(match[0]) - 0xDC00), text))


def decode(data: bytes, label: str) -> str:
    """Characters of `data`, whose charset is said to be `label` (RFC 2046 §4.1.2)."""
    codec = known(label)
    if codec is None and _bare(label) in _UTF7 and data.isascii():
        return _SHIFTED.sub(_unshifted, data).decode("utf-8")
    if codec in (None, "utf-8"):
        return guess(data)
    assert codec is not None
    if codec in _SINGLE:
        return _utf8(data) or data.decode(codec, "replace")
    if codec.startswith(("utf-16", "utf-32")):
        return _wide(data, codec)
    return _many(data, codec)


def _utf8(data: bytes) -> str:
    """The text where the bytes are UTF-8, else ""."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _wide(data: bytes, codec: str) -> str:
    """Text in two or four octets a character has zeros among them, or no Latin at all."""
    if b"\0" not in data and (text := _utf8(data)):
        return text
    if codec == "utf-16" and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        codec = "utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"
    return data.decode(codec, "replace").removeprefix("\ufeff")


def _many(data: bytes, codec: str) -> str:
    """East Asian charsets: believed where they fit, unless it's plainly UTF-8."""
    if codec.startswith("iso2022"):
        return guess(data) if _HIGH.search(data) else _escaped(data, codec)
    if _THREE.search(data) and (text := _utf8(data)):
        return text
    text = data.decode(codec, "replace")
    lost = text.count("\ufffd")
    return guess(data) if lost * 20 > len(text) else text


def _escaped(data: bytes, codec: str) -> str:
    """ISO-2022; the signs that Japanese Windows adds to it (№, ①) are where JIS X 0213 has them."""
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        if not codec.startswith("iso2022_jp"):
            return data.decode(codec, "replace")
    return "".join(
        bytes(b | 0x80 for b in run[2:]).decode("euc_jis_2004", "replace")
        if run.startswith((b"$B", b"$@"))
        else (b"\x1b" + run).decode(codec, "replace")
        for run in (b"(B" + data).split(b"\x1b")
    )


def _unshifted(match: re.Match[bytes]) -> bytes:
    """A run of UTF-7 (RFC 2152), as UTF-8; left as it is where it would become markup or a control character."""
    octets = match[1] + b"=" * (-len(match[1]) % 4)
    try:
        data = base64.b64decode(octets)
        text = data[: len(data) // 2 * 2].decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        return match[0]
    return match[0] if _MARKUP.search(text) else text.encode("utf-8", "replace")
