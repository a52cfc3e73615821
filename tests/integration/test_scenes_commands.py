"""Scene i, and what commands print: real mail imported; JSON with exactly the fields of the interface."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import corpora
from tests.servers.clients import gmail, letter
from tests.servers.gateway import ALICE, CONTACT, DOMAIN, INES, ULYSSE, Gateway, configuration, running

COUNT = 200

SUMMARY = {
    "reference",
    "inbox",
    "status",
    "assignee",
    "subject",
    "usager",
    "participants",
    "tags",
    "messages",
    "created_at",
    "updated_at",
    "because",
    "organisation",
    "guests",
    "followers",
    "waiting_since",
    "snoozed_until",
    "closing_at",
}
MESSAGE = {
    "id",
    "message_id",
    "direction",
    "kind",
    "nature",
    "proof",
    "author",
    "received_at",
    "subject",
    "text",
    "quoted",
    "attachments",
    "because",
    "deliveries",
    "confirmation",
    "marks",
    "proof_code",
}
DELIVERY = {"to", "state", "attempts", "last_reply"}
ATTACHMENT = {"name", "type", "size", "sha256", "held"}
OUTBOX = {"id", "conversation", "to", "message_id", "state", "attempts", "next_at", "last_reply"}
ASIDE = {"id", "reason", "attempts", "received_at", "sha256", "size"}
EXPLAINED = {
    "file",
    "message_id",
    "nature",
    "author",
    "proof",
    "text",
    "quoted",
    "attachments",
    "placement",
    "route",
    "notify",
    "acknowledge",
    "commands",
    "anomalies",
}


# --- scene i ------------------------------------------------------------------------------------------------


def test_two_hundred_real_mails_are_imported(tmp_path: Path) -> None:
    mails = corpora.sample(COUNT)
    folder = tmp_path / "mails"
    folder.mkdir()
    for number, mail in enumerate(mails):
        shutil.copyfile(mail, folder / f"{number:03d}.eml")
    gateway = Gateway(tmp_path, configuration())
    totals = gateway.command("import", str(folder))
    aside = gateway.aside()
    assert totals["read"] >= COUNT
    assert totals["filed"] + totals["duplicates"] + totals["aside"] == totals["read"]
    assert totals["filed"] > COUNT // 2
    assert len(aside) == totals["aside"]
    for entry in aside:
        assert entry["reason"]
        assert gateway.command("aside", "show", str(entry["id"]))["raw"]
    assert gateway.outbox() == [], "nobody is notified"
    assert sum(c["messages"] for c in gateway.conversations()) == totals["filed"] == len(gateway.filed())

    again = gateway.command("import", str(folder))
    assert (again["filed"], again["duplicates"]) == (0, totals["filed"] + totals["duplicates"])


# --- JSON, field by field -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A conversation with an attachment, an answer and a note; one daemon for all tests that only look."""
    with running(tmp_path_factory.mktemp("json")) as started:
        to = f"dossier+123@{DOMAIN}"
        question = letter(ULYSSE, "Voici la pièce.", to=to)
        question.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="pièce.pdf")
        started.send(question, to=to)
        started.send(gmail(started.awaited(INES), INES, "@note Reçue.\n\nMerci."), to=CONTACT)
        started.awaited(ULYSSE, 2)
        started.all_sent()
        yield started


def utc(time: str) -> bool:
    return time.endswith("Z") and time[10] == "T"


def test_conversations(gateway: Gateway) -> None:
    (conversation,) = gateway.conversations()
    assert set(conversation) == SUMMARY
    assert conversation["inbox"] == {"kind": "dossier", "number": 123}
    assert conversation["messages"] == 3
    assert utc(conversation["created_at"])
    assert utc(conversation["updated_at"])
    assert conversation["participants"] == [ULYSSE, INES]
    assert all(isinstance(because, str) and because for because in conversation["because"])


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--inbox", "dossier:123"), 1),
        (("--inbox", "global"), 0),
        (("--status", "pending"), 1),
        (("--status", "active"), 0),
        (("--assignee", INES), 0),
        (("--as", ALICE), 1),
        (("--as", "bob.admin@metropole.example.org"), 0),
    ],
)
def test_filters_of_conversations(gateway: Gateway, options: tuple[str, ...], count: int) -> None:
    assert len(gateway.conversations(*options)) == count


def test_show(gateway: Gateway) -> None:
    document = gateway.only()
    assert set(document) == SUMMARY | {"history", "related"}
    question, answer, note = document["messages"]
    assert all(set(message) == MESSAGE for message in document["messages"])
    assert [m["kind"] for m in document["messages"]] == ["external", "external", "internal"]
    (attachment,) = question["attachments"]
    assert set(attachment) == ATTACHMENT
    assert (attachment["name"], attachment["size"]) == ("pièce.pdf", 8)
    assert {d["to"] for d in question["deliveries"]} == {ULYSSE, INES}
    assert all(set(d) == DELIVERY for message in document["messages"] for d in message["deliveries"])
    assert (answer["text"], note["text"]) == ("Merci.", "Reçue.")
    assert all(set(entry) == {"at", "by", "what"} and utc(entry["at"]) for entry in document["history"])
    assert all(utc(message["received_at"]) for message in document["messages"])


def test_outbox_aside_and_threads(gateway: Gateway) -> None:
    rows = gateway.outbox()
    assert len(rows) == 3
    assert all(set(row) == OUTBOX and row["state"] == "sent" and row["next_at"] is None for row in rows)
    assert gateway.aside() == []
    threads = gateway.command("threads")
    assert len(threads) == 2, "the mails that came: what the gateway wrote itself isn't one"
    assert all(set(entry) == {"message_id", "sha256", "lineage", "conversation"} for entry in threads)


def explained(gateway: Gateway, tmp_path: Path, *mails: Any) -> Any:
    paths = [tmp_path / f"{number}.eml" for number in range(len(mails))]
    for path, mail in zip(paths, mails, strict=True):
        path.write_bytes(mail.as_bytes())
    return gateway.command("explain", *(str(path) for path in paths))


def test_explain(gateway: Gateway, tmp_path: Path) -> None:
    before = gateway.conversations()
    mail = letter(ULYSSE, "Bonjour", to=f"dossier+123@{DOMAIN}")
    document = explained(gateway, tmp_path, mail)
    assert set(document) >= EXPLAINED
    assert document["placement"]["conversation"] is None
    assert set(document["placement"]) == {"conversation", "because"}
    assert document["route"]["inbox"] == {"kind": "dossier", "number": 123}
    assert document["notify"] == [INES]
    assert document["acknowledge"] is True
    both = explained(gateway, tmp_path, mail, gmail(gateway.sent(INES)[0], INES, "@clore"))
    assert both[1]["placement"]["conversation"] == before[0]["reference"]
    assert len(both[1]["commands"]) == 1
    assert gateway.conversations() == before, "nothing is written"


def test_what_is_wrong_is_said_with_its_exit_status(gateway: Gateway, tmp_path: Path) -> None:
    assert "gateway conversations" in gateway.command("show", "AAAA-AAAA", status=1)
    assert "outbox list" in gateway.command("outbox", "retry", "999", status=1)
    assert "aside list" in gateway.command("aside", "retry", "999", status=1)
    assert str(tmp_path / "nothing") in gateway.command("import", str(tmp_path / "nothing"), status=1)
    assert "dossier:123" in gateway.command("conversations", "--inbox", "dossier", status=2)


def test_a_second_daemon_on_the_same_store_is_refused(gateway: Gateway) -> None:
    assert "another gateway runs on this store" in gateway.command("run", status=75)
