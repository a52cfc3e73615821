"""`audit`: who did what, with which proof; and whether all of it is still there as it was written."""

from __future__ import annotations

import argparse

from gateway.commands import options as typed
from gateway.commands.output import Shown, many, table
from gateway.store import audit, chain, views
from gateway.store.database import Store


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_audit)
    which = made.add_mutually_exclusive_group()
    which.add_argument("--conversation", metavar="REF", help="only in this one")
    which.add_argument("--verify", action="store_true", help="follow the chain of hashes instead, which binds all")
    made.add_argument("--head", metavar="HASH", help="with --verify: look for a head that was kept elsewhere")


OFFERED = {"audit": _parser}


def _audit(options: argparse.Namespace) -> Shown:
    if options.head and not options.verify:
        options.usage("--head goes with --verify")
    with typed.opened(options) as store:
        if options.verify:
            return verified(store, options.head)
        return listed(store, options.conversation)


def listed(store: Store, reference: str | None) -> Shown:
    """Acts, the oldest first: all, or those in one conversation and what was joined with it."""
    found = store.read_now(
        lambda connection: audit.listed(connection, views.references(connection, reference) if reference else None)
    )
    head = store.read_now(audit.head).hex()
    rows = ((a["id"], a["at"], a["by"], a["conversation"], a["what"] or "(erased)", a["proof"]) for a in found)
    headings = ("id", "when", "who", "conversation", "what", "proof")
    lines = (table(headings, rows, whole=2), "", _keep(head)) if found else ("Nobody has done anything.",)
    return Shown({"acts": found, "head": head}, lines)


def verified(store: Store, kept: str | None) -> Shown:
    """Follow the chain. `kept`: a head that was kept elsewhere. Status 1 where something is wrong."""
    outcome = store.read_now(
        lambda connection: audit.verified(connection, chain.hash_in(kept) if kept else chain.START)
    )
    document = {
        "rows": outcome.rows,
        "erased": outcome.erased,
        "head": outcome.head.hex(),
        "fault": outcome.fault or None,
    }
    if outcome.fault:
        return Shown(
            document,
            (f"The audit is damaged: {outcome.fault}. Unbroken up to there: {many(outcome.rows, 'row')}.",),
            1,
        )
    erased = f", {outcome.erased} of them without their words" if outcome.erased else ""
    return Shown(
        document, (f"{many(outcome.rows, 'row')}, each bound to the one before it{erased}.", _keep(document["head"]))
    )


def _keep(head: object) -> str:
    return f"Head, to be kept elsewhere: {head}"
