"""`import`: mails from files, through the same pipeline."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from gateway import inbound
from gateway.clock import utc_now
from gateway.commands import files
from gateway.commands import options as typed
from gateway.commands.files import MailFile
from gateway.commands.operator import Operator
from gateway.commands.output import Shown, many, progress
from gateway.commands.situation import situated
from gateway.context import Context
from gateway.decision import IMPORTED
from gateway.health.canary import Leg
from gateway.model import Arrival, Filing, Incoming, Mail
from gateway.store import arrivals, audit
from gateway.store.database import Store, Tx
from gateway.together import Filed

_CHUNK = 50
_LEASE = timedelta(minutes=10)


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_import)
    made.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a mail, an mbox, a Maildir or a folder")


OFFERED = {"import": _parser}


def _import(options: argparse.Namespace) -> Shown:
    with situated(options) as (store, context):
        return imported(store, context, options.paths, typed.typed_by(options), utc_now)


def imported(store: Store, context: Context, paths: list[Path], by: Operator, clock: Callable[[], datetime]) -> Shown:
    """Take mails in through the same pipeline, nobody notified."""
    owner = f"{IMPORTED}:{os.getpid()}"
    totals = {"read": 0, "filed": 0, "duplicates": 0, "aside": 0}
    found = (file for path in paths for file in files.mails(path))
    with progress() as bar:
        task = bar.add_task("import", total=files.total(paths))
        while chunk := list(islice(found, _CHUNK)):
            _import_chunk(store, context, chunk, owner, by, clock(), totals)
            bar.advance(task, len(chunk))
    became = "{filed} filed, {duplicates} here before, {aside} set aside".format(**totals)
    words = f"{many(totals['read'], 'mail')} read: {became}"
    hint = ("`gateway aside list` says why.",) if totals["aside"] else ()
    return Shown(totals, (words + ".", *hint))


def _import_chunk(
    store: Store,
    context: Context,
    chunk: list[MailFile],
    owner: str,
    by: Operator,
    now: datetime,
    totals: dict[str, int],
) -> None:
    mails = [Incoming(file.raw, IMPORTED, now) for file in chunk]
    ids = store.write_now(lambda tx: arrivals.keep(tx, mails, owner, now + _LEASE))
    read: list[tuple[Arrival, Mail | Exception]] = []
    for identifier, mail in zip(ids, mails, strict=True):
        digest = hashlib.sha256(mail.raw).hexdigest()
        arrival = Arrival(identifier, digest, len(mail.raw), mail.source, now, mail.envelope, "", 1, owner=owner)
        read.append((arrival, inbound.read_arrival(store, arrival, context)))
    totals["read"] += len(chunk)

    def work(tx: Tx) -> list[tuple[Arrival, Filed]]:
        audit.record(tx, at=now, by=by.name, what=f"imported {many(len(read), 'mail')}", proof=by.proof)
        return inbound.file_batch(tx, read, context, now)

    for _, decision in store.write_now(work):
        totals[_became(decision)] += 1


def _became(decision: Filed) -> str:
    if isinstance(decision, Leg):
        return "duplicates"  # nothing more comes of it
    if isinstance(decision, str):
        return "aside"
    return "filed" if isinstance(decision.filing, Filing) else "duplicates"
