"""Real mail to test on, where it is at hand: `$GATEWAY_CORPORA`, or `shared/corpora` beside the project.

That folder holds `open.tar.xz`, which is unpacked once into `.cache/corpora`; or it holds what was unpacked already.
Tests that need it are skipped where it isn't there.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARCHIVE = "open.tar.xz"
CACHE = ROOT / ".cache" / "corpora"


def source() -> Path:
    """The folder that the corpora are looked for in."""
    return Path(os.environ.get("GATEWAY_CORPORA") or ROOT.parent / "shared" / "corpora")


@cache
def folder() -> Path:
    """The unpacked corpora; skips the test where there are none."""
    found = source()
    if (found / "INDEX.json").is_file():
        return found
    archive = found / ARCHIVE
    if not archive.is_file():
        pytest.skip(f"no corpora: neither INDEX.json nor {ARCHIVE} in {found} (set GATEWAY_CORPORA)")
    stamp = f"{archive.stat().st_size}-{archive.stat().st_mtime_ns}"
    target = CACHE / stamp
    return target if target.is_dir() else unpack(archive, target)


def unpack(archive: Path, target: Path) -> Path:
    """Unpack beside the target, then move into place in one step: whoever is second uses the first one's."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix="unpacking-", dir=target.parent))
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(temporary, filter="data")
        try:
            temporary.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


@cache
def index() -> list[dict[str, Any]]:
    """What `INDEX.json` says of each file: file, source, kind, category, expected, ..."""
    loaded = json.loads((folder() / "INDEX.json").read_text())
    files: list[dict[str, Any]] = loaded["index"]
    return files


@cache
def mails(collection: str = "") -> tuple[Path, ...]:
    """All mails in one fixed order: of one collection (a folder's name), or of all."""
    names = sorted(entry["file"] for entry in index() if entry["kind"] == "rfc822")
    return tuple(folder() / name for name in names if name.startswith(collection))


def sample(count: int, collection: str = "") -> tuple[Path, ...]:
    """`count` mails spread evenly over all of them: the same ones every time."""
    found = mails(collection)
    if len(found) <= count:
        return found
    return tuple(found[i * len(found) // count] for i in range(count))
