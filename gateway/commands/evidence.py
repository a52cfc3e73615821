"""`evidence`: what happened to the mails of a conversation; whether all of it is still there; a copy for others."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.operator import Operator
from gateway.commands.output import Shown, Table, many, table
from gateway.errors import Refused
from gateway.store import audit, chain, evidence, opening, views
from gateway.store.database import Store

_STANDARD_OUTPUT = Path("-")


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_evidence)
    made.add_argument("reference", nargs="?", metavar="REF", help=typed.REF)
    which = made.add_mutually_exclusive_group()
    which.add_argument("--verify", action="store_true", help="follow the chains of hashes; without REF, all of them")
    which.add_argument(
        "--export", type=Path, metavar="FILE", help="write it for others to check; - for standard output"
    )
    made.add_argument("--head", metavar="HASH", help="with --verify: look for a head that was kept elsewhere")


OFFERED = {"evidence": _parser}


def _evidence(options: argparse.Namespace) -> Shown:
    if options.head and not options.verify:
        options.usage("--head goes with --verify")
    if not options.reference and not options.verify:
        options.usage("name a conversation; --verify alone looks at all of them")
    settings = typed.settings(options)
    with opening.opened(settings) as store:
        if options.verify:
            return verified(store, options.reference, options.head)
        if options.export is None:
            return listed(store, options.reference)
        instance, by = settings.instance.url, typed.typed_by(options)
        return exported(store, options.reference, options.export, instance, by, utc_now())


def listed(store: Store, reference: str) -> Shown:
    """Every row of a conversation and of what was joined with it; the head of each chain is to be kept elsewhere."""
    _, rows = _rows(store, reference)
    heads = {row["chain"]: row["hash"] for row in rows}
    shown = [{**row, "said": json.loads(row["said"] or "{}")} for row in rows]
    headings = ("when", "delivery", "to", "what", "outcome", "where", "answer")
    keep = (f"Head of {name}, to be kept elsewhere: {head}" for name, head in heads.items())
    lines: tuple[str | Table, ...] = ("No mail left it yet.",)
    if rows:
        lines = (table(headings, map(_cells, shown)), "", *keep)
    return Shown({"rows": shown, "heads": heads}, lines)


def verified(store: Store, reference: str | None, kept: str | None) -> Shown:
    """Follow the chains: of a conversation, or all. `kept`: a head that was kept elsewhere. Status 1 for a fault."""
    home = None
    if reference is not None:
        found = reference
        home = store.read_now(lambda connection: views.find(connection, found).id)
    chains = store.read_now(lambda connection: evidence.verified(connection, home))
    faults = [f"{name}: {outcome.fault}" for name, outcome in chains.items() if outcome.fault]
    lacking = store.read_now(lambda connection: evidence.missing(connection, home))
    faults += [f"delivery {delivery} was tried more often than its rows tell" for delivery in lacking]
    if broken := store.read_now(evidence.broken_seal):
        faults.append(broken)
    if kept and not store.read_now(lambda connection: evidence.holds(connection, chain.hash_in(kept))):
        faults.append(f"no row has the hash {kept.lower()}")
    rows = sum(outcome.rows for outcome in chains.values())
    erased = sum(outcome.erased for outcome in chains.values())
    document = {"chains": len(chains), "rows": rows, "erased": erased, "faults": faults}
    if faults:
        return Shown(document, tuple(f"The evidence is damaged: {fault}." for fault in faults), 1)
    words = f", {erased} of them without their words" if erased else ""
    return Shown(
        document, (f"{many(rows, 'row')} in {many(len(chains), 'chain')}, each bound to the one before it{words}.",)
    )


def exported(store: Store, reference: str, path: Path, instance: str, by: Operator, now: datetime) -> Shown:
    """Write what docs/evidence.md describes: whoever has it can check it without us."""
    home, rows = _rows(store, reference)
    head = {"evidence": 1, "instance": instance, "conversation": home, "exported_at": now}
    octets, count = b"".join(_lines(head, rows)), many(len(rows), "row")
    total = json.loads(octets.splitlines()[-1])["sha256"]

    def sealed(tx: Any) -> None:
        what = f"exported the evidence of {home}: {count}, SHA-256 {total}"
        evidence.seal(tx, now)
        audit.record(tx, at=now, by=by.name, what=what, conversation=home, proof=by.proof)

    with _opened(path) as file:
        store.write_now(sealed)  # first: nobody has a copy of which the audit doesn't tell
        file.write(octets)
    if path == _STANDARD_OUTPUT:
        return Shown({"rows": len(rows), "sha256": total}, printed=True)
    return Shown(
        {"file": str(path), "rows": len(rows), "sha256": total},
        (f"{path}: {count}. docs/evidence.md says how to check it. SHA-256 in its last line: {total}",),
    )


def _rows(store: Store, reference: str) -> tuple[str, list[dict[str, Any]]]:
    home = store.read_now(lambda connection: views.find(connection, reference))
    return home.reference, store.read_now(lambda connection: evidence.of_conversation(connection, home.id))


def _cells(row: dict[str, Any]) -> Sequence[object]:
    said = row["said"]
    where = " ".join(said[name] for name in ("host", "tls") if name in said)
    answer = " ".join(said[name] for name in ("reply", "by") if name in said)
    when = datetime.fromisoformat(row["at"])
    return when, row["delivery"], said.get("to", "(erased)"), row["event"], said.get("outcome", ""), where, answer


def _lines(head: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    """The head, each row, and at last the SHA-256 of all before it."""
    total = hashlib.sha256()
    for document in (head, *rows):
        line = _line(document)
        total.update(line)
        yield line
    yield _line({"rows": len(rows), "sha256": total.hexdigest()})


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, default=chain.plain).encode() + b"\n"


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A new file, or standard output. Where something goes wrong, no file stays.

    Raises:
        Refused: there is one of that name.
    """
    if path == _STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # it names people
    except FileExistsError:
        raise Refused(f"{path} is there already: name another file") from None
    try:
        with open(number, "wb") as file:
            yield file
    except BaseException:
        path.unlink()
        raise
