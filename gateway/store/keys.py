"""The keys that sign tokens: a file beside the database, made at first start, replaced as a whole.

One key a line: its id (0–255) and 32 octets in base64. The first signs, all verify. A new one is in the file,
durable, before anything is signed with it; a running daemon looks whether the file is another one (`stamp`) first.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import tempfile
from pathlib import Path

from gateway import redaction
from gateway.errors import ConfigError, NotFound, Refused, StoreError
from gateway.folders import make_folder, sync_folder
from gateway.mail.tokens import Keys


def load(path: Path) -> Keys:
    """The keys in a file.

    Raises:
        ConfigError: it is damaged, or others may read it.
        StoreError: it can't be read.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"the token keys {path} can't be read: {error}") from error
    if mode & 0o077:
        raise ConfigError(f"{path}: others can read the token keys; chmod 600 {path}")
    keys = [_key(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not keys or len({key_id for key_id, _ in keys}) != len(keys):
        raise ConfigError(f"{path}: it holds no key, or one key id twice; restore it from the backup")
    redaction.hide(*(word for line in lines for word in line.split()[1:]))
    redaction.pseudonyms_by(keys[-1][1])  # the oldest: it stays the same while keys rotate
    return Keys(tuple(keys))


def load_or_make(path: Path) -> Keys:
    """The keys in a file, made with one new key where it isn't there yet."""
    if not path.exists():
        _make(path)
    return load(path)


def _key(path: Path, number: int, line: str) -> tuple[int, bytes]:
    try:
        key_id, encoded = line.split()
        key = base64.b64decode(encoded, validate=True)
        if not 0 <= int(key_id) <= 255 or len(key) < 32:
            raise ValueError("out of range")
    except (ValueError, binascii.Error) as error:
        raise ConfigError(
            f"{path}:{number}: a key is an id from 0 to 255 and 32 octets in base64; restore the file from the backup"
        ) from error
    return int(key_id), key


def rotate(path: Path) -> int:
    """Put a new key in front: it signs, the others go on verifying. Returns its id.

    Raises:
        Refused: no id is left for it.
    """
    old = load(path).by_id
    first, taken = old[0][0], {key_id for key_id, _ in old}
    free = next((n % 256 for n in range(first + 1, first + 256) if n % 256 not in taken), None)
    if free is None:
        raise Refused("all 256 key ids are taken: retire some first")
    replace(path, Keys(((free, secrets.token_bytes(32)), *old)))
    return free


def without(path: Path, key_id: int) -> Keys:
    """Those that are left when one is taken out, and what it signed is nothing any more.

    Raises:
        NotFound: there is none of this id.
        Refused: it is the one that signs.
    """
    old = load(path).by_id
    if key_id not in {each for each, _ in old}:
        raise NotFound(f"there is no key {key_id}; `gateway keys list` names them")
    if key_id == old[0][0]:
        raise Refused(f"key {key_id} signs: `gateway keys rotate` first, so that another does")
    return Keys(tuple(key for key in old if key[0] != key_id))


def stamp(path: Path) -> tuple[int, ...]:
    """Another one when the file was replaced or changed; () where it isn't there."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def replace(path: Path, keys: Keys) -> None:
    """All of it or nothing. The owner stays, also where root does it: else the daemon couldn't read it."""
    path = path.resolve()
    try:
        was = path.stat()
        temporary = _written(path, keys, (was.st_uid, was.st_gid))
        try:
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"the token keys {path} can't be replaced: {error.strerror}") from error


def _make(path: Path) -> None:
    try:
        make_folder(path.parent)
        temporary = _written(path, Keys(((1, secrets.token_bytes(32)),)))
        try:
            os.link(temporary, path)  # never replaces keys that another process has just made
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        sync_folder(path.parent)  # a key that has signed mustn't vanish in a power cut
    except OSError as error:
        raise StoreError(f"the token keys {path} can't be made: {error.strerror}") from error


def _written(path: Path, keys: Keys, owner: tuple[int, int] | None = None) -> Path:
    """A durable file with these keys, beside the one that it is to become. `owner`: its user and group.

    Always a new one: in a folder of the daemon's, whoever is the daemon could lay a link for root to follow.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.writelines(f"{key_id} {base64.b64encode(key).decode('ascii')}\n" for key_id, key in keys.by_id)
            stream.flush()
            if owner:
                os.fchown(stream.fileno(), *owner)
            os.fsync(stream.fileno())
    except BaseException:
        temporary.unlink()
        raise
    return temporary
