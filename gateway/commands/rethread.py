"""`rethread`: read every kept mail anew and place all of them, as if they came for the first time.

What agents did stays: conversations that they answered, assigned, moved, split or merged keep their messages, and
what a token led to a conversation stays there. The rest is parted anew by what the mails say (gateway.threading).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from gateway import inbound
from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.operator import SOMEBODY, Operator
from gateway.commands.output import Shown, many, progress
from gateway.commands.situation import situated
from gateway.context import Context
from gateway.decision import by_itself, hints, rules, trace, traits
from gateway.decision.beside import beside
from gateway.model import Held, Neighbourhood, Trace
from gateway.store import audit, filing, neighbourhood
from gateway.store.database import Store, Tx
from gateway.store.rows import messages_by_id
from gateway.threading.place import Beside
from gateway.threading.settle import settled


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_rethread)
    made.add_argument("--apply", action="store_true", help="change it")


OFFERED = {"rethread": _parser}


def _rethread(options: argparse.Namespace) -> Shown:
    with situated(options) as (store, context):
        return rethread(store, context, utc_now(), apply=options.apply, by=typed.typed_by(options))


@dataclass(frozen=True, slots=True)
class _Found:
    """What placing all anew comes to: the neighbourhood as read anew, what was read otherwise, what changes."""

    whole: Neighbourhood
    reread: tuple[Trace, ...]
    changes: tuple[Beside, ...]


def rethread(store: Store, context: Context, now: datetime, *, apply: bool, by: Operator = SOMEBODY) -> Shown:
    """Say what placing every mail anew would change, and change it if that is wanted: by whom, the audit says."""
    anew = _read_anew(store, context)
    if apply:
        documents = store.write_now(
            lambda tx: _applied(tx, _compared(tx.connection, anew, context), context, by, now)
        )
    else:
        documents = store.read_now(lambda connection: _documents(_compared(connection, anew, context)))
    differences, reread = documents
    words = "applied" if apply else "nothing is written: `gateway rethread --apply` does it"
    lines = [_line(difference) for difference in differences]
    if reread:
        lines.append(f"Read otherwise than before: {many(len(reread), 'mail')}; {words}.")
    summary = f"{many(len(differences), 'difference')} in {many(len(anew), 'mail')}" + (
        f"; {words}." if differences else "."
    )
    document = {"mails": len(anew), "differences": differences, "read_otherwise": reread, "applied": apply}
    return Shown(document, (*lines, summary))


# --- reading ---------------------------------------------------------------------------------------------


def _read_anew(store: Store, context: Context) -> dict[int, Trace]:
    """What placement knows of each mail that is placed by what it cites, by message."""
    rows = store.read_now(neighbourhood.mails)
    found: dict[int, Trace] = {}
    with progress() as bar:
        for message, arrival in bar.track(rows, description="read"):
            mail = inbound.read_arrival(store, arrival, context)
            if isinstance(mail, Exception):
                continue
            own = by_itself(mail, hints(arrival, mail, context), context)
            its = traits(mail, own, context.settings.addresses.domain, anchored=False)
            found[message] = replace(trace(mail, its), id=message)
    return found


def _compared(connection: Connection, anew: Mapping[int, Trace], context: Context) -> _Found:
    """The store as it is, with what was read anew in it, parted."""
    stored = neighbourhood.gathered(connection, neighbourhood.all_conversations(connection))
    traces = tuple(_renewed(old, anew.get(old.id)) for old in stored.traces)
    reread = tuple(new for old, new in zip(stored.traces, traces, strict=True) if new != old)
    whole = Neighbourhood(traces, stored.held)
    return _Found(whole, reread, settled(whole, rules(context)))


def _renewed(old: Trace, new: Trace | None) -> Trace:
    """An author is kept: whoever brought a mail in may have filed it in another name."""
    if new is None or old.traits.anchored:
        return old
    its = replace(new.traits, opens=old.traits.opens)
    return replace(new, id=old.id, conversation=old.conversation, author=old.author, traits=its)


# --- what changes ----------------------------------------------------------------------------------------


def _documents(found: _Found) -> tuple[list[dict[str, Any]], list[str]]:
    by_id = {trace.id: trace for trace in found.whole.traces}
    differences = [_difference(changed, found.whole.held, by_id) for changed in found.changes]
    return differences, [trace.message_id for trace in found.reread]


def _difference(changed: Beside, held: Mapping[int, Held], traces: Mapping[int, Trace]) -> dict[str, Any]:
    conversation, standing = changed.conversation, changed.standing
    return {
        "conversation": conversation.reference if conversation else None,
        "merge": [held[other].conversation.reference for other in changed.merge],
        "takes": [
            {
                "message_id": traces[message].message_id,
                "from": held[traces[message].conversation].conversation.reference,
            }
            for message in changed.takes
        ],
        "inbox": {"kind": standing.evidence.inbox.kind.value, "number": standing.evidence.inbox.number},
        "usager": standing.usager,
        "because": standing.evidence.because,
    }


def _line(difference: dict[str, Any]) -> str:
    here = difference["conversation"] or "a new conversation"
    inbox = difference["inbox"]
    stands = inbox["kind"] if inbox["number"] is None else f"{inbox['kind']}:{inbox['number']}"
    parts = [f"{other} is part of it" for other in difference["merge"]]
    parts += [f"<{taken['message_id']}> comes to it from {taken['from']}" for taken in difference["takes"]]
    reason = f" ({difference['because']})" if difference["because"] else ""
    return f"{here}, in {stands}{reason}: " + ("; ".join(parts) or "it stands there now")


def _applied(
    tx: Tx, found: _Found, context: Context, by: Operator, now: datetime
) -> tuple[list[dict[str, Any]], list[str]]:
    documents = _documents(found)
    what = f"placed every mail anew: {many(len(found.changes), 'difference')}"
    audit.record(tx, at=now, by=by.name, what=what, proof=by.proof)
    neighbourhood.renew(tx, found.reread)
    taken = messages_by_id(tx.connection, [message for changed in found.changes for message in changed.takes])
    filings = [
        beside(changed, [taken[message] for message in changed.takes], context, now, quiet=True)
        for changed in found.changes
    ]
    filing.rearrange(tx, filings, now)
    return documents
