"""Which attachments aren't sent on, and why: by name, declared type and octets, by the antivirus, by size and number.

Any of the three tells a type: a program is one whether it is called so, declared so, or only is one. What isn't sent
on is kept, and said.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from gateway.config.settings import Attachments, Settings
from gateway.model import Attachment, Enclosure, Finding, Mail, Problem, Scan

INFECTED, UNSCANNED, TYPE, HOLDS, SIZE = "infected", "unscanned", "type", "holds", "size"
TOKEN, ADDRESS = "token", "address"  # what it tells (gateway.private): a reply address, or an agent's own
UNSEARCHED = "unsearched"  # nobody knows what it tells: there is too much in it to be searched
_TELLING = frozenset({TOKEN, ADDRESS, UNSEARCHED})
_FINDINGS = {Finding.CLEAN: "", Finding.INFECTED: INFECTED, Finding.HELD: UNSCANNED}
_PROBLEMS = {
    INFECTED: "attachment_infected",
    SIZE: "attachment_size",
    TOKEN: "attachment_token",
    ADDRESS: "attachment_address",
    UNSEARCHED: "attachment_unsearched",
}
_FORMS = {
    **dict.fromkeys((".exe", ".elf", ".macho", ".class", ".wasm", ".msi", ".jar", ".chm", ".hta"), "program"),
    **dict.fromkeys((".lnk", ".url"), "shortcut"),
    **dict.fromkeys((".html", ".svg"), "page"),
    **dict.fromkeys((".iso", ".vhd", ".vhdx", ".dmg"), "disk"),
    ".sh": "script",
    **dict.fromkeys((".docm", ".xlsm", ".pptm"), "macros"),
}


# --- what came ------------------------------------------------------------------------------------------------


def marked(mail: Mail, scan: Scan | None, settings: Settings) -> Mail:
    """The mail, with why each of its attachments is held."""
    if not mail.attachments:
        return mail
    barred = barred_by(scan, asked=bool(settings.antivirus.socket))
    files = marks(mail.attachments, settings.attachments, barred)
    forwarded = mail.forwarded
    if forwarded is not None:
        held = {file.part: file.held for file in files}
        theirs = (replace(file, held=held.get(file.part, barred)) for file in forwarded.attachments)
        forwarded = replace(forwarded, attachments=tuple(theirs))
    return replace(mail, attachments=files, forwarded=forwarded)


def barred_by(scan: Scan | None, *, asked: bool) -> str:
    """Why the antivirus bars every attachment of a mail, "" where it doesn't. `asked`: there is one to be asked."""
    if scan is None:
        return UNSCANNED if asked else ""
    return _FINDINGS[scan.finding]


def marks(files: Iterable[Attachment], limits: Attachments, barred: str) -> tuple[Attachment, ...]:
    """Attachments in the order of the mail, each with why it is held. What holds such a one is held with it.

    One that is held for what it tells stays so.
    """
    withheld = frozenset(limits.withheld)
    found: list[Attachment] = []
    holders: set[str] = set()
    for file in reversed(tuple(files)):  # those inside come after what holds them
        told = file.held if file.held in _TELLING else ""
        held = HOLDS if file.name in holders else TYPE if _types(file) & withheld else told
        held = barred if barred == INFECTED or not held else held
        if held in {TYPE, HOLDS, *_TELLING}:
            holders.add(file.inside)
        found.append(replace(file, held=held))
    return tuple(reversed(found))


def _types(file: Attachment) -> set[str]:
    """All that tells a type: the name as programs read it, also without accents; what is declared; the octets."""
    name = file.name.lower().rstrip(". ")
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    extensions = {"".join(each.rpartition(".")[1:]) for each in (name, bare) if "." in each}
    return {*extensions, file.type.lower(), file.looks} - {""}


# --- what leaves ----------------------------------------------------------------------------------------------


def awaited(files: Iterable[Attachment]) -> tuple[Attachment, ...]:
    """An agent's attachments on their way out: her answer waits whole in the outbox for the antivirus."""
    return tuple(replace(file, held="") if file.held == UNSCANNED else file for file in files)


def parted(found: Iterable[Enclosure], limits: Attachments) -> tuple[tuple[Enclosure, ...], tuple[Attachment, ...]]:
    """What travels with one mail, and what doesn't, which says why."""
    going: list[Enclosure] = []
    staying: list[Attachment] = []
    room = limits.max_relayed
    for enclosure in found:
        file = enclosure.attachment
        if not file.held and (file.size > room or len(going) >= limits.max_count):
            file = replace(file, held=SIZE)
        if file.held:
            staying.append(file)
        else:
            room -= file.size
            going.append(enclosure)
    return tuple(going), tuple(staying)


def problems(files: Iterable[Attachment], limits: Attachments) -> tuple[Problem, ...]:
    """Why an agent's answer can't leave with these: without some of them nobody should believe that it left."""
    _, staying = parted((Enclosure("", file) for file in awaited(files)), limits)
    by_code: dict[str, list[str]] = {}
    for file in staying:
        by_code.setdefault(_PROBLEMS.get(file.held, "attachment_type"), []).append(file.name)
    return tuple(Problem(code, ", ".join(names)) for code, names in by_code.items())


def said(file: Attachment) -> dict[str, str]:
    """An attachment that stays, as templates tell of it. `form`: what it is by its octets, "" where unknown."""
    return {"name": file.name, "why": file.held, "form": _FORMS.get(file.looks, "") if file.held == TYPE else ""}
