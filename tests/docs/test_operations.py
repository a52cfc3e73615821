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

import gateway.log
from gateway.config.settings import Addresses, ImapIntake, RelaySettings, SmtpIntake, StoreSettings, Table
from gateway.intake.smtp_limits import Limits
from gateway.model import DeliveryState
from gateway.relay import plan, schedule
from tests import demo

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text("utf-8")
TABLES: dict[str, type[Table]] = {
    "addresses": Addresses,
    "store": StoreSettings,
    "intake.smtp": SmtpIntake,
    "intake.imap": ImapIntake,
    "relay": RelaySettings,
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
    assert told == {field.name: str(getattr(Limits(), field.name)) for field in fields(Limits)}
    assert f"{plan.MOST_ENCLOSED // 1_000_000} MB in all" in section("Sizes and limits").replace("\n", " ")
    assert f"at most {plan.MOST_ACKNOWLEDGEMENTS} acknowledgements a day" in section("Sizes and limits")


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
        else:
            made += entries(value, f"{path}.")
    return made


@pytest.mark.parametrize("block", blocks("toml"))
def test_the_configuration_takes_the_snippets(block: str) -> None:
    found = entries(tomllib.loads(block))
    assert found
    for table, entry in found:
        TABLES[table].model_validate(entry)


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
