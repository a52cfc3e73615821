"""`check`: the configuration, the store, and, on demand, every server that the gateway talks to."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
from collections.abc import Awaitable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import aiosmtplib
from aiosmtplib.errors import SMTPException

from gateway import config
from gateway.commands import options as typed
from gateway.commands.output import Shown
from gateway.config import Settings
from gateway.config.settings import ImapIntake, RelaySettings
from gateway.config.values import Bucket as Place
from gateway.errors import ConfigError, GatewayError, StoreError, Temporary
from gateway.inspection import clamd
from gateway.inspection.questions import Questions
from gateway.inspection.resolver import resolver
from gateway.intake import imap_connect
from gateway.mail.tokens import Keys
from gateway.model import Finding as Found
from gateway.relay import texts
from gateway.store import arrivals, keyring, keys, opening, schema
from gateway.store.bucket import Bucket
from gateway.store.database import Store
from gateway.store.engines import check_integrity, file_of, shown
from gateway.store.packs import missing
from gateway.store.places import packs_for

_PATIENCE = 15.0
_NAMED = 5  # packs that are missing, by their names


def _parser(made: argparse.ArgumentParser) -> None:
    made.set_defaults(run=_check)
    made.add_argument("--connect", action="store_true", help="also try every mailbox, the relay and the DNS")


OFFERED = {"check": _parser}


def _check(options: argparse.Namespace) -> Shown:
    path = typed.path(options)
    try:
        settings = config.load(path)
    except ConfigError as error:
        if not options.json:
            raise
        return faulty(path, error)
    return checked(path, settings, connect=options.connect)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `what` is where it stands, `text` what it came to."""

    severity: str  # ok | inert | warning | error
    what: str
    text: str


def checked(path: Path, settings: Settings, *, connect: bool) -> Shown:
    """Look at everything; status 0 where nothing is an error, 1 otherwise."""
    findings = [Finding(note.severity, note.where, note.text) for note in config.notes(settings, path)]
    findings += [*_templates(settings), _store(settings), _keys(settings), _relay_folder(settings)]
    if connect:
        findings += asyncio.run(_connections(settings))
    failed = any(finding.severity == "error" for finding in findings)
    verdict = "not usable yet: mend the errors above" if failed else "usable"
    lines = [f"{f.severity:<8} {f.what}: {f.text}" for f in findings]
    document = [{"severity": f.severity, "what": f.what, "text": f.text} for f in findings]
    return Shown(document, (*lines, f"{path}: {verdict}"), status=1 if failed else 0)


def faulty(path: Path, error: ConfigError) -> Shown:
    """The findings where the configuration can't be used at all."""
    lines = str(error).splitlines()
    return Shown([{"severity": "error", "what": str(path), "text": line} for line in lines], tuple(lines), status=78)


def _templates(settings: Settings) -> list[Finding]:
    """The texts of the instance: what is wrong with them, or how many there are."""
    folder = settings.desk.templates
    if folder is None:
        return []
    try:
        texts.load(folder)
    except ConfigError as error:
        return [Finding("error", "templates", line) for line in str(error).splitlines()]
    return [Finding("ok", "templates", f"{folder} can be used; `gateway template list` names them")]


def _store(settings: Settings) -> Finding:
    file = file_of(settings.store.url)
    if file is not None and not file.exists():
        return _to_be_made("store", file)
    try:
        store = Store(settings.store.database, packs_for(settings.store))
        name = file or shown(store.engine)
        try:
            opening.require_sessions(store)
            if not store.read_now(schema.current):
                return Finding("ok", "store", f"{name} is empty; its schema will be made at the first start")
            version = store.read_now(schema.current)
            damage = store.read_now(check_integrity)
            elsewhere = isinstance(settings.store.raw, Place)  # asked with --connect alone
            lost = [] if elsewhere else missing(store.packs, store.read_now(arrivals.extents))
        finally:
            store.close()
    except GatewayError as error:
        return Finding("error", "store", str(error))
    if damage != "ok":
        remedy = "restore it from a backup" if file else "mend it there"
        return Finding("error", "store", f"{name} can't be relied on ({damage}): {remedy}")
    if version > schema.HEAD:
        return Finding(
            "error", "store", f"{name} was written by a newer gateway (schema {version}): install that one"
        )
    note = "" if version == schema.HEAD else f"; `gateway db upgrade` will bring it from {version} to {schema.HEAD}"
    if lost:
        return Finding("error", "store", _lost(lost, settings))
    return Finding("ok", "store", f"{name} is sound{note}")


def _lost(packs: Sequence[str], settings: Settings) -> str:
    more = f" and {len(packs) - _NAMED} more" if len(packs) > _NAMED else ""
    return f"raw mail is missing: {', '.join(packs[:_NAMED])}{more}; restore {settings.store.raw} from a backup"


def _to_be_made(what: str, file: Path) -> Finding:
    """A file that the first start makes, if it can."""
    folder = next(folder for folder in file.parents if folder.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("error", what, f"{file} can't be made: {folder} can't be written to")
    return Finding("ok", what, f"{file} will be made at the first start")


def _keys(settings: Settings) -> Finding:
    path = settings.store.token_keys_file
    try:
        found = keys.load(path) if path.exists() else Keys(())
    except GatewayError as error:
        return Finding("error", "token keys", str(error))
    if (wrong := _wrong(settings, found)) is not None:
        return wrong
    if not found.by_id:
        return _to_be_made("token keys", path)
    return Finding("ok", "token keys", f"{path} holds {len(found.by_id)}; keep it in the backup")


def _wrong(settings: Settings, found: Keys) -> Finding | None:
    """What is wrong with the keys that are there, if any; None where nothing is, or the store can't be asked."""
    file, path = file_of(settings.store.url), settings.store.token_keys_file
    if file is not None and not file.exists():
        return None
    try:
        with closing(Store(settings.store.database, packs_for(settings.store))) as store:
            if schema.version(store.engine) != schema.HEAD:
                return None
            strange = store.read_now(lambda connection: keyring.is_strange(connection, found))
            lacking = store.read_now(lambda connection: keyring.missing(connection, found))
            over = store.read_now(lambda connection: keyring.retired(connection, found))
    except GatewayError:
        return None  # told of the store already
    if strange and not found.by_id:
        return Finding("error", "token keys", f"{path}: the token keys of this store aren't there; {keyring.REMEDY}")
    if strange:
        return Finding("error", "token keys", f"{path} is another store's: {keyring.REMEDY}")
    if lacking:
        ids = ", ".join(map(str, lacking))
        return Finding("error", "token keys", f"{path} lacks {ids}, of this store: {keyring.REMEDY}")
    if over:
        ids = ", ".join(map(str, over))
        remedy = "take the file from the machine on which it was, or `gateway keys retire ID` here, too"
        return Finding("warning", "token keys", f"{path} still holds {ids}, which was retired elsewhere: {remedy}")
    return None


def _relay_folder(settings: Settings) -> Finding:
    relay = settings.relay
    if relay.transport == "smtp":
        return Finding("ok", "relay", f"by SMTP to {relay.host}:{relay.port}")
    existing = next((folder for folder in (relay.folder, *relay.folder.parents) if folder.exists()), relay.folder)
    if not os.access(existing, os.W_OK):
        return Finding("error", "relay", f"{existing} can't be written to")
    return Finding("ok", "relay", f"mail that leaves is written to {relay.folder}/new, not sent")


# --- connections -----------------------------------------------------------------------------------------


async def _connections(settings: Settings) -> list[Finding]:
    domain = settings.addresses.domain
    tries = [_tried(f"mailbox {box.name}", _mailbox(box)) for box in settings.intake.imap]
    if settings.relay.transport == "smtp":
        tries.append(_tried("relay", _smarthost(settings.relay)))
    if settings.antivirus.socket:
        tries.append(_tried("antivirus", _antivirus(settings.antivirus.socket)))
    if isinstance(settings.store.raw, Place):
        tries.append(_tried("raw mail", asyncio.to_thread(_bucket, settings)))
    tries.append(_tried(f"name {domain}", _name(domain)))
    if any(intake.verify for intake in settings.intake.smtp):
        tries.append(_tried("resolver", _resolver(settings.trust.resolver, domain)))
    return list(await asyncio.gather(*tries))


async def _tried(what: str, attempt: Awaitable[str]) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE):
            return Finding("ok", what, await attempt)
    except TimeoutError:
        return Finding("error", what, f"no answer within {_PATIENCE:.0f} seconds")
    except StoreError as error:
        return Finding("error", what, str(error))
    except (Temporary, SMTPException, OSError) as error:
        return Finding("error", what, f"{type(error).__name__}: {error}")


async def _mailbox(box: ImapIntake) -> str:
    async with imap_connect.connect(box, None, _PATIENCE) as session:
        await session.open(box.folder, writable=False)
    return f"{box.user} can open {box.folder} at {box.host}:{box.port}"


async def _smarthost(relay: RelaySettings) -> str:
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        use_tls=relay.security == "tls",
        start_tls=relay.security == "starttls",
        username=relay.user or None,
        password=relay.password.get_secret_value() if relay.user else None,
        timeout=_PATIENCE,
    )
    await client.connect()
    await client.quit()
    return f"{relay.host}:{relay.port} answers" + (f" and takes {relay.user}'s password" if relay.user else "")


async def _resolver(address: str, domain: str) -> str:
    """The DNS server that our own checks of SPF, DKIM and DMARC ask: does it answer?"""
    questions = Questions(resolver(address), deadline=_PATIENCE)
    await asyncio.to_thread(questions.records, domain, "TXT")
    return f"{address or 'the DNS server of this machine'} answers"


async def _antivirus(socket: str) -> str:
    found = await clamd.scan(socket, (), _PATIENCE)
    if found.finding is not Found.CLEAN:
        raise OSError(f"{socket}: {found.name}")
    return f"{socket} answers, and finds EICAR's test file"


def _bucket(settings: Settings) -> str:
    """Object storage: may we do there all that we need, and is everything there that the store refers to?"""
    assert isinstance(settings.store.raw, Place)
    packs = Bucket(settings.store.raw, settings.store.s3)
    packs.probe()
    file = file_of(settings.store.url)
    if file is None or file.exists():
        with closing(Store(settings.store.database, packs)) as store:
            if lost := missing(packs, store.read_now(arrivals.extents)):
                raise StoreError(_lost(lost, settings))
    return f"{settings.store.raw} can be written to and read from, and holds all that the store refers to"


async def _name(domain: str) -> str:
    try:
        await asyncio.get_running_loop().getaddrinfo(domain, 25)
    except socket.gaierror as error:
        raise OSError(f"{domain} has no address in the DNS; mail for it needs an MX record ({error})") from error
    return f"{domain} is known to the DNS; see docs/operations.md for MX, SPF, DKIM and DMARC"
