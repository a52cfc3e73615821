"""Where `gateway.toml` is found, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, SecretStr

from gateway.config.include import gather, uncollected
from gateway.config.passwords import fill_in, leave_out
from gateway.config.settings import Settings
from gateway.config.shape import settle
from gateway.errors import ConfigError
from gateway.redaction import hide


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
    """Read, check and settle `gateway.toml` and what it includes. `environ` tells where systemd's credentials are.

    Without `passwords` those of mail servers are left empty: a command that logs in at none doesn't need the right to
    read them.

    Raises ConfigError whose text is the whole report, `FILE:LINE: KEY: fault; remedy` per line.
    """
    with uncollected():
        sources = gather(path)
        folder = path.absolute().parent
        problems = fill_in(sources.raw, folder, environ) if passwords else []
        if not passwords:
            leave_out(sources.raw, folder, environ)
        settings, found = settle(sources.raw, folder, whole=sources.whole)
        problems += found
        if problems or sources.faults or settings is None:
            raise ConfigError(sources.report(problems))
        hide(*secrets(settings))
        return settings


def secrets(found: object) -> Iterator[str]:
    """Every secret of a configuration, wherever it stands: what is typed as one."""
    if isinstance(found, SecretStr):
        yield found.get_secret_value()
    elif isinstance(found, BaseModel):
        for name in type(found).model_fields:
            yield from secrets(getattr(found, name))
    elif isinstance(found, tuple) and found and isinstance(found[0], BaseModel):
        for each in found:
            yield from secrets(each)
