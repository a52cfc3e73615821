"""Lineage: the groups that In-Reply-To and References alone give, whoever wrote, in whatever order they came.

Ids that are only cited join what cites them, so a parent that is missing still holds its replies together. An id that
many mails bear names none of them (a printer's, a broken form's), and links nothing.
Near-linear in the number of ids; no recursion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable

from gateway.model import MOST_BEARERS


def lineages(
    mails: Iterable[tuple[str, Iterable[str]]], loose: Container[tuple[str, str]] = frozenset()
) -> dict[str, str]:
    """Map each id, borne or cited, to the root of its group.

    `mails` are (Message-ID, ids cited), `loose` those pairs where the cited id stands without brackets: it may be no
    id, and links to a mail that bears it, but holds nothing together by itself. The root is the smallest id of the
    group, so that it depends on the mails alone and not on their order.
    """
    known = [(own, tuple(cited)) for own, cited in mails]
    bearers = Counter(own for own, _ in known)
    nameless = {own for own, count in bearers.items() if count > MOST_BEARERS} | {""}
    parents: dict[str, str] = {}
    for own, cited in known:
        root = _root(parents, own)
        for other in cited:
            if other not in bearers and (own, other) in loose:
                continue
            found = _root(parents, other)
            if found != root and own not in nameless and other not in nameless:
                child, root = max(root, found), min(root, found)
                parents[child] = root
    return {identifier: _root(parents, identifier) for identifier in parents}


def _root(parents: dict[str, str], identifier: str) -> str:
    parent = parents.setdefault(identifier, identifier)
    while parent != identifier:
        parents[identifier] = above = parents[parent]  # halve the path: it stays short
        identifier, parent = above, parents[above]
    return identifier
