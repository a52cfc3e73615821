"""`threads`: which mails belong together, by what they cite and by what was made of it."""

from __future__ import annotations

import argparse
from typing import Any

from sqlalchemy import Connection

from gateway.commands import options as typed
from gateway.commands.output import Shown, table
from gateway.store import views
from gateway.store.database import Store
from gateway.threading.lineage import lineages


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_threads)


OFFERED = {"threads": _parser}


def _threads(options: argparse.Namespace) -> Shown:
    with typed.opened(options) as store:
        return threads(store)


def threads(store: Store) -> Shown:
    """Each message with the group that In-Reply-To and References alone give, and its conversation."""

    def work(connection: Connection) -> list[dict[str, Any]]:
        rows = list(views.threaded(connection))
        # A mail without a Message-ID, or whose id another bears too, still is a mail of its own.
        names = [row.message_id or f"mail {row.id}" for row, _, _ in rows]
        unsure = {(name, i) for name, (_, _, loose) in zip(names, rows, strict=True) for i in loose}
        groups = lineages(((name, cited) for name, (_, cited, _) in zip(names, rows, strict=True)), unsure)
        return [
            {
                "message_id": row.message_id,
                "sha256": row.digest.hex(),
                "lineage": groups[row.message_id or f"mail {row.id}"],
                "conversation": row.reference,
            }
            for row, _, _ in rows
        ]

    found = store.read_now(work)
    rows = ((f["message_id"], f["lineage"], f["conversation"]) for f in found)
    return Shown(found, (table(("message", "lineage", "conversation"), rows),) if found else ("No mail.",))
