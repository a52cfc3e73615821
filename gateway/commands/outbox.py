"""`outbox`: deliveries, and what may be done about them by hand."""

from __future__ import annotations

import argparse
from datetime import datetime

from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.operator import Operator
from gateway.commands.output import Shown, many, table
from gateway.store import audit, outbox, recall
from gateway.store.database import Store, Tx


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_outbox)
    made.add_argument("action", choices=["list", "retry", "cancel"])
    which = made.add_mutually_exclusive_group()
    which.add_argument("id", nargs="?", type=int, metavar="ID")
    which.add_argument("--held", action="store_true", help="all that is held since a backup was restored")


OFFERED = {"outbox": _parser}


def _outbox(options: argparse.Namespace) -> Shown:
    with typed.opened(options) as store:
        if options.action == "list":
            return listed(store)
        by, now = typed.typed_by(options), utc_now()
        if options.held:
            return settled_held(store, by, now, retry=options.action == "retry")
        act = retried if options.action == "retry" else cancelled
        return act(store, typed.identifier(options), by, now)


def listed(store: Store) -> Shown:
    found = store.read_now(outbox.listed)
    rows = (
        (d["id"], d["conversation"], d["to"], d["state"], d["attempts"], d["next_at"], d["last_reply"]) for d in found
    )
    headings = ("id", "conversation", "to", "state", "attempts", "next", "last reply")
    return Shown(found, (table(headings, rows),) if found else ("The outbox is empty.",))


def retried(store: Store, identifier: int, by: Operator, now: datetime) -> Shown:
    def work(tx: Tx) -> None:
        outbox.retry(tx, identifier, by.name, now)
        _record(tx, identifier, "let delivery {} be sent now", by, now)

    store.write_now(work)
    return Shown({"id": identifier, "state": "waiting"}, (f"Delivery {identifier} is sent now by the daemon.",))


def cancelled(store: Store, identifier: int, by: Operator, now: datetime) -> Shown:
    def work(tx: Tx) -> None:
        outbox.cancel(tx, identifier, by.name, now)
        _record(tx, identifier, "cancelled delivery {}", by, now)

    store.write_now(work)
    return Shown({"id": identifier, "state": "cancelled"}, (f"Delivery {identifier} will never be sent.",))


def settled_held(store: Store, by: Operator, now: datetime, *, retry: bool) -> Shown:
    """Let all that is held since a restore be sent, or withdraw it."""
    act, what = (outbox.retry, "let delivery {} be sent now") if retry else (outbox.cancel, "cancelled delivery {}")

    def work(tx: Tx) -> list[int]:
        ids = outbox.held(tx.connection)
        for identifier in ids:
            act(tx, identifier, by.name, now)
            _record(tx, identifier, what, by, now)
        return ids

    ids = store.write_now(work)
    state = "waiting" if retry else "cancelled"
    words = "sent now by the daemon" if retry else "never to be sent"
    line = f"Held until now, {words}: {many(len(ids), 'delivery', 'deliveries')}." if ids else "No delivery is held."
    return Shown([{"id": each, "state": state} for each in ids], (line,))


def _record(tx: Tx, delivery: int, what: str, by: Operator, now: datetime) -> None:
    sent = recall.sent_by_id(tx.connection, delivery)
    reference = sent.conversation.reference if sent else ""
    words = what.format(delivery)
    audit.record(tx, at=now, by=by.name, what=words, conversation=reference, proof=by.proof)
