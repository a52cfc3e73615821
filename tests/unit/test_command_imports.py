"""A command imports what it needs, and starts in the time that takes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import cli
from tests.builders import ROOT

_LOADED = "import sys; from gateway.cli import main; main({arguments!r}); print(*sys.modules, file=sys.stderr)"
# A daemon's first start on a new store, up to where it could file mail, with a line in its log.
_DAEMON = """
import sys
from pathlib import Path
import gateway.daemon, gateway.working
from gateway import config, log
from gateway.relay import texts
from gateway.store import opening
log.set_up(json=False)
with opening.upgraded(config.load(Path("gateway.toml"))):
    log.mail_taken_up(mails=1)
texts.load(None).environments["fr"].get_template("/answer.txt")
print(*sys.modules)
"""
# Another thread draws a table just while the first line of the log loads what it needs.
_BOTH = """
import sys, threading
from importlib import import_module
from gateway import log
def loaded(name):
    other = threading.Thread(target=import_module, args=("rich.table",))
    other.start()
    other.join()
    print("rich.table" in sys.modules, file=sys.stderr)
    return import_module(name)
log.import_module = loaded
log.set_up(json=True)
log.mail_taken_up(mails=1)
"""
_HELP = "from gateway.cli import main; main(['--help'])"
_SERVERS = ("aioimaplib", "aiosmtplib", "dkim", "dns", "obstore", "psycopg", "spf")
_HEAVY = ("alembic", "gateway.daemon", *_SERVERS)
_PARTS = ("gateway.context", "gateway.decision", "gateway.mail.read", "jinja2", "rich", "structlog")
_OTHER_ENGINE = ("sqlalchemy.dialects.postgresql",)
_ELSEWHERE = ("gateway.mail.quotes", "gateway.mail.read", "gateway.relay.overrides")  # in readers, or where asked for


def loaded(folder: Path, *arguments: str) -> set[str]:
    """What a process has imported that ran this command."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED.format(arguments=list(arguments))],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a store, which is empty."""
    made = tmp_path_factory.mktemp("commands")
    (made / "gateway.toml").write_text((ROOT / "gateway.toml").read_text("utf-8"), "utf-8")
    assert cli.main(["db", "upgrade", "--config", str(made / "gateway.toml")]) == 0
    return made


@pytest.mark.parametrize(
    ("arguments", "spared"),
    [
        (["version"], (*_HEAVY, *_PARTS, "gateway.config", "pydantic", "sqlalchemy")),
        (["health"], (*_HEAVY, *_PARTS, *_OTHER_ENGINE)),
        (["outbox", "list"], (*_HEAVY, *_PARTS, *_OTHER_ENGINE)),
        (["aside", "list"], (*_HEAVY, *_PARTS, *_OTHER_ENGINE)),
        (["audit", "--verify"], (*_HEAVY, *_PARTS, *_OTHER_ENGINE)),
        (["conversations"], _HEAVY),
    ],
)
def test_a_command_loads_nothing_that_it_does_not_need(
    folder: Path, arguments: list[str], spared: tuple[str, ...]
) -> None:
    found = loaded(folder, *arguments)
    assert "gateway.cli" in found
    assert found.isdisjoint(spared)


def test_a_daemon_holds_nothing_that_it_needs_once_or_not_at_all(tmp_path: Path) -> None:
    """What makes its store, reads catalogues of all languages, draws tables, or speaks to servers that it hasn't."""
    (tmp_path / "gateway.toml").write_text((ROOT / "gateway.toml").read_text("utf-8"), "utf-8")
    done = subprocess.run([sys.executable, "-c", _DAEMON], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert {"gateway.working", "jinja2", "structlog", "sqlalchemy"} <= found
    assert found.isdisjoint({*_SERVERS, *_OTHER_ENGINE, "alembic", "babel", "mailparser", "rich", *_ELSEWHERE})


def test_what_one_thread_does_without_another_may_load_meanwhile() -> None:
    done = subprocess.run([sys.executable, "-c", _BOTH], cwd=ROOT, capture_output=True, text=True, check=True)
    first, *_, line = done.stderr.splitlines()
    assert (first, json.loads(line)["event"]) == ("True", "mail_taken_up")


def test_help_names_every_command_and_loads_none(folder: Path) -> None:
    script = f"import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {_HELP}"
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert set(cli.COMMANDS) <= set(re.findall(r"^    ([a-z]+)\b", done.stdout, re.MULTILINE))
    found = {name for name in done.stderr.split() if name.startswith("gateway.commands.")}
    assert found == {"gateway.commands.output"}


@pytest.mark.parametrize("arguments", [["--help", "show"], ["nothing", "show"]])
def test_what_isnt_the_command_picks_none(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(arguments)
    said = "".join(capsys.readouterr())
    assert {"run", "show", "evidence"} <= set(re.findall(r"[a-z]+", said))


def test_each_module_offers_what_is_said_of_it() -> None:
    parsers = cli.parser(cli.COMMANDS)
    modules = {module for module, _ in cli.COMMANDS.values()}
    for module in modules:
        offered = sys.modules[f"gateway.commands.{module}"].OFFERED
        assert set(offered) == {name for name, (home, _) in cli.COMMANDS.items() if home == module}
    assert parsers.parse_args(["version"]).command == "version"
