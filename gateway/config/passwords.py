"""Passwords: given in the file, in a file of their own, or as a systemd credential; exactly one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as File
from typing import Any

from gateway.config.locate import Path
from gateway.config.problems import Problem

_WAYS = ("password", "password_file", "password_credential")
_LARGEST = 64_000


def owners(raw: Mapping[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The tables that may hold a password: the relay and each IMAP mailbox."""
    if isinstance(relay := raw.get("relay"), dict):
        yield ("relay",), relay
    intake = raw.get("intake")
    boxes = intake.get("imap") if isinstance(intake, dict) else None
    for place, box in enumerate(boxes if isinstance(boxes, list) else ()):
        if isinstance(box, dict):
            yield ("intake", "imap", place), box


def fill_in(raw: Mapping[str, Any], folder: File, environ: Mapping[str, str]) -> list[Problem]:
    """Put each password in its place in `raw`; what is wrong with them."""
    return [problem for path, table in owners(raw) for problem in _fill_in(path, table, folder, environ)]


def leave_out(raw: Mapping[str, Any]) -> None:
    """Take every password out of `raw`: for commands that log in nowhere, and may not be able to read them."""
    for _, table in owners(raw):
        for way in _WAYS:
            table.pop(way, None)


def _fill_in(path: Path, table: dict[str, Any], folder: File, environ: Mapping[str, str]) -> list[Problem]:
    given = [way for way in _WAYS if table.get(way)]
    if not all(isinstance(table[way], str) for way in given):
        return []  # told as a wrong type
    if len(given) > 1:
        return [Problem((*path, given[1]), f"there is {given[0]} too; keep only one of the two")]
    if not given:
        return _unguarded(path, table)
    if not table.get("user") and path == ("relay",):
        return [Problem((*path, given[0]), "there is a password but no user; add user, or remove the password")]
    try:
        table["password"] = _read(given[0], table[given[0]], folder, environ)
    except ValueError as error:
        return [Problem((*path, given[0]), str(error))]
    return []


def _unguarded(path: Path, table: Mapping[str, Any]) -> list[Problem]:
    if not table.get("user") or not isinstance(table["user"], str) or table.get("oauth2"):
        return []
    return [Problem((*path, "user"), 'has no password; add password_file = "path" (or password_credential)')]


def _read(way: str, value: str, folder: File, environ: Mapping[str, str]) -> str:
    if way == "password":
        return value
    return _content(folder / value if way == "password_file" else _credential(value, environ))


def _credential(name: str, environ: Mapping[str, str]) -> File:
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    if not credentials:
        raise ValueError(
            "$CREDENTIALS_DIRECTORY isn't set; start under systemd with LoadCredential=, or use password_file"
        )
    if "/" in name or name in {".", ".."}:
        raise ValueError("must be the bare name of a credential, as in LoadCredential=name:/path")
    return File(credentials, name)


def _content(file: File) -> str:
    """The text of the file without its last line's end."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            text = stream.read(_LARGEST)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't UTF-8 text"
        raise ValueError(f"can't read {file}: {reason}; make it a file that the daemon's user can read") from None
    password = text.removesuffix("\n").removesuffix("\r")
    if not password:
        raise ValueError(f"{file} is empty; write the password into it")
    return password
