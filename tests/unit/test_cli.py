"""The commands, in one process: what they print, and with which status they end."""

from __future__ import annotations

import base64
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from gateway import cli, config
from gateway.model import Incoming
from gateway.store import opening, schema
from tests.builders import INES, MANON, NOW, ROOT, ULYSSE, opened, raw_mail

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = (ROOT / "gateway.toml").read_text("utf-8")
    (tmp_path / "gateway.toml").write_text(text, "utf-8")
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with `--json`; its status, and its document or what it said on standard error."""

    def run(*arguments: str, text: str = "", config: str = "gateway.toml") -> tuple[int, Any]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        capsys.readouterr()
        status = cli.main([*arguments, "--json", "--config", str(folder / config)])
        said = capsys.readouterr()
        return status, json.loads(said.out) if said.out else said.err

    return run


@pytest.fixture
def reference(folder: Path, run: Run) -> str:
    """The reference of a conversation that is there."""
    letter = folder / "mail.eml"
    letter.write_bytes(raw_mail(to="dossier+123@support.example.org", Delivered_To="dossier+123@support.example.org"))
    assert run("import", str(letter))[0] == 0
    ((row),) = run("conversations")[1]
    return str(row["reference"])


def test_version(run: Run) -> None:
    assert run("version") == (0, {"version": version("gateway")})


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["show"],
        ["reply", "REF"],
        ["conversations", "--inbox", "x:y"],
        ["outbox", "eat"],
        ["keys", "forget", "3", "--yes"],
        ["audit", "--verify", "--conversation", "K7M2-4QXA"],
        ["audit", "--head", "0" * 64],
    ],
)
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_who_has_no_address_has_no_name_in_the_log(run: Run) -> None:
    status, said = run("pseudonym", "ulysse")
    assert status == 1
    assert "ulysse is no address" in said


def test_a_faulty_configuration(folder: Path, run: Run) -> None:
    (folder / "bad.toml").write_text("[instance]\nname = 5\n")
    status, said = run("conversations", config="bad.toml")
    assert status == 78
    assert "bad.toml" in said
    assert run("conversations", config="absent.toml")[0] == 78


def test_what_is_not_there(run: Run) -> None:
    for arguments in (("show", "AAAA-AAAA"), ("aside", "show", "9"), ("outbox", "retry", "9")):
        status, said = run(*arguments)
        assert status == 1
        assert said.startswith("gateway: ")
    for command in ("aside", "outbox"):
        with pytest.raises(SystemExit, match="2"):
            run(command, "retry")


def test_a_store_that_cannot_be_opened(folder: Path, run: Run) -> None:
    (folder / "var").mkdir()
    (folder / "var" / "gateway.db").write_bytes(b"no database" * 500)
    status, said = run("conversations")
    assert status == 1
    assert "restore it from a backup" in said


def test_an_agents_day(run: Run, reference: str) -> None:
    assert run("note", reference, "--as", INES, text="À vérifier.")[0] == 0
    assert run("assign", reference, INES, "--as", INES)[0] == 0
    assert run("tag", reference, "urgent", "--as", INES)[0] == 0
    status, done = run("reply", reference, "--as", INES.upper(), text=f"Bonjour, dit {INES}.\n")
    assert (status, done["reference"], len(done["deliveries"])) == (0, reference, 1)
    _, shown = run("show", reference.lower())
    assert (shown["status"], shown["assignee"], shown["tags"]) == ("pending", INES, ["urgent"])
    assert shown["inbox"] == {"kind": "dossier", "number": 123}
    assert [m["kind"] for m in shown["messages"]] == ["external", "internal", "event", "event", "external"]
    assert INES not in shown["messages"][-1]["text"]
    ((delivery),) = run("outbox", "list")[1]
    assert (delivery["to"], delivery["state"], delivery["conversation"]) == (ULYSSE, "waiting", reference)
    assert run("outbox", "cancel", str(delivery["id"]))[0] == 0
    assert run("outbox", "list")[1][0]["state"] == "cancelled"
    assert run("status", reference, "closed", "--as", INES)[0] == 0
    assert run("conversations", "--status", "closed")[1][0]["reference"] == reference


def test_who_has_no_part_sees_and_does_nothing(run: Run, reference: str) -> None:
    other = "hotline@elsewhere.example"
    assert run("show", reference, "--as", other)[0] == 1
    assert run("conversations", "--as", other) == (0, [])
    assert run("reply", reference, "--as", other, text="x")[0] == 1
    assert run("status", reference, "spam", "--as", INES)[0] == 1
    assert run("assign", reference, "nobody@x.example", "--as", MANON)[0] == 1
    _, shown = run("show", reference)
    assert (len(shown["messages"]), shown["status"], run("outbox", "list")[1]) == (1, "active", [])


def test_no_text_no_answer(run: Run, reference: str) -> None:
    status, said = run("reply", reference, "--as", INES, text=" \n")
    assert (status, "no text" in said) == (1, True)


def test_filters(run: Run, reference: str) -> None:
    for found, arguments in (
        (1, ("--inbox", "dossier:123")),
        (0, ("--inbox", "global")),
        (1, ("--as", INES)),
        (0, ("--assignee", INES)),
        (0, ("--status", "spam")),
    ):
        assert len(run("conversations", *arguments)[1]) == found, arguments


def test_import_twice_and_threads(folder: Path, run: Run, reference: str) -> None:
    _, again = run("import", str(folder / "mail.eml"))
    assert (again["read"], again["filed"], again["duplicates"]) == (1, 0, 1)
    ((row),) = run("threads")[1]
    assert (row["message_id"], row["conversation"]) == ("m1@usager.example.net", reference)


def test_explain_writes_nothing(folder: Path, run: Run) -> None:
    (folder / "mail.eml").write_bytes(raw_mail())
    status, found = run("explain", str(folder / "mail.eml"))
    assert (status, found["author"], found["route"]["inbox"]["kind"]) == (0, ULYSSE, "global")
    assert not (folder / "var").exists()


def test_aside(folder: Path, run: Run) -> None:
    (folder / "var").mkdir()
    with opened(folder / "var") as store:
        from gateway.store import arrivals

        store.write_now(lambda tx: arrivals.keep(tx, [Incoming(raw_mail(), "smtp", NOW)]))
        store.write_now(lambda tx: arrivals.set_aside(tx, 1, "odd"))
    ((row),) = run("aside", "list")[1]
    assert (row["id"], row["reason"], row["received_at"]) == (1, "odd", NOW.isoformat().replace("+00:00", "Z"))
    assert "Une question" in run("aside", "show", "1")[1]["raw"]
    assert run("aside", "retry", "1")[0] == 0
    assert run("aside", "list")[1] == []


def test_db_upgrade(run: Run) -> None:
    assert run("db", "upgrade")[1]["before"] is None
    assert run("db", "upgrade")[1]["before"] == run("db", "upgrade")[1]["schema"]


@pytest.mark.parametrize("command", [["conversations"], ["outbox", "list"], ["health"], ["import", "mail.eml"]])
def test_an_older_schema_is_left_to_the_upgrade(run: Run, folder: Path, command: list[str]) -> None:
    """A daemon of the older version may be at work on it."""
    assert run("db", "upgrade")[0] == 0
    with closing(sqlite3.connect(folder / "var" / "gateway.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    status, said = run(*command)
    assert status == 75
    assert f"is of an older version (schema 0001, not {schema.HEAD}): `gateway db upgrade`" in said
    with closing(sqlite3.connect(folder / "var" / "gateway.db")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]


def test_a_store_that_a_daemon_works_on_is_not_upgraded(run: Run, folder: Path) -> None:
    with opening.alone(config.load(folder / "gateway.toml")):
        status, said = run("db", "upgrade")
    assert (status, "another gateway runs on this store" in said) == (75, True)


def test_whoever_has_other_token_keys_is_told(run: Run, folder: Path, reference: str) -> None:
    keys_file = folder / "var" / "token.keys"
    own = keys_file.read_bytes()
    keys_file.unlink()
    status, said = run("note", reference, "--as", INES, text="x")
    assert (status, "the token keys of this store aren't there; take the file from" in said) == (78, True)
    (found,) = [each for each in run("check")[1] if each["what"] == "token keys"]
    assert (found["severity"], "of this store aren't there" in found["text"]) == ("error", True)
    assert not keys_file.exists()
    keys_file.write_bytes(b"1 " + base64.b64encode(b"k" * 32))
    keys_file.chmod(0o600)
    status, said = run("note", reference, "--as", INES, text="x")
    assert (status, "these aren't the token keys of this store" in said) == (78, True)
    (found,) = [each for each in run("check")[1] if each["what"] == "token keys"]
    assert (found["severity"], "another store's" in found["text"]) == ("error", True)
    keys_file.write_bytes(own)
    assert run("note", reference, "--as", INES, text="x")[0] == 0


def test_init_never_replaces_by_itself(run: Run) -> None:
    assert run("init", "--yes")[0] == 1
    assert run("init", "--yes", config="new.toml")[0] == 0
    assert run("check", config="new.toml")[0] == 0


def test_for_people(folder: Path, reference: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["conversations"], ["show", reference], ["threads"], ["outbox", "list"], ["aside", "list"]):
        capsys.readouterr()
        assert cli.main([*arguments, "--config", str(folder / "gateway.toml")]) == 0
        said = capsys.readouterr().out
        assert said.strip()
        assert "None" not in said


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    script = f"import sys; from gateway.cli import main; sys.exit(main({['explain', '--json', *['m.eml'] * 2000]!r}))"
    (folder / "m.eml").write_bytes(b"From: a@x.example\n\n" + b"x" * 200)
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_check_tells_faults_as_a_document_too(folder: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "gateway.toml").write_text("[instance]\nname = 3\n", "utf-8")
    assert cli.main(["check", "--json", "--config", str(folder / "gateway.toml")]) == 78
    found = json.loads(capsys.readouterr().out)
    assert found
    assert {finding["severity"] for finding in found} == {"error"}


def test_check_misses_a_pack(folder: Path, run: Run, reference: str) -> None:
    assert run("check")[0] == 0
    for pack in (folder / "var" / "raw").glob("*.pack"):
        pack.unlink()
    status, found = run("check")
    assert status == 1
    assert any("raw mail is missing" in finding["text"] for finding in found)
