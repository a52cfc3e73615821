"""What `gateway check` says of a usable configuration: what deserves a look, and what has no effect yet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path as File
from typing import Literal

from gateway.config.include import gather, uncollected
from gateway.config.locate import Path
from gateway.config.problems import dotted
from gateway.config.rules import agents, exposed, host_of, is_loopback, is_trial, ours
from gateway.config.settings import Settings, SmtpIntake
from gateway.config.sources import printable
from gateway.config.values import Bucket, host_and_port

Severity = Literal["warning", "inert"]


@dataclass(frozen=True, slots=True)
class Note:
    """`where` is FILE:LINE: KEY. inert: the setting is understood, and has no effect as things are."""

    severity: Severity
    where: str
    text: str


_Found = Iterator[tuple[Severity, Path, str]]


def notes(settings: Settings, path: File) -> list[Note]:
    """In the order of the file `path`, from which `settings` were loaded. Raises ConfigError if it can't be read."""
    found = {one for look in _LOOKS for one in look(settings)}
    if not found:
        return []
    with uncollected():
        places = gather(path).places(key for _, key, _ in found)
    told = sorted((places[key], severity, text) for severity, key, text in found)
    return [Note(severity, printable(str(where)), printable(text)) for where, severity, text in told]


def _unchecked(settings: Settings) -> _Found:
    """What asks for checks of ours where there are none: a trusted peer's mail is its own business."""
    for place, smtp in enumerate(settings.intake.smtp):
        host = host_and_port(smtp.listen)[0]
        trusted = [ip_network(peer, strict=False) for peer in smtp.trusted_peers]
        known = is_loopback(host) and any(ip_address(_LOOPBACK.get(host, host)) in network for network in trusted)
        if smtp.verify and (known or smtp.listen.startswith("unix:")):
            text = "only trusted_peers can connect here, and theirs isn't checked by us; name authserv_id instead"
            yield "inert", ("intake", "smtp", place, "verify"), text
    if any(smtp.verify for smtp in settings.intake.smtp):
        return
    for key in ("resolver", "arc_sealers"):
        if getattr(settings.trust, key):
            yield "inert", ("trust", key), "it serves checks of ours, and no [[intake.smtp]] has verify = true"


def _canary(settings: Settings) -> _Found:
    """Test mails that would fill a mailbox."""
    kept = [place for place, box in enumerate(settings.intake.imap) if box.after == "keep"]
    if settings.health.canary and settings.health.canary_returns and kept:
        text = 'test mails would stay in the mailbox; set "delete" or "move:FOLDER"'
        yield "warning", ("intake", "imap", kept[0], "after"), text


_LOOPBACK = {"localhost": "127.0.0.1"}


def _proof(settings: Settings) -> _Found:
    open_ = exposed(settings)
    if settings.trust.agent_proof == "token" and open_:
        text = f'whoever holds a token may speak as an agent through {dotted(open_[0])}; set "authenticated"'
        yield "warning", ("trust", "agent_proof"), text
    if settings.trust.agent_proof == "authenticated":
        ids: list[tuple[Path, str]] = [
            *((("intake", "smtp", n), _prover(smtp)) for n, smtp in enumerate(settings.intake.smtp)),
            *((("intake", "imap", n), box.authserv_id) for n, box in enumerate(settings.intake.imap)),
        ]
        text = "no agent's mail can be proven here, so their answers wait; name who authenticates it"
        for path in (path for path, authserv_id in ids if not authserv_id):
            yield "warning", (*path, "authserv_id"), text


def _prover(smtp: SmtpIntake) -> str:
    """Who says whether mail that comes in there is its author's, "" for nobody."""
    return "ourselves" if smtp.verify else smtp.authserv_id


def _trusting(settings: Settings) -> _Found:
    """A network that holds strangers: each of them is believed what only the servers in front may say."""
    for place, smtp in enumerate(settings.intake.smtp):
        for number, peer in enumerate(smtp.trusted_peers):
            network = ip_network(peer, strict=False)
            if not network.is_private and network.prefixlen < _NARROW[network.version]:
                text = f"{peer} holds strangers, and whatever they say of their mail's authenticity is believed"
                yield (
                    "warning",
                    ("intake", "smtp", place, "trusted_peers", number),
                    f"{text}; name your servers alone",
                )


_NARROW = {4: 16, 6: 32}  # what one provider's customer may have to herself


def _in_the_clear(settings: Settings) -> _Found:
    for place, smtp in enumerate(settings.intake.smtp):
        host = host_and_port(smtp.listen)[0]
        if host and not is_loopback(host) and smtp.tls_certificate is None:
            text = "mail comes in unencrypted; give tls_certificate and tls_key"
            yield "warning", ("intake", "smtp", place, "listen"), text
    relay = settings.relay
    if relay.transport == "smtp" and relay.security == "none" and not is_loopback(relay.host):
        yield "warning", ("relay", "security"), 'mail leaves unencrypted; set "starttls" or "tls"'


def _nobody_receives(settings: Settings) -> _Found:
    if settings.relay.transport == "maildir" and exposed(settings):
        text = f'nobody receives what is written to {settings.relay.folder}; set "smtp" for real use'
        yield "warning", ("relay", "transport"), text


def _cannot_be_run(settings: Settings) -> _Found:
    program = settings.relay.lookup[:1]
    if program and not os.access(program[0], os.X_OK):
        yield "warning", ("relay", "lookup"), f"{program[0]} can't be run; what is uncertain is not looked up"


def _passwords(settings: Settings) -> _Found:
    named: list[tuple[Path, File | None]] = [
        (("store", "password_file"), settings.store.password_file),
        (("relay", "password_file"), settings.relay.password_file),
    ]
    boxes = enumerate(settings.intake.imap)
    named += [(("intake", "imap", n, "password_file"), box.password_file) for n, box in boxes]
    named.append((("store", "s3", "secret_file"), settings.store.s3.secret_file))
    for key, file in named:
        if file is not None and file.is_file() and file.stat().st_mode & 0o007:
            yield "warning", key, f"{file} is open to everyone on this machine; chmod o= {file}"


def _unused_storage(settings: Settings) -> _Found:
    if settings.store.s3.endpoint and not isinstance(settings.store.raw, Bucket):
        text = 'raw mail goes to a folder; set store.raw = "s3://bucket/prefix" to use object storage'
        yield "inert", ("store", "s3"), text


def _people(settings: Settings) -> _Found:
    managers = {agent.email for agent in settings.agents if "manager" in agent.capacities}
    silent = {agent.email for agent in settings.agents if agent.notify == "none"}
    readers = managers.union(settings.desk.global_agents)
    if not readers:
        text = 'nobody reads the global inbox; add an entry with capacities = ["manager"]'
        yield "warning", ("agents",), text
    elif readers <= silent:
        yield "warning", ("agents",), f"nobody is told of mail in the global inbox: {_SILENT}"
    for place, group in enumerate(settings.support_groups):
        if not group.agents:
            yield "warning", ("support_groups", place), "has no agents; name them in agents"
    yield from _demarches(settings, silent)


_SILENT = 'all of its agents have notify = "none"; let one be told'


def _demarches(settings: Settings, silent: set[str]) -> _Found:
    groups = [(siret, group.agents) for group in settings.support_groups for siret in group.organisations]
    support: dict[str, set[str]] = {}
    for siret, agents_ in groups:
        support.setdefault(siret, set()).update(agents_)
    for place, demarche in enumerate(settings.demarches):
        told = {*demarche.administrateurs, *demarche.instructeurs, *support.get(demarche.organisation, ())}
        told.update(*(groupe.instructeurs for groupe in demarche.groupes))
        if not told:
            text = "nobody is told of its mail; name administrateurs or instructeurs"
            yield "warning", ("demarches", place), text
        elif told <= silent:
            yield "warning", ("demarches", place), f"nobody is told of its mail: {_SILENT}"


def _agents(settings: Settings) -> _Found:
    """[[agents]] gives manager on its own; the other capacities only come with a démarche or a group."""
    listed = {address for address, path in agents(settings) if path[0] != "agents"}
    for place, agent in enumerate(settings.agents):
        if agent.email not in listed and "manager" not in agent.capacities:
            text = "sees nothing; name it in a démarche, a dossier or a support group, or make it a manager"
            yield "warning", ("agents", place), text


def _own_domain(settings: Settings) -> _Found:
    """In a trial an agent may have her address where nothing but the gateway reads; later that is refused."""
    domain = settings.addresses.domain
    for address, path in agents(settings) if is_trial(settings) else ():
        if address.endswith(f"@{domain}"):
            text = f"{address} is in the gateway's own domain, which only a trial may have; give the agent another"
            yield "warning", path, text


def _below(settings: Settings) -> _Found:
    """Who trusts `*@domain` with all that is below it takes whoever writes to us for one of those there."""
    domain = settings.addresses.domain
    named = [("an agent", address.rpartition("@")[2]) for address, _ in agents(settings)]
    named += [("an organisation", each.email.rpartition("@")[2]) for each in settings.organisations]
    named += [("the platform", host_of(url)) for url in (settings.instance.url, *settings.instance.legacy_urls)]
    first = {whose: host for whose, host in reversed(named) if host.endswith(f".{domain}")}
    for whose, host in first.items():
        text = f"{host}, of {whose}, is below it: services that trust *@{domain} may trust its addresses as well"
        yield "warning", ("addresses", "domain"), f"{text}; take a subdomain that holds nothing else"


def _separators(settings: Settings) -> _Found:
    for address, path in ours(settings):
        if settings.addresses.separator in address.rpartition("@")[0]:
            text = (
                f"{address} contains the separator {settings.addresses.separator}; some mail servers cut it off there"
            )
            yield "warning", path, text


_LOOKS = (
    _unchecked,
    _canary,
    _proof,
    _trusting,
    _in_the_clear,
    _nobody_receives,
    _cannot_be_run,
    _passwords,
    _unused_storage,
    _people,
    _agents,
    _own_domain,
    _below,
    _separators,
)
