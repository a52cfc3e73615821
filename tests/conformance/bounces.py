"""Bounces: are they recognised, whom didn't they reach, for good or for now; and is no person taken for a machine?

Where the truth comes from:
recognised   the collections of bounces (sisimai, flufl.bounce, BounceParser, php-bounce-handler, lists-harvest): all
             that their projects keep as bounces, but for what they state to be something else; a report of
             success is to be a receipt
recipient    flufl.bounce's own tests; what sisimai finds in its own fixtures; elsewhere only what two of three
             programs agree on
status       the class (RFC 3463 §3.1) of each status that sisimai's own tests state
persons      everything on the two lists and in collections of people's mail that doesn't carry Auto-Submitted, their
             list headers taken off; and the mails written for this in automatic_written.toml
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from gateway.mail.read import read
from gateway.model import Mail, Nature
from tests import corpora
from tests.conformance import written
from tests.conformance.figure import Case, Figure, figure

_COLLECTIONS = ("sisimai/maildir/", "flufl-bounce/", "bounceparser/", "php-bounce-handler/", "lists-harvest/bounce/")
# What these collections keep that is no bounce: feedback reports, automatic answers, spam and other ordinary mail.
_OTHERS = re.compile(
    r"sisimai/maildir/(?:[a-z]+/(?:arf|rfc3834)-|not/is-not)|php-bounce-handler/eml/(?:arf|fbl)|flufl-bounce/qmail_08\.txt"
    r"|bounceparser/(?:t/corpus/(?:aol-vacation|autoreply|spam-bogus-email-in-report|spam-with-image)|xt/corpus/virus-)"
)
_SOMETHING_ELSE = {"feedback", "vacation"}
_SUCCESS = {"delivered"}
_REPORTS = (Nature.BOUNCE, Nature.DELAY)


def figures() -> tuple[Figure, ...]:
    return (
        figure("C6-recognised", "bounces recognised", 0.99, _recognised()),
        figure("C6-recipient", "whom a bounce is about", 0.98, _recipients()),
        figure("C6-status", "failed for good, or for now", 0.98, _statuses()),
        figure("C6-persons", "people's mail taken for people's", 1.0, _persons()),
    )


@cache
def _stated(name: str) -> dict[str, Any]:
    """`expected/NAME.json`: what a project's own tests state, by file."""
    loaded: dict[str, Any] = json.loads((corpora.folder() / "expected" / f"{name}.json").read_text())["expected"]
    return loaded


@cache
def _verdicts() -> dict[str, Any]:
    """What three programs answer, by file."""
    loaded: dict[str, Any] = json.loads((corpora.folder() / "peers" / "bounce-verdicts.json").read_text())["verdicts"]
    return loaded


@cache
def _mail(name: str) -> Mail:
    return read((corpora.folder() / name).read_bytes(), domain="support.example.org")


def _names() -> Iterator[str]:
    for path in corpora.mails():
        yield path.relative_to(corpora.folder()).as_posix()


def _reasons(name: str) -> set[str]:
    """What sisimai takes it for: as its own tests state, else as it was run."""
    for source in ("sisimai", "lists-harvest"):
        if "bounces" in _stated(source).get(name, {}):
            return {bounce["reason"] for bounce in _stated(source)[name]["bounces"]}
    return {bounce["reason"] for bounce in _sisimai(name)}


def _sisimai(name: str) -> list[dict[str, Any]]:
    found = _verdicts().get(name, {}).get("sisimai")
    return found if isinstance(found, list) else []


# --- recognised -----------------------------------------------------------------------------------------------


def _recognised() -> Iterator[Case]:
    for name in _names():
        reasons = _reasons(name) if name.startswith(_COLLECTIONS) else set()
        if not name.startswith(_COLLECTIONS) or _OTHERS.match(name) or reasons & _SOMETHING_ELSE:
            continue
        wanted = (Nature.RECEIPT,) if reasons and reasons <= _SUCCESS else _REPORTS
        nature = _mail(name).nature
        yield Case(name, nature in wanted, f"{wanted[0].value} expected, {nature.value} found")


# --- whom it is about -----------------------------------------------------------------------------------------


def _recipients() -> Iterator[Case]:
    for name in _names():
        wanted = _known_recipients(name)
        if wanted:
            report = _mail(name).report
            found = {r.recipient for r in report.recipients} if report else set()
            yield Case(name, found == wanted, f"{sorted(wanted)} expected, {sorted(found)} found")


def _known_recipients(name: str) -> set[str]:
    if name in _stated("flufl-bounce"):
        stated = _stated("flufl-bounce")[name]
        return {a.lower() for each in stated for a in (*each["permanent"], *each["temporary"])}
    if _reasons(name) & (_SOMETHING_ELSE | _SUCCESS):
        return set()
    first = {bounce["recipient"].lower() for bounce in _sisimai(name)}
    if name.startswith("sisimai/"):
        return first
    verdict = _verdicts().get(name, {})
    flufl, parser = verdict.get("flufl", {}), verdict.get("bounceparser", {})
    second = {a.lower() for a in (*flufl.get("permanent", ()), *flufl.get("temporary", ()))}
    third = {a.lower() for a in parser.get("addresses", ())} if isinstance(parser, dict) else set()
    return first if first in (second, third) else set()


def _statuses() -> Iterator[Case]:
    for name, stated in sorted(_stated("sisimai").items()):
        bounces = stated.get("bounces", [])
        if not bounces or {b["reason"] for b in bounces} & (_SOMETHING_ELSE | _SUCCESS):
            continue
        wanted = sorted(b["status"][:1] for b in bounces)
        report = _mail(name).report
        found = sorted(r.status[:1] for r in report.recipients) if report else []
        yield Case(name, found == wanted, f"{wanted} expected, {found} found")


# --- people ---------------------------------------------------------------------------------------------------

_PEOPLE = (
    *("list-linux-man-2021-2022/", "list-usrp-2019-2021/"),
    *(f"lists-harvest/{kind}/" for kind in ("auto-lookalike", "french", "nested", "tnef", "calendar")),
    *("discourse/", "zammad/", "redmine/", "talon/", "crisp-erp/", "crisp-efp/", "origin-chain/", "willdurand-erp/"),
    *("quotequail/", "mail-parser-reply/", "django-helpdesk/", "notmuch/", "public-inbox/", "hyperkitty/", "rt/"),
    *("ponymail-foal/", "gitlab/", "froide/", "chatwoot/", "libredesk/", "multi_mail/", "php-mime-mail-parser/"),
)
_AUTOMATIC = re.compile(rb"^(?:auto-submitted:[ \t]*auto|x-failed-recipients:)", re.IGNORECASE | re.MULTILINE)
# Machines' mails without a mark among these: bounces and help desks, as their collections' tests have them.
_MACHINES = re.compile(
    r"bounce|[Uu]ndelivered|mail018\.box|ghost-root/1532672447|invalid_from_2|maillog_|mails/failure\.eml"
)
_LIST = re.compile(
    rb"^(?:x-)?(?:list-[a-z-]+|mailing-list|sender|errors-to|precedence|return-path):.*(?:\r?\n[ \t].*)*\r?\n",
    re.IGNORECASE | re.MULTILINE,
)


def _persons() -> Iterator[Case]:
    for name in _names():
        if not name.startswith(_PEOPLE) or _MACHINES.search(name):
            continue
        raw = (corpora.folder() / name).read_bytes()
        if not _AUTOMATIC.search(_head(raw)):
            mail = read(without_list(raw), domain="support.example.org")
            yield Case(name, mail.nature is Nature.PERSON, f"{mail.nature.value}: {mail.nature_because}")
    for each in written.mails("person"):
        mail = read(each.raw)
        yield Case(each.name, mail.nature is Nature.PERSON, f"{mail.nature.value}: {mail.nature_because}")


def _head(raw: bytes) -> bytes:
    return re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0] + b"\n"


def without_list(raw: bytes) -> bytes:
    """The mail as its author sent it: without what a mailing list puts into the header."""
    if b"\n" not in raw:
        return raw
    head = _head(raw)
    return _LIST.sub(b"", head) + raw[len(head) - 1 :]
