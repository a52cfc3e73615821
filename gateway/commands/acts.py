"""The acts of agents on the command line, under the same rules as by mail."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from gateway import acting
from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.inboxes import MEANT, inbox
from gateway.commands.output import Shown, many
from gateway.commands.situation import situated
from gateway.context import Context
from gateway.desk.commands import Command, Parsed, Verb, parse
from gateway.errors import Refused
from gateway.model import Direction, Kind, Message, Nature, Status
from gateway.store import exchange, filing, views
from gateway.store.database import Store, Tx

_AGENT = "an address or a name; me, or nobody to give it back"
_WISHES = {
    "assign": (Verb.ASSIGN, "assignee"),
    "status": (Verb.STATUS, "status"),
    "tag": (Verb.TAG, "tag"),
    "move": (Verb.MOVE, "inbox"),
    "admit": (Verb.ADMIT, "address"),
    "revoke": (Verb.REVOKE, "address"),
    "follow": (Verb.FOLLOW, ""),
    "mute": (Verb.MUTE, ""),
}


# --- what may be typed -----------------------------------------------------------------------------------


def _assign(made: argparse.ArgumentParser) -> None:
    made.add_argument("assignee", metavar="AGENT", help=_AGENT)


def _status(made: argparse.ArgumentParser) -> None:
    made.add_argument("status", choices=[status.value for status in Status])
    made.add_argument("--until", metavar="DATE", help="with pending: active again on that day (15/12, 3 jours, …)")


def _tag(made: argparse.ArgumentParser) -> None:
    made.add_argument("tag", metavar="TAG")


def _move(made: argparse.ArgumentParser) -> None:
    made.add_argument("inbox", metavar="INBOX", type=inbox, help=MEANT)


def _transfer(made: argparse.ArgumentParser) -> None:
    made.add_argument("organisation", metavar="SIRET", help="or its name, as the directory gives it")
    made.add_argument("--text", default="", help="words to the usager, who is told in any case")


def _admit(made: argparse.ArgumentParser) -> None:
    made.add_argument("address", metavar="ADDRESS")
    made.add_argument("--remove", action="store_true", help="end that person's part")


def _revoke(made: argparse.ArgumentParser) -> None:
    made.add_argument("address", metavar="ADDRESS")


def _nothing(_: argparse.ArgumentParser) -> None:
    """The conversation and the agent are all."""


_ARGUMENTS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "reply": _nothing,
    "note": _nothing,
    "assign": _assign,
    "status": _status,
    "tag": _tag,
    "move": _move,
    "transfer": _transfer,
    "admit": _admit,
    "revoke": _revoke,
    "follow": _nothing,
    "mute": _nothing,
}


def _parser(arguments: Callable[[argparse.ArgumentParser], None], made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_act)
    made.add_argument("reference", metavar="REF", help=typed.REF)
    arguments(made)
    made.add_argument("--as", dest="agent", metavar="AGENT", required=True, help=typed.WHOSE)


OFFERED = {name: partial(_parser, arguments) for name, arguments in _ARGUMENTS.items()}


def _act(options: argparse.Namespace) -> Shown:
    wish = _wish(options)
    with situated(options) as (store, context):
        proof = typed.typed_by(options).proof
        return act(store, context, options.reference, options.agent, wish, utc_now(), proof=proof)


def _wish(options: argparse.Namespace) -> Parsed:
    if options.command == "reply":
        return answer(typed.standard_input())
    if options.command == "note":
        return command(Verb.NOTE, typed.standard_input())
    if options.command == "status" and options.until is not None:
        if options.status != Status.PENDING:
            options.usage("--until goes with pending")
        return command(Verb.SNOOZE, options.until)
    if options.command == "admit" and options.remove:
        return command(Verb.REMOVE, options.address)
    if options.command == "transfer":
        return command(Verb.TRANSFER, options.organisation, options.text.strip())
    verb, argument = _WISHES[options.command]
    return command(verb, str(getattr(options, argument)) if argument else "")


# --- the act ---------------------------------------------------------------------------------------------


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
        thread = exchange.acted_on(tx.connection, conversation.id)
        outcome = acting.act(context, conversation, agent, wish, now, thread=thread)
        if outcome.problems:
            raise Refused("; ".join(acting.in_words(problem) for problem in outcome.problems))
        filed = acting.act_filing(context, conversation, outcome, _base(agent, now), thread, now)
        _, deliveries = filing.file(tx, replace(filed, proof=proof), context.signer, now)
        return conversation.reference, deliveries

    found, deliveries = store.write_now(work)
    mails = f"; {many(len(deliveries), 'mail')} to send" if deliveries else ""
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
