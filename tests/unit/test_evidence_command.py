"""`gateway evidence`, and the page by which others check what it exports: with the script that stands there."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest
from sqlalchemy import text

from gateway.commands import evidence as command
from gateway.commands.operator import Operator
from gateway.errors import NotFound, Refused, StoreError
from gateway.model import Attempt, DeliveryState, Fact, Filing, Occasion, Settlement
from gateway.store import audit, evidence, filing, outbox, sending
from gateway.store.database import Store
from gateway.store.sending import Settled
from tests.builders import MANON, NOW, ULYSSE, conversation, draft, make_context, opened

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"
BY = Operator("operator olga", "command line: gateway evidence")
SIGNER = make_context().signer
SITE = "https://demarches.example.org"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two conversations, later joined; mails that were sent, bounced, withdrawn."""
    with opened(tmp_path_factory.mktemp("evidence")) as store:
        for n in (1, 2):
            opening = Filing(conversation(0, reference=f"AAAA-000{n}"))
            store.write_now(lambda tx, o=opening: filing.file(tx, o, SIGNER, NOW))  # type: ignore[misc]
            for to in (ULYSSE, MANON):
                store.write_now(lambda tx, h=n, t=to: outbox.enqueue(tx, h, 0, draft(t), SIGNER, NOW))  # type: ignore[misc]
        sent = Attempt(DeliveryState.SENT, "250 é « Ok » \\ \u2028", "mx:25", "TLSv1.3 X", "ab" * 32)
        facts = [Settled(Fact(d, Occasion.ATTEMPT, sent), NOW) for d in (1, 2, 3)]
        store.write_now(lambda tx: sending.settle(tx, facts, NOW))
        store.write_now(
            lambda tx: sending.reported(tx, Settlement(1, DeliveryState.REFUSED, "5.1.1", "cd" * 32), NOW)
        )
        store.write_now(lambda tx: outbox.cancel(tx, 4, BY.name, NOW))
        joined = Filing(conversation(1, reference="AAAA-0001"), merge=(2,))
        store.write_now(lambda tx: filing.file(tx, joined, SIGNER, NOW))
        yield store


@pytest.fixture(scope="module")
def export(kept: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "evidence.jsonl"
    command.exported(kept, "aaaa-0002", path, SITE, BY, NOW)
    return path


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it stands on the page."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    path = tmp_path_factory.mktemp("script") / "check.py"
    path.write_text(found[1], "utf-8")
    return path


def checked(script: Path, octets: bytes, folder: Path) -> tuple[int, str]:
    path = folder / "given.jsonl"
    path.write_bytes(octets)
    done = subprocess.run([sys.executable, script, path], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout


def test_what_is_exported_is_sound_to_anybody(script: Path, export: Path, kept: Store, tmp_path: Path) -> None:
    status, said = checked(script, export.read_bytes(), tmp_path)
    heads = command.listed(kept, "AAAA-0001").document["heads"]
    assert status == 0
    assert said == f"sound\nAAAA-0001 3 {heads['AAAA-0001']}\nAAAA-0002 2 {heads['AAAA-0002']}\n"


def test_whatever_octet_is_changed_shows(script: Path, export: Path) -> None:
    """Run in one process: some hundred octets drawn from all, and each of the last line."""
    octets = export.read_bytes()
    code = compile(script.read_text("utf-8"), "check.py", "exec")
    chance = random.Random(20_261_129)
    last = len(octets) - len(octets.splitlines(keepends=True)[-1])
    for place in sorted({*chance.sample(range(last), 300), *range(last, len(octets))}):
        changed = bytearray(octets)
        changed[place] ^= 1 << chance.randrange(8)
        assert not _passes(code, bytes(changed), export.parent), place
    assert _passes(code, octets, export.parent)
    for cut in (octets[:-1], octets[:last], octets[last:], octets + b"\n", octets + octets, b""):
        assert not _passes(code, cut, export.parent)


def _passes(code: CodeType, octets: bytes, folder: Path) -> bool:
    path = folder / "changed.jsonl"
    path.write_bytes(octets)
    before = sys.argv
    sys.argv = ["check.py", str(path)]
    try:
        exec(code, {"print": lambda *_, **__: None})
    except SystemExit as end:
        return not end.code
    except Exception:  # noqa: BLE001 (it ends with a traceback, and a status that isn't 0)
        return False
    finally:
        sys.argv = before
    raise AssertionError("it has to end with a status")


def remade(export: Path, change: str) -> bytes:
    """The file with a changed row, its last line made anew by whoever knows how."""
    lines = [json.loads(line) for line in export.read_bytes().splitlines()]
    head, rows = lines[0], lines[1:-1]
    if change == "words":
        rows[1]["said"] = rows[1]["said"].replace("sent", "lost")
    elif change == "left out":
        del rows[1]
    elif change == "moved":
        rows[0], rows[1] = rows[1], rows[0]
    elif change == "time":
        rows[2]["at"] = rows[2]["at"].replace("2025", "2024")
    elif change == "erased":
        rows[1].update(said="", salt="00" * 16)
    return b"".join(command._lines(head, rows))


@pytest.mark.parametrize(
    ("change", "status"), [("words", 1), ("left out", 1), ("moved", 1), ("time", 1), ("erased", 0), ("", 0)]
)
def test_a_row_that_is_changed_shows_even_to_who_has_only_the_rows(
    script: Path, export: Path, tmp_path: Path, change: str, status: int
) -> None:
    octets = remade(export, change)
    assert (octets == export.read_bytes()) is (change == "")
    assert checked(script, octets, tmp_path)[0] == status


def test_an_export_is_an_act_and_seals_what_there_is(kept: Store, export: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is there already"):
        command.exported(kept, "AAAA-0001", export, SITE, BY, NOW)
    told = command.exported(kept, "AAAA-0001", tmp_path / "again", SITE, BY, NOW).document
    assert (tmp_path / "again").stat().st_mode & 0o077 == 0, "it names people"
    acts = kept.read_now(audit.listed)
    assert acts[0]["what"].startswith("sealed the evidence up to row 5: ")
    assert acts[-1]["what"] == f"exported the evidence of AAAA-0001: 5 rows, SHA-256 {told['sha256']}"
    assert (acts[-1]["by"], acts[-1]["conversation"]) == (BY.name, "AAAA-0001")
    with pytest.raises(NotFound):
        command.exported(kept, "ZZZZ-ZZZZ", tmp_path / "none", SITE, BY, NOW)
    assert not (tmp_path / "none").exists()


def test_nobody_has_a_copy_of_which_the_audit_does_not_tell(
    kept: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "copy"
    there: list[bytes] = []

    def fails(job: object) -> None:
        there.append(path.read_bytes())
        raise StoreError("the disk is full")

    monkeypatch.setattr(kept, "write_now", fails)
    with pytest.raises(StoreError):
        command.exported(kept, "AAAA-0001", path, SITE, BY, NOW)
    assert there == [b""]
    assert not path.exists()


def test_standard_output_holds_the_file_alone(
    kept: Store, export: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    shown = command.exported(kept, "AAAA-0001", Path("-"), SITE, BY, NOW)
    assert capfdbinary.readouterr().out == export.read_bytes()
    assert shown.printed


def test_listed_for_people_and_programs(kept: Store) -> None:
    found = command.listed(kept, "AAAA-0001")
    events = [(row["event"], row["said"]["outcome"]) for row in found.document["rows"]]
    assert events[:3] == [("attempt", "sent"), ("attempt", "sent"), ("bounce", "refused")]
    assert "Head of AAAA-0001, to be kept elsewhere" in str(found.lines[2])


def test_verifying_says_what_holds_and_what_does_not(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.write_now(lambda tx: filing.file(tx, Filing(conversation(0, reference="AAAA-0001")), SIGNER, NOW))
        assert command.listed(store, "AAAA-0001").lines == ("No mail left it yet.",)
        store.write_now(lambda tx: outbox.enqueue(tx, 1, 0, draft(), SIGNER, NOW))
        for _ in range(2):
            fact = Fact(1, Occasion.ATTEMPT, Attempt(DeliveryState.DEFERRED, "450"))
            store.write_now(lambda tx, f=fact: sending.settle(tx, [Settled(f, NOW)], NOW))  # type: ignore[misc]
        store.write_now(lambda tx: evidence.seal(tx, NOW))
        head = command.listed(store, "AAAA-0001").document["heads"]["AAAA-0001"]
        for reference in (None, "AAAA-0001"):
            found = command.verified(store, reference, head.upper())
            assert (found.status, found.document) == (0, {"chains": 1, "rows": 2, "erased": 0, "faults": []})
        store.write_now(lambda tx: tx.connection.execute(text("DROP TRIGGER evidence_remains")))
        store.write_now(lambda tx: tx.connection.execute(text("DELETE FROM evidence WHERE number = 2")))
        found = command.verified(store, "AAAA-0001", head)
        assert (found.status, found.document["faults"]) == (
            1,
            [
                "delivery 1 was tried more often than its rows tell",
                "rows 1 to 2 aren't those that were sealed in the audit",
                f"no row has the hash {head}",
            ],
        )
        with pytest.raises(Refused, match="64 hexadecimal"):
            command.verified(store, None, "ab")


def test_the_page_names_all_that_can_happen() -> None:
    (row,) = (line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `event` |"))
    assert [occasion for occasion in Occasion if f"`{occasion.value}`" not in row] == []
