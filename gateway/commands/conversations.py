"""`conversations` and `show`: what is shown of conversations."""

from __future__ import annotations

import argparse
from typing import Any

from gateway.commands import options as typed
from gateway.commands import pages
from gateway.commands.inboxes import MEANT, inbox
from gateway.commands.output import Shown, Table, table, when
from gateway.commands.situation import situated
from gateway.context import Context
from gateway.desk.rights import Action, Ruling, may
from gateway.errors import NotFound
from gateway.model import Conversation, Inbox, Status
from gateway.store import arrivals, views
from gateway.store.database import Store

_TIMES = {"waiting_since": "waits since", "snoozed_until": "set aside until", "closing_at": "will be closed on"}


def _list_parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_list)
    made.add_argument("--inbox", type=inbox, metavar="INBOX", help=MEANT)
    made.add_argument("--status", choices=[status.value for status in Status], help="only those of this status")
    made.add_argument("--assignee", metavar="AGENT", help="only those assigned to this address")
    made.add_argument("--as", dest="agent", metavar="AGENT", help="only what this agent may see")


def _show_parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_show)
    made.add_argument("reference", metavar="REF", help=typed.REF)
    made.add_argument("--as", dest="agent", metavar="AGENT", help="as this agent may see it")
    made.add_argument(
        "--html", action="store_true", help="as a page to look at or print, each mail as it was laid out"
    )


OFFERED = {"conversations": _list_parser, "show": _show_parser}


def _list(options: argparse.Namespace) -> Shown:
    with situated(options) as (store, context):
        return listed(
            store,
            context,
            inbox=options.inbox,
            status=options.status,
            assignee=options.assignee,
            agent=options.agent,
        )


def _show(options: argparse.Namespace) -> Shown:
    with situated(options) as (store, context):
        how = laid_out if options.html else shown
        return how(store, context, options.reference, options.agent)


def listed(
    store: Store,
    context: Context,
    *,
    inbox: Inbox | None,
    status: str | None,
    assignee: str | None,
    agent: str | None,
) -> Shown:
    """Conversations; with `agent`, those that she may see."""
    wanted = views.Filter(inbox, status, assignee.lower() if assignee else None, _sight(context, agent))
    found = store.read_now(lambda connection: views.listed(connection, wanted))
    rows = (
        (
            c["reference"],
            _inbox(c["inbox"]),
            c["status"],
            c["assignee"],
            c["usager"],
            c["subject"],
            c["messages"],
            c["updated_at"],
        )
        for c in found
    )
    headings = ("reference", "inbox", "status", "assignee", "usager", "subject", "n", "changed")
    return Shown(found, (table(headings, rows, whole=3),) if found else ("No conversations.",))


def _sight(context: Context, agent: str | None) -> Any:
    if agent is None:
        return lambda _: True
    address = agent.lower()
    return lambda conversation: _ruling(context, conversation, address).allowed


def _ruling(context: Context, conversation: Conversation, agent: str) -> Ruling:
    staffed = context.staffed(conversation)
    return may(agent, Action.SEE, staffed, context.directory.circle_of(staffed))


def seen_by(store: Store, context: Context, reference: str, agent: str | None) -> Conversation:
    """A conversation, as far as an agent may see it; None sees all.

    Raises:
        NotFound: there is none that she may see.
    """
    conversation = store.read_now(lambda connection: views.find(connection, reference))
    if agent is not None and not _ruling(context, conversation, agent.lower()).allowed:
        raise NotFound(f"there is no conversation {reference} that {agent} may see")
    return conversation


def shown(store: Store, context: Context, reference: str, agent: str | None) -> Shown:
    """One conversation whole. To an agent who may not see it, it isn't there."""
    conversation = seen_by(store, context, reference, agent)
    document = store.read_now(lambda connection: views.shown(connection, conversation))
    return Shown(document, tuple(_page(document)))


def laid_out(store: Store, context: Context, reference: str, agent: str | None) -> Shown:
    """As `shown`, as a page of HTML, with what people outside wrote as they laid it out."""
    document = shown(store, context, reference, agent).document
    ids = [m["id"] for m in document["messages"] if (m["direction"], m["kind"]) == ("in", "external")]
    digests = store.read_now(lambda connection: views.digests(connection, ids))
    found = {identifier: pages.markup(_raw(store, digest)) for identifier, digest in digests.items()}
    page = pages.page(document, {identifier: markup for identifier, markup in found.items() if markup is not None})
    return Shown({"reference": document["reference"], "html": page}, (page,))


def _raw(store: Store, digest: str) -> bytes:
    return store.packs.read(store.read_now(lambda connection: arrivals.locate(connection, digest)))


def _page(document: dict[str, Any]) -> list[str | Table]:
    lines: list[str | Table] = [
        f"{document['reference']}  {document['subject'] or '(no subject)'}",
        f"  {_inbox(document['inbox'])} · {document['status']} · assigned to {document['assignee'] or 'nobody'}",
        f"  usager {document['usager'] or '(unknown)'}",
        *(f"  {name} {', '.join(document[name])}" for name in ("guests", "followers", "related") if document[name]),
        *(f"  {words} {when(document[key])}" for key, words in _TIMES.items() if document[key]),
        f"  because {'; '.join(document['because'])}",
    ]
    for message in document["messages"]:
        lines += _receipt(message) if views.is_receipt(message) else _message(message)
    rows = ((event["at"], event["by"], event["what"]) for event in document["history"])
    return [*lines, "", table(("when", "who", "what"), rows)]


def _receipt(message: dict[str, Any]) -> list[str]:
    """One line: whose words it confirms stands with the delivery that arrived, and its own are a machine's."""
    return ["", f"← {when(message['received_at'])}  {message['author']}  (a receipt)  #{message['id']}"]


def _message(message: dict[str, Any]) -> list[str]:
    arrow = "→" if message["direction"] == "out" else "←"
    facts = [message["kind"], message["nature"], *([message["proof"]] if message["proof"] else [])]
    lines = [
        "",
        f"{arrow} {when(message['received_at'])}  {message['author']}  ({', '.join(facts)})  #{message['id']}",
    ]
    lines += [f"    caution: {mark['code']} {mark['what']}".rstrip() for mark in message["marks"]]
    lines += [f"    {line}" for line in message["text"].rstrip().split("\n")]
    for a in message["attachments"]:
        held = f"; held: {a['held']}" if a["held"] else ""
        lines.append(f"    attached: {a['name']} ({a['type']}, {a['size']} octets{held})")
    for delivery in message["deliveries"]:
        reply = f": {delivery['last_reply']}" if delivery["last_reply"] else ""
        lines.append(f"    to {delivery['to']}: {delivery['state']}{reply}")
    return lines + _confirmation(message["confirmation"])


def _confirmation(asked: dict[str, Any] | None) -> list[str]:
    """Whether the agent in whose name it came has said that it is hers."""
    if asked is None:
        return []
    if asked["done_at"] is None:
        return [f"    waits for {asked['agent']}, asked {when(asked['asked_at'])} whether it is hers"]
    return [f"    {asked['state']} by {asked['agent']}, {when(asked['done_at'])}"]


def _inbox(inbox: dict[str, Any]) -> str:
    return inbox["kind"] if inbox["number"] is None else f"{inbox['kind']}:{inbox['number']}"
