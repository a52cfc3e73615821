"""Where `gateway.toml` is found, and how it is read."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.config.passwords import fill_in, leave_out
from gateway.config.problems import report
from gateway.config.settings import Settings
from gateway.config.shape import settle
from gateway.errors import ConfigError

LARGEST = 200_000_000  # octets
_LINE = re.compile(r"(.*?) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_REMEDIES = {
    "Invalid value": "texts stand in quotes, true and false are written small",
    "Illegal character": "close the quotes before the end of the line",
    "Cannot overwrite a value": "the key is there twice; keep one of the two",
    "Cannot declare": "the table is there twice; merge the two, or write [[…]] where there may be several",
    "Expected '=' after a key": 'write key = "value"',
    "Expected newline": "one key per line, and nothing after its value but a comment",
    "Unclosed array": "close the list with ]",
    "Unterminated string": "close the quotes",
    "Unescaped '\\'": "write \\\\ for a backslash, or put the text in single quotes",
}


def find(option: Path | None, environ: Mapping[str, str]) -> Path:
    """--config, else $GATEWAY_CONFIG, else ./gateway.toml, else /etc/gateway/gateway.toml.

    The first two are taken at their word: if there is no such file, no other place is looked at.
    Raises ConfigError, which names the places.
    """
    for told, name in ((option, "--config"), (environ.get("GATEWAY_CONFIG"), "$GATEWAY_CONFIG")):
        if told:
            if not Path(told).is_file():
                raise ConfigError(
                    f"{told}: no such file ({name}); correct the path, or write one with `gateway init`"
                )
            return Path(told)
    places = (Path("gateway.toml"), Path("/etc/gateway/gateway.toml"))
    for place in places:
        if place.is_file():
            return place
    raise ConfigError(
        "no configuration found; looked for --config, $GATEWAY_CONFIG, "
        f"{places[0].absolute()} and {places[1]}; `gateway init` writes one"
    )


def load(path: Path, environ: Mapping[str, str] = os.environ, *, passwords: bool = True) -> Settings:
    """Read, check and settle `gateway.toml`. `environ` tells where systemd's credentials are.

    Without `passwords` they are left empty: a command that logs in nowhere doesn't need the right to read them.

    Raises ConfigError whose text is the whole report, `FILE:LINE: KEY: fault; remedy` per line.
    """
    text = read(path)
    raw = _parsed(path, text)
    folder = path.absolute().parent
    problems = fill_in(raw, folder, environ) if passwords else []
    if not passwords:
        leave_out(raw)
    settings, found = settle(raw, folder)
    problems += found
    if problems or settings is None:
        raise ConfigError(report(str(path), text, problems))
    return settings


def read(path: Path) -> str:
    """The text of the file. Raises ConfigError."""
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"{path}: larger than {LARGEST} octets; this isn't a configuration")
        octets = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; correct the path, or its permissions") from None
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text; save the file in UTF-8") from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax(path, text, str(error))) from None
    except RecursionError:
        raise ConfigError(f"{path}:1: lists or tables are nested too deeply; this isn't a configuration") from None


def _syntax(path: Path, text: str, said: str) -> str:
    found = _LINE.fullmatch(said)
    if found is None:
        return f"{path}:1: not TOML: {said}; correct the syntax"
    line = int(found[2]) if found[2] else text.count("\n") + 1
    column = f"column {found[3]}" if found[3] else "end of file"
    remedy = next((told for known, told in _REMEDIES.items() if found[1].startswith(known)), "correct the syntax")
    return f"{path}:{line}: {column}: not TOML: {found[1]}; {remedy}"
