"""Bytes to characters, whatever the label says. Never raises.

Only charsets of the list below are used: utf-7, unicode_escape, punycode, idna and EBCDIC would let bytes that
no scanner saw become markup. Labels lie often, so well-formed UTF-8 wins over a Western label.
"""

from __future__ import annotations

import re
from functools import lru_cache

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
    "utf-8": "utf-8",
    "utf8": "utf-8",
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
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "cp932": "cp932",
    "windows-31j": "cp932",
    "euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp_ext",
    "iso-2022-kr": "iso2022_kr",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
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
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


@lru_cache(maxsize=256)
def known(label: str) -> str | None:
    """Python's codec for a charset label (RFC 2978), or None where it isn't one of ours."""
    return _MEANT.get(label.strip(" \t\"'").lower().partition("*")[0].replace("iso8859", "iso-8859"))


def guess(data: bytes) -> str:
    """Characters of unlabelled bytes: UTF-8 where it is, else what a Western Windows would have written."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if _MULTIBYTE.search(data):
        return data.decode("utf-8", "replace")
    return data.decode("cp1252", "replace")


def decode(data: bytes, label: str) -> str:
    """Characters of `data`, whose charset is said to be `label` (RFC 2046 §4.1.2)."""
    codec = known(label)
    if codec is None or codec == "utf-8":
        return guess(data)
    if codec == "cp1252" and (data.isascii() or _MULTIBYTE.search(data)):
        return _utf8_if_whole(data)
    return data.decode(codec, "replace")


def _utf8_if_whole(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
