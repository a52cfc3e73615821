"""`explain`: what would become of mails, and why. Nothing is written."""

from __future__ import annotations

import argparse
import hashlib
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine

from gateway import explaining, inbound
from gateway.clock import utc_now
from gateway.commands import files
from gateway.commands import options as typed
from gateway.commands.files import MailFile
from gateway.commands.output import Shown, progress
from gateway.context import Context, context
from gateway.decision import Decision
from gateway.mail.tokens import Keys
from gateway.model import Arrival, Envelope, Mail
from gateway.store import keys, schema, tables
from gateway.store.database import Store
from gateway.store.engines import file_of
from gateway.store.places import packs_for


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_explain)
    made.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a mail, an mbox, a Maildir or a folder")


OFFERED = {"explain": _parser}


def _explain(options: argparse.Namespace) -> Shown:
    settings, now = typed.settings(options), utc_now()
    known = settings.store.token_keys_file
    situation = context(settings, keys.load(known) if known.exists() else Keys(()))
    file = file_of(settings.store.url)
    if file is not None and not file.exists():
        return explained(None, situation, options.paths, now)
    with closing(Store(settings.store.database, packs_for(settings.store))) as store:
        schema.require(store.engine)
        return explained(store, situation, options.paths, now)


def explained(store: Store | None, context: Context, paths: list[Path], now: datetime) -> Shown:
    """What would become of each mail. Without a store, as an empty one would take it. Nothing is written."""

    def work(connection: Connection) -> list[dict[str, Any]]:
        found = (file for path in paths for file in files.mails(path))
        with progress() as bar:
            seen = bar.track(found, total=files.total(paths), description="explain")
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
    decision = explaining.explain(connection, arrival, mail, context, now)
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
