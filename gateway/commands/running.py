"""`run`: the daemon in the foreground."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress

from gateway import daemon
from gateway.commands import options as typed
from gateway.commands.output import Shown


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_run)
    made.add_argument(
        "--only",
        type=_roles,
        default=daemon.ROLES,
        metavar="ROLES",
        help=f"do a part of it, where daemons share a store: {', '.join(daemon.ROLES)}",
    )


OFFERED = {"run": _parser}


def _roles(words: str) -> tuple[str, ...]:
    wanted = {word.strip() for word in words.split(",")}
    if unknown := sorted(wanted.difference(daemon.ROLES)):
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} isn't one of {', '.join(daemon.ROLES)}")
    return tuple(role for role in daemon.ROLES if role in wanted)


def _run(options: argparse.Namespace) -> Shown:
    ready = sys.stderr if options.json else sys.stdout

    def announce(line: str) -> None:
        with suppress(OSError):  # nobody reads it, or it goes to a full disk: no reason not to run
            print(line, file=ready, flush=True)

    daemon.run(typed.path(options), announce, options.only)
    return Shown({"stopped": True})
