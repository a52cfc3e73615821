"""Signed and encrypted mail: S/MIME (RFC 8551) and OpenPGP (RFC 3156, RFC 9580), recognised and kept whole.

Nothing is verified and nothing decrypted: it's told what a mail is, and what is only signed can be read. Of the
ASN.1 (BER) that S/MIME writes only the outermost elements are looked at, in one pass over each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.mail.parts import Tree
from gateway.model import Protection

TYPES = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_MAX_ELEMENTS = 400_000
_SIGNED = bytes.fromhex("2a864886f70d010702")  # 1.2.840.113549.1.7.2
_ENCRYPTED = (
    bytes.fromhex("2a864886f70d010703"),  # enveloped-data
    bytes.fromhex("2a864886f70d010706"),  # encrypted-data
    bytes.fromhex("2a864886f70d0109100117"),  # authenticated-enveloped-data (RFC 5083)
)
_ARMOUR = re.compile(r"^-----BEGIN PGP (MESSAGE|SIGNED MESSAGE)-----[ \t]{0,9}$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Seal:
    """What a CMS object (RFC 5652) is. `content`: of signed data, what was signed where it's inside, else b""."""

    protection: Protection
    content: bytes = b""


def seal(data: bytes) -> Seal:
    """Read a CMS object; anything else protects nothing."""
    outer = _children(data, 0, len(data))
    sequence = next(outer, None)
    if sequence is None or sequence.tag != 0x30:
        return Seal(Protection.NONE)
    kind, body = _first(data, sequence, 2)
    said = data[kind.start : kind.stop] if kind and kind.tag == 0x06 else b""
    if said in _ENCRYPTED:
        return Seal(Protection.ENCRYPTED)
    if said != _SIGNED or body is None:
        return Seal(Protection.NONE)
    return Seal(Protection.SIGNED, _signed(data, body))


def _signed(data: bytes, body: _Element) -> bytes:
    """The content in SignedData (RFC 5652 §5.1): version, digest algorithms, what was signed, ..."""
    (inner,) = _first(data, body, 1)
    if inner is None:
        return b""
    *_, wrapped = _first(data, inner, 3)
    if wrapped is None:
        return b""
    _, held = _first(data, wrapped, 2)
    if held is None:
        return b""
    (octets,) = _first(data, held, 1)
    return _octets(data, octets) if octets is not None else b""


@dataclass(frozen=True, slots=True)
class _Element:
    """One element: its tag, and where its contents are. Of an indefinite length, `stop` is its parent's."""

    tag: int
    start: int
    stop: int
    indefinite: bool = False


def _header(data: bytes, at: int, stop: int) -> _Element | None:
    """The element that begins at `at`, or None where there is none (X.690 §8.1)."""
    if at + 2 > stop or data[at] & 0x1F == 0x1F:
        return None
    tag, length = data[at], data[at + 1]
    start = at + 2
    if length == 0x80:
        return _Element(tag, start, stop, indefinite=True)
    if length > 0x80:
        more = length - 0x80
        if more > 4:
            return None
        length = int.from_bytes(data[start : start + more], "big")
        start += more
    return _Element(tag, start, min(start + length, stop))


def _children(data: bytes, start: int, stop: int) -> Iterator[_Element]:
    """The elements between `start` and `stop`, or the end-of-contents that belongs there."""
    at = start
    for _ in range(_MAX_ELEMENTS):
        found = _header(data, at, stop)
        if found is None or (found.tag == 0 and found.start == found.stop):
            return
        yield found
        at = _after(data, found) if found.indefinite else found.stop


def _after(data: bytes, element: _Element) -> int:
    """Where an element of indefinite length ends: after as many end-of-contents as were opened."""
    at, depth = element.start, 1
    for _ in range(_MAX_ELEMENTS):
        found = _header(data, at, element.stop)
        if found is None:
            break
        if found.indefinite:
            depth += 1
            at = found.start
        else:
            depth -= found.tag == 0 and found.start == found.stop
            at = found.stop
        if not depth:
            return at
    return element.stop


def _first(data: bytes, element: _Element, count: int) -> tuple[_Element | None, ...]:
    """The first children of an element, as many as asked for."""
    found = _children(data, element.start, element.stop)
    return tuple(next(found, None) for _ in range(count))


def _octets(data: bytes, element: _Element) -> bytes:
    """An octet string, in one piece or in many (X.690 §8.7)."""
    if element.tag == 0x04:
        return data[element.start : element.stop]
    if element.tag != 0x24:
        return b""
    return b"".join(_octets(data, piece) for piece in _children(data, element.start, element.stop) if piece.tag == 4)


def protection(found: Tree, text: str) -> Protection:
    """What protects a mail: its structure says so, the CMS objects in it, or PGP's own lines in the text."""
    kinds = {part.type for part in found.parts}
    armour = {match[1] for match in _ARMOUR.finditer(text)} if "-----BEGIN PGP" in text else set()
    if found.protection is Protection.ENCRYPTED or "multipart/encrypted" in kinds or "MESSAGE" in armour:
        return Protection.ENCRYPTED
    if found.protection is Protection.SIGNED or "multipart/signed" in kinds or armour:
        return Protection.SIGNED
    return Protection.NONE


def told(protected: Protection) -> tuple[str, ...]:
    """What a reader must know of it."""
    return ("encrypted: its content cannot be read here",) if protected is Protection.ENCRYPTED else ()
