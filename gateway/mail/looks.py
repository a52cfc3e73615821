"""What a file is by its own octets, whatever its name and its declared type say.

Only of forms that run, or that carry what runs: nothing is unpacked, decoded or walked through. Ours rather than a
library's, since those that are there tell documents and pictures apart, and miss scripts, macros and most HTML.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

_HEAD = 4_096  # octets in which the first element of a page must begin
_BEGINNINGS = (
    (b"\x7fELF", ".elf"),
    (b"\xfe\xed\xfa\xce", ".macho"),
    (b"\xfe\xed\xfa\xcf", ".macho"),
    (b"\xce\xfa\xed\xfe", ".macho"),
    (b"\xcf\xfa\xed\xfe", ".macho"),
    (b"\xca\xfe\xba\xbe", ".class"),
    (b"\0asm", ".wasm"),
    (b"#!", ".sh"),
    (b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F", ".lnk"),
    (b"[InternetShortcut]", ".url"),
    (b"ITSF", ".chm"),
    (b"MSCF", ".cab"),
    (b"\xe4R\\{\x8c\xd8\xa7M\xae\xb1Sx\xd0)\x96\xd3", ".one"),
    (b"conectix", ".vhd"),
    (b"vhdxfile", ".vhdx"),
    (b"\x78\x9f\x3e\x22", ".tnef"),
)
_IMAGE_AT, _IMAGES = 32_769, (b"CD001", b"BEA01")  # ECMA-119 §8, ECMA-167 part 2 §9
_TRAILER = 512  # of an Apple disk image
_COMPOUND, _ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
_INSTALLER = bytes.fromhex("84100c0000000000c000000000000046")  # the class id of Windows Installer's files
_MACROS = {"_VBA_PROJECT_CUR".encode("utf-16-le"): ".xlsm", "_VBA_PROJECT".encode("utf-16-le"): ".docm"}
_PARTS = {b"xl/vbaProject.bin": ".xlsm", b"ppt/vbaProject.bin": ".pptm", b"vbaProject.bin": ".docm"}
# What may stand before the first element; each piece is taken once, so that nothing is tried twice.
_PAGE = re.compile(
    r"(?>\s++|<!--.*?-->|<\?.*?\?>|<!doctype[^>]*+>|<!\[cdata\[)*+"
    r"<(?:[a-z][\w.-]{0,40}:)?(svg|html|head|body|script|iframe|frameset|object|embed|meta|link|base|style|title|form"
    r"|div|table|span|font|center|img|h[1-6]|a|b|p|br)(?=[\s/>]|$)",
    re.DOTALL,
)


def looks(data: bytes) -> str:
    """The extension that belongs to such a file; "" for what is none of these."""
    for beginning, extension in _BEGINNINGS:
        if data.startswith(beginning):
            return extension
    if data.startswith(b"MZ") and b"\0" in data[:64]:
        return ".exe"
    if data[_IMAGE_AT : _IMAGE_AT + 5] in _IMAGES:
        return ".iso"
    if data[-_TRAILER : -_TRAILER + 4] == b"koly":
        return ".dmg"
    return _container(data) or _page(data)


def _container(data: bytes) -> str:
    """Office documents with macros, installers and Java archives, by names and ids that stand in them unpacked."""
    if data.startswith(_COMPOUND):
        return ".msi" if _INSTALLER in data else _first(_MACROS, data)
    if data.startswith(_ZIP):
        if macros := _first(_PARTS, data):
            return macros
        return ".jar" if b"META-INF/MANIFEST.MF" in data and b".class" in data else ""
    return ""


def _first(names: Mapping[bytes, str], data: bytes) -> str:
    """What the first of the names that stands in it tells."""
    return next((extension for name, extension in names.items() if name in data), "")


def _page(data: bytes) -> str:
    """HTML and SVG: what a browser would run scripts of."""
    head = _text(data[:_HEAD]).lower()
    if "hta:application" in head:
        return ".hta"
    found = _PAGE.match(head)
    if found is None:
        return ""
    return ".svg" if found[1] == "svg" else ".html"


def _text(head: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "replace")
    return head.decode("latin-1")
