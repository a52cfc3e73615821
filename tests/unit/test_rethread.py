"""`rethread`: what placing every mail anew comes to, what it applies, and what it leaves alone."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from gateway import cli
from gateway.commands.acts import act
from gateway.commands.repair import merge, split
from gateway.commands.rethread import rethread
from gateway.context import Context
from gateway.desk.commands import parse
from gateway.model import GLOBAL
from gateway.store import tables
from gateway.store.database import Store
from tests.builders import (
    DOMAIN,
    MANON,
    NOW,
    ROOT,
    ULYSSE,
    deliveries_to,
    listed,
    make_context,
    opened,
    raw_mail,
    shown,
    take,
)

LATER = NOW + timedelta(hours=1)
OTHER = {"number": 124, "demarche": 42, "usager": ULYSSE, "state": "en_construction"}
MINE = {"number": 123, "demarche": 42, "usager": ULYSSE, "state": "en_construction"}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path, dossiers=[MINE, OTHER], desk={"bundle": "0s"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def mail(name: str, answers: str = "", **values: Any) -> bytes:
    """A mail of Ulysse's, with a subject of its own."""
    values = {"subject": f"Question {name}", "text": name, **values}
    return raw_mail(identifier=f"{name}@x", answers=f"{answers}@x" if answers else "", **values)


def differences(store: Store, context: Context, *, apply: bool = False) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rethread(store, context, LATER, apply=apply).document["differences"]
    return found


def standing(store: Store) -> dict[str, str]:
    """Each mail's text → the reference of its conversation."""
    references = [summary["reference"] for summary in listed(store)]
    return {m["text"]: reference for reference in references for m in shown(store, reference)["messages"]}


def put(store: Store, text: str, into: str) -> None:
    """Misplace a message, as an earlier version of the rules might have."""
    there = select(tables.conversations.c.id).where(tables.conversations.c.reference == into).scalar_subquery()
    where = tables.messages.c.text == text
    store.write_now(lambda tx: tx.connection.execute(update(tables.messages).where(where).values(conversation=there)))


# --- it reproduces ---------------------------------------------------------------------------------------


def test_an_empty_store(store: Store, context: Context) -> None:
    assert rethread(store, context, NOW, apply=True).document == {
        "mails": 0,
        "differences": [],
        "read_otherwise": [],
        "applied": True,
    }


def test_what_is_there_comes_out_again(store: Store, context: Context) -> None:
    """Threads, an answer to our mail, a response without ids, a machine's mail, two dossiers beside each other."""
    take(store, context, mail("a"), mail("b", "a"), mail("c", subject="dossier n° 123"))
    take(store, context, mail("d", "c", subject="dossier n° 124"))
    take(store, context, mail("e", subject="Re: Question a", Date="Sun, 02 Mar 2025 10:00:00 +0100"))
    take(store, context, mail("f", "a", Auto_Submitted="auto-replied"))
    acknowledged = deliveries_to(store, ULYSSE)[0]
    take(store, context, raw_mail(to=acknowledged.reply_to, identifier="r@x", answers=acknowledged.message_id))
    assert len(listed(store)) == 3
    found = rethread(store, context, LATER, apply=False)
    assert (found.document["differences"], found.document["read_otherwise"]) == ([], [])
    assert found.document["mails"] > 4
    assert found.status == 0


def test_an_answer_that_quotes_our_question_names_nothing(store: Store, context: Context) -> None:
    """She was asked which dossier it is about, and doesn't say; the list that she quotes names both of hers."""
    take(store, context, mail("a"))
    (asked,) = deliveries_to(store, ULYSSE)
    assert "123" in asked.draft.text
    quoted = "\n".join(f"> {line}" for line in asked.draft.text.split("\n"))
    text = f"Je ne sais pas.\n\nLe 1 mars 2025 à 10:00, Mairie <contact@{DOMAIN}> a écrit :\n{quoted}"
    take(store, context, raw_mail(to=asked.reply_to, identifier="r@x", answers=asked.message_id, text=text))
    (summary,) = listed(store)
    assert summary["inbox"]["kind"] == "global"
    assert differences(store, context) == []


def test_an_answer_that_also_cites_another_conversation_joins_nothing(store: Store, context: Context) -> None:
    take(store, context, mail("a"), mail("b"))
    first = deliveries_to(store, ULYSSE)[0]
    take(store, context, raw_mail(to=first.reply_to, identifier="r@x", text="r", references=("b@x",)))
    assert differences(store, context) == []
    assert standing(store)["r"] == standing(store)["a"] != standing(store)["b"]


def test_what_an_agent_brought_in_stays_its_senders(store: Store, context: Context) -> None:
    forward = (
        "@fwd\n\n-----Message d'origine-----\nDe : Ulysse <ulysse@usager.example.net>\n"
        f"Envoyé : lundi 3 mars 2025 10:00\nÀ : {MANON}\nObjet : Question\n\nBonjour, et mon dossier n° 123 ?\n"
    )
    passes = {"Authentication_Results": "mx.example.org; dmarc=pass header.from=support.example.org"}
    raw = raw_mail(MANON, text=forward, subject="TR: Question", identifier="fwd@mairie", **passes)  # type: ignore[arg-type]
    take(store, context, raw, authserv_id="mx.example.org")
    (before,) = listed(store)
    assert (before["usager"], before["inbox"]["kind"] != "global") == (ULYSSE, True)
    found = rethread(store, context, LATER, apply=True).document
    assert (found["differences"], found["read_otherwise"]) == ([], [])
    assert listed(store) == [before]


# --- differences -----------------------------------------------------------------------------------------


def test_what_was_put_elsewhere_is_found_and_put_back(store: Store, context: Context) -> None:
    take(store, context, mail("a"), mail("b", "a"), mail("c", "b"), mail("z"))
    before = standing(store)
    put(store, "b", before["z"])
    (found,) = differences(store, context)
    assert found["conversation"] == before["a"]
    assert found["takes"] == [{"message_id": "b@x", "from": before["z"]}]
    assert standing(store)["b"] == before["z"]  # nothing is written yet
    assert differences(store, context, apply=True) == [found]
    assert standing(store) == before
    assert differences(store, context) == []
    words = [event["what"] for event in shown(store, before["a"])["history"]]
    assert any("taken in" in line for line in words)


def test_what_was_joined_wrongly_is_parted_and_related(store: Store, context: Context) -> None:
    take(store, context, mail("a", subject="dossier n° 123"), mail("b", "a", subject="dossier n° 124"))
    before = standing(store)
    assert before["a"] != before["b"]
    put(store, "b", before["a"])
    store.write_now(lambda tx: tx.connection.execute(tables.related.delete()))
    differences(store, context, apply=True)
    after = standing(store)
    assert after["a"] == before["a"] != after["b"]
    assert after["b"] in shown(store, after["a"])["related"]
    assert differences(store, context) == []


def test_what_was_torn_is_joined(store: Store, context: Context) -> None:
    take(store, context, mail("a"), mail("b"), mail("c", "a"))
    before = standing(store)
    citation = {"cited": "a@x", "message": 2, "position": 0, "loose": False}
    store.write_now(lambda tx: tx.connection.execute(insert(tables.citations).values(**citation)))
    take(store, context, mail("d"))
    assert differences(store, context) == []  # what is read anew counts, not what stands in the tables
    put(store, "c", before["b"])
    put(store, "a", before["b"])
    differences(store, context, apply=True)
    after = standing(store)
    assert after["a"] == after["c"] != after["b"]


def test_an_inbox_is_put_right(store: Store, context: Context) -> None:
    take(store, context, mail("a", to=f"demarche+42@{DOMAIN}"))
    values = {"inbox_kind": GLOBAL.kind.value, "inbox_number": None}
    store.write_now(lambda tx: tx.connection.execute(update(tables.conversations).values(**values)))
    (found,) = differences(store, context, apply=True)
    assert (found["inbox"], found["takes"], found["merge"]) == ({"kind": "demarche", "number": 42}, [], [])
    assert listed(store)[0]["inbox"] == {"kind": "demarche", "number": 42}


def test_what_is_read_otherwise_is_renewed(store: Store, context: Context) -> None:
    """As if an earlier version had read neither the ids nor the date."""
    take(store, context, mail("a"), mail("b", "a"))
    store.write_now(lambda tx: tx.connection.execute(tables.citations.delete()))
    store.write_now(lambda tx: tx.connection.execute(update(tables.messages).values(sent_at=None, matter="x")))
    found = rethread(store, context, LATER, apply=False).document
    assert (found["read_otherwise"], found["differences"]) == (["a@x", "b@x"], [])
    rethread(store, context, LATER, apply=True)
    rows = store.read_now(lambda c: c.execute(select(tables.messages)).all())
    assert [(row.sent_at is None, row.matter == "x") for row in rows] == [(False, False)] * 2
    assert store.read_now(lambda c: list(c.scalars(select(tables.citations.c.cited)))) == ["a@x"]
    assert rethread(store, context, LATER, apply=False).document["read_otherwise"] == []


def test_nobody_is_written_to(store: Store, context: Context) -> None:
    take(store, context, mail("a", to=f"demarche+42@{DOMAIN}"), mail("b", "a"), mail("z"))
    count = len(store.read_now(lambda c: c.execute(select(tables.deliveries)).all()))
    put(store, "b", standing(store)["z"])
    assert differences(store, context, apply=True)
    assert len(store.read_now(lambda c: c.execute(select(tables.deliveries)).all())) == count


# --- what agents did -------------------------------------------------------------------------------------

Act = Callable[[Store, Context, dict[str, str]], object]


def by_mail(words: str) -> Act:
    """An agent's wish about the conversation of « a »."""
    return lambda store, context, at: act(store, context, at["a"], MANON, parse(words), NOW)


def off(store: Store, context: Context, at: dict[str, str], to: str | None = None) -> None:
    """Take « b » off the conversation of « a »."""
    number = next(m["id"] for m in shown(store, at["b"])["messages"] if m["text"] == "b")
    split(store, context, at["b"], number, to, MANON, NOW)


ACTS: dict[str, Act] = {
    "moved": by_mail("@demarche 42"),
    "moved to a dossier": by_mail("@dossier 124"),
    "answered": by_mail("Voici la réponse."),
    "noted": by_mail("@note à voir"),
    "assigned": by_mail(f"@affecter {MANON}"),
    "tagged": by_mail("@tag urgent"),
    "closed": by_mail("@clore"),
    "spam": by_mail("@spam"),
    "merged": lambda store, context, at: merge(store, context, at["a"], at["z"], MANON, NOW),
    "split": off,
    "split into another": lambda store, context, at: off(store, context, at, at["z"]),
}


@pytest.mark.parametrize("what", ACTS)
def test_what_an_agent_did_stays(store: Store, context: Context, what: str) -> None:
    """« b » answers « a », « z » stands alone. Neither `rethread` nor a mail that comes later undoes what she did."""
    take(store, context, mail("a", "late"), mail("b", "a", references=("late@x",)), mail("z"))
    ACTS[what](store, context, standing(store))
    before = {text: reference for text, reference in standing(store).items() if text in "abz"}
    inboxes = {summary["reference"]: summary["inbox"] for summary in listed(store)}
    assert differences(store, context, apply=True) == []
    take(store, context, mail("late"))
    after = standing(store)
    assert {text: after[text] for text in before} == before
    assert {s["reference"]: s["inbox"] for s in listed(store) if s["reference"] in inboxes} == inboxes
    assert differences(store, context) == []


@pytest.mark.parametrize("what", [what for what in ACTS if "split" not in what and what != "merged"])
def test_what_stands_where_an_agent_acted_is_not_taken_out(store: Store, context: Context, what: str) -> None:
    """Even where the rules would put it elsewhere."""
    take(store, context, mail("a"), mail("b"), mail("z"))
    put(store, "b", standing(store)["a"])
    ACTS[what](store, context, standing(store))
    before = standing(store)
    assert differences(store, context, apply=True) == []
    assert standing(store) == before


# --- the command -----------------------------------------------------------------------------------------

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a configuration in a folder of its own; its status and what it printed."""
    (tmp_path / "gateway.toml").write_text((ROOT / "gateway.toml").read_text("utf-8"), "utf-8")

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        capsys.readouterr()
        status = cli.main([*arguments, "--config", str(tmp_path / "gateway.toml")])
        return status, capsys.readouterr().out

    return run


def test_the_command(run: Run, tmp_path: Path) -> None:
    for name, raw in (("a", mail("a")), ("b", mail("b", "a"))):
        (tmp_path / f"{name}.eml").write_bytes(raw)
        assert run("import", str(tmp_path / f"{name}.eml"))[0] == 0
    assert run("rethread") == (0, "0 differences in 2 mails.\n")
    base = make_context(tmp_path / "var").settings
    store = Store(base.store.url, tmp_path / "var" / "raw")
    try:
        reference = standing(store)["a"]
        store.write_now(
            lambda tx: tx.connection.execute(
                update(tables.conversations).values(inbox_kind="demarche", inbox_number=42)
            )
        )
        status, words = run("rethread")
        assert (status, "nothing is written" in words) == (0, True)
        assert words.startswith(f"{reference}, in global: it stands there now\n")
        status, document = run("rethread", "--json")
        assert status == 0
        assert {name: json.loads(document)[name] for name in ("mails", "read_otherwise", "applied")} == {
            "mails": 2,
            "read_otherwise": [],
            "applied": False,
        }
        assert listed(store)[0]["inbox"]["kind"] == "demarche"
        status, words = run("rethread", "--apply")
        assert (status, words.endswith("1 difference in 2 mails; applied.\n")) == (0, True)
        assert listed(store)[0]["inbox"]["kind"] == "global"
    finally:
        store.close()
