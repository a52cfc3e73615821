"""What docs/operations.md says of events, limits, states, Postfix and the configuration is so."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import gateway.log
from gateway import config
from gateway.config.settings import (
    Addresses,
    Antivirus,
    Attachments,
    Desk,
    Health,
    ImapIntake,
    Limits,
    RelaySettings,
    SmtpIntake,
    StoreSettings,
    Table,
)
from gateway.health.gaps import WORDS, Kind
from gateway.intake.smtp_limits import Limits as SessionLimits
from gateway.model import DeliveryState
from gateway.relay import overrides, samples, schedule
from tests import demo

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text("utf-8")
TABLES: dict[str, type[Table]] = {
    "addresses": Addresses,
    "store": StoreSettings,
    "intake.smtp": SmtpIntake,
    "intake.imap": ImapIntake,
    "relay": RelaySettings,
    "attachments": Attachments,
    "antivirus": Antivirus,
    "desk": Desk,
}
MINIMAL = """
[instance]
name = "Exemple"
url = "https://demarches.example.org"
[addresses]
domain = "support.example.org"
global = "contact@support.example.org"
[[intake.smtp]]
"""
ORGANISATIONS = """
[[organisations]]
siret = "21310555400017"
name = "Mairie d'Exemple"
"""
# Where the page says what an element has.
FIRST_TOLD = {
    "choices": ("acknowledgement",),
    "messages": ("transmission",),
    "closing": ("digest",),
    "held": ("transmission",),
}
POSTCONF = shutil.which("postconf", path="/usr/sbin:/usr/bin:/sbin:/bin")


def section(heading: str) -> str:
    return re.split(r"^## ", PAGE.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]


def rows(heading: str) -> dict[str, list[str]]:
    """The first column of a section's table, in backticks → the other columns."""
    found = re.findall(r"^\| `([^`]+)` \| (.*) \|$", section(heading), re.MULTILINE)
    return {first: [cell.strip() for cell in rest.split("|")] for first, rest in found}


def blocks(language: str, text: str = PAGE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


# --- events, limits, states ------------------------------------------------------------------------------


def events() -> set[str]:
    """The functions of gateway.log that write a line."""
    tree = ast.parse(Path(gateway.log.__file__).read_text("utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    levels = {"_info", "_warning", "_error"}
    return {f.name for f in functions if levels & {n.id for n in ast.walk(f) if isinstance(n, ast.Name)}}


def test_every_event_is_told_and_no_other() -> None:
    assert set(rows("Log events")) == events()
    assert len(events()) > 20


def test_every_event_says_what_to_do() -> None:
    for event, cells in rows("Log events").items():
        assert len(cells) == 2, event
        assert all(cells), event


def test_limits_are_those_of_the_code() -> None:
    told = {name: cells[0] for name, cells in rows("Sizes and limits").items()}
    assert told == {field.name: str(getattr(SessionLimits(), field.name)) for field in fields(SessionLimits)}
    assert f"{Attachments().max_relayed // 1_000_000} MB in all" in section("Sizes and limits").replace("\n", " ")


def test_what_we_write_by_ourselves_is_bounded_as_told() -> None:
    told = {name: cells[0] for name, cells in rows("Floods, and the alarm").items()}
    assert told == {name: str(value) for name, value in Limits().model_dump().items()}


def test_every_gap_is_told_with_what_to_do() -> None:
    told = rows("Health")
    assert list(told) == [kind.value for kind in Kind]
    assert set(WORDS) == set(Kind)
    assert all(len(cells) == 3 and all(cells) for cells in told.values())


def test_states_are_those_of_a_delivery() -> None:
    assert list(rows("The outbox")) == [state.value for state in DeliveryState]


def test_intervals_are_those_of_the_schedule() -> None:
    minutes = [delay.total_seconds() / 60 for delay in schedule._DELAYS]
    assert minutes == [1 / 6, 1, 5, 10, 30, 60, 120, 240]
    assert "after 10 s, 1, 5, 10, 30 min, 1, 2, then every 4 h" in section("The outbox")


# --- snippets --------------------------------------------------------------------------------------------


def entries(found: dict[str, Any], prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    """The tables of a snippet, each with its name."""
    made: list[tuple[str, dict[str, Any]]] = []
    for name, value in found.items():
        path = f"{prefix}{name}"
        if path in TABLES:
            made += [(path, entry) for entry in (value if isinstance(value, list) else [value])]
        elif isinstance(value, dict):
            made += entries(value, f"{path}.")
    return made


@pytest.mark.parametrize("block", blocks("toml"))
def test_the_configuration_takes_the_snippets(block: str) -> None:
    parsed = tomllib.loads(block)
    top = {key: value for key, value in parsed.items() if not isinstance(value, dict)}
    found = entries(parsed)
    assert found or top
    for table, entry in found:
        TABLES[table].model_validate(entry)
    assert set(top) <= {"include"}


def test_a_directory_may_stand_in_the_files_that_are_shown(tmp_path: Path) -> None:
    """The files that the page includes, with the sheets that it shows."""
    include = next(b for b in blocks("toml", section("A directory in files of its own")) if "include" in b)
    for folder in ("directory", "export"):
        (tmp_path / folder).mkdir()
    (tmp_path / "directory/organisations.toml").write_text(ORGANISATIONS, encoding="utf-8")
    for sheet, file in zip(blocks("csv"), ("demarches-2026.csv", "groupes.csv"), strict=True):
        (tmp_path / "export" / file).write_text(sheet, encoding="utf-8")
    path = tmp_path / "gateway.toml"
    path.write_text(include + MINIMAL, encoding="utf-8")
    settings = config.load(path)
    assert [(d.number, d.delay, [g.label for g in d.groupes]) for d in settings.demarches] == [
        (42, "10 jours ouvrés", ["Nord"])
    ]


# --- the desk --------------------------------------------------------------------------------------------


def test_what_an_operator_thinks_about_is_told() -> None:
    """Every key of these tables has its place in the page."""
    models: dict[str, type[BaseModel]] = {"desk": Desk, "attachments": Attachments}
    models |= {"antivirus": Antivirus, "health": Health}
    for table, model in models.items():
        for key in model.model_fields:
            assert f"`{key}`" in PAGE or f"`{table}.{key}`" in PAGE, key
    for key in ("remind_after", "hours", "delay"):
        assert f"`{key}`" in section("Hours, reminders, digests, closing")


def named(cell: str) -> set[str]:
    """The values of a row; what stands in brackets belongs to the value before."""
    return set(re.findall(r"`([a-z_]+)`", re.sub(r"\([^)]*\)", "", cell)))


def test_texts_may_name_what_is_told() -> None:
    told = {name: cells[-1] for name, cells in rows("Texts of mails").items() if not name.endswith(".txt")}
    assert set(told) == {*samples.MAILS, "modeles/NAME"}
    for name, values in {**samples.MAILS, "modeles/NAME": samples.MODELE}.items():
        assert named(told[name]) == set(values), name
        for key, value in values.items():
            if key in FIRST_TOLD and name in FIRST_TOLD[key]:
                inside = re.search(rf"`{key}` \([^`]*((?:`[a-z_]+`(?:, )?)+)\)", told[name])
                assert inside
                assert isinstance(value, list)
                assert set(re.findall(r"`([a-z_]+)`", inside[1])) == set(value[0]), key


def test_parts_are_those_there_are() -> None:
    after = section("Texts of mails").partition("The parts: ")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(_[a-z_]+)`", after)) == set(samples.PARTS)


def test_the_prepared_answer_that_is_shown_can_be_used(tmp_path: Path) -> None:
    (block,) = blocks("jinja")
    (tmp_path / "modeles").mkdir()
    (tmp_path / "modeles/pieces.txt").write_text(block, encoding="utf-8")
    assert overrides.read(tmp_path).own == {"modeles/pieces.txt": block}


@pytest.mark.skipif(POSTCONF is None, reason="postconf isn't installed (Debian: postfix)")
def test_postfix_takes_the_snippets(tmp_path: Path) -> None:
    """It knows every parameter, and the transport that they name."""
    assert POSTCONF
    for block in blocks("cf"):
        file = re.match(r"# /etc/postfix/(\S+)\n", block)
        assert file
        (tmp_path / file[1]).write_text(block, encoding="utf-8")
    for option, wanted in (("-n", "transport_maps = inline:{ support.example.org=gateway:"), ("-M", "gateway ")):
        shown = subprocess.run(
            [POSTCONF, "-c", tmp_path, option], capture_output=True, text=True, timeout=60, check=False
        )
        assert (shown.returncode, shown.stderr) == (0, "")
        assert wanted in shown.stdout


def test_what_the_readme_sends_arrives(tmp_path: Path) -> None:
    """Its Python, on the port of a daemon of our own, brings the mails that it promises."""
    block = next(b for b in blocks("sh", (ROOT / "README.md").read_text("utf-8")) if b.startswith("python3 -"))
    script = block.partition("END'\n")[2].partition("END\n")[0]
    with demo.daemon() as running:
        command = [demo.sys.executable, "-c", script.replace("2525", str(running.port))]
        subprocess.run(command, check=True, timeout=60, cwd=tmp_path)
        assert running.mail_to(demo.USAGER, "bien reçu")
        assert running.mail_to(demo.AGENT, "Un arbre")
