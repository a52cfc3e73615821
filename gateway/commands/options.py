"""What was typed, as every command takes it: which configuration and store, by whom, and what an argument means."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway import config
from gateway.commands.operator import Operator, operator
from gateway.config import Settings
from gateway.errors import Refused
from gateway.store import opening
from gateway.store.database import Store

REF = "the reference of a conversation, as `conversations` lists it"
WHOSE = "whose act it is"


def path(options: argparse.Namespace) -> Path:
    """Where the configuration is."""
    return config.find(options.config, os.environ)


def settings(options: argparse.Namespace) -> Settings:
    """The configuration, without passwords: commands talk to no server."""
    return config.load(path(options), passwords=False)


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Store]:
    """The store of the configuration."""
    with opening.opened(settings(options)) as store:
        yield store


def typed_by(options: argparse.Namespace) -> Operator:
    """Who types, and what: only names of commands and their actions, which the parser knows."""
    action = f" {options.action}" if "action" in options else ""
    return operator(f"{options.command}{action}", os.environ)


def identifier(options: argparse.Namespace) -> int:
    """The ID that an action wants."""
    if options.id is None:
        options.usage(f"name its ID: `{options.action} ID`; `list` shows them")
    return int(options.id)


def count(text: str) -> int:
    """A number of things, 1 or more; argparse shows the words of its own error alone."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError("must be a number, 1 or more")
    return int(text)


def time(text: str) -> datetime:
    """ISO 8601; without its zone, of this machine's."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError('must be a time, like "2026-11-29T14:30"') from error


def standard_input() -> str:
    """The text of an answer or a note.

    Raises:
        Refused: there is none.
    """
    if sys.stdin.isatty():
        print("Write the text, then Ctrl-D on a line of its own:", file=sys.stderr)
    text = sys.stdin.buffer.read().decode("utf-8", "replace").replace("\r\n", "\n").strip()
    if not text:
        raise Refused("there is no text on standard input")
    return text
