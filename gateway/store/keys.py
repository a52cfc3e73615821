"""The keys that sign tokens: a file beside the database, made at first start.

One key a line: its id (0–255) and 32 octets in base64. The first signs, all verify.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from gateway import redaction
from gateway.errors import ConfigError, StoreError
from gateway.mail.tokens import Keys
from gateway.store.packs import sync_folder


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


def _make(path: Path) -> None:
    line = f"1 {base64.b64encode(secrets.token_bytes(32)).decode('ascii')}\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="ascii") as stream:
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(temporary, path)  # never replaces keys that another process has just made
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        sync_folder(path.parent)  # a key that has signed mustn't vanish in a power cut
    except OSError as error:
        raise StoreError(f"the token keys {path} can't be made: {error.strerror}") from error
