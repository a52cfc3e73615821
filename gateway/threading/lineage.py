"""Lineage: the groups that In-Reply-To and References alone give, whoever wrote, in whatever order they came.

Ids that are only cited join what cites them, so a parent that is missing still holds its replies together.
Near-linear in the number of ids; no recursion.
"""

from __future__ import annotations

from collections.abc import Iterable


def lineages(mails: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    """Map each id, borne or cited, to the root of its group.

    `mails` are (Message-ID, ids cited). The root is the smallest id of the group, so that it depends on the mails
    alone and not on their order.
    """
    parents: dict[str, str] = {}
    for identifier, cited in mails:
        own = _root(parents, identifier)
        for other in cited:
            own = _join(parents, own, _root(parents, other))
    return {identifier: _root(parents, identifier) for identifier in parents}


def _root(parents: dict[str, str], identifier: str) -> str:
    parents.setdefault(identifier, identifier)
    while parents[identifier] != identifier:
        parents[identifier] = parents[parents[identifier]]  # halve the path: it stays short
        identifier = parents[identifier]
    return identifier


def _join(parents: dict[str, str], one: str, other: str) -> str:
    root, child = min(one, other), max(one, other)
    parents[child] = root
    return root
