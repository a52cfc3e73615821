"""`restore`: a store from a backup."""

from __future__ import annotations

import argparse
import shutil
from contextlib import closing
from datetime import datetime
from pathlib import Path

from gateway import peers
from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.backup import CONFIGURATION, KEYS, about, chosen, words
from gateway.commands.operator import Operator
from gateway.commands.output import Shown, many
from gateway.config import Settings
from gateway.errors import Refused, StoreError
from gateway.folders import make_folder
from gateway.store import arrivals, audit, copying, dumping, manifests, opening, restoring, schema
from gateway.store.database import Store, Tx
from gateway.store.engines import file_of
from gateway.store.manifests import Manifest
from gateway.store.packs import Packs
from gateway.store.places import packs_for

_NAMED = 5  # faults that are told


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_restore)
    made.add_argument("folder", type=Path, metavar="DIR", help="of backups, whose last is meant, or of one of them")
    made.add_argument("--replace", action="store_true", help="set a store that is there aside")
    which = made.add_mutually_exclusive_group()
    which.add_argument(
        "--lost-at", type=typed.time, metavar="TIME", help="when the lost store was last in use; else now"
    )
    which.add_argument("--send", action="store_true", help="hold nothing: no mail has left since the backup")


OFFERED = {"restore": _parser}


def _restore(options: argparse.Namespace) -> Shown:
    settings, now = typed.settings(options), utc_now()
    with opening.private(), opening.alone(settings):
        return restored(
            settings,
            options.folder,
            typed.typed_by(options),
            now,
            replace=options.replace,
            send=options.send,
            lost_at=options.lost_at or now,
        )


def restored(
    settings: Settings,
    folder: Path,
    by: Operator,
    now: datetime,
    *,
    replace: bool,
    send: bool,
    lost_at: datetime,
) -> Shown:
    """Put a backup where the configuration says that the store is. No daemon runs on it.

    `send`: nothing has left since the backup, and what waits goes out. Else what was open, and what is caused by mail
    of before `lost_at`, is held.
    """
    found = chosen(folder)
    manifest = _sound(found)
    database, keys = file_of(settings.store.url), settings.store.token_keys_file
    _same_kind(found, database)
    held = 0

    def finish(tx: Tx) -> None:
        nonlocal held
        restoring.begin_anew(tx, {name: copy.size for name, copy in manifest.packs.items()})
        held = 0 if send else restoring.hold(tx, lost_at, now, by.name)
        what = (
            f"restored the store from the backup of {manifest.made_at}; held: {many(held, 'delivery', 'deliveries')}"
        )
        audit.record(tx, at=now, by=by.name, what=what, proof=by.proof)

    with closing(packs_for(settings.store)) as packs:
        if not replace or database is None:
            _refuse_another(settings, packs)
        put = restoring.put_packs(packs, found.parent / manifests.PACKS, manifest.packs)
        if database is None:
            dumping.restore(found / dumping.DATABASE, settings.store.database, packs, finish)
        else:
            restoring.put_database(found / copying.DATABASE, database, packs, finish, now)
    if (found / KEYS).exists():
        _put_keys(found / KEYS, keys, now)
    document = {"backup": str(found), **about(manifest), "packs_put": put, "held": held}
    return Shown(document, _told(found, manifest, held, send=send))


def _sound(found: Path) -> Manifest:
    """The manifest of a backup that is whole, and not from the future."""
    faults = manifests.problems(found) or manifests.pack_problems(found)
    if faults:
        more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise Refused(f"{found} is damaged, and nothing was restored: {'; '.join(faults[:_NAMED])}{more}")
    manifest = manifests.read(found)
    if manifest.schema > schema.HEAD:
        needed = f"schema {manifest.schema}, not {schema.HEAD}"
        raise Refused(f"{found} was made by a newer gateway ({needed}): install version {manifest.version} first")
    return manifest


def _same_kind(found: Path, database: Path | None) -> None:
    kinds = {dumping.DATABASE: "in PostgreSQL", copying.DATABASE: "in a file"}
    wanted = dumping.DATABASE if database is None else copying.DATABASE
    if not (found / wanted).exists():
        other = next(kind for name, kind in kinds.items() if name != wanted)
        raise Refused(f"{found} is of a store {other}, and store.url names one {kinds[wanted]}")


def _refuse_another(settings: Settings, packs: Packs) -> None:
    """Only an empty store gives way by itself."""
    database = file_of(settings.store.url)
    if database is None:
        if not dumping.is_empty(settings.store.database, packs):
            raise Refused("the base of store.url holds a store already: make an empty one, and name it there")
        with closing(Store(settings.store.database, packs)) as store:
            if store.read_now(schema.current) == schema.HEAD:
                peers.assert_none(store)
    elif database.exists() and not _is_empty(database):
        raise Refused(f"{database} holds a store already: --replace sets it aside, and takes the backup's")


def _is_empty(database: Path) -> bool:
    """Has no mail come into it yet? What can't be read is not for us to call empty."""
    try:
        with closing(Store(f"sqlite:///{database}", database.parent)) as store:
            return not store.read_now(schema.current) or store.read_now(arrivals.last)[0] == 0
    except StoreError:
        return False


def _put_keys(source: Path, target: Path, now: datetime) -> None:
    """The keys of the backup, unless they are all there: one may have come since, and have signed mail that left.

    Others that are there stay, under another name.
    """
    if target.exists() and set(source.read_bytes().splitlines()) <= set(target.read_bytes().splitlines()):
        return
    make_folder(target.parent)
    temporary = target.with_name(target.name + ".restoring")
    shutil.copyfile(source, temporary)
    temporary.chmod(0o600)
    restoring.put_file(temporary, target, now)


def _told(found: Path, manifest: Manifest, held: int, *, send: bool) -> tuple[str, ...]:
    """What there is now, and what to do next."""
    lines = [f"Restored from {found}: {words(manifest)}. What came later isn't in it."]
    if not send:
        lines.append(
            f"Open then, maybe sent since, and held now: {many(held, 'delivery', 'deliveries')}. "
            "So is what mail causes that came before the loss and comes again. `gateway outbox list` shows it; "
            "send it with `gateway outbox retry ID`, or all of it with `gateway outbox retry --held`, or `cancel` it."
        )
    lines += [
        "If the folder or bucket of raw mail outlived, `gateway recover` finds the mail in it that came later.",
        "Then start the daemon: it looks through the mailboxes again, and files what the store doesn't know.",
        f"The configuration of then is in {found / CONFIGURATION}; passwords in files of their own aren't.",
    ]
    return tuple(lines)
