"""Names that strangers chose, made harmless: of attachments and of people.

Normalised first, checked last (NFKC turns harmless-looking characters into dots and slashes). Never used on disk.
"""

from __future__ import annotations

import mimetypes
import re
import unicodedata

from gateway.mail.headers import decoded

MAX_ATTACHMENT = 150
MAX_DISPLAY = 120
_MOST_OCTETS = 240  # of an attachment's name: file systems take 255
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
REORDERING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")  # text can be shown as another by them (UAX 9)
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters and marks that nobody sees
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_SPACES = re.compile(r"\s+")
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))})
_MAX_INPUT = 4_000


def _registry() -> mimetypes.MimeTypes:
    """The types that come with the language, not the machine's files: the same name everywhere.

    The first registry that is made has those read for everybody, unless that seems to be done: they would be held
    for nothing.
    """
    before, mimetypes.inited = mimetypes.inited, True
    try:
        return mimetypes.MimeTypes()
    finally:
        mimetypes.inited = before


_TYPES = _registry()
_EXTENSIONS = {
    "application/ics": ".ics",
    "application/ms-tnef": ".dat",
    "application/pgp-encrypted": ".asc",
    "application/pgp-keys": ".asc",
    "application/pgp-signature": ".asc",
    "application/pkcs7-mime": ".p7m",
    "application/pkcs7-signature": ".p7s",
    "application/x-pkcs7-mime": ".p7m",
    "application/x-pkcs7-signature": ".p7s",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/heic": ".heic",
    "message/global": ".eml",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/plain": ".txt",
    "text/rfc822-headers": ".txt",
    "text/vcard": ".vcf",
}


def visible(text: str) -> str:
    """Without control, format (bidi, zero-width) and unassigned characters, on one line."""
    kept = (" " if c in "\t\r\n" else c for c in text[:_MAX_INPUT])
    shown = (c for c in kept if unicodedata.category(c) not in _HIDDEN and c not in _BLANK)
    return _SPACES.sub(" ", "".join(shown)).strip()


def display(text: str) -> str:
    """A person's display name: NFC, harmless, unquoted, at most 120 characters."""
    name = unicodedata.normalize("NFC", visible(text))
    if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1].strip()
    return name[:MAX_DISPLAY].strip()


def attachment(claimed: str, kind: str, number: int) -> str:
    """A name to show and to send on: at most 150 characters, with its extension; made up where none is usable."""
    name = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", visible(decoded(claimed[:_MAX_INPUT]))))
    name = visible(name).replace("\\", "/").rpartition("/")[2]
    name = _FORBIDDEN.sub("_", name).strip(" .")
    stem, dotted = _parted(name)
    if not stem or stem.partition(".")[0].strip().lower() in _RESERVED:
        return f"attachment-{number}{dotted or extension(kind)}"
    return _short(stem[: MAX_ATTACHMENT - len(dotted)], _MOST_OCTETS - len(dotted.encode())).rstrip(" .") + dotted


def _short(text: str, octets: int) -> str:
    """As much of it as so many octets hold."""
    return text.encode()[:octets].decode(errors="ignore")


def _parted(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    if dot and stem and 0 < len(ending) <= 16 and " " not in ending:
        return stem, "." + ending
    return name, ""


def extension(kind: str) -> str:
    """The extension that files of this type have."""
    return _EXTENSIONS.get(kind) or _TYPES.guess_extension(kind) or (".txt" if kind.startswith("text/") else ".bin")


def kind(name: str) -> str:
    """The type that a file of this name has."""
    return _TYPES.guess_type(name[-_MAX_INPUT:], strict=False)[0] or "application/octet-stream"
