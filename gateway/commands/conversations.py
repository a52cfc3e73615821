"""The desk on the command line: what is shown of conversations, and the acts of agents."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from rich.table import Table

from gateway import acting
from gateway.commands import pages
from gateway.commands.output import Shown, table, when
from gateway.context import Context
from gateway.desk.commands import Command, Parsed, Verb, parse
from gateway.desk.rights import Action, Ruling, may
from gateway.errors import NotFound, Refused
from gateway.model import Conversation, Direction, Inbox, InboxKind, Kind, Message, Nature
from gateway.store import arrivals, filing, recall, views
from gateway.store.database import Store, Tx

_TIMES = {"waiting_since": "waits since", "snoozed_until": "set aside until", "closing_at": "will be closed on"}


def inbox_named(text: str) -> Inbox:
    """An inbox as it is written: `global`, `dossier:123`, `demarche:42`.

    Raises:
        ValueError: it is none.
    """
    kind, _, number = text.partition(":")
    if text == "global":
        return Inbox(InboxKind.GLOBAL)
    if kind in {"dossier", "demarche"} and number.isascii() and number.isdigit() and int(number) > 0:
        return Inbox(InboxKind(kind), int(number))
    raise ValueError("an inbox is written global, dossier:123 or demarche:42")


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
        lines += _message(message)
    rows = ((event["at"], event["by"], event["what"]) for event in document["history"])
    return [*lines, "", table(("when", "who", "what"), rows)]


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


def act(
    store: Store,
    context: Context,
    reference: str,
    agent: str,
    wish: Parsed,
    now: datetime,
    *,
    proof: str = "command line",
) -> Shown:
    """Do what an agent may do, under the same rules as by mail. `proof`: what the audit says of it.

    Raises:
        NotFound: there is no such conversation.
        Refused: she may not, or it can't be done; nothing happens.
    """
    agent = agent.strip().lower()

    def work(tx: Tx) -> tuple[str, tuple[int, ...]]:
        conversation = views.find(tx.connection, reference)
        thread = recall.acted_on(tx.connection, conversation.id)
        outcome = acting.act(context, conversation, agent, wish, now, thread=thread)
        if outcome.problems:
            raise Refused("; ".join(acting.in_words(problem) for problem in outcome.problems))
        filed = acting.act_filing(context, conversation, outcome, _base(agent, now), thread, now)
        _, deliveries = filing.file(tx, replace(filed, proof=proof), context.signer, now)
        return conversation.reference, deliveries

    found, deliveries = store.write_now(work)
    mails = f"; {len(deliveries)} mail(s) to send" if deliveries else ""
    document = {"reference": found, "deliveries": list(deliveries)}
    return Shown(document, (f"Done in {found}{mails}.",))


def _base(agent: str, now: datetime) -> Message:
    return Message(
        message_id="",
        direction=Direction.OUT,
        kind=Kind.EXTERNAL,
        nature=Nature.PERSON,
        proof=None,
        author=agent,
        people=(),
        received_at=now,
        subject="",
        text="",
        because=("from the command line",),
    )


def answer(text: str) -> Parsed:
    """The wish to send a text. Commands aren't read here, and mustn't leave as words.

    Raises:
        Refused: there is one in it.
    """
    if parse(text).commands:
        raise Refused("commands in the text aren't carried out here: use `gateway note`, `assign`, `status` …")
    return Parsed((), text)


def command(verb: Verb, argument: str = "", text: str = "") -> Parsed:
    """A wish of one command, and words for the usager where it takes some."""
    return Parsed((Command(verb, argument),), text)
