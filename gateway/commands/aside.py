"""`aside`: mails that were set aside."""

from __future__ import annotations

import argparse
from datetime import datetime

from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.operator import Operator
from gateway.commands.output import Shown, table
from gateway.store import arrivals, audit
from gateway.store.database import Store, Tx


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_aside)
    made.add_argument("action", choices=["list", "show", "retry"])
    made.add_argument("id", nargs="?", type=int, metavar="ID")


OFFERED = {"aside": _parser}


def _aside(options: argparse.Namespace) -> Shown:
    with typed.opened(options) as store:
        if options.action == "list":
            return listed(store)
        if options.action == "show":
            return shown(store, typed.identifier(options))
        return retried(store, typed.identifier(options), typed.typed_by(options), utc_now())


def listed(store: Store) -> Shown:
    found = store.read_now(arrivals.aside)
    rows = ((a["id"], a["received_at"], a["size"], a["attempts"], a["reason"]) for a in found)
    headings = ("id", "received", "octets", "attempts", "reason")
    return Shown(found, (table(headings, rows),) if found else ("Nothing is set aside.",))


def shown(store: Store, identifier: int) -> Shown:
    """The raw mail; undecodable octets are escaped, nothing else is changed."""
    row = store.read_now(lambda connection: arrivals.one_aside(connection, identifier))
    location = store.read_now(lambda connection: arrivals.locate(connection, row["sha256"]))
    raw = store.packs.read(location).decode("utf-8", "backslashreplace")
    return Shown({**row, "raw": raw}, (f"{row['id']}: {row['reason']}", "", raw))


def retried(store: Store, identifier: int, by: Operator, now: datetime) -> Shown:
    def work(tx: Tx) -> None:
        arrivals.retry(tx, identifier)
        audit.record(tx, at=now, by=by.name, what=f"let mail {identifier} be filed again", proof=by.proof)

    store.write_now(work)
    return Shown({"id": identifier, "state": "waiting"}, (f"Mail {identifier} is filed again by the daemon.",))
