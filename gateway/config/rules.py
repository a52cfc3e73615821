"""What no single key can tell: references, duplicates, addresses that collide, settings that are unsafe together.

Pure: settings in, problems out. Each rule is a generator, listed in `RULES`; one that has to believe the
tables [instance] and [addresses] is left out while these are faulty themselves. None compares each with each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from itertools import chain
from urllib.parse import urlsplit

import idna

from gateway.config.locate import Path
from gateway.config.problems import Problem
from gateway.config.settings import Settings
from gateway.config.values import Bucket, host_and_port

Found = Iterator[Problem]


@dataclass(frozen=True, slots=True)
class Declared:
    """What the file declares, entries with faults included: a reference to one of these isn't a second fault."""

    sirets: frozenset[str]
    demarches: frozenset[int]
    labels: frozenset[tuple[int, str]]


def check(settings: Settings, declared: Declared | None, broken: frozenset[str]) -> list[Problem]:
    """Every fault between keys. `broken` names the tables whose values are not to be believed.

    Without `declared` nobody knows what is there, and references aren't looked at.
    """
    found = [problem for rule in _REFERENCES for problem in rule(settings, declared)] if declared else []
    for rule in RULES:
        found.extend(rule(settings))
    if "intake" not in broken and not settings.intake.smtp and not settings.intake.imap:
        found.append(Problem(("intake",), 'no mail can come in; add [[intake.smtp]] with listen = "127.0.0.1:2525"'))
    if not broken & {"instance", "addresses"}:
        for rule in _ADDRESS_RULES:
            found.extend(rule(settings))
    return found


# --- references ------------------------------------------------------------------------------------------


def _organisations(settings: Settings, declared: Declared) -> Found:
    for place, demarche in enumerate(settings.demarches):
        if demarche.organisation not in declared.sirets:
            yield _no_organisation(("demarches", place, "organisation"), demarche.organisation)
    for place, group in enumerate(settings.support_groups):
        for nth, siret in enumerate(group.organisations):
            if siret not in declared.sirets:
                yield _no_organisation(("support_groups", place, "organisations", nth), siret)


def _no_organisation(path: Path, siret: str) -> Problem:
    return Problem(
        path, f"there is no organisation with SIRET {siret}; add it to [[organisations]] or correct the number"
    )


def _dossiers(settings: Settings, declared: Declared) -> Found:
    for place, dossier in enumerate(settings.dossiers):
        if dossier.demarche not in declared.demarches:
            yield Problem(("dossiers", place, "demarche"), no_demarche(dossier.demarche))
        elif dossier.groupe and (dossier.demarche, dossier.groupe) not in declared.labels:
            fault = f'démarche {dossier.demarche} has no groupe labelled "{dossier.groupe}"'
            yield Problem(("dossiers", place, "groupe"), f"{fault}; add it to its groupes or correct the label")


def _faq(settings: Settings, declared: Declared) -> Found:
    for place, entry in enumerate(settings.faq):
        for nth, number in enumerate(entry.demarches):
            if number not in declared.demarches:
                yield Problem(("faq", place, "demarches", nth), no_demarche(number))


def no_demarche(number: object) -> str:
    """A reference that leads nowhere, wherever it stands."""
    return f"there is no démarche {number}; add it to [[demarches]] or correct the number"


_REFERENCES = (_organisations, _dossiers, _faq)


# --- duplicates ------------------------------------------------------------------------------------------


def _twice(named: Iterable[tuple[object, Path]], fault: Callable[[object], str]) -> Found:
    first: dict[object, Path] = {}
    for key, path in named:
        if first.setdefault(key, path) != path:
            yield Problem(path, fault(key), first[key])


def _duplicates(settings: Settings) -> Found:
    for table, key in (
        ("organisations", "siret"),
        ("demarches", "number"),
        ("dossiers", "number"),
        ("agents", "email"),
        ("support_groups", "name"),
    ):
        entries = enumerate(getattr(settings, table))
        named = ((getattr(entry, key), (table, place, key)) for place, entry in entries)
        yield from _twice(named, lambda value: f"{value} is there twice; keep one of the two")


def _groupes(settings: Settings) -> Found:
    for place, demarche in enumerate(settings.demarches):
        labels = (
            (groupe.label, ("demarches", place, "groupes", nth, "label"))
            for nth, groupe in enumerate(demarche.groupes)
        )
        yield from _twice(labels, lambda label: f'"{label}" names two groupes; give each its own label')


def _intakes(settings: Settings) -> Found:
    intake = settings.intake
    names = ((box.name, ("intake", "imap", place, "name")) for place, box in enumerate(intake.imap))
    yield from _twice(names, lambda name: f'"{name}" names two mailboxes; give each its own name')
    boxes = (
        ((box.host.lower(), box.user, box.folder), ("intake", "imap", place, "folder"))
        for place, box in enumerate(intake.imap)
    )
    yield from _twice(boxes, lambda _: "this mailbox and folder is read twice; remove one of the two")
    places = (
        (smtp.listen, ("intake", "smtp", place, "listen"))
        for place, smtp in enumerate(intake.smtp)
        if host_and_port(smtp.listen)[1] != "0"
    )
    yield from _twice(places, lambda listen: f"{listen} is listened on twice; choose another port")


# --- transport -------------------------------------------------------------------------------------------


def exposed(settings: Settings) -> list[Path]:
    """The intakes through which mail may come from other machines."""
    listens = [(("intake", "smtp", n), smtp.listen) for n, smtp in enumerate(settings.intake.smtp)]
    found: list[Path] = [path for path, listen in listens if not is_loopback(host_and_port(listen)[0])]
    boxes = enumerate(settings.intake.imap)
    return found + [("intake", "imap", n) for n, box in boxes if not is_loopback(box.host)]


def is_trial(settings: Settings) -> bool:
    """Does nothing come from elsewhere, and is an agent's token proof enough? Then nobody outside trusts us yet."""
    return settings.trust.agent_proof == "token" and not exposed(settings)


def is_loopback(host: str) -> bool:
    """Does this host name stay on this machine?"""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _clear_text(settings: Settings) -> Found:
    fault = 'the password would cross the network in the clear; use "tls" or "starttls"'
    for place, box in enumerate(settings.intake.imap):
        if box.security == "none" and not is_loopback(box.host):
            yield Problem(("intake", "imap", place, "security"), fault)
    relay = settings.relay
    if relay.security == "none" and relay.user and not is_loopback(relay.host):
        yield Problem(("relay", "security"), fault)


def _object_storage(settings: Settings) -> Found:
    raw, s3 = settings.store.raw, settings.store.s3
    if not isinstance(raw, Bucket):
        return
    if missing := [key for key in ("endpoint", "key_id") if not getattr(s3, key)]:
        fault = f"[store.s3] has no {' and no '.join(missing)}"
        yield Problem(("store", "raw"), f"{fault}; a bucket needs endpoint, region, key_id and secret_file there")
    parts = urlsplit(s3.endpoint)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        yield Problem(("store", "s3", "endpoint"), "mail would cross the network in the clear; use https://")


def _certificates(settings: Settings) -> Found:
    for place, smtp in enumerate(settings.intake.smtp):
        pair = {"tls_certificate": smtp.tls_certificate, "tls_key": smtp.tls_key}
        for given, other in (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")):
            if pair[given] and not pair[other]:
                yield Problem(
                    ("intake", "smtp", place, given), f"needs {other} beside it; add it, or leave both empty"
                )
        for key, file in pair.items():
            if file and not file.is_file():
                yield Problem(("intake", "smtp", place, key), f"there is no file {file}; correct the path")


def _intervals(settings: Settings) -> Found:
    if not timedelta(hours=1) <= settings.relay.give_up_after <= timedelta(days=30):
        yield Problem(("relay", "give_up_after"), 'must be from "1h" to "30d"; "5d" is usual (RFC 5321 §4.5.4.1)')
    if not timedelta(hours=1) <= settings.trust.confirm_within <= timedelta(days=30):
        yield Problem(("trust", "confirm_within"), 'must be from "1h" to "30d"; "3d" is usual')
    for place, box in enumerate(settings.intake.imap):
        if not timedelta(seconds=1) <= box.poll <= timedelta(days=1):
            yield Problem(("intake", "imap", place, "poll"), 'must be from "1s" to "1d"; "60s" is usual')


def _patience(settings: Settings) -> Found:
    if not timedelta(seconds=1) <= settings.antivirus.timeout <= timedelta(minutes=2):
        yield Problem(("antivirus", "timeout"), 'must be from "1s" to "2m": filing waits for so long; "10s" is usual')


def _desk(settings: Settings) -> Found:
    desk = settings.desk
    reminders: list[tuple[Path, timedelta | None]] = [(("desk", "remind_after"), desk.remind_after)]
    reminders += [(("demarches", n, "remind_after"), each.remind_after) for n, each in enumerate(settings.demarches)]
    for path, after in reminders:
        if after is not None and not timedelta(hours=1) <= after <= timedelta(days=365):
            yield Problem(path, 'must be from "1h" to "365d", or "" for never; "2d" is usual')
    if desk.bundle > timedelta(hours=1):
        yield Problem(("desk", "bundle"), 'must be at most "1h"; "30s" is usual')
    if desk.close_after is not None:
        yield from _closing(desk.close_after, desk.close_warning)
    if desk.templates is not None and not desk.templates.is_dir():
        yield Problem(("desk", "templates"), f"there is no folder {desk.templates}; correct the path, or make it")


def _trust(settings: Settings) -> Found:
    life = settings.trust.token_life
    if life is not None and life < timedelta(days=1):
        yield Problem(("trust", "token_life"), 'must be at least "1d", or "never"; "180d" is usual')


def _closing(after: timedelta, warning: timedelta) -> Found:
    if after < timedelta(days=1):
        yield Problem(("desk", "close_after"), 'must be at least "1d", or "" for never; "30d" is usual')
    elif not timedelta(hours=1) <= warning < after:
        yield Problem(("desk", "close_warning"), 'must be at least "1h" and less than close_after; "3d" is usual')


RULES = (
    _desk,
    _trust,
    _duplicates,
    _groupes,
    _intakes,
    _clear_text,
    _object_storage,
    _certificates,
    _intervals,
    _patience,
)


# --- addresses -------------------------------------------------------------------------------------------


def ours(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Every whole address that is read here, and where it is configured."""
    yield settings.addresses.global_, ("addresses", "global")
    for place, demarche in enumerate(settings.demarches):
        for nth, alias in enumerate(demarche.addresses):
            yield alias, ("demarches", place, "addresses", nth)


def reserved(settings: Settings) -> dict[str, str]:
    """Local parts that carry tokens or numbers, each with its key."""
    named = {key: getattr(settings.addresses, key) for key in ("demarche", "dossier", "reply")}
    return {local: key for key, local in named.items() if local}


def _inside(settings: Settings) -> Found:
    domain = settings.addresses.domain
    recipients = enumerate(box.recipient for box in settings.intake.imap)
    boxes = ((recipient, ("intake", "imap", n, "recipient")) for n, recipient in recipients)
    for address, path in chain(ours(settings), boxes):
        if address and not address.endswith(f"@{domain}"):
            yield Problem(path, f"{address} is outside our domain {domain}; take an address @{domain}")


def _known_recipients(settings: Settings) -> Found:
    known = {address for address, _ in ours(settings)} | {f"postmaster@{settings.addresses.domain}"}
    for place, box in enumerate(settings.intake.imap):
        inside = box.recipient.endswith(f"@{settings.addresses.domain}")
        if inside and box.recipient not in known:
            fault = f"{box.recipient} leads to no inbox; take the global address or one in addresses of a démarche"
            yield Problem(("intake", "imap", place, "recipient"), fault)


def _aliases(settings: Settings) -> Found:
    yield from _twice(ours(settings), lambda address: f"{address} leads to two inboxes; give each its own address")
    taken, separator = reserved(settings), settings.addresses.separator
    for address, path in ours(settings):
        base = address.rpartition("@")[0].partition(separator)
        if base[0] in taken and (base[1] or path[0] == "demarches"):
            fault = f'collides with addresses.{taken[base[0]]} = "{base[0]}"; choose another name'
            yield Problem(path, f"{address} {fault}")


def _local_parts(settings: Settings) -> Found:
    addresses = settings.addresses
    named = [(key, getattr(addresses, key)) for key in ("reply", "dossier", "demarche")]
    for key, local in named:
        if local and addresses.separator in local:
            fault = f'"{local}" contains the separator {addresses.separator}; choose another name or separator'
            yield Problem(("addresses", key), fault)
        if local == "postmaster":
            yield Problem(("addresses", key), "postmaster always leads to the global inbox; choose another name")
    filled = ((local, ("addresses", key)) for key, local in named if local)
    yield from _twice(filled, lambda local: f'"{local}" stands for two things; choose another name')


def _ours_alone(settings: Settings) -> Found:
    domain = settings.addresses.domain
    urls: list[tuple[str, Path]] = [(settings.instance.url, ("instance", "url"))]
    urls += [(url, ("instance", "legacy_urls", n)) for n, url in enumerate(settings.instance.legacy_urls)]
    for url, path in urls:
        if host_of(url) == domain:
            yield Problem(path, f"{domain} is addresses.domain too; {_remedy(domain)}")
    for address, path in _outsiders(settings):
        if address.endswith(f"@{domain}"):
            yield _in_own_domain(address, path, domain)


def _in_own_domain(address: str, path: Path, domain: str) -> Problem:
    fault = f"{address} is in the gateway's own domain, where nothing else is read"
    return Problem(path, f"{fault}; {_remedy(domain)}")


def _remedy(domain: str) -> str:
    return f"give the gateway a domain or subdomain of its own, such as usagers.{domain}"


def host_of(url: str) -> str:
    """The host of a web address as A-labels (RFC 5890 §2.3.2.1), as domains are written here."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        return host


def _outsiders(settings: Settings) -> Iterator[tuple[str, Path]]:
    for place, organisation in enumerate(settings.organisations):
        yield organisation.email, ("organisations", place, "email")
    for place, dossier in enumerate(settings.dossiers):
        yield dossier.usager, ("dossiers", place, "usager")
        for nth, guest in enumerate(dossier.invites):
            yield guest, ("dossiers", place, "invites", nth)


def agents(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Every address that is an agent's, wherever it is named."""
    yield from ((who, ("desk", "global_agents", n)) for n, who in enumerate(settings.desk.global_agents))
    for place, demarche in enumerate(settings.demarches):
        for key in ("administrateurs", "instructeurs"):
            yield from ((who, ("demarches", place, key, n)) for n, who in enumerate(getattr(demarche, key)))
        for nth, groupe in enumerate(demarche.groupes):
            where = ("demarches", place, "groupes", nth, "instructeurs")
            yield from ((who, (*where, n)) for n, who in enumerate(groupe.instructeurs))
    for place, dossier in enumerate(settings.dossiers):
        yield from ((who, ("dossiers", place, "followers", n)) for n, who in enumerate(dossier.followers))
    for place, agent in enumerate(settings.agents):
        yield agent.email, ("agents", place, "email")
    for place, group in enumerate(settings.support_groups):
        yield from ((who, ("support_groups", place, "agents", n)) for n, who in enumerate(group.agents))


def _no_loops(settings: Settings) -> Found:
    """An agent's address is never ours, nor in our domain, but in a trial: services trust whoever reads there."""
    known, taken = {address for address, _ in ours(settings)}, reserved(settings)
    domain, separator = settings.addresses.domain, settings.addresses.separator
    known |= {f"postmaster@{domain}"}
    trial = is_trial(settings)
    for address, path in agents(settings):
        local, _, host = address.rpartition("@")
        if address in known or (host == domain and local.partition(separator)[0] in taken):
            yield Problem(path, f"{address} is read by the gateway itself; an agent needs an address elsewhere")
        elif host == domain and not trial:
            yield _in_own_domain(address, path, domain)


_ADDRESS_RULES = (_inside, _known_recipients, _aliases, _local_parts, _ours_alone, _no_loops)
