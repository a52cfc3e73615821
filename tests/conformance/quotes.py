"""What was written, apart from what was quoted.

The truth of a mailing list's replies is their own text as the markup of the senders' programs tells it, read by
machine. It's compared by letters and digits, without the list's footers and without what only one of the alternatives
shows: where links lead, their numbers, pictures. `C4-exact` reads the mail as it comes, `C4-plain` its text alone.

Stated trims are those of five projects. Some cut signatures; ours stay with the author's words, which isn't wrong.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from gateway.mail.bodies import clean
from gateway.mail.html import to_text
from gateway.mail.quotes import cut
from gateway.mail.read import read
from tests import corpora
from tests.conformance.figure import Case, Figure, figure

TRUTH = "list-usrp-2019-2021/html-reply-truth.json"
_FOOTER = re.compile(
    r"USRP-users mailing list\s*(?:-- )?|USRP-users@lists\.ettus\.com|To unsubscribe send an email to \S+"
    r"|http://lists\.ettus\.com/mailman/listinfo/usrp-users_lists\.ettus\.com",
    re.IGNORECASE,
)
_ONE_SIDED = re.compile(
    r"<\s*(?:https?|mailto|tel|ftp):[^<>]*>|\[\d+\]|\[(?:cid|image|https?):[^\]]*\]|\[unnamed[^\]]*\]"
)
_SIGNATURE = re.compile(r"^(?:--\s*$|sendt fra|sent from|ᐧ)", re.IGNORECASE | re.MULTILINE)
_FOLD = "FOLDED_QUOTED_SECTION"


class Reply(NamedTuple):
    """A reply: what the truth says, what is ours as it comes, and from its plain text alone."""

    name: str
    truth: str
    own: str
    plain: str


def figures() -> tuple[Figure, ...]:
    """Own text against the list's truth, twice; words lost; stated trims."""
    return (
        figure("C4-exact", "own text, mail as it comes", 0.93, _exact(lambda reply: reply.own)),
        figure("C4-plain", "own text, from the plain text alone", 0.93, _exact(lambda reply: reply.plain)),
        figure("C4-lost", "no more than a tenth of the words lost", 0.992, _lost()),
        figure("C4-stated", "stated trims", 0.93, _stated()),
    )


@cache
def _replies() -> tuple[Reply, ...]:
    stated = json.loads((corpora.folder() / TRUTH).read_text())["replies"]
    found = []
    for name, entry in sorted(stated.items()):
        if entry["has_plain"]:
            mail = read((corpora.folder() / name).read_bytes())
            found.append(Reply(name, entry["reply"], mail.own, cut(mail.text).own))
    return tuple(found)


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", _ONE_SIDED.sub(" ", _FOOTER.sub(" ", text.replace("[...]", " "))))


def _exact(side: Callable[[Reply], str]) -> Iterator[Case]:
    for reply in _replies():
        own, truth = words(side(reply)), words(reply.truth)
        more, less = Counter(own) - Counter(truth), Counter(truth) - Counter(own)
        detail = f"{more.total()} words more, {less.total()} less, of {len(truth)}"
        yield Case(reply.name, "".join(own) == "".join(truth), detail)


def _lost() -> Iterator[Case]:
    """Of the two readings the worse one counts. A whole message lost would be all of its words."""
    for reply in _replies():
        truth = Counter(words(reply.truth))
        lost = max((truth - Counter(words(own))).total() for own in (reply.own, reply.plain))
        yield Case(reply.name, lost <= truth.total() / 10, f"{lost} words of {truth.total()} lost")


# --- stated trims --------------------------------------------------------------------------------------------


def _stated() -> Iterator[Case]:
    for name, entry in _expected("discourse-trimmer"):
        own = cut(clean((corpora.folder() / name).read_text())).own
        yield _trim(name, own, entry["trimmed"])
    for name, entry in _expected("talon"):
        yield _trim(name, _own(name), entry.get("reply") or entry["reply_ignoring_whitespace"])
    for name, entry in _expected("alaveteli"):
        before, _, after = entry["folded"].partition(_FOLD)
        text = clean((corpora.folder() / name).read_bytes().decode("utf-8", "replace"))
        yield _trim(name, cut(text).own, f"{before} {after.replace(_FOLD, '')}")
    for name, entries in _expected("gitlab"):
        yield from (_trim(name, _own(name), entry["body"]) for entry in entries if entry["params"] is None)
    for name, entries in _expected("discourse"):
        # Some cases state the mail with its trimmed part put back: that's the longer of two.
        bodies = sorted({entry["raw"] for entry in entries if "raw" in entry}, key=len)
        yield from (_trim(name, _own(name), body) for body in bodies[:1])


def _expected(source: str) -> list[tuple[str, Any]]:
    return sorted(json.loads((corpora.folder() / "expected" / f"{source}.json").read_text())["expected"].items())


def _own(name: str) -> str:
    raw = (corpora.folder() / name).read_bytes()
    return cut(to_text(raw.decode("utf-8", "replace"))).own if name.endswith(".html") else read(raw).own


def _trim(name: str, own: str, stated: str) -> Case:
    """Right if the words are those stated; a signature that the statement cuts may follow them."""
    right = any(words(ours) == words(stated) for ours in (own, _SIGNATURE.split(own)[0]))
    return Case(name, right, f"stated {stated.strip()[-60:]!r}, ours {own[-60:]!r}")
