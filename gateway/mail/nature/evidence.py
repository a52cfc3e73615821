"""What the rules on a mail's nature look at, and how they answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from gateway.mail.headers import Head
from gateway.mail.nature import words
from gateway.mail.parts import Part
from gateway.model import Author, Nature, Reported

_OPENING = 3_000


@dataclass(frozen=True)
class Evidence:
    """A mail, as far as its nature hangs on it.

    `envelope_sender` is "" for the null reverse-path, None where it isn't known.
    """

    head: Head
    parts: tuple[Part, ...]
    author: Author
    message_id: str
    subject: str
    text: str
    statuses: tuple[Reported, ...]
    domain: str
    envelope_sender: str | None

    @cached_property
    def title(self) -> str:
        """The subject in lower case, with plain spaces and apostrophes."""
        return _plain(self.subject)

    @cached_property
    def opening(self) -> str:
        """What stands above any quote, forward or returned mail, in lower case and on one line."""
        lines: list[str] = []
        for line in self.text[:_OPENING].split("\n"):
            if line.startswith(">") or words.BOUNDARY.match(line.strip(" \t-*=_>").lower()[:200]):
                break
            lines.append(line.strip())
        return _plain(" ".join(lines))

    @property
    def answered(self) -> bool:
        """Does its subject say that it answers or forwards something?"""
        return words.ANSWERED.match(self.title) is not None

    def no_sender(self) -> bool:
        """The null reverse-path (RFC 5321 §4.5.5), as the envelope, or else the last server's note of it, tells."""
        if self.envelope_sender is not None:
            return self.envelope_sender == ""
        return self.head.value("return-path").replace(" ", "") == "<>"

    def automatic(self) -> str:
        """The value of Auto-Submitted (RFC 3834 §5) where it says that a machine wrote this, else ""."""
        for value in self.head.values("auto-submitted"):
            word = re.split(r"[\s;(]", value.strip().lower()[:200], maxsplit=1)[0].strip("\"'")
            if word and word != "no":
                return word
        return ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The nature, and the rule and header it comes from."""

    nature: Nature
    because: str


def greets(e: Evidence) -> bool:
    """People greet; machines whose names people use too do not."""
    return words.GREETING.match(e.opening.lstrip(" ,.!")) is not None


def said(match: re.Match[str] | None) -> str:
    """The words that decided, to be printed."""
    return f"« {match[0].strip()[:80]} »" if match else ""


def _plain(text: str) -> str:
    return " ".join(text.replace("’", "'").replace("ʼ", "'").split()).lower()
