"""An inbox, as it is typed."""

from __future__ import annotations

import argparse

from gateway.model import Inbox, InboxKind

MEANT = "global, dossier:123 or demarche:42"


def inbox(text: str) -> Inbox:
    """argparse shows the words of its own error alone."""
    kind, _, number = text.partition(":")
    if text == "global":
        return Inbox(InboxKind.GLOBAL)
    if kind in {"dossier", "demarche"} and number.isascii() and number.isdigit() and int(number) > 0:
        return Inbox(InboxKind(kind), int(number))
    raise argparse.ArgumentTypeError(f"an inbox is written {MEANT}")
