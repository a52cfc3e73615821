"""What unlabelled or mislabelled bytes most likely are. Looks at 4 kB at most; never raises.

UTF-8, where they are; else by what texts of a script look like in its charsets: kana among the Japanese, the two
thousand commonest characters of Chinese, syllables of Korean, words whose every letter is beyond ASCII for Cyrillic.
What resembles none is what a Western Windows writes.
"""

from __future__ import annotations

import codecs
import re

_LOOKED_AT = 4_000
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH = re.compile(rb"[\x80-\xff]")
_WORDS = re.compile(rb"[\x80-\xff]{3,}")
# Pairs of the commonest characters: GB 2312's level 1, Big5's level 1.
_GB = re.compile(rb"[\xb0-\xd7][\xa1-\xfe]|[\xa1-\xa3][\xa1-\xfe]")
_BIG5 = re.compile(rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]|\xa1[\x40-\x7e]")


def likeliest(data: bytes) -> str:
    """Python's codec for bytes that aren't UTF-8 throughout."""
    data = data[:_LOOKED_AT]
    high = len(_HIGH.findall(data))
    utf8 = sum(map(len, _MULTIBYTE.findall(data)))
    if utf8 * 4 >= high * 3 or b"\xef\xbf\xbd" in data:
        return "utf-8"  # cut or damaged
    if cyrillic := _cyrillic(data, high, 0.9):
        return cyrillic
    for fits, codec in ((_japanese, "cp932"), (_japanese, "euc_jp"), (_korean, "cp949"), (_chinese, "gb18030")):
        if fits(data, codec, high):
            return codec
    if sum(map(len, _BIG5.findall(data))) >= len(_strange(data, "big5hkscs")) * 1.6 > 6:
        return "big5hkscs"
    return "utf-8" if utf8 * 2 >= high else _cyrillic(data, high, 0.6) or "cp1252"


def _strange(data: bytes, codec: str) -> str:
    """The characters beyond ASCII that the bytes are in a charset; "" where they can't be in it."""
    try:
        text = codecs.getincrementaldecoder(codec)().decode(data)  # the last character may have been cut
    except UnicodeDecodeError:
        return ""
    return "".join(c for c in text if not c.isascii())


def _share(text: str, *ranges: tuple[str, str]) -> float:
    return sum(any(low <= c <= high for low, high in ranges) for c in text) / len(text) if text else 0


def _japanese(data: bytes, codec: str, _: int) -> bool:
    text = _strange(data, codec)
    kana = _share(text, ("\u3041", "\u30ff"))
    return len(text) > 1 and kana >= 0.2 and kana + _share(text, ("\u3000", "\u3020"), ("\u4e00", "\u9fff")) > 0.9


def _korean(data: bytes, codec: str, _: int) -> bool:
    text = _strange(data, codec)
    return len(text) > 3 and _share(text, ("\uac00", "\ud7a3")) > 0.95


def _chinese(data: bytes, codec: str, high: int) -> bool:
    return high > 3 and bool(_strange(data, codec)) and sum(map(len, _GB.findall(data))) > high * 0.8


def _cyrillic(data: bytes, high: int, share: float) -> str:
    """Words of three and more letters, none of them ASCII; that share small ones, which tell the charsets apart."""
    words = b"".join(_WORDS.findall(data))
    if len(words) < max(4, high * 0.6):
        return ""
    small = {"cp1251": sum(b >= 0xE0 for b in words), "koi8_r": sum(0xC0 <= b < 0xE0 for b in words)}
    best = max(small, key=lambda codec: small[codec])
    return best if small[best] >= len(words) * share else ""
