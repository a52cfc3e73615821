"""The kinds of value that `gateway.toml` holds: text in, typed value out, or a ValueError that says what is right.

Each message completes the sentence « KEY: … ». Values that are typed already pass unchanged, so that the
models can be built in Python too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import idna
from pydantic import AfterValidator, BeforeValidator, PlainValidator, StrictInt, ValidationInfo
from pydantic_core import PydanticCustomError

_DURATION = re.compile(r"(\d{1,9})\s*([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"(\d{1,12})\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)?")
_OCTETS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ATOM = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_FILE_TYPE = re.compile(r"\.[a-z0-9_-]{1,24}|[a-z0-9.+_-]{1,60}/[a-z0-9.+_-]{1,60}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_ROUNDED = re.compile(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]+")
_LA_POSTE = "356000000"
SEPARATORS = "+-_="


def interval(value: timedelta | None) -> timedelta | None:
    """What is done again and again needs a pause."""
    if value is not None and not value:
        raise ValueError("must be at least a second")
    return value


def duration(value: Any) -> Any:
    """ "60s", "5m", "2h", "5d" → timedelta."""
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(
            f'must be a duration with its unit (s, m, h or d), such as "60s" or "5d", not {shown(value)}'
        )
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > 10 * 365 * 86400:
        raise ValueError(f"must be shorter than ten years, not {shown(value)}")
    return timedelta(seconds=seconds)


def size(value: Any) -> Any:
    """ "25 MB", "500 kB", "10 MiB" → octets. A bare number is octets."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    octets = int(found[1]) * _OCTETS[found[2] or "B"] if found else 0
    if not octets:
        raise ValueError(f'must be a size, such as "25 MB", "500 kB" or "10 MiB", not {shown(value)}')
    return octets


def or_none(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same check, "" and None becoming None: nothing is set here."""
    return lambda value: None if value is None or value == "" else check(value)


def or_never(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same check, "never" becoming None."""
    return lambda value: None if value is None or value == "never" else check(value)


def clock(value: Any) -> Any:
    """ "08:30" → time, of the instance's time zone."""
    if isinstance(value, time) and value == value.replace(second=0, microsecond=0):
        return value
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'must be a time of day, such as "08:30", not {shown(value)}')
    return time(int(found[1]), int(found[2]))


def times(value: tuple[time, ...]) -> tuple[time, ...]:
    """At least one, each once, in the order of the day."""
    if not value:
        raise ValueError('must name a time of day at least; write for instance ["08:30"]')
    return tuple(sorted(set(value)))


def day(value: Any) -> Any:
    """ "2026-12-25" → date."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    found = _DAY.fullmatch(value) if isinstance(value, str) else None
    try:
        return date.fromisoformat(found[0] if found else "")
    except ValueError:
        raise ValueError(f'must be a day, such as "2026-12-25", not {shown(value)}') from None


@lru_cache(maxsize=10_000)
def domain(value: str) -> str:
    """A DNS name in lower case, as A-labels (RFC 5890 §2.3.2.1), without the final dot."""
    name = value.lower()
    if not name.isascii():
        raise ValueError(f"{shown(value)} must be written in ASCII{_a_labels(name)}")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f'{shown(value)} is not a domain name; write it like "support.example.org"')
    return name


def _a_labels(name: str) -> str:
    try:
        return f': "{idna.encode(name, uts46=True).decode()}"'
    except idna.IDNAError:
        return ""


def address(value: str) -> str:
    """An e-mail address, bare and in lower case (RFC 5321 §4.1.2, dot-strings only)."""
    local, at, host = value.lower().rpartition("@")
    if not at or not _ATOM.fullmatch(local) or len(local) > 64:
        raise ValueError(f'{shown(value)} is not an e-mail address; write it bare, like "name@example.org"')
    return f"{local}@{domain(host)}"


def local_part(value: str) -> str:
    """What may stand before the @ of an address of ours; "" where the key allows it."""
    if value and (not _ATOM.fullmatch(value.lower()) or len(value) > 20):
        raise ValueError(f'{shown(value)} can\'t stand before an @; take up to 20 letters, like "reponse"')
    return value.lower()


def filled_local_part(value: str) -> str:
    if not value:
        raise ValueError("must not be empty; it stands before the number in our addresses")
    return local_part(value)


def separator(value: str) -> str:
    if len(value) != 1 or value not in SEPARATORS:
        raise ValueError(f"must be one of the characters {' '.join(SEPARATORS)}, not {shown(value)}")
    return value


@lru_cache(maxsize=10_000)
def siret(value: str) -> str:
    """14 digits whose Luhn sum is a multiple of ten; La Poste's establishments may have a plain sum of 5 instead.

    Source: INSEE, definition of the SIRET; exception of SIREN 356 000 000.
    """
    digits = re.sub(r"[\s.]", "", value)
    if _ROUNDED.fullmatch(value):
        raise ValueError(
            f"{shown(value)} was rounded by a spreadsheet; make its column text, then enter the SIRET again"
        )
    if not re.fullmatch(r"[0-9]{14}", digits):
        fault = f"a SIRET has 14 digits, {shown(value)} has {sum(c.isdigit() for c in value)}"
        dropped = re.fullmatch(r"[0-9]{9,13}", value)
        raise ValueError(
            f"{fault}; spreadsheets drop leading zeros where the column isn't text" if dropped else fault
        )
    plain = sum(map(int, digits))
    if _luhn(digits) % 10 and not (digits.startswith(_LA_POSTE) and plain % 5 == 0):
        raise ValueError(f"{shown(value)} is not a SIRET: its check digit is wrong; look for a typing error")
    return digits


def _luhn(digits: str) -> int:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value // 10 + value % 10 for value in doubled)


def url(value: str) -> str:
    """An http or https address with a host."""
    wrong = f'{shown(value)} is not a web address; write it like "https://demarches.example.org"'
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(wrong) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", value) or not port_is_fine:
        raise ValueError(wrong)
    return value


def optional(check: Callable[[str], str]) -> Callable[[str], str]:
    """The same check, passing "" which means « none »."""
    return lambda value: check(value) if value else value


def timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError; "" and folders, the others
        raise ValueError(f'{shown(value)} is not a time zone; write it like "Europe/Paris"') from None
    return value


def listen_form(value: str) -> str:
    """ "host:port", "[v6]:port", "unix:/path" or "systemd"; port 0 takes a free one."""
    if value == "systemd" or (value.startswith("unix:") and len(value) > len("unix:")):
        return value
    host, port = host_and_port(value)
    if not host or not port.isascii() or int(port) > 65535:
        raise ValueError(
            f'{shown(value)} must be like "127.0.0.1:2525", "[::1]:2525", "unix:/run/gateway/lmtp" or "systemd"'
        )
    return value


def listen(value: str, info: ValidationInfo) -> str:
    """The same, with the socket's path made absolute."""
    if listen_form(value).startswith("unix:"):
        return "unix:" + str(_anchored(Path(value.removeprefix("unix:")), info))
    return value


def host_and_port(value: str) -> tuple[str, str]:
    """The two halves of "host:port" or "[v6]:port"; ("", "") where it is neither."""
    found = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\]:(\d{1,5})|([^\s:\[\]/]+):(\d{1,5})", value)
    return (found[1] or found[3], found[2] or found[4]) if found else ("", "")


def clamd_socket(value: str, info: ValidationInfo) -> str:
    """ "unix:/path" (made absolute) or "host:port"; "": there is none."""
    if value.startswith("unix:") and len(value) > len("unix:"):
        return "unix:" + str(_anchored(Path(value.removeprefix("unix:")), info))
    host, port = host_and_port(value)
    if value and not (host and port.isascii() and 0 < int(port) < 65536):
        raise ValueError(f'{shown(value)} must be like "unix:/run/clamav/clamd.ctl" or "127.0.0.1:3310"')
    return value


def file_type(value: str) -> str:
    """An extension with its dot, or a media type; in lower case."""
    if not _FILE_TYPE.fullmatch(value.lower()):
        raise ValueError(f'{shown(value)} must be an extension, like ".exe", or a type, like "text/html"')
    return value.lower()


def resolver(value: str) -> str:
    """ "address:port" or "[v6]:port" of a DNS server: its name would need one."""
    host, port = host_and_port(value)
    try:
        ip_address(host)
    except ValueError:
        port = ""
    if not port.isascii() or not port or not 0 < int(port) < 65536:
        raise ValueError(f'{shown(value)} must be the address and port of a DNS server, like "127.0.0.1:53"')
    return value


def network(value: str) -> str:
    try:
        ip_network(value, strict=False)
    except ValueError:
        raise ValueError(
            f'{shown(value)} must be an IP address or network, like "192.0.2.1" or "10.0.0.0/8"'
        ) from None
    return value


def after(value: str) -> str:
    """What becomes of a mail in its mailbox once it is kept."""
    if value not in {"keep", "delete"} and not re.fullmatch(r"move:.*\S.*", value):
        raise ValueError(f'must be "keep", "delete" or "move:Folder", not {shown(value)}')
    return value


def filled(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def between(low: int, high: int) -> Callable[[int], int]:
    def check(value: int) -> int:
        if not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value}")
        return value

    return check


def _anchored(path: Path, info: ValidationInfo) -> Path:
    """Relative paths count from the folder of the file, which the loader gives as context."""
    return Path(info.context["folder"], path) if info.context else path


def path(value: Path, info: ValidationInfo) -> Path:
    return _anchored(value, info)


def filled_path(value: Any) -> Any:
    if value == "":
        raise ValueError("must not be empty; name a file or a folder")
    return value


def optional_path(value: Any) -> Any:
    return None if value == "" else value


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where raw mail lies in object storage: a bucket, and what the names of our objects in it begin with."""

    name: str
    prefix: str

    def __str__(self) -> str:
        return "/".join(filter(None, ("s3:/", self.name, self.prefix)))


def raw_place(value: Any, info: ValidationInfo) -> Path | Bucket:
    """ "s3://bucket/prefix" → Bucket; what isn't one is the path of a folder."""
    if isinstance(value, Bucket):
        return value
    if not isinstance(value, str | Path):
        raise PydanticCustomError("path_type", "Input is not a valid path")
    if not isinstance(value, str) or "://" not in value:
        return _anchored(Path(filled_path(value)), info)
    scheme, _, rest = value.partition("://")
    name, _, prefix = rest.removesuffix("/").partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(name) or (prefix and not _PREFIX.fullmatch(prefix)):
        right = 'must name a folder, like "var/raw", or a bucket, like "s3://bucket/prefix"'
        raise ValueError(f"{shown(value)} {right} (letters, digits, - and . in their names)")
    return Bucket(name, prefix)


def endpoint(value: str) -> str:
    """The address of an object storage: scheme and host alone; "" where none is used."""
    if value:
        parts = urlsplit(url(value))
        if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username is not None:
            raise ValueError(f'{shown(value)} must be scheme and host alone, like "https://s3.example.org"')
    return value.removesuffix("/")


def database(value: str, info: ValidationInfo) -> str:
    """ "postgresql://user@host/base", or "sqlite:///relative" or "sqlite:////absolute"; that becomes absolute where
    the folder is known."""
    if value.startswith("postgres"):
        return _server(value)
    file = value.removeprefix("sqlite:///")
    if file == value or not file or file.startswith(":memory:") or "?" in file:
        raise ValueError(
            'must name a file that stays, like "sqlite:///var/gateway.db" or "sqlite:////var/lib/gateway.db"'
        )
    return f"sqlite:///{_anchored(Path(file), info)}"


def _server(value: str) -> str:
    form = 'must be like "postgresql://user@host/base" or "postgresql://user@host:5433/base?sslmode=verify-full"'
    parts = urlsplit(value)
    if parts.password is not None:
        raise ValueError("must not hold the password; use password_file (or password_credential, or ~/.pgpass)")
    try:
        known = parts.scheme == "postgresql" and parts.username and parts.port != 0
    except ValueError:
        known = False
    if not known or len(parts.path) < 2 or parts.fragment:
        raise ValueError(form)
    return value


def not_yet(value: Any) -> Any:
    if value is not None:
        raise ValueError("is not supported yet; use password_file")
    return value


def program(value: tuple[str, ...]) -> tuple[str, ...]:
    if value and not value[0].startswith("/"):
        raise ValueError(f'must begin with the whole path of a program: ["/usr/local/bin/{value[0]}"]')
    return value


def shown(value: Any) -> str:
    """A value as a person wrote it, cut short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "…"


Text = Annotated[str, AfterValidator(filled)]
Program = Annotated[tuple[Text, ...], AfterValidator(program)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
Interval = Annotated[timedelta, BeforeValidator(duration), AfterValidator(interval)]
OptionalInterval = Annotated[timedelta | None, BeforeValidator(or_never(duration)), AfterValidator(interval)]
OptionalDuration = Annotated[timedelta | None, BeforeValidator(or_none(duration))]
Lifetime = Annotated[timedelta | None, BeforeValidator(or_never(duration))]
DigestTimes = Annotated[tuple[Annotated[time, BeforeValidator(clock)], ...], AfterValidator(times)]
Day = Annotated[date, BeforeValidator(day)]
Size = Annotated[StrictInt, BeforeValidator(size)]
Domain = Annotated[str, AfterValidator(domain)]
MailAddress = Annotated[str, AfterValidator(address)]
OptionalMailAddress = Annotated[str, AfterValidator(optional(address))]
LocalPart = Annotated[str, AfterValidator(local_part)]
FilledLocalPart = Annotated[str, AfterValidator(filled_local_part)]
Separator = Annotated[str, AfterValidator(separator)]
Siret = Annotated[str, AfterValidator(siret)]
Url = Annotated[str, AfterValidator(url)]
OptionalUrl = Annotated[str, AfterValidator(optional(url))]
Timezone = Annotated[str, AfterValidator(timezone)]
Listen = Annotated[str, AfterValidator(listen)]
ClamdSocket = Annotated[str, AfterValidator(clamd_socket)]
FileType = Annotated[str, AfterValidator(file_type)]
FileCount = Annotated[StrictInt, AfterValidator(between(1, 1000))]
Resolver = Annotated[str, AfterValidator(optional(resolver))]
Peer = Annotated[str, AfterValidator(network)]
After = Annotated[str, AfterValidator(after)]
Port = Annotated[StrictInt, AfterValidator(between(1, 65535))]
Number = Annotated[StrictInt, AfterValidator(between(1, 2**31 - 1))]  # the platform's numbers are int4
Connections = Annotated[StrictInt, AfterValidator(between(1, 50))]
Most = Annotated[StrictInt, AfterValidator(between(1, 1_000_000))]
AbsolutePath = Annotated[Path, BeforeValidator(filled_path), AfterValidator(path)]
RawPlace = Annotated[Path | Bucket, PlainValidator(raw_place)]
Endpoint = Annotated[str, AfterValidator(endpoint)]
OptionalPath = Annotated[Annotated[Path, AfterValidator(path)] | None, BeforeValidator(optional_path)]
Database = Annotated[str, AfterValidator(database)]
NotYet = Annotated[None, BeforeValidator(not_yet)]
