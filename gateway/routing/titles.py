"""Démarches by what they are called: a title in a subject, the name of their first page in a link.

The platform's mail about drafts, and about dossiers that the directory doesn't know, names nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.mail.language import plain
from gateway.model import Inbox, InboxKind
from gateway.routing import numbers
from gateway.routing.directory import Directory, folded

_NO_LETTERS = re.compile(r"[^a-z0-9_]+")
_LONGEST_SLUG = 50


def entitled(subject: str, text: str, urls: tuple[str, ...], directory: Directory) -> Iterator[tuple[Inbox, str]]:
    """Each démarche whose title the subject holds, or whose first page the text links to, with what says so.

    A title that several démarches bear says nothing.
    """
    named = {folded(title): f'the subject holds the title "{title}"' for title in numbers.titles(subject)}
    slugs = numbers.slugs(f"{subject}\n{text}", urls)
    linked = {slug: f"the text holds a link to /commencer/{slug}" for slug in slugs}
    found: dict[str, list[int]] = {}
    for demarche in directory.demarches.values() if named or linked else ():
        if named and (because := named.get(folded(demarche.title))):
            found.setdefault(because, []).append(demarche.number)
        if linked and (because := linked.get(_slug(demarche.title))):
            found.setdefault(because, []).append(demarche.number)
    for because, matches in found.items():
        if len(matches) == 1:
            yield Inbox(InboxKind.DEMARCHE, matches[0]), because


def _slug(title: str) -> str:
    """The name that the platform proposes for a title's first page."""
    return _NO_LETTERS.sub("-", plain(title)).strip("-")[:_LONGEST_SLUG]
