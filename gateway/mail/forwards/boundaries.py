"""Where another mail begins in a text: separators, header blocks alone, attributions; and what subjects say of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.mail import phrases
from gateway.mail.forwards.blocks import Block, block, depth, header, one_line, plain, unquoted
from gateway.mail.forwards.dates import when

RULES = "-_=*—–~ \t\xa0\u202f"
_MAX_LINE = 4_000
_MAX_LOOKED = 20_000  # lines; a boundary below them is not looked for
_HINT = re.compile(r"[:：—–]|--|==|essage")  # most lines are done with after one look
_GAP = 4  # lines between a separator and its block
_ATTRIBUTION_LINES = 4
_ANGLED = re.compile(r"<\s?([^\s<>@]{1,64}@[^\s<>@]{1,253}?)(?:<mailto:[^<>]{1,300}>)?\s?>")
_QUOTED_NAME = re.compile(r"[\"«“„]\s?([^\"«»“”„]{1,120}?)\s?[\"»”“]\s*$")
_AFTER_DATE = re.compile(r"[\d,;(]")
_VERB = re.compile(
    r"^\W*(?:[ap]\.?m\b\.?|uhr|h|schrieb|schreef|heeft|skrev|użytkownik|používateľ|uživatel|időpontban|пользователь)\W+",
    re.IGNORECASE,
)
_END = re.compile(
    r"(?:fin (?:du|de|del|des) |end (?:of )?(?:the )?|ende der |fine (?:del )?|fim da |einde (?:van )?)"
)
_FINNISH = re.compile(r"\b(?:lähettäjä|lähetetty|vastaanottaja|aihe|kirjoitti)\b")
_LIST_TAG = re.compile(r"\s*\[[^\[\]]{1,80}\]")
_PREFIX = re.compile(r"\s*([^\W\d_][\w\u0307]{0,14})\.?\s?(?:\[\d{1,3}\]|\(\d{1,3}\))?\s?[:：]")


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where another mail begins in the text: its header block, and whether only forwards begin so."""

    start: int
    block: Block
    sure: bool


def first(lines: Sequence[str], *, attributions: bool) -> Boundary | None:
    """The first boundary. An attribution is one if indented or quoted text follows it, else if there's no other."""
    spare: Boundary | None = None
    for at in range(min(len(lines), _MAX_LOOKED)):
        found = _boundary(lines, at)
        if found:
            return found
        attributed = _attribution(lines, at) if attributions and not spare else None
        if attributed:
            spare = Boundary(at, attributed, sure=False)
            if _set_off(lines, attributed.end):
                return spare
    return spare


def _boundary(lines: Sequence[str], at: int) -> Boundary | None:
    """The separator or the header block that this line begins, or None."""
    if not _HINT.search(lines[at], 0, 80):
        return None
    line = unquoted(lines[at][:_MAX_LINE])
    kind, rest = _separator(line)
    if kind:
        found = (one_line(rest, at + 1) if rest else None) or _below(lines, at + 1, kind)
        return Boundary(at, found, sure=kind == "forward") if found else None
    alone = block(lines, at)
    return Boundary(at, alone, sure=False) if alone and len(alone.fields) > 2 else None


def _separator(line: str) -> tuple[str, str]:
    """("forward" | "original" | "", what follows on the same line) of a line that may be a separator."""
    ruled = line.lstrip("*_ ").startswith(("--", "==", "—", "–"))
    if not (ruled or line.endswith((":", "：")) or line[:8].lower() == "message "):
        return "", ""
    inner = line.lstrip(RULES)
    end = min((at for rule in ("--", "==", "—", "–") if (at := inner.find(rule, 0, 250)) > 0), default=len(inner))
    words = plain(inner[:end].strip(RULES + ":：")).replace("message du :", "message du")  # SFR
    if len(words) > 250:
        return "", ""
    rest = inner[end:].strip(RULES)
    if phrases.FORWARDED.fullmatch(words) or (ruled and _forwarded_by(words)):
        return "forward", rest
    return ("original", rest) if phrases.ORIGINAL.fullmatch(words) else ("", "")


def closing(line: str) -> str:
    """ "end" for « ----- Fin du message transféré ----- », "begin" for the separator of a forward, "" for others."""
    bare = unquoted(line[:250])
    if not bare.startswith("--"):
        return ""
    words = plain(bare.strip(RULES))
    end = _END.match(words)
    told = words[end.end() :] if end else words
    if not (phrases.FORWARDED.fullmatch(told) or _forwarded_by(told)):
        return ""
    return "end" if end else "begin"


def _forwarded_by(words: str) -> bool:
    """« Transféré par X », « Message transféré de X » (Horde): with a name."""
    return bool(phrases.FORWARDED_BY.fullmatch(words) or phrases.FORWARDED.fullmatch(words.partition(" de ")[0]))


def _below(lines: Sequence[str], start: int, kind: str) -> Block | None:
    """What says whose mail it is, at the first line with words below a separator."""
    at = next((i for i in range(start, min(len(lines), start + _GAP)) if unquoted(lines[i]).strip(RULES)), None)
    if at is None:
        return None
    found = block(lines, at)
    if found and kind == "original":
        # « Message du 03/02/25 10:12 »: the date stands in the separator.
        return replace(found, fields={"date": unquoted(lines[start - 1]), **found.fields})
    # Yandex writes an attribution there, eM Client labels without colons.
    return found or block(lines, at, colons=False) or (_attribution(lines, at) if kind == "forward" else None)


def _attribution(lines: Sequence[str], at: int) -> Block | None:
    """« Le 28/10/2021 12:46, « Nom » <x@y> a écrit : », on four lines at most: known by its address and date."""
    joined = ""
    for end in range(at, min(len(lines), at + _ATTRIBUTION_LINES)):
        line = unquoted(lines[end][:_MAX_LINE])
        joined = f"{joined} {line}".strip()
        if not line or len(joined) > 500 or header(line):
            return None
        if line.endswith((":", "：")):
            break
    told = _ANGLED.search(joined)
    if not told or not joined.endswith((":", "：")):
        return None
    name = _attributed_name(joined[: told.start()])
    stated = joined[: told.start()].removesuffix(name) + " " + joined[told.end() :]
    if when(stated) is None:
        return None
    return Block({"from": f"{name} <{told[1]}>", "date": stated}, end + 1, depth(_next(lines, end + 1)))


def _attributed_name(before: str) -> str:
    """The name before the address: in quotation marks, or what follows the time."""
    quoted = _QUOTED_NAME.search(before)
    if quoted:
        return quoted[1].strip()
    return _VERB.sub("", _AFTER_DATE.split(before)[-1]).strip()


def _next(lines: Sequence[str], start: int) -> str:
    """The next line with words, of the three that follow; or ""."""
    return next((line for line in lines[start : start + 3] if unquoted(line)), "")


def _set_off(lines: Sequence[str], start: int) -> bool:
    return _next(lines, start).startswith((" ", "\t", "\xa0", ">"))


# --- subjects -------------------------------------------------------------------------------------------------


def prefix(subject: str) -> str:
    """What the outermost prefix of a subject says: "forward", "reply", "either" or ""."""
    match = _PREFIX.match(subject, _after_tags(subject))
    word = plain(match[1]) if match else ""
    if word == "vs":
        return "either"
    if word in phrases.FORWARD_PREFIXES:
        return "forward"
    return "reply" if word in phrases.REPLY_PREFIXES else ""


def without_prefix(subject: str) -> str:
    """The subject without its outermost prefix, if that may say that it's a forward."""
    match = _PREFIX.match(subject, _after_tags(subject))
    return subject[match.end() :].strip() if match and prefix(subject) in ("forward", "either") else subject


def is_finnish(lines: Sequence[str], found: Boundary) -> bool:
    """Was the header block, or the attribution, written by a program in Finnish?"""
    return any(_FINNISH.search(plain(line[:_MAX_LINE])) for line in lines[found.start : found.block.end])


def _after_tags(subject: str) -> int:
    """Where a subject goes on after the tags of mailing lists."""
    at = 0
    for _ in range(5):
        match = _LIST_TAG.match(subject, at)
        if not match:
            break
        at = match.end()
    return at
