"""Small things that tests of the core are made of: a configuration, mails, arrivals, stores."""

from __future__ import annotations

import copy
import hashlib
import itertools
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import delete, text, update

from gateway import inbound
from gateway.commands.operator import Operator
from gateway.config.settings import Settings
from gateway.context import Context, context
from gateway.decision import Decision
from gateway.mail.language import language
from gateway.mail.tokens import Keys
from gateway.model import (
    GLOBAL,
    Address,
    Arrival,
    Authentication,
    Author,
    Conversation,
    Draft,
    Envelope,
    Inbox,
    InboxKind,
    Incoming,
    Mail,
    Nature,
    Outgoing,
    Purpose,
    Role,
    Status,
    Verdict,
)
from gateway.reading.answering import answered
from gateway.reading.question import Question, Search, Suspects
from gateway.reading.readers import Unreadable
from gateway.reading.searching import searched
from gateway.store import arrivals, schema, sending, tables, views
from gateway.store.database import Store, Tx

ROOT = Path(__file__).resolve().parent.parent
NOW = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)
KEYS = Keys(((1, b"k" * 32),))
DOMAIN = "support.example.org"
ULYSSE, ALICE, INES = (
    "ulysse@usager.example.net",
    "alice.admin@mairie.example.org",
    "ines.instruit@mairie.example.org",
)
MANON, HOTLINE = "manon.manager@support.example.org", "hotline@adullact.example.org"
OPERATOR = Operator("operator olga", "command line: gateway test, system user olga")
DOSSIER, DEMARCHE = Inbox(InboxKind.DOSSIER, 123), Inbox(InboxKind.DEMARCHE, 42)
_REFERENCE = tomllib.loads((ROOT / "gateway.toml").read_text("utf-8"))
_TABLES = ("instance", "addresses", "trust", "organisations", "demarches", "dossiers", "agents", "support_groups")


def settings(folder: Path | None = None, **tables: Any) -> Settings:
    """The shipped configuration's people and addresses; `tables` replace or extend its tables."""
    raw = {name: copy.deepcopy(_REFERENCE[name]) for name in _TABLES}
    base = folder or Path("/nonexistent")
    raw["store"] = {
        "url": f"sqlite:///{base / 'gateway.db'}",
        "raw": str(base / "raw"),
        "token_keys_file": str(base / "token.keys"),
    }
    raw["relay"] = {"folder": str(base / "sent")}
    for name, value in tables.items():
        raw[name] = {**raw.get(name, {}), **value} if isinstance(value, dict) else value
    return Settings.model_validate(raw, context={"folder": base})


def make_context(folder: Path | None = None, keys: Keys = KEYS, **tables: Any) -> Context:
    return context(settings(folder, **tables), keys)


def sqlite_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'gateway.db'}"


class Databases:
    """Where the stores of tests are. `of` answers the URL of the one in a folder, always the same."""

    of: Callable[[Path], str] = staticmethod(sqlite_in)


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """A store with its schema, in `folder`, or, where a test runs on another engine, beside it."""
    url = Databases.of(folder)
    if url == sqlite_in(folder) and not (file := folder / "gateway.db").exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_fresh())
    store = Store(url, folder / "raw")
    try:
        schema.upgrade(store.engine)
        yield store
    finally:
        store.close()


@cache
def _fresh() -> bytes:
    """A database in which there is nothing but its schema: to make each store by all migrations takes long."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(sqlite_in(Path(folder)), Path(folder) / "raw")
        schema.upgrade(store.engine)
        store.close()
        return (Path(folder) / "gateway.db").read_bytes()


def spoken(statement: str, engine: str) -> str:
    """What is written for SQLite, as this engine says it."""
    if engine == "sqlite":
        return statement
    return re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", statement)


# --- mails as octets -------------------------------------------------------------------------------------


def raw_mail(
    sender: str = ULYSSE,
    to: str = f"contact@{DOMAIN}",
    subject: str = "Une question",
    text: str = "Bonjour, une question.",
    identifier: str = "m1@usager.example.net",
    answers: str = "",
    references: tuple[str, ...] = (),
    **fields: str,
) -> bytes:
    """A mail of a person. `fields`: further header fields, `_` for `-`."""
    header = {
        "From": sender,
        "To": to,
        "Subject": subject,
        "Date": "Sat, 01 Mar 2025 10:00:00 +0100",
        "Message-ID": f"<{identifier}>" if identifier else "",
        "In-Reply-To": f"<{answers}>" if answers else "",
        "References": " ".join(f"<{reference}>" for reference in references),
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    lines = [f"{name}: {value}" for name, value in header.items() if value]
    return "\r\n".join((*lines, "", *text.split("\n"), "")).encode()


def incoming(raw: bytes, recipients: tuple[str, ...] = (f"contact@{DOMAIN}",), **values: Any) -> Incoming:
    envelope = Envelope(values.pop("envelope_sender", ULYSSE), recipients)
    return Incoming(raw, values.pop("source", "smtp"), values.pop("received_at", NOW), envelope, **values)


# --- mails as values -------------------------------------------------------------------------------------


def mail(author: str = ULYSSE, *, sure: bool = True, **values: Any) -> Mail:
    """A mail as reading finds it."""
    base = Mail(
        fingerprint=hashlib.sha256(repr(values).encode()).hexdigest(),
        message_id="m1@usager.example.net",
        in_reply_to=(),
        references=(),
        author=Author(author, "", sure, "" if sure else "two From fields"),
        to=(Address(f"contact@{DOMAIN}"),),
        cc=(),
        delivered_to=(),
        subject="Une question",
        date=NOW,
        text="Bonjour, une question.",
        own="Bonjour, une question.",
        quoted="",
        attachments=(),
        nature=Nature.PERSON,
        nature_because="a person",
        authentication=Authentication(Verdict.NONE, "nobody vouches for it"),
    )
    found = replace(base, **values)
    return found if "language" in values else replace(found, language=language(found.own or found.text))


def passing() -> Authentication:
    return Authentication(Verdict.PASS, "dmarc=pass")


def conversation(identifier: int = 1, inbox: Inbox = GLOBAL, **values: Any) -> Conversation:
    base = Conversation(
        id=identifier,
        reference=f"REF-{identifier}",
        inbox=inbox,
        strength=0,
        pinned=False,
        status=Status.ACTIVE,
        assignee=None,
        subject="Une question",
        usager=ULYSSE,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(base, **values)


def draft(to: str = ULYSSE, **values: Any) -> Draft:
    return replace(Draft(Purpose.ANSWER, to, Role.USAGER, "Mairie", "Re: Une question", "Bonjour.\n"), **values)


def outgoing(identifier: int = 1, letter: Draft | None = None, **values: Any) -> Outgoing:
    base = Outgoing(
        id=identifier,
        conversation=1,
        draft=letter or draft(),
        message_id=f"{identifier}.abc@{DOMAIN}",
        reply_to=f"reponse+abc@{DOMAIN}",
        envelope_sender=f"reponse+bounce@{DOMAIN}",
        in_reply_to=(),
        references=(),
        created_at=NOW,
        attempts=0,
    )
    return replace(base, **values)


# --- the whole way in ------------------------------------------------------------------------------------


def keep(store: Store, *mails: Incoming) -> list[int]:
    return store.write_now(lambda tx: arrivals.keep(tx, mails))


def file_all(store: Store, situation: Context, now: datetime = NOW) -> list[tuple[Arrival, Decision | str]]:
    """Claim, read and file all that waits, one after the other."""
    done: list[tuple[Arrival, Decision | str]] = []
    clock = (now + timedelta(seconds=n) for n in itertools.count(1))
    while True:
        time = next(clock)
        work = store.write_now(lambda tx, t=time: arrivals.claim(tx, "test", t, 50))  # type: ignore[misc]
        if not work:
            return done
        mails = [(arrival, inbound.read_arrival(store, arrival, situation)) for arrival in work]
        done += store.write_now(lambda tx, m=mails, t=time: inbound.file_batch(tx, m, situation, t))  # type: ignore[misc, arg-type]


class ReadHere:
    """As `Readers`, in this process."""

    async def read(self, raw: bytes, question: Question) -> Mail:
        try:
            return answered(raw, question)
        except Exception as error:
            raise Unreadable(f"reading it raised {type(error).__name__}") from error

    async def search(self, raw: bytes, search: Search) -> tuple[Suspects, ...]:
        return searched(raw, search)


HERE = ReadHere()


def take(store: Store, situation: Context, *raws: bytes, **values: Any) -> list[Decision | str]:
    """Keep mails and file them, each before the next comes."""
    decisions: list[Decision | str] = []
    for raw in raws:
        keep(store, incoming(raw, **values))
        decisions += [decision for _, decision in file_all(store, situation)]
    return decisions


def listed(store: Store) -> list[dict[str, Any]]:
    return store.read_now(lambda connection: views.listed(connection, views.Filter()))


def shown(store: Store, reference: str) -> dict[str, Any]:
    return store.read_now(lambda connection: views.shown(connection, views.find(connection, reference)))


def deliveries_to(store: Store, address: str) -> list[Outgoing]:
    """All that waits to leave to an address, the oldest first."""
    due = store.read_now(lambda connection: sending.due(connection, NOW + timedelta(days=1), 10_000))
    return sorted((found for found in due if found.draft.to == address), key=lambda found: found.id)


def emptied(store: Store) -> None:
    """Take everything out of a store but the audit, which can't be: a new one costs more. Ids begin anew."""

    def work(tx: Tx) -> None:
        tx.connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        tx.connection.execute(update(tables.arrivals).values(message=None))
        tx.connection.execute(update(tables.conversations).values(merged_into=None))
        for table in reversed(tables.metadata.sorted_tables):
            if table is not tables.audit:
                tx.connection.execute(delete(table))

    store.write_now(work)
