"""structlog's set-up, and the mail log: one function per event.

The name of a function is the name of its event. No content, no secrets and no whole addresses: `mail` is the
beginning of the raw mail's SHA-256 and ties together all events of one mail, in and out.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from typing import Any

import structlog


def set_up(*, json: bool, verbose: bool = False) -> None:
    """Log to standard error: JSON for the journal, readable lines for a terminal."""
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=False)
    if not json:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def pseudonym(address: str) -> str:
    """An address as it may stand in a log: its domain, and a short digest that tells two people apart."""
    local, _, domain = address.rpartition("@")
    return f"{hashlib.sha256(local.encode()).hexdigest()[:8]}@{domain}" if local else "-"


def mail_id(digest: str) -> str:
    """The correlation id of a mail: the beginning of its raw digest."""
    return digest[:16]


def _info(event: str, **fields: Any) -> None:
    structlog.get_logger().info(event, **fields)


def _warning(event: str, **fields: Any) -> None:
    structlog.get_logger().warning(event, **fields)


def _error(event: str, **fields: Any) -> None:
    structlog.get_logger().error(event, **fields)


# --- intake: smtp, lmtp ----------------------------------------------------------------------------------

# --- intake: imap ----------------------------------------------------------------------------------------

# --- a mail's way in -------------------------------------------------------------------------------------

# --- a mail's way out ------------------------------------------------------------------------------------

# --- the daemon ------------------------------------------------------------------------------------------
