"""`pseudonym`: how the log calls somebody."""

from __future__ import annotations

import argparse

from gateway.commands import options as typed
from gateway.commands.output import Shown
from gateway.errors import Refused
from gateway.redaction import pseudonym
from gateway.store import keys


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_pseudonym)
    made.add_argument("address", metavar="ADDRESS")


OFFERED = {"pseudonym": _parser}


def _pseudonym(options: argparse.Namespace) -> Shown:
    if "@" not in pseudonym(options.address):
        raise Refused(f"{options.address} is no address")
    keys.load(typed.settings(options).store.token_keys_file)  # pseudonyms are made with them
    made = pseudonym(options.address)
    return Shown({"pseudonym": made}, (made,))
