"""`scans`: what the antivirus holds."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime

from gateway import acting, releasing
from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.operator import Operator
from gateway.commands.output import Shown, many, table
from gateway.commands.situation import situated
from gateway.context import Context
from gateway.desk.rights import Action, may
from gateway.errors import NotFound, Refused
from gateway.model import Conversation, Finding, Scan
from gateway.store import audit, scans
from gateway.store.database import Store, Tx
from gateway.store.rows import conversation_by_id


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_scans)
    made.add_argument("action", choices=["list", "retry", "release"])
    made.add_argument("digest", nargs="?", metavar="SHA256", help="of the raw mail, or its beginning, as `list` says")
    made.add_argument("--as", dest="agent", metavar="AGENT", help="the manager who takes it upon herself")


OFFERED = {"scans": _parser}


def _scans(options: argparse.Namespace) -> Shown:
    if options.action == "release" and not (options.digest and options.agent):
        options.usage("name the mail and who releases it: `release SHA256 --as AGENT`; `list` shows them")
    by, now = typed.typed_by(options), utc_now()
    with situated(options) as (store, context):
        if options.action == "list":
            return listed(store)
        if options.action == "retry":
            return retried(store, by, now)
        return released(store, context, options.digest, options.agent, now, proof=by.proof)


def listed(store: Store) -> Shown:
    """What is held, and what is infected."""
    found = store.read_now(scans.listed)
    rows = (
        (f["sha256"][:16], f["verdict"], f["name"], f["attempts"], f["next_at"], f["conversation"]) for f in found
    )
    headings = ("sha256", "verdict", "what", "asked", "next", "conversation")
    return Shown(found, (table(headings, rows, whole=2),) if found else ("The antivirus holds nothing.",))


def retried(store: Store, by: Operator, now: datetime) -> Shown:
    """Have the daemon ask about all that is held, now."""

    def work(tx: Tx) -> int:
        count = scans.hasten(tx, now)
        audit.record(
            tx, at=now, by=by.name, what=f"had the antivirus asked about {many(count, 'mail')}", proof=by.proof
        )
        return count

    count = store.write_now(work)
    return Shown({"mails": count}, (f"The daemon asks about {many(count, 'mail')} now.",))


def released(
    store: Store, context: Context, named: str, agent: str, now: datetime, *, proof: str = "command line"
) -> Shown:
    """A manager takes it upon herself that a mail's attachments leave.

    Raises:
        NotFound: nothing of this digest is held.
        Refused: she is no manager, or the mail isn't filed yet.
    """
    agent = agent.strip().lower()

    def work(tx: Tx) -> tuple[str, int]:
        digest = _held(tx, named)
        for conversation in _conversations(tx, digest):
            ruling = may(agent, Action.RELEASE, conversation, context.directory.circle_of(conversation))
            if ruling.problem is not None:
                raise Refused(acting.in_words(ruling.problem))
        scan = Scan(Finding.CLEAN, f"released by {agent}")
        return digest, releasing.settle(tx, context, digest, scan, now, by=agent, proof=proof)

    digest, mails = store.write_now(work)
    return Shown({"sha256": digest, "mails": mails}, (f"Released; {many(mails, 'mail')} to send.",))


def _held(tx: Tx, named: str) -> str:
    found = [
        row["sha256"] for row in scans.listed(tx.connection) if len(named) >= 8 and row["sha256"].startswith(named)
    ]
    if len(found) != 1:
        raise NotFound(f"{named} names no mail that the antivirus holds; `gateway scans list` tells them")
    return str(found[0])


def _conversations(tx: Tx, digest: str) -> Iterator[Conversation]:
    rows = scans.bearing(tx.connection, digest)
    if not rows:
        raise Refused("no message holds its attachments: it isn't filed")
    for identifier in {row.conversation for row in rows.values()}:
        yield conversation_by_id(tx.connection, identifier)
