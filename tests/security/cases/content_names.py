"""Names and characters that deceive: where files would go, what they show, what bytes would become (S11, S12)."""

from __future__ import annotations

import encodings
import encodings.aliases
import pkgutil
import re
import unicodedata
from collections.abc import Callable
from itertools import product
from pathlib import Path, PureWindowsPath

from gateway.mail import charsets, names
from tests.security.names import NAMES, TYPES
from tests.trials.case import Case, Counted, When, scratch

# --- names of attachments ------------------------------------------------------------------------------------


def _naive(claimed: str, kind: str, number: int) -> str:
    return claimed.rpartition("/")[2]


def _deceived(name_of: Callable[[str, str, int], str]) -> Counted:
    """Of 500 names with 30 types: those that lead out of a folder, can't be a file's, or hide what they are."""
    bad = 0
    with scratch() as folder:
        for number, (claimed, kind) in enumerate(product(NAMES, TYPES), 1):
            bad += _leads_out(folder, name_of(claimed, kind, number)) or _hides(name_of(claimed, kind, number))
    return Counted(len(NAMES) * len(TYPES), bad, "names")


def _leads_out(folder: Path, name: str) -> bool:
    windows = PureWindowsPath(name)
    if not name or name.startswith(".") or name != name.strip(" .") or len(name.encode("utf-8", "replace")) > 255:
        return True
    if windows.drive or len(windows.parts) != 1 or windows.is_reserved() or re.search(r'[\x00-\x1f<>:"/\\|?*]', name):
        return True
    return (folder / name).resolve().parent != folder.resolve()


def _hides(name: str) -> bool:
    """Characters that turn text around, or that nobody sees, a run of blanks before the end, another normal form."""
    unseen = any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or c in "\u3164\u2800" for c in name)
    return unseen or "  " in name or unicodedata.normalize("NFKC", name) != name


# --- charsets ------------------------------------------------------------------------------------------------

_MARKUP = b"<script>alert(1)</script>"


def _labels() -> list[str]:
    """Every codec of Python, by all its names."""
    found = {module.name for module in pkgutil.iter_modules(encodings.__path__)}
    return sorted(found | set(encodings.aliases.aliases) | set(encodings.aliases.aliases.values()))


def _disguised() -> list[tuple[str, bytes]]:
    """Markup as each codec writes it, where that isn't how it is written in ASCII."""
    out: list[tuple[str, bytes]] = [("utf-7", b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-")]
    for label in _labels():
        for octets in (_encoded(label), b"\\x3cscript\\x3e", b"\\u003cscript\\u003e", b"+ADw-script+AD4-"):
            if octets and b"<" not in octets and b"\0" not in octets:
                out.append((label, octets))
    return out


def _encoded(label: str) -> bytes:
    try:
        return _MARKUP.decode().encode(label)
    except Exception:  # noqa: BLE001 (codecs raise what they like; those of bytes to bytes have no text)
        return b""


def _became(decode: Callable[[bytes, str], str]) -> Counted:
    """Bytes without a « < » that became one."""
    tried = _disguised()
    return Counted(len(tried), sum("<" in decode(octets, label) for label, octets in tried), "texts")


def _trusting(octets: bytes, label: str) -> str:
    try:
        return octets.decode(label, "replace")
    except Exception:  # noqa: BLE001
        return ""


CASES: tuple[Case, ...] = (
    Case(
        key="S11-charsets",
        trial="markup that no scanner sees, written in every charset that Python knows",
        promise="none of it becomes markup",
        defended=lambda: _became(charsets.decode),
        control=lambda: _became(_trusting),
        removed="decoding by whatever label a mail states",
        when=When.TEST,
    ),
    Case(
        key="S12-names",
        trial="500 names of attachments with 30 types: paths, devices, hidden and turned text, look-alike dots",
        promise="each is a plain file name that shows what it is",
        defended=lambda: _deceived(names.attachment),
        control=lambda: _deceived(_naive),
        removed="what stands behind the last slash",
        when=When.TEST,
    ),
)
