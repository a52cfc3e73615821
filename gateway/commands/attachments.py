"""`attachments` and `scans`: getting out what was kept, and what the antivirus holds."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway import acting, releasing
from gateway.commands.conversations import seen_by
from gateway.commands.operator import Operator
from gateway.commands.output import Shown, table
from gateway.context import Context
from gateway.desk.rights import Action, may
from gateway.errors import NotFound, Refused
from gateway.mail.contents import content
from gateway.model import Conversation, Finding, Scan
from gateway.relay.withheld import INFECTED, UNSCANNED
from gateway.store import arrivals, audit, recall, scans, views
from gateway.store.database import Store, Tx

_LONGEST = 80  # characters of a name on disk


def of_conversation(
    store: Store, context: Context, reference: str, agent: str | None, folder: Path | None, *, infected: bool
) -> Shown:
    """List the attachments of a conversation, to an agent who may see it; with `folder`, write them there.

    Raises:
        NotFound: there is no such conversation that she may see.
        Refused: a file of such a name is there already.
    """
    conversation = seen_by(store, context, reference, agent)
    found = store.read_now(lambda connection: views.attachments(connection, conversation.id))
    barred = () if infected else (INFECTED, UNSCANNED)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file in found:
            if file["held"] not in barred:
                file["saved"] = str(_saved(store, folder, file))
    rows = ((f["number"], f["name"], f["type"], f["size"], f["held"] or "–", f.get("saved", "–")) for f in found)
    lines = (
        (table(("n", "name", "type", "octets", "held", "saved"), rows, whole=1),) if found else ("No attachments.",)
    )
    return Shown([_told(file) for file in found], lines)


def _told(file: dict[str, Any]) -> dict[str, Any]:
    names = ("number", "message", "name", "type", "size", "sha256", "held", "looks")
    return {name: file[name] for name in names} | {"saved": file.get("saved")}


def _saved(store: Store, folder: Path, file: dict[str, Any]) -> Path:
    """Write one, readable by whoever asks alone, and executable by nobody."""
    location = store.read_now(lambda connection: arrivals.locate(connection, file["digest"]))
    data = content(store.packs.read(location), file["part"])
    path = folder / _name(file)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Refused(f"{path} is there already; name another folder") from None
    with os.fdopen(handle, "wb") as out:
        out.write(data)
    return path


def _name(file: dict[str, Any]) -> str:
    """A name that is harmless on any disk: its number first, letters and digits, and said where it's infected."""
    bare = (c for c in unicodedata.normalize("NFKD", file["name"]) if not unicodedata.combining(c))
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in bare)
    ending = ".infected" if file["held"] == INFECTED else ""
    return f"{file['number']:02}-{kept[-_LONGEST:].rstrip('.')}{ending}"


# --- the antivirus --------------------------------------------------------------------------------------------


def scans_listed(store: Store) -> Shown:
    """What is held, and what is infected."""
    found = store.read_now(scans.listed)
    rows = (
        (f["sha256"][:16], f["verdict"], f["name"], f["attempts"], f["next_at"], f["conversation"]) for f in found
    )
    headings = ("sha256", "verdict", "what", "asked", "next", "conversation")
    return Shown(found, (table(headings, rows, whole=2),) if found else ("The antivirus holds nothing.",))


def scans_retried(store: Store, by: Operator, now: datetime) -> Shown:
    """Have the daemon ask about all that is held, now."""

    def work(tx: Tx) -> int:
        count = scans.hasten(tx, now)
        audit.record(tx, at=now, by=by.name, what=f"had the antivirus asked about {count} mails", proof=by.proof)
        return count

    count = store.write_now(work)
    return Shown({"mails": count}, (f"The daemon asks about {count} mail(s) now.",))


def scan_released(
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
    return Shown({"sha256": digest, "mails": mails}, (f"Released; {mails} mail(s) to send.",))


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
        yield recall.conversation_by_id(tx.connection, identifier)
