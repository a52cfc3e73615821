"""The Date field (RFC 5322 §3.3). Informative only: the legal date of a mail is that of its receipt."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from mailparser.dates import parse_mail_date

from gateway.mail.headers import Head

_MAX = 200


def date(head: Head) -> datetime | None:
    """When the author's clock says it was written, in UTC; None where that can't be told."""
    value = head.value("date")[:_MAX]
    if not value:
        return None
    found: datetime | None = parse_mail_date(value).value
    return found if found is not None else _lenient(value)


def _lenient(value: str) -> datetime | None:
    """The standard library reads more spellings than mail-parser does, asctime's among them."""
    try:
        found = parsedate_to_datetime(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (IndexError, OverflowError, TypeError, ValueError):
        return None
