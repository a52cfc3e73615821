"""What the author wrote, apart from what they quoted: a scanner of lines that never goes back.

Every line of the text ends up either in `own` or in `quoted`, in its order. In doubt nothing is cut: keeping a quote
is better than losing a citizen's words. Signatures and footers stay with the author's words.

Three forms of quote are known: lines with `>`; an attribution (« Le …, X a écrit : »), which belongs to the quote
below it; a separator (« -----Message d'origine----- », a block De/Envoyé/À/Objet, our own marker), from which on
everything is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.mail import phrases

# Printed at the top of our notifications. Recognised by its letters alone, so that quoting, wrapping and broken
# charsets don't hide it.
REPLY_MARKER = "✂ ---- Répondez au-dessus de cette ligne / Reply above this line ----"
_MARKER_CORES = ("pondezaudessusdecetteligne", "replyabovethisline")

_ATTRIBUTION_LINES = 4
_ATTRIBUTION_CHARS = 500
_SPACES = re.compile(r"\s+")
_LETTERS = re.compile(r"[^a-z]+")
_ANGLED = re.compile(r"<\s{0,2}[^\s<>]{1,100}@[^\s<>]{1,200}>")
_LABEL = re.compile(r"[*_]{0,2}([^\W\d_][\w' -]{0,24}?)[*_]{0,2}\s{0,3}[:：][*_]{0,2}(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Cut:
    """The author's own lines, and the others. Blank lines at the ends are left out."""

    own: str
    quoted: str


def cut(text: str) -> Cut:
    """Tell the author's lines from quoted ones."""
    lines = text.split("\n")
    marked = _marked(lines)
    tail = _tail(lines)
    quoted = marked[:tail] + [True] * (len(lines) - tail)
    own = _together(lines, quoted, wanted=False)
    if not own.strip() and tail < len(lines) and not _bare_marker(lines, tail):
        # A separator at the very top: a bare forward, or an answer below. What is the author's can't be told.
        quoted = marked
        own = _together(lines, quoted, wanted=False)
    return Cut(own, _together(lines, quoted, wanted=True))


def has_marker(text: str) -> bool:
    """Does our marker stand in the text, quoted or not?"""
    lines = text.split("\n")
    return any(_marker(lines, index) for index in range(len(lines)))


def _together(lines: Sequence[str], quoted: Sequence[bool], *, wanted: bool) -> str:
    return "\n".join(line for line, is_quoted in zip(lines, quoted, strict=True) if is_quoted is wanted).strip("\n")


# --- lines with > and their attributions -------------------------------------------------------------------


def _marked(lines: Sequence[str]) -> list[bool]:
    """Which lines are quoted by `>`, or introduce such a quote. Blank lines go with what is above them."""
    quoted = [_is_quote(line) for line in lines]
    for index in range(1, len(lines)):
        if quoted[index - 1] and not lines[index].strip() and not quoted[index]:
            quoted[index] = True
    _attributions(lines, quoted)
    return quoted


def _is_quote(line: str) -> bool:
    return line.lstrip(" \t\xa0").startswith(">")


def _attributions(lines: Sequence[str], quoted: list[bool]) -> None:
    """Mark the attribution above each quote: up to four lines, a blank one below it allowed."""
    for index in range(1, len(lines)):
        if not quoted[index] or quoted[index - 1] or not lines[index].strip():
            continue
        last = index - 1
        if not lines[last].strip():
            last -= 1
        first = _attribution_above(lines, last)
        if first is not None:
            quoted[first:index] = [True] * (index - first)


def _attribution_above(lines: Sequence[str], last: int) -> int | None:
    """Where the attribution that ends at line `last` begins, or None where it is none."""
    if last < 0 or not lines[last].rstrip(" *_\xa0").endswith((":", "：")):
        return None
    ends = _ends_attribution(lines[last])
    first = last
    while first > 0 and last - first < _ATTRIBUTION_LINES - 1 and lines[first - 1].strip():
        if ends and _opens_attribution(lines[first]):
            break
        first -= 1
    joined = " ".join(lines[first : last + 1])
    if ends:
        return first if _opens_attribution(lines[first]) else last
    return first if _names_and_dates(joined) else None


def _names_and_dates(joined: str) -> bool:
    """An attribution in a language that isn't known here: an address in angle brackets, a date, and a colon."""
    return len(joined) < 250 and _ANGLED.search(joined) is not None and sum(c.isdigit() for c in joined) >= 3


def _plain(line: str) -> str:
    return _SPACES.sub(" ", line).strip(" *_").lower()


def _opens_attribution(line: str) -> bool:
    return line[:40].lstrip(" \t*_\xa0").lower().replace("\xa0", " ").startswith(phrases.ATTRIBUTION_OPENERS)


def _ends_attribution(line: str) -> bool:
    """Does a line end as an attribution does: a verb and a colon?"""
    plain = _plain(line[-200:])
    if not plain.endswith(":"):
        return False
    plain = plain[:-1].rstrip()
    named = plain.endswith(">") and "@" in plain[plain.rfind("<") :]  # the languages that this file doesn't know
    return (
        named
        or plain.endswith(phrases.ATTRIBUTION_ENDINGS)
        or " schrieb " in plain
        or " schreef " in plain
        or plain == "écrit"
    )


# --- separators: everything from there on is quoted ----------------------------------------------------


def _tail(lines: Sequence[str]) -> int:
    """The line at which the quoted end of the mail begins; `len(lines)` where there is none."""
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        if _marker(lines, index) or _separator(line) or _block(lines, index) or _bare_attribution(lines, index):
            return _with_thin_line(lines, index)
    return len(lines)


def _bare_marker(lines: Sequence[str], index: int) -> bool:
    """Our marker without a `>`: our own words follow, and nothing tells them from an answer below them."""
    return not _is_quote(lines[index]) and _marker(lines, index)


def _marker(lines: Sequence[str], index: int) -> bool:
    """Our own marker, on this line or broken over it and the next."""
    line = lines[index].lower()
    if "pondez" not in line and "reply" not in line:
        return False
    joined = _LETTERS.sub("", " ".join(lines[index : index + 2]).lower()[:400])
    following = _LETTERS.sub("", " ".join(lines[index + 1 : index + 2]).lower()[:400])
    return any(core in joined and core not in following for core in _MARKER_CORES) and _ruled(lines, index)


def _ruled(lines: Sequence[str], index: int) -> bool:
    """The marker's dashes: the same words in somebody's sentence aren't it."""
    return any("--" in line or "—" in line or "–" in line for line in lines[max(0, index - 1) : index + 3])


def _separator(line: str) -> bool:
    """« -----Message d'origine----- » and its kin: the words between rules, or alone before a colon."""
    bare = line.strip(" \t\xa0").replace("’", "'")
    if len(bare) > 120 or bare.startswith(">"):
        return False
    words = bare.strip("-_=*> \t\xa0:").lower()
    ruled = bare.startswith(("--", "__", "==", "—", "–"))
    if not (ruled or bare.endswith(":")):
        return False
    return phrases.SEPARATOR.fullmatch(words) is not None


def _block(lines: Sequence[str], index: int) -> bool:
    """A header block (De/Envoyé/À/Objet): a sender's line and at least two of the others, close together."""
    if _label(lines[index]) not in phrases.FROM_LABELS:
        return False
    found: set[str] = set()
    for line in _close_lines(lines, index + 1):
        label = _label(line)
        if label in phrases.OTHER_LABELS:
            found.add(label)
        elif label in phrases.FROM_LABELS:
            break
    return len(found) >= 2


def _close_lines(lines: Sequence[str], start: int) -> list[str]:
    """The next lines, at most 12, up to two blank ones in a row."""
    close: list[str] = []
    for line in lines[start : start + 12]:
        if not line.strip() and close and not close[-1].strip():
            break
        close.append(line)
    return close


def _label(line: str) -> str:
    if ":" not in line[:120] and "：" not in line[:40]:
        return ""
    match = _LABEL.match(line[:120].strip().lstrip("-_ "))
    return match[1].lower() if match else ""


def _bare_attribution(lines: Sequence[str], index: int) -> bool:
    """An attribution whose quote carries no `>`: known by its opening, a date or an address in it, and its end."""
    if not _opens_attribution(lines[index]) or _is_quote(lines[index]):
        return False
    joined = ""
    for last in range(index, min(len(lines), index + _ATTRIBUTION_LINES)):
        if not lines[last].strip() or len(joined) > _ATTRIBUTION_CHARS:
            return False
        joined += " " + lines[last]
        if _ends_attribution(lines[last]):
            return _dated(joined) and not _quote_follows(lines, last + 1)
    return False


def _dated(attribution: str) -> bool:
    return sum(c.isdigit() for c in attribution) >= 2 or "@" in attribution


def _quote_follows(lines: Sequence[str], start: int) -> bool:
    """Is the next line that isn't blank a `>` line? Then the author may go on below it."""
    for line in lines[start : start + 4]:
        if line.strip():
            return _is_quote(line)
    return False


def _with_thin_line(lines: Sequence[str], index: int) -> int:
    """Outlook's rule of underscores belongs to the separator below it."""
    above = index - 1
    while above >= 0 and index - above < 3 and not lines[above].strip():
        above -= 1
    if above >= 0:
        bare = lines[above].strip(" \t\xa0*")
        if len(bare) >= 5 and not bare.strip("_-—"):
            return above
    return index
