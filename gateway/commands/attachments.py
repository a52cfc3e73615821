"""`attachments`: getting out what was kept."""

from __future__ import annotations

import argparse
import os
import unicodedata
from pathlib import Path
from typing import Any

from gateway.commands import options as typed
from gateway.commands.conversations import seen_by
from gateway.commands.output import Shown, table
from gateway.commands.situation import situated
from gateway.context import Context
from gateway.errors import Refused
from gateway.mail.contents import content
from gateway.relay.withheld import INFECTED, UNSCANNED
from gateway.store import arrivals, views
from gateway.store.database import Store

_LONGEST = 80  # characters of a name on disk


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_attachments)
    made.add_argument("reference", metavar="REF", help=typed.REF)
    made.add_argument("--as", dest="agent", metavar="AGENT", help="as this agent may see it")
    made.add_argument("--save", type=Path, metavar="FOLDER", help="write the files there")
    made.add_argument("--infected", action="store_true", help="also those that are infected, or not checked yet")


OFFERED = {"attachments": _parser}


def _attachments(options: argparse.Namespace) -> Shown:
    with situated(options) as (store, context):
        return of_conversation(
            store, context, options.reference, options.agent, options.save, infected=options.infected
        )


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
