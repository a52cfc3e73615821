"""`init`: a first configuration."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway.commands.output import Shown
from gateway.config import init
from gateway.errors import Refused


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_init)
    made.add_argument("--yes", action="store_true", help="ask nothing, take the proposals")
    made.add_argument("--force", action="store_true", help="replace a file that is there")


OFFERED = {"init": _parser}


def _init(options: argparse.Namespace) -> Shown:
    path = options.config or Path("gateway.toml")
    if path.exists() and not options.force:
        raise Refused(f"{path} is there already; --force replaces it, --config FILE writes another")
    answers = init.ask((lambda _, default: default) if options.yes else _ask)
    path.write_text(init.render(answers), encoding="utf-8")
    lines = [f"{path} is written. Look it over, then: gateway check --config {path}"]
    if answers.intake == "imap":
        lines.insert(1, f"Put the mailbox's password into {path.parent / init.PASSWORD_FILE} first (chmod 600).")
    return Shown({"file": str(path)}, tuple(lines))


def _ask(question: str, default: str) -> str:
    print(f"{question} [{default}] ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise Refused("the questions weren't answered; `gateway init --yes` takes the proposals")
    return line.strip()
