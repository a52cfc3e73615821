"""`explain`, `import`, `threads`, `aside`, `outbox`: what becomes of mail, seen and helped along by hand."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine

from gateway import inbound
from gateway.commands import files
from gateway.commands.files import MailFile
from gateway.commands.operator import Operator
from gateway.commands.output import Shown, progress, table
from gateway.context import Context
from gateway.decision import IMPORTED, Decision
from gateway.health.canary import Leg
from gateway.model import Arrival, Envelope, Filing, Incoming, Mail
from gateway.store import arrivals, audit, outbox, recall, tables, views
from gateway.store.database import Store, Tx
from gateway.threading.lineage import lineages

_CHUNK = 50
_LEASE = timedelta(minutes=10)


# --- explain ---------------------------------------------------------------------------------------------


def explained(store: Store | None, context: Context, paths: list[Path], now: datetime) -> Shown:
    """What would become of each mail. Without a store, as an empty one would take it. Nothing is written."""

    def work(connection: Connection) -> list[dict[str, Any]]:
        found = (file for path in paths for file in files.mails(path))
        with progress() as bar:
            seen = bar.track(found, total=_total(paths), description="explain")
            return [_explained(connection, context, file, now) for file in seen]

    documents = store.read_now(work) if store is not None else _on_nothing(work)
    single = len(documents) == 1
    return Shown(documents[0] if single else documents, tuple(_explanation(d) for d in documents))


def _on_nothing(work: Any) -> Any:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        return work(connection)


def _explained(connection: Connection, context: Context, file: MailFile, now: datetime) -> dict[str, Any]:
    digest = hashlib.sha256(file.raw).hexdigest()
    arrival = Arrival(0, digest, len(file.raw), "file", now, Envelope(), "", 1)
    mail = inbound.read_mail(file.raw, arrival, context)
    decision = inbound.explain(connection, arrival, mail, context, now)
    return _explanation_document(file, mail, decision)


def _explanation_document(file: MailFile, mail: Mail, decision: Decision) -> dict[str, Any]:
    placed = decision.placement.conversation
    route = decision.route
    marks = decision.filing.messages[0][0].marks if decision.filing else mail.marks
    return {
        "file": file.name,
        "message_id": mail.message_id,
        "nature": mail.nature.value,
        "author": mail.author.address,
        "proof": decision.grade.proof.value,
        "proof_code": decision.grade.code,
        "text": mail.own,
        "quoted": mail.quoted,
        "attachments": [
            {"name": a.name, "type": a.type, "size": a.size, "sha256": a.sha256} for a in mail.attachments
        ],
        "placement": {
            "conversation": placed.reference if placed else None,
            "because": decision.placement.because,
        },
        "route": {
            "inbox": {"kind": route.inbox.kind.value, "number": route.inbox.number},
            "because": route.because,
        },
        "notify": list(decision.told),
        "acknowledge": decision.acknowledge.due,
        "commands": list(decision.commands),
        "anomalies": list(mail.anomalies),
        "marks": [asdict(mark) for mark in marks],
        "forwarded": _forwarded(mail),
        "report": _report(mail),
        "protection": mail.protection.value,
        "because": [
            mail.nature_because,
            decision.grade.because,
            decision.acknowledge.because,
            *([f"quoted: {mail.quoted_because}"] if mail.quoted_because else []),
        ],
        "duplicate": decision.duplicate_of is not None,
        "confirmation": decision.confirmation or None,
    }


def _forwarded(mail: Mail) -> dict[str, Any] | None:
    """The original in a forward, as the forward tells it."""
    original = mail.forwarded
    if original is None:
        return None
    return {
        "author": original.author.address,
        "name": original.author.name,
        "subject": original.subject,
        "date": original.date,
        "message_id": original.message_id,
        "text": original.text,
    }


def _report(mail: Mail) -> dict[str, Any] | None:
    """What a bounce or a delay reports."""
    if mail.report is None:
        return None
    return {
        "message_id": mail.report.original_message_id,
        "recipients": [
            {"to": one.recipient, "action": one.action, "status": one.status, "diagnostic": one.diagnostic}
            for one in mail.report.recipients
        ],
    }


def _explanation(document: dict[str, Any]) -> str:
    nature, proof, acknowledge, *quoted = document["because"]
    inbox = document["route"]["inbox"]
    where = inbox["kind"] if inbox["number"] is None else f"{inbox['kind']}:{inbox['number']}"
    lines = [
        document["file"],
        f"  author       {document['author'] or '(none)'}: {document['proof']}, {proof}",
        f"  nature       {document['nature']}: {nature}",
        f"  conversation {document['placement']['conversation'] or 'a new one'}: {document['placement']['because']}",
        f"  inbox        {where}: {document['route']['because']}",
        f"  notified     {', '.join(document['notify']) or 'nobody'}",
        f"  acknowledged {'yes' if document['acknowledge'] else 'no'}: {acknowledge}",
    ]
    if document["duplicate"]:
        lines.append("  duplicate    the same mail is filed already: nothing would happen")
    if document["confirmation"]:
        lines.append(f"  confirmation {document['confirmation']}")
    lines += [f"  {because.replace(':', '      ', 1)}" for because in quoted]
    if forwarded := document["forwarded"]:
        lines.append(f"  forwards     « {forwarded['subject']} » of {forwarded['author'] or forwarded['name']}")
    for one in document["report"]["recipients"] if document["report"] else ():
        lines.append(f"  reports      {one['to']}: {one['action']} {one['status']} {one['diagnostic']}".rstrip())
    if document["protection"] != "none":
        lines.append(f"  protection   {document['protection']}")
    lines += [f"  command      @{command}" for command in document["commands"]]
    lines += [f"  odd          {anomaly}" for anomaly in document["anomalies"]]
    lines += [f"  deceives     {mark['code']} {mark['what']}".rstrip() for mark in document["marks"]]
    return "\n".join(lines)


# --- import ----------------------------------------------------------------------------------------------


def imported(store: Store, context: Context, paths: list[Path], by: Operator, clock: Callable[[], datetime]) -> Shown:
    """Take mails in through the same pipeline, nobody notified."""
    owner = f"{IMPORTED}:{os.getpid()}"
    totals = {"read": 0, "filed": 0, "duplicates": 0, "aside": 0}
    found = (file for path in paths for file in files.mails(path))
    with progress() as bar:
        task = bar.add_task("import", total=_total(paths))
        while chunk := list(islice(found, _CHUNK)):
            _import_chunk(store, context, chunk, owner, by, clock(), totals)
            bar.advance(task, len(chunk))
    words = "{read} mails read: {filed} filed, {duplicates} here before, {aside} set aside".format(**totals)
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

    def work(tx: Tx) -> list[tuple[Arrival, inbound.Filed]]:
        audit.record(tx, at=now, by=by.name, what=f"imported {len(read)} mails", proof=by.proof)
        return inbound.file_batch(tx, read, context, now)

    for _, decision in store.write_now(work):
        totals[_became(decision)] += 1


def _became(decision: inbound.Filed) -> str:
    if isinstance(decision, Leg):
        return "duplicates"  # nothing more comes of it
    if isinstance(decision, str):
        return "aside"
    return "filed" if isinstance(decision.filing, Filing) else "duplicates"


def _total(paths: list[Path]) -> int | None:
    counts = [files.count(path) for path in paths]
    return None if None in counts else sum(count or 0 for count in counts)


# --- threads ---------------------------------------------------------------------------------------------


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


# --- aside -----------------------------------------------------------------------------------------------


def aside_list(store: Store) -> Shown:
    found = store.read_now(arrivals.aside)
    rows = ((a["id"], a["received_at"], a["size"], a["attempts"], a["reason"]) for a in found)
    headings = ("id", "received", "octets", "attempts", "reason")
    return Shown(found, (table(headings, rows),) if found else ("Nothing is set aside.",))


def aside_show(store: Store, identifier: int) -> Shown:
    """The raw mail; undecodable octets are escaped, nothing else is changed."""
    row = store.read_now(lambda connection: arrivals.one_aside(connection, identifier))
    location = store.read_now(lambda connection: arrivals.locate(connection, row["sha256"]))
    raw = store.packs.read(location).decode("utf-8", "backslashreplace")
    return Shown({**row, "raw": raw}, (f"{row['id']}: {row['reason']}", "", raw))


def aside_retry(store: Store, identifier: int, by: Operator, now: datetime) -> Shown:
    def work(tx: Tx) -> None:
        arrivals.retry(tx, identifier)
        audit.record(tx, at=now, by=by.name, what=f"let mail {identifier} be filed again", proof=by.proof)

    store.write_now(work)
    return Shown({"id": identifier, "state": "waiting"}, (f"Mail {identifier} is filed again by the daemon.",))


# --- outbox ----------------------------------------------------------------------------------------------


def outbox_list(store: Store) -> Shown:
    found = store.read_now(outbox.listed)
    rows = (
        (d["id"], d["conversation"], d["to"], d["state"], d["attempts"], d["next_at"], d["last_reply"]) for d in found
    )
    headings = ("id", "conversation", "to", "state", "attempts", "next", "last reply")
    return Shown(found, (table(headings, rows),) if found else ("The outbox is empty.",))


def outbox_retry(store: Store, identifier: int, by: Operator, now: datetime) -> Shown:
    def work(tx: Tx) -> None:
        outbox.retry(tx, identifier, by.name, now)
        _record(tx, identifier, "let delivery {} be sent now", by, now)

    store.write_now(work)
    return Shown({"id": identifier, "state": "waiting"}, (f"Delivery {identifier} is sent now by the daemon.",))


def outbox_cancel(store: Store, identifier: int, by: Operator, now: datetime) -> Shown:
    def work(tx: Tx) -> None:
        outbox.cancel(tx, identifier, by.name, now)
        _record(tx, identifier, "cancelled delivery {}", by, now)

    store.write_now(work)
    return Shown({"id": identifier, "state": "cancelled"}, (f"Delivery {identifier} will never be sent.",))


def outbox_held(store: Store, by: Operator, now: datetime, *, retry: bool) -> Shown:
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
    words = "sent now by the daemon" if retry else "never sent"
    line = f"{len(ids)} deliveries that were held are {words}." if ids else "No delivery is held."
    return Shown([{"id": each, "state": state} for each in ids], (line,))


def _record(tx: Tx, delivery: int, what: str, by: Operator, now: datetime) -> None:
    sent = recall.sent_by_id(tx.connection, delivery)
    reference = sent.conversation.reference if sent else ""
    words = what.format(delivery)
    audit.record(tx, at=now, by=by.name, what=words, conversation=reference, proof=by.proof)
