"""Secrets: given in the file, in a file of their own, or as a systemd credential; exactly one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from gateway.config.locate import Path
from gateway.config.problems import Problem

_LARGEST = 64_000


@dataclass(frozen=True, slots=True)
class Owner:
    """A table that may hold a secret. `secret` and `user`: its keys for that, and for whose secret it is.

    `command`: do commands need it too, because it opens the store? `needed`: is a user without one a fault?
    """

    path: Path
    table: dict[str, Any]
    secret: str = "password"  # noqa: S105 (the name of a key)
    user: str = "user"
    command: bool = False
    needed: bool = True

    @property
    def ways(self) -> tuple[str, str, str]:
        return self.secret, f"{self.secret}_file", f"{self.secret}_credential"


def owners(raw: Mapping[str, Any]) -> Iterator[Owner]:
    """The tables that may hold a secret: the store, the object storage, the relay, each IMAP mailbox."""
    if isinstance(relay := raw.get("relay"), dict):
        yield Owner(("relay",), relay)
    intake = raw.get("intake")
    boxes = intake.get("imap") if isinstance(intake, dict) else None
    for place, box in enumerate(boxes if isinstance(boxes, list) else ()):
        if isinstance(box, dict):
            yield Owner(("intake", "imap", place), box)
    store = raw.get("store")
    if isinstance(store, dict):
        yield Owner(("store",), store, user="url", command=True, needed=False)
    if isinstance(store, dict) and isinstance(s3 := store.get("s3"), dict):
        yield Owner(("store", "s3"), s3, "secret", "key_id", command=True)


def fill_in(raw: Mapping[str, Any], folder: File, environ: Mapping[str, str]) -> list[Problem]:
    """Put each secret in its place in `raw`; what is wrong with them."""
    return [problem for owner in owners(raw) for problem in _fill_in(owner, folder, environ)]


def leave_out(raw: Mapping[str, Any], folder: File, environ: Mapping[str, str]) -> None:
    """Take secrets out of `raw`, for commands that log in nowhere, and may not be able to read them.

    What opens the store stays where it can be read: most commands never ask the object storage for anything.
    """
    for owner in owners(raw):
        unread = _fill_in(owner, folder, environ) if owner.command else True
        for way in owner.ways[1:] if not unread else owner.ways:
            owner.table.pop(way, None)


def _fill_in(owner: Owner, folder: File, environ: Mapping[str, str]) -> list[Problem]:
    table, path = owner.table, owner.path
    given = [way for way in owner.ways if table.get(way)]
    if not all(isinstance(table[way], str) for way in given):
        return []  # told as a wrong type
    if len(given) > 1:
        return [Problem((*path, given[1]), f"there is {given[0]} too; keep only one of the two")]
    if not given:
        return _unguarded(owner)
    if not table.get(owner.user) and path[0] != "intake":  # a mailbox without its user is told by the model
        fault = f"there is a {owner.secret} but no {owner.user}; add {owner.user}, or remove the {owner.secret}"
        return [Problem((*path, given[0]), fault)]
    try:
        table[owner.secret] = _read(given[0], table[given[0]], folder, environ)
    except ValueError as error:
        return [Problem((*path, given[0]), str(error))]
    return []


def _unguarded(owner: Owner) -> list[Problem]:
    user = owner.table.get(owner.user)
    if not owner.needed or not user or not isinstance(user, str) or owner.table.get("oauth2"):
        return []
    _, file, credential = owner.ways
    return [
        Problem((*owner.path, owner.user), f'has no {owner.secret}; add {file} = "path" (or {credential})'),
    ]


def _read(way: str, value: str, folder: File, environ: Mapping[str, str]) -> str:
    secret, _, kind = way.rpartition("_")
    if kind == "file":
        return _content(folder / value, secret)
    return _content(_credential(value, secret, environ), secret) if kind == "credential" else value


def _credential(name: str, secret: str, environ: Mapping[str, str]) -> File:
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    if not credentials:
        raise ValueError(
            f"$CREDENTIALS_DIRECTORY isn't set; start under systemd with LoadCredential=, or use {secret}_file"
        )
    if "/" in name or name in {".", ".."}:
        raise ValueError("must be the bare name of a credential, as in LoadCredential=name:/path")
    return File(credentials, name)


def _content(file: File, secret: str) -> str:
    """The text of the file without its last line's end."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            text = stream.read(_LARGEST)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't UTF-8 text"
        raise ValueError(f"can't read {file}: {reason}; make it a file that the daemon's user can read") from None
    found = text.removesuffix("\n").removesuffix("\r")
    if not found:
        raise ValueError(f"{file} is empty; write the {secret} into it")
    return found
