"""`backup`: a copy of all that can't be had again, while the daemon runs."""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from gateway import config
from gateway.clock import utc_now
from gateway.commands import options as typed
from gateway.commands.output import Shown, many, when
from gateway.config import Settings
from gateway.config.include import gather
from gateway.errors import Refused
from gateway.relay import walking
from gateway.store import backup, copying, dumping, manifests, opening
from gateway.store.engines import file_of
from gateway.store.manifests import Manifest
from gateway.store.packs import Packs
from gateway.store.places import packs_for

KEYS, CONFIGURATION = "token.keys", "configuration"


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_backup)
    made.add_argument("folder", type=Path, metavar="DIR", help="where backups are, each in a folder of its time")
    made.add_argument("--keep", type=typed.count, metavar="N", help="remove all but the last N afterwards")
    made.add_argument("--check", action="store_true", help="copy nothing: read the last backup whole, is it right?")


OFFERED = {"backup": _parser}


def _backup(options: argparse.Namespace) -> Shown:
    if options.check:
        return checked(options.folder)
    path = typed.path(options)
    with opening.private():
        return made(config.load(path, passwords=False), path, options.folder, utc_now(), options.keep)


# --- backup ----------------------------------------------------------------------------------------------


def made(settings: Settings, path: Path, folder: Path, now: datetime, keep: int | None) -> Shown:
    """Make a backup in `folder`; with `keep`, remove all but so many afterwards."""
    with closing(packs_for(settings.store)) as packs:
        dump = _dump(settings, packs)
        target, manifest = backup.make(
            folder, dump, packs, _files(settings, path), version=version("gateway"), now=now
        )
    gone = backup.thin_out(folder, keep) if keep else []
    document = {"backup": str(target), **about(manifest), "removed": gone}
    lines = [f"{target} holds {words(manifest)}."]
    if gone:
        lines.append(f"Removed: {', '.join(gone)}.")
    return Shown(document, tuple(lines))


def checked(folder: Path) -> Shown:
    """Read a backup whole, and hold it against its manifest; status 1 where it isn't right."""
    found = chosen(folder)
    faults = manifests.problems(found) or manifests.pack_problems(found)
    if faults:
        return Shown({"backup": str(found), "faults": faults}, (f"{found} is damaged:", *faults), status=1)
    manifest = manifests.read(found)
    return Shown({"backup": str(found), **about(manifest), "faults": []}, (f"{found} is whole: {words(manifest)}.",))


def _files(settings: Settings, path: Path) -> dict[str, Path]:
    """What goes in beside the database: token keys, the configuration with what it includes, the house's templates.

    No other secrets.
    """
    sources = [path, *(Path(source.name) for source in gather(path).files[1:])]
    if (own := settings.desk.templates) is not None:
        sources += [own / name for name in walking.files(own)[0]]
    found = {f"{CONFIGURATION}/{_below(path, source)}": source for source in sources}
    if settings.store.token_keys_file.exists():
        found[KEYS] = settings.store.token_keys_file
    return found


def _below(path: Path, source: Path) -> Path:
    """Where a file lies as seen from the folder of the configuration; from the root, if it isn't in there."""
    file, folder = Path(os.path.abspath(source)), Path(os.path.abspath(path)).parent
    return file.relative_to(folder if file.is_relative_to(folder) else file.anchor)


def _dump(settings: Settings, packs: Packs) -> backup.Dump:
    database = file_of(settings.store.url)
    if database is None:
        return partial(dumping.dump, settings.store.database, packs)
    if not database.exists():
        raise Refused(f"there is no store {database} yet: nothing to back up")
    return partial(copying.sqlite, database, packs)


def about(manifest: Manifest) -> dict[str, object]:
    return {
        "made_at": manifest.made_at,
        "schema": manifest.schema,
        "arrivals": manifest.arrivals,
        "last_arrival": manifest.last_arrival or None,
        "packs": len(manifest.packs),
    }


def words(manifest: Manifest) -> str:
    if not manifest.last_arrival:
        return "a store without any mail"
    return f"{many(manifest.arrivals, 'mail')}, the last of {when(datetime.fromisoformat(manifest.last_arrival))}"


def chosen(folder: Path) -> Path:
    """The backup that is meant: this folder itself, or the latest in it."""
    folder = folder.resolve()
    if (folder / manifests.MANIFEST).exists():
        return folder
    found = backup.backups(folder)
    if not found:
        raise Refused(f"{folder} holds no whole backup")
    return found[-1]
