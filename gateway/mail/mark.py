"""The mark that every mail of ours bears: our domain, and whether nobody wrote it.

A list or a forwarder that replaces From and Message-ID, and strips Auto-Submitted, mostly leaves what it doesn't
know. Who copies the mark into a mail of his own only has it filed as a machine's.
"""

from __future__ import annotations

FIELD = "X-Gateway-Loop"
AUTOMATIC = "automatic"
# Printed at the top of our notifications: what stands below isn't taken for the answer.
REPLY_MARKER = "✂ ---- Répondez au-dessus de cette ligne / Reply above this line ----"


def marked(domain: str, *, automatic: bool) -> str:
    """The value of `FIELD` on a mail of ours."""
    return f"{domain}; {AUTOMATIC}" if automatic else domain


def origin(value: str) -> tuple[str, str]:
    """The gateway that a mail says it left from, and its kind; in lower case, "" where it says nothing."""
    domain, _, kind = value[:300].lower().partition(";")
    return domain.strip(), kind.strip()
