"""The commands: what may be typed, and which part answers it.

Each module of `gateway.commands` offers the parsers of its commands beside their work, and only the one that is
called is imported: most commands need little of what the daemon needs.

Exit status: 0 done, 1 refused or not found, 2 usage, 75 try again (EX_TEMPFAIL), 78 configuration (EX_CONFIG).
With `--json`, standard output is one JSON document and nothing else; logs go to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from pathlib import Path

from gateway import log, outcries
from gateway.commands.output import Shown, show
from gateway.errors import ConfigError, Permanent, Temporary

REFUSED, USAGE, TRY_AGAIN, CONFIGURATION = 1, 2, 75, 78
# What may be typed: the module of `gateway.commands` that offers it, and what it does.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("running", "run the daemon in the foreground"),
    "init": ("init", "write a commented gateway.toml after a few questions"),
    "check": ("check", "check configuration, store and, with --connect, every server"),
    "health": ("health", "is every mail where it should be? Status 0: yes, 1: no, 75: nobody can tell"),
    "backup": ("backup", "copy the store, its raw mail, keys and configuration, while the daemon runs"),
    "restore": ("restore", "put a backup where the store is; the daemon doesn't run"),
    "recover": ("recover", "find mail in the packs that the store doesn't know; the daemon doesn't run"),
    "db": ("db", "bring the store's schema up to date"),
    "pseudonym": ("pseudonym", "say under which name an address stands in the log"),
    "version": ("version", "print the version"),
    "conversations": ("conversations", "list conversations, the last changed first"),
    "show": ("conversations", "show one conversation whole"),
    "reply": ("acts", "answer the usager; the text comes from standard input"),
    "note": ("acts", "write a note that the usager doesn't see; the text comes from standard input"),
    "assign": ("acts", "give a conversation to an agent"),
    "status": ("acts", "set a conversation's status"),
    "tag": ("acts", "tag a conversation"),
    "move": ("acts", "move a conversation to another inbox"),
    "transfer": ("acts", "hand a conversation over to another organisation"),
    "admit": ("acts", "let a person take part: answers go there too"),
    "revoke": ("acts", "end a person's reply addresses"),
    "follow": ("acts", "be told of every mail of a conversation"),
    "mute": ("acts", "be told of no mail of a conversation"),
    "split": ("repair", "take a message off a conversation"),
    "merge": ("repair", "make two conversations one"),
    "attachments": ("attachments", "list the attachments of a conversation, or get them out"),
    "scans": ("scans", "what the antivirus holds: list it, ask again now, release one"),
    "template": ("templates", "the texts of mails: list them, show one, preview one"),
    "explain": ("explain", "say what would become of mails, and why; nothing is written"),
    "import": ("importing", "take mails in through the same pipeline, nobody notified"),
    "threads": ("threads", "list messages with lineage and conversation"),
    "rethread": ("rethread", "place every mail anew, and say what that would change"),
    "aside": ("aside", "mails set aside: list them, show one, let one be filed again"),
    "outbox": ("outbox", "deliveries: list them, send one now, cancel one"),
    "keys": ("keys", "the keys of reply addresses: list them, put a new one in front, retire one"),
    "audit": ("audit", "who did what, with which proof"),
    "evidence": ("evidence", "what happened to the mails of a conversation, to be proven to others"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    typed = sys.argv[1:] if arguments is None else arguments
    options = parser([word for word in typed[:1] if word in COMMANDS]).parse_args(typed)
    log.set_up(json=not sys.stderr.isatty(), verbose=options.verbose)
    if arguments is None:  # the process is ours
        outcries.install(verbose=options.verbose)
    try:
        shown: Shown = options.run(options)
        show(shown, as_json=options.json)
        sys.stdout.flush()
    except ConfigError as error:
        return _failed(str(error), CONFIGURATION)
    except Temporary as error:
        return _failed(f"{error}; try again", TRY_AGAIN)
    except Permanent as error:
        return _failed(str(error), REFUSED)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            where = f"{error.filename}: " if error.filename else ""
            return _failed(f"{where}{error.strerror or error}", REFUSED)
        # `gateway conversations | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return shown.status


def _failed(words: str, status: int) -> int:
    print(words if status == CONFIGURATION else f"gateway: {words}", file=sys.stderr)
    return status


def parser(wanted: Collection[str]) -> argparse.ArgumentParser:
    """What may be typed: the `wanted` commands, which are imported; without any, all of them, by name alone."""
    common = _common()
    whole = argparse.ArgumentParser(
        prog="gateway",
        description="The mail gateway beside an online-procedures platform.",
        epilog="Exit status: 0 done, 1 refused or not found, 2 usage, 75 try again, 78 configuration.",
    )
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in wanted or COMMANDS:
        module, words = COMMANDS[name]
        made = commands.add_parser(name, parents=[common], help=words, description=words[0].upper() + words[1:] + ".")
        made.set_defaults(command=name, usage=made.error)
        if name in wanted:
            import_module(f"gateway.commands.{module}").OFFERED[name](made)
    return whole


def _common() -> argparse.ArgumentParser:
    """The options of every command."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration; else $GATEWAY_CONFIG, ./gateway.toml, /etc/gateway/gateway.toml",
    )
    common.add_argument("--json", action="store_true", help="one JSON document on standard output")
    common.add_argument(
        "--verbose", action="store_true", help="log also what libraries do, by its place in their code"
    )
    return common
