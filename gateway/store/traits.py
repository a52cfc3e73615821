"""A message's traits, as columns and as a value."""

from __future__ import annotations

from typing import Any

from gateway.model import Evidence, Inbox, InboxKind, Traits
from gateway.store.database import AnyRow


def as_traits(row: AnyRow) -> Traits:
    return Traits(
        sure=row.sure,
        sent_at=row.sent_at,
        matter=row.matter,
        outlook=row.outlook,
        orphan=row.orphan,
        anchored=row.anchored,
        opens=row.opens,
        evidence=None if row.evidence is None else _evidence(row.evidence),
    )


def _evidence(stored: dict[str, Any]) -> Evidence:
    inbox = Inbox(InboxKind(stored["kind"]), stored["number"])
    return Evidence(inbox, stored["strength"], stored["because"], tuple(stored["named"]))


def as_row(traits: Traits) -> dict[str, Any]:
    """The columns of a message that hold its traits."""
    evidence = traits.evidence
    return {
        "sure": traits.sure,
        "sent_at": traits.sent_at,
        "matter": traits.matter,
        "outlook": traits.outlook,
        "orphan": traits.orphan,
        "anchored": traits.anchored,
        "opens": traits.opens,
        "evidence": None if evidence is None else _evidence_row(evidence),
    }


def _evidence_row(evidence: Evidence) -> dict[str, Any]:
    return {
        "kind": evidence.inbox.kind.value,
        "number": evidence.inbox.number,
        "strength": evidence.strength,
        "because": evidence.because,
        "named": list(evidence.named),
    }
