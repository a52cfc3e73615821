"""Amazon's notices of bounces, complaints and deliveries: JSON, or JSON within JSON, in the text of a mail.

Read by its field names rather than parsed: the text is folded, cut, and has a footer.
"""

from __future__ import annotations

import re

from gateway.mail import addresses
from gateway.mail.reports import free_form
from gateway.model import Reported

MAX_RECIPIENTS = 100
_WINDOW = 200_000
_KIND = re.compile(r'"(?:notificationType|eventType)"\s{0,5}:\s{0,5}"(Bounce|Complaint|Delivery)"')
_BOUNCED = re.compile(r'"bouncedRecipients"\s{0,5}:\s{0,5}\[([^\]]{0,50000})\]')
_VALUES = {
    name: re.compile(rf'"{name}"\s{{0,5}}:\s{{0,5}}"([^"]{{1,1000}})"')
    for name in ("emailAddress", "action", "status", "diagnosticCode")
}


def kind(text: str) -> str:
    """ "Bounce", "Complaint", "Delivery", or "" for anything else."""
    match = _KIND.search(_plain(text))
    return match[1] if match else ""


def recipients(text: str) -> tuple[Reported, ...]:
    bounced = _BOUNCED.search(_plain(text))
    objects = bounced[1].split("}")[:MAX_RECIPIENTS] if bounced else []
    return tuple(found for found in map(_recipient, objects) if found.recipient)


def _plain(text: str) -> str:
    return text[:_WINDOW].replace("\\", "")


def _recipient(said: str) -> Reported:
    values = {name: match[1] if (match := field.search(said)) else "" for name, field in _VALUES.items()}
    action = values["action"].lower() or "failed"
    diagnostic = values["diagnosticCode"].partition(";")
    return Reported(
        addresses.normal(values["emailAddress"]),
        action,
        values["status"] or free_form.generic(action),
        free_form.short(diagnostic[2] or diagnostic[0]),
    )
