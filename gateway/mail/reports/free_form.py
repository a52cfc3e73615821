"""Delivery reports in free form: the addresses that failed, and why, out of the words of a hundred programs.

The text is parted where the returned mail begins. Before it, addresses that begin a line are the list of those who
failed; else any that isn't said to be a contact or a sender; else the subject's; else whom the mail was written to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from gateway.mail import addresses, names
from gateway.model import Reported

MAX_RECIPIENTS = 100
MAX_DIAGNOSTIC = 500
_WINDOW = 20_000
_MAX_LINE = 2_000
_HOST = r"@[^\s<>@,;:\"()\[\]'|]{1,253}"
_ADDRESS = rf"(\"[^\"\s@]{{1,62}}\"{_HOST}|[^\s<>@,;:\"()\[\]'|=]{{1,64}}{_HOST})"
_ANYWHERE = re.compile(_ADDRESS)
_LISTED = re.compile(r"[\s>|*•·-]{0,12}[\"'<]{0,2}(?:mailto:)?" + _ADDRESS + r"(?=$|[\s>:,;\"'\[(])")
_STATUS = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
# A number of three digits is a reply code where such codes stand: first in a line, or after a mark or a word.
_REPLY_CODE = re.compile(
    r"(?:^|[:\"'\[(<>=#]|\b(?:said|code|reply|error|status|erreur|fehler))"
    r"[\s:\"'\[(<>#]{0,4}([45]\d\d)(?=[ \-:;,\]])",
    re.IGNORECASE | re.MULTILINE,
)
# « Message ID: », as Exchange's texts have it, too.
_ID_LINE = re.compile(
    r"^[> \t]{0,20}(?:message[- ]id|id de message)\s{0,4}:[ \t]{0,20}(<[^<>\s]{3,990}>)",
    re.IGNORECASE | re.MULTILINE,
)
_RETURNED = re.compile(
    r"(?:this is |here is |included is |below is |below this line is |please find below |following is )?"
    r"(?:(?:a |the )?(?:copy of (?:the |your |first |part |of )*(?:original |returned )?(?:message|mail)"
    r"|copy of the first part of the message|copy of the (?:message )?header"
    r"|(?:start of |begin(?:ning)? of )?(?:original|returned|unsent|undelivered|bounced|failed)"
    r" (?:e-?mail|mail|message)"
    r"(?! (?:was|is|has|could))"
    r"|headers? of the (?:original|returned) (?:message|mail)|header and top"
    r"|(?:original )?(?:message|mail) (?:headers?|text|body)\b.{0,12}(?:follow|removed|:)|unsent message"
    r"|message d['’]origine|message (?:original|initial)|en-t[êe]tes? (?:du message )?d['’]origine"
    r"|urspr(?:ü|ue)ngliche (?:nachricht|kopfzeilen)|ihre nachricht folgt"
    r"|mensaje original|messaggio originale|mensagem original|oorspronkelijk(?:e)? bericht))"
)
# These begin a returned header; what a report says of a mail ("Subject: …") doesn't.
_HEADER = re.compile(r"[ \t]{0,8}(?:received|return-path|mime-version|dkim-signature)[ \t]{0,3}:", re.IGNORECASE)
_RULES = " \t-*=_|>#<.:+~"
_CONTACT = re.compile(
    r"\b(?:contact(?:er|ez)?|postmaster|(?<!generated )(?<!expanded )from|sender|via|help|support|administrat\w{1,8}"
    r"|abuse|assistance)[\s:<\"'(\[]{0,6}(?:at )?$",
    re.IGNORECASE,
)
_NEVER = re.compile(r"(?:postmaster|mailer-daemon|mail-daemon|abuse|hostmaster)@.*")
_PASSING = re.compile(
    r"temporar|temporaire|vor[üu]bergehend|transitor|tijdelijk|try again later|retry time|deferred|resources temp"
)


def first_address(text: str) -> str:
    """The first thing in the text that looks like an address, or ""."""
    match = _ANYWHERE.search(text[:_MAX_LINE])
    return _address(match[1]) if match else ""


def _address(found: str) -> str:
    """Normal, or "" where it is none, or was cut short by dots."""
    found = found.strip(".*") if "...@" not in found else ""
    return addresses.normal(found.replace('"', "") if found.startswith('"') else found) or ""


def generic(action: str) -> str:
    """The status of an action whose report gives none (RFC 3463 §3.1: X.0.0)."""
    return {"failed": "5.0.0", "delayed": "4.0.0"}.get(action, "2.0.0")


def short(text: str) -> str:
    return names.visible(text)[:MAX_DIAGNOSTIC]


def parted(text: str) -> tuple[str, str]:
    """The report's own words, and the mail that it returns in its text, if it does."""
    position = 0
    for line in text[: _WINDOW * 5].split("\n"):
        if position and (_HEADER.match(line) or _RETURNED.match(line.strip(_RULES).lower()[:200])):
            return text[:position][:_WINDOW], text[position:]
        position += len(line) + 1
    return text[:_WINDOW], ""


def quoted_id(text: str) -> str:
    """The id in a returned header that stands in the text; in the report's own words, the last one."""
    words, back = parted(text[:200_000])
    match = _ID_LINE.search(back)
    if match:
        return match[1].strip("<>")
    found = _ID_LINE.findall(words)
    return found[-1].strip("<>") if found else ""


def has_code(text: str) -> bool:
    """Do its own words hold an SMTP reply or status code?"""
    words = parted(text)[0]
    return bool(_STATUS.search(words) or _REPLY_CODE.search(words))


def names_someone(text: str) -> bool:
    """Do its own words name an address?"""
    return _ANYWHERE.search(parted(text)[0]) is not None


@dataclass(frozen=True)
class Found:
    """What a report in free form tells.

    `concerned`: who reports and who is told; `returned_to`: whom the returned mail was written to; `late`: it speaks
    of a delay.
    """

    text: str
    subject: str
    concerned: frozenset[str]
    returned_to: tuple[str, ...]
    late: bool = False

    @cached_property
    def _parted(self) -> tuple[str, str]:
        return parted(self.text)

    @cached_property
    def _lines(self) -> list[str]:
        return [line[:_MAX_LINE] for line in self._parted[0].split("\n")]

    def reported(self) -> tuple[Reported, ...]:
        """The recipients, by the surest way that names any."""
        return self.described(self._usable() or self._elsewhere() or self._anyone())

    def described(self, found: tuple[str, ...]) -> tuple[Reported, ...]:
        """Recipients that are known already, with what the text says of each."""
        words = [self._said(address) for address in found[:MAX_RECIPIENTS]]
        codes = [_code(f"{before} ") or _code(said) for before, said in words]
        # A code that stands elsewhere is everyone's, but where some have their own.
        common = "" if any(codes) else _code(self._parted[0])
        return tuple(
            self._described(address, code or common, said)
            for address, code, (_, said) in zip(found, codes, words, strict=False)
        )

    def _usable(self) -> tuple[str, ...]:
        """A list's; of those who are concerned only where it names nobody else; then what is mentioned besides."""
        listed = [a for a in self._listed() if not _NEVER.fullmatch(a)]
        mentioned = [a for a in self._mentioned() if not _NEVER.fullmatch(a)]
        for way in ([a for a in listed if a not in self.concerned], listed):
            if way:
                return tuple(way)
        return tuple(a for a in mentioned if a not in self.concerned)

    def _elsewhere(self) -> tuple[str, ...]:
        """Of the subject, else of the returned mail's `To`."""
        named = first_address(self.subject)
        if named and named not in self.concerned:
            return (named,)
        return self.returned_to or _written_to(self._parted[1])

    def _anyone(self) -> tuple[str, ...]:
        """Somebody who wrote to herself, or to a postmaster."""
        return (*self._listed(), *self._mentioned())[:1]

    def _listed(self) -> tuple[str, ...]:
        """The addresses that begin a line, as qmail and many others list them: `<a@b>:` and why."""
        found: dict[str, None] = {}
        for number, line in enumerate(self._lines):
            match = _LISTED.match(line)
            if match and not (number and _CONTACT.search(self._lines[number - 1].strip()[-60:])):
                found[_address(match[1])] = None
        return _reachable(found)

    def _mentioned(self) -> tuple[str, ...]:
        """All addresses but those that are said to be somebody else's."""
        words = self._parted[0]
        found = {
            _address(match[1]): None
            for match in _ANYWHERE.finditer(words)
            if not _CONTACT.search(words[max(0, match.start() - 60) : match.start()])
        }
        return _reachable(found)

    def _described(self, address: str, code: str, said: str) -> Reported:
        passing = _PASSING.search((said or self._parted[0]).lower()) is not None
        status = code or generic("delayed" if self.late or passing else "failed")
        return Reported(address, "delayed" if self.late else "failed", status, short(said))

    def _said(self, address: str) -> tuple[str, str]:
        """What its line says before an address; and the words after it, up to the next address or a blank line."""
        low = [line.lower() for line in self._lines]
        at = next((n for n, line in enumerate(low) if address in line), -1)
        if at < 0:
            return "", ""
        before, after = low[at].find(address), low[at].find(address) + len(address)
        said = [self._lines[at][after:].lstrip(" \t>:\"'")]
        for line in self._lines[at + 1 : at + 9]:
            if _LISTED.match(line) or (not line.strip() and len("".join(said)) > 3):
                break
            said.append(line.strip())
        return self._lines[at][:before], " ".join(said)[:MAX_DIAGNOSTIC]


def _code(words: str) -> str:
    """The first status code in the words; of a reply code, the class of status that it stands for."""
    enhanced = _STATUS.search(words)
    if enhanced:
        return enhanced[1]
    reply = _REPLY_CODE.search(words)
    return f"{reply[1][0]}.0.0" if reply else ""


def _reachable(found: dict[str, None]) -> tuple[str, ...]:
    """Addresses in a domain; those of a host's own, where there are no others."""
    usable = tuple(address for address in found if address)
    return tuple(a for a in usable if "." in a.rpartition("@")[2]) or usable


def _written_to(back: str) -> tuple[str, ...]:
    """The first `To` in a returned header."""
    for line in back[:_WINDOW].split("\n")[:200]:
        if line.strip(" \t>").lower().startswith("to:"):
            found = first_address(line)
            return (found,) if found else ()
    return ()
