"""Files that run when they are opened, or carry what runs: what such files begin with, and how they are disguised.

None of them does anything: each is only as much as makes a program take it for one.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass


def archive(*names: str) -> bytes:
    """A ZIP archive that holds empty members of these names."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.writestr(name, b"")
    return packed.getvalue()


_COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)

# By the extension that belongs to it: octets that tell the form by themselves.
CARRIERS: dict[str, tuple[bytes, ...]] = {
    ".exe": (b"MZ\x90\0\3\0\0\0" + bytes(200),),
    ".elf": (b"\x7fELF\2\1\1" + bytes(57),),
    ".macho": (b"\xcf\xfa\xed\xfe" + bytes(28), b"\xfe\xed\xfa\xce" + bytes(28)),
    ".class": (b"\xca\xfe\xba\xbe\0\0\0\x34",),
    ".wasm": (b"\0asm\1\0\0\0",),
    ".sh": (b"#!/bin/sh\necho\n", b"#! /usr/bin/env python3\n"),
    ".lnk": (bytes.fromhex("4c0000000114020000000000c000000000000046") + bytes(56),),
    ".url": (b"[InternetShortcut]\r\nURL=https://attacker.example/\r\n",),
    ".chm": (b"ITSF\3\0\0\0" + bytes(88),),
    ".cab": (b"MSCF\0\0\0\0" + bytes(28),),
    ".one": (bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(48),),
    ".vhd": (b"conectix" + bytes(504),),
    ".vhdx": (b"vhdxfile" + bytes(504),),
    ".iso": (bytes(32_769) + b"CD001\1" + bytes(2_000),),
    ".dmg": (bytes(1_000) + b"koly" + bytes(508),),
    ".tnef": (b"\x78\x9f\x3e\x22" + bytes(10),),
    ".msi": (_COMPOUND + bytes.fromhex("84100c0000000000c000000000000046"),),
    ".jar": (archive("META-INF/MANIFEST.MF", "A.class"),),
    ".docm": (archive("[Content_Types].xml", "word/vbaProject.bin"), _COMPOUND + "_VBA_PROJECT".encode("utf-16-le")),
    ".hta": (b"<html><head><hta:application id=a><script>x</script>",),
    ".html": (b"<!DOCTYPE html><html><script>alert(1)</script></html>", b"\n<!-- x -->\n<body onload=alert(1)>"),
    ".svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',),
}
# Told by their names and their declared types alone: what is in them is text, and runs only under such a name.
SCRIPTS: dict[str, tuple[str, ...]] = {
    ".bat": ("application/x-msdos-program",),
    ".cmd": (),
    ".ps1": (),
    ".vbs": (),
    ".js": ("text/javascript", "application/javascript", "application/x-javascript"),
    ".wsf": (),
    ".scf": (),
    ".reg": (),
    ".xlsm": (),
    ".scr": ("application/x-msdownload",),
    ".com": (),
    ".pif": (),
}
_DECLARED = {
    ".exe": "application/x-msdownload",
    ".sh": "application/x-sh",
    ".jar": "application/java-archive",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".hta": "application/hta",
}


@dataclass(frozen=True, slots=True)
class Disguised:
    """A file as an attacker sends it: its form, the name and type that it bears, and its octets."""

    form: str
    name: str
    type: str
    data: bytes


def disguised() -> Iterator[Disguised]:
    """Every form in every disguise under which it would still run, or be what it is."""
    for form, samples in CARRIERS.items():
        for data in samples:
            yield from _named(form, "application/octet-stream", data)
            yield from _named(form, "application/pdf", data)
            yield Disguised(form, "facture.pdf", "application/pdf", data)
            yield Disguised(form, "photo.jpg", "image/jpeg", data)
            yield Disguised(form, "facture", "application/octet-stream", data)
    for form, types in SCRIPTS.items():
        yield from _named(form, "application/octet-stream", b"echo 1\r\n")
        yield from _named(form, "application/pdf", b"%PDF-1.4\r\n")
        for declared in types:
            yield Disguised(form, "facture.pdf", declared, b"echo 1\r\n")
    for form, declared in _DECLARED.items():
        yield Disguised(form, "facture.pdf", declared, b"nothing that tells it")


def _named(form: str, declared: str, data: bytes) -> Iterator[Disguised]:
    """The names that programs still take for this extension."""
    bare = form[1:]
    wide = "".join(chr(ord(c) + 0xFEE0) for c in bare)
    for name in (
        f"facture{form}",
        f"facture.pdf{form}",
        f"FACTURE{form.upper()}",
        f"facture.pdf      {form}",
        f"facture{form}. . ",
        f"facture{form}\u200b",
        f"facture\u202e{bare[::-1]}.fdp\u202c{form}",
        f"facture.{wide}",
        f"..\\..\\facture{form}",
        f"facture.{bare[0]}\u00ad{bare[1:]}",
    ):
        yield Disguised(form, name, declared, data)
