"""`keys`: those that sign reply addresses and Message-IDs. Their octets are never shown."""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import UTC, datetime

from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.operator import Operator
from gateway.commands.output import Shown, many, table
from gateway.config import Settings
from gateway.errors import Refused
from gateway.store import audit, keyring, keys, opening, outbox
from gateway.store.database import Store, Tx

_EVER = datetime(1970, 1, 2, tzinfo=UTC)
_TAKEN_UP = "A running daemon takes it up with the next mail, or at once by `systemctl reload gateway`."


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_keys)
    made.add_argument("action", choices=["list", "rotate", "retire", "forget"])
    made.add_argument("id", nargs="?", type=int, metavar="ID")
    made.add_argument("--yes", action="store_true", help="with retire and forget: what was signed may end")


OFFERED = {"keys": _parser}


def _keys(options: argparse.Namespace) -> Shown:
    if options.id is not None and options.action != "retire":
        options.usage(f"`{options.action}` takes no ID; `retire ID` takes one key out")
    settings, by, now = typed.settings(options), typed.typed_by(options), utc_now()
    with opening.opened(settings) as store:
        if options.action == "list":
            return listed(store, settings, now)
        if options.action == "rotate":
            return rotated(store, settings, by, now)
        if options.action == "forget":
            return forgotten(store, by, now, yes=options.yes)
        return retired(store, settings, typed.identifier(options), by, now, yes=options.yes)


def listed(store: Store, settings: Settings, now: datetime) -> Shown:
    """Each key, which one signs, and how many reply addresses hang on it."""
    held = _held(store, settings, now)
    ids = [key_id for key_id, _ in keyring.keys_of(store, settings.store.token_keys_file).by_id]
    document = [{"id": key_id, "signs": not place, "addresses": held[key_id]} for place, key_id in enumerate(ids)]
    rows = ((key["id"], "signs" if key["signs"] else "verifies", key["addresses"]) for key in document)
    return Shown(document, (table(("id", "use", "valid reply addresses"), rows),))


def rotated(store: Store, settings: Settings, by: Operator, now: datetime) -> Shown:
    """Put a new key in front.

    Raises:
        ConfigError: the file is another store's.
        Refused: it lacks a key that another machine has: two of one id would be worse; or it still has one that was
            retired there, which would come back with this file.
    """
    path = settings.store.token_keys_file
    keyring.keys_of(store, path)

    def work(tx: Tx) -> int:
        here = keys.load(path)
        if over := keyring.retired(tx.connection, here):
            raise Refused(
                f"{path} still holds key {over[0]}, which was retired on another machine: "
                f"take the file from there, or `gateway keys retire {over[0]}` here, too"
            )
        if lacking := keyring.missing(tx.connection, here):
            raise Refused(
                f"{path} lacks key {lacking[0]}, which belongs to this store: "
                f"take the file from the machine that has it, or `gateway keys retire {lacking[0]}`"
            )
        made = keys.rotate(path)
        keyring.adopt(tx, keys.load(path))
        audit.record(tx, at=now, by=by.name, what=f"put token key {made} in front", proof=by.proof)
        return made

    made = store.write_now(work)
    return Shown({"id": made, "signs": True}, (f"Key {made} signs from now on; the others verify.", _TAKEN_UP))


def retired(store: Store, settings: Settings, key_id: int, by: Operator, now: datetime, *, yes: bool) -> Shown:
    """Take a key out, once `yes` says that what it signed may end.

    Raises:
        NotFound: there is none of this id, neither here nor known to the store.
        Refused: it signs, or nobody said yes.
    """
    path, held = settings.store.token_keys_file, _held(store, settings, now)[key_id]
    addresses = many(held, "valid reply address", "valid reply addresses")

    def work(tx: Tx) -> None:
        here = keys.load(path)
        rest = here if key_id in keyring.missing(tx.connection, here) else keys.without(path, key_id)
        if not yes:
            raise Refused(f"mail to {addresses} that it signed would be refused; --yes does it")
        audit.record(tx, at=now, by=by.name, what=f"retired token key {key_id}", proof=by.proof)
        keyring.forget(tx, key_id)
        keys.replace(path, rest)

    store.write_now(work)
    words = f"Key {key_id} is retired, and {addresses} with it."
    return Shown({"id": key_id, "addresses": held}, (words, _TAKEN_UP))


def forgotten(store: Store, by: Operator, now: datetime, *, yes: bool) -> Shown:
    """Let the store forget which keys are its own: the next start takes those it finds, or makes new ones.

    Raises:
        Refused: nobody said yes.
    """
    if not yes:
        raise Refused("mail to every reply address that they signed may be refused from then on; --yes does it")

    def work(tx: Tx) -> None:
        audit.record(tx, at=now, by=by.name, what="forgot which token keys belong to the store", proof=by.proof)
        keyring.forget_all(tx)

    store.write_now(work)
    words = "The store knows no token keys any more: the next start takes those that it finds, or makes new ones."
    return Shown({"forgotten": True}, (words,))


def _held(store: Store, settings: Settings, now: datetime) -> Counter[int]:
    """Key id → the valid reply addresses that it signed."""
    life = settings.trust.token_life
    return store.read_now(lambda connection: outbox.signed_by(connection, now - life if life else _EVER))
