"""Conversations that mails open, nothing else being changed: most of what is filed, written many at once.

What `filing` and `outbox` ask the store for each, nobody need ask here: nothing is in a conversation that wasn't
there before, and nobody was written to in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

from sqlalchemy import Table

from gateway.model import GATEWAY, Draft, Filing, Message
from gateway.store import leads, notices, outbox, rows, statements, tables
from gateway.store.database import Tx, insert_each
from gateway.store.leads import Leads
from gateway.store.signer import Signer

Written = tuple[int, tuple[int, ...]]  # the id of a message, and of the deliveries that it caused
_Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A filing, and the ids that its rows are given. `parts`: the participations of those who may answer."""

    filing: Filing
    conversation: int
    message: int
    deliveries: tuple[int, ...]
    parts: tuple[int, ...]

    @property
    def said(self) -> Message:
        return self.filing.messages[0][0]


def is_fresh(filing: Filing) -> bool:
    """Does it open a conversation with one message, and change nothing else? What it causes goes to others each."""
    conversation, to = filing.conversation, [draft.to for draft in _drafts(filing)]
    alone = replace(filing, messages=(), notices=(), history=(), proof="") == Filing(conversation)
    by_itself = all(event.by == GATEWAY for event in filing.history)
    new = conversation.id == 0 and conversation.reference != ""
    return new and alone and by_itself and len(filing.messages) == 1 and len(to) == len(set(to))


def write(tx: Tx, filings: Sequence[Filing], signer: Signer, now: datetime) -> list[Written]:
    """Write filings each of which `is_fresh`; what came of each."""
    every = _with_keys(tx, filings)
    _insert(tx, tables.conversations, ([_conversation(one, now)] for one in every))
    _insert(tx, tables.history, (_history(one, now) for one in every))
    _insert(tx, tables.messages, ([_message(one)] for one in every))
    _insert(tx, tables.citations, (rows.of_citations(one.message, one.said.cited, one.said.loose) for one in every))
    _insert(tx, tables.participations, (_participations(one, now) for one in every))
    outbox.write(tx, list(chain.from_iterable(_deliveries(one, signer, now) for one in every)), now)
    _insert(tx, tables.notices, (_notices(one, now) for one in every))
    return [(one.message, one.deliveries) for one in every]


def _with_keys(tx: Tx, filings: Sequence[Filing]) -> list[_Fresh]:
    def given(table: Table, counts: Sequence[int]) -> list[tuple[int, ...]]:
        keys = iter(statements.fresh_keys(tx.connection, table, sum(counts)) if sum(counts) else ())
        return [tuple(islice(keys, count)) for count in counts]

    ones = [1] * len(filings)
    deliveries = given(tables.deliveries, [len(_drafts(filing)) for filing in filings])
    parts = given(tables.participations, [len(list(_answering(filing))) for filing in filings])
    new = zip(given(tables.conversations, ones), given(tables.messages, ones), strict=True)
    return [
        _Fresh(filing, conversation, message, sent, taking)
        for filing, ((conversation,), (message,)), sent, taking in zip(filings, new, deliveries, parts, strict=True)
    ]


def _insert(tx: Tx, table: Table, found: Iterable[_Rows]) -> None:
    insert_each(tx.connection, table, list(chain.from_iterable(found)))


def _drafts(filing: Filing) -> tuple[Draft, ...]:
    return tuple(chain.from_iterable(drafts for _, drafts in filing.messages))


def _answering(filing: Filing) -> Iterator[Draft]:
    """What is answered in the conversation, and not with an agent's word about a mail."""
    return (draft for draft in _drafts(filing) if draft.confirms is None)


def _conversation(one: _Fresh, now: datetime) -> dict[str, Any]:
    conversation = one.filing.conversation
    more = {"id": one.conversation, "reference": conversation.reference, "created_at": conversation.created_at}
    return {**rows.of_conversation(conversation, now), **more}


def _message(one: _Fresh) -> dict[str, Any]:
    return {"id": one.message, **rows.of_message(one.said, one.conversation)}


def _history(one: _Fresh, now: datetime) -> _Rows:
    return [rows.of_event(event, one.conversation, now) for event in one.filing.history]


def _participations(one: _Fresh, now: datetime) -> _Rows:
    usager = one.filing.conversation.usager
    return [
        leads.participation_row(part, one.conversation, draft.to, draft.role, usager, now)
        for part, draft in zip(one.parts, _answering(one.filing), strict=True)
    ]


def _deliveries(one: _Fresh, signer: Signer, now: datetime) -> Iterator[dict[str, Any]]:
    parts = iter(one.parts)
    for delivery, draft in zip(one.deliveries, _drafts(one.filing), strict=True):
        leads = Leads() if draft.confirms is not None else _leads(one, draft, next(parts))
        yield outbox.as_row(delivery, one.conversation, one.message, draft, leads, signer, now)


def _leads(one: _Fresh, draft: Draft, part: int) -> Leads:
    """Who wrote it is answered; everybody else sees the first mail of it that they know."""
    seen = (one.said.message_id,) if draft.to == one.said.author and one.said.message_id else ()
    return Leads(part, 0, seen, seen)


def _notices(one: _Fresh, now: datetime) -> _Rows:
    return [notices.as_row(notice, one.conversation, one.message, now) for notice in one.filing.notices]
