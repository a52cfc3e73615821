"""The shape of `gateway.toml`: one model per table, names as in the file, values typed.

Durations become `timedelta`, sizes become octets, paths are absolute (relative ones count from the file).
What one field can't tell alone (references between tables) is checked in `gateway.config.rules`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Table(BaseModel):
    """A table of the file: closed (an unknown key is an error) and unchangeable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Instance(Table):
    name: str
    url: str
    legacy_urls: tuple[str, ...] = ()
    locale: Literal["fr", "en"] = "fr"
    timezone: str = "Europe/Paris"


class Addresses(Table):
    domain: str
    global_: str = Field(alias="global")
    reply: str = "reponse"
    dossier: str = "dossier"
    demarche: str = "demarche"
    separator: str = "+"


class StoreSettings(Table):
    url: str = "sqlite:///var/gateway.db"
    raw: Path = Path("var/raw")
    token_keys_file: Path = Path("var/token.keys")


class SmtpIntake(Table):
    listen: str = "127.0.0.1:2525"
    protocol: Literal["smtp", "lmtp"] = "smtp"
    max_size: int = 25_000_000
    trusted_peers: tuple[str, ...] = ("127.0.0.1", "::1")
    authserv_id: str = ""
    verify: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None


class ImapIntake(Table):
    name: str
    host: str
    port: int = 993
    security: Literal["tls", "starttls", "none"] = "tls"
    user: str
    password: SecretStr = SecretStr("")
    folder: str = "INBOX"
    idle: bool = True
    poll: timedelta = timedelta(seconds=60)
    after: str = "keep"
    recipient: str = ""
    authserv_id: str = ""
    max_size: int = 25_000_000


class Intake(Table):
    smtp: tuple[SmtpIntake, ...] = ()
    imap: tuple[ImapIntake, ...] = ()


class RelaySettings(Table):
    transport: Literal["maildir", "smtp"] = "maildir"
    folder: Path = Path("var/sent")
    host: str = "localhost"
    port: int = 25
    security: Literal["none", "starttls", "tls"] = "none"
    user: str = ""
    password: SecretStr = SecretStr("")
    connections: int = 4
    give_up_after: timedelta = timedelta(days=5)
    uncertain: Literal["hold", "retry"] = "hold"


class Trust(Table):
    agent_proof: Literal["authenticated", "token"] = "authenticated"
    acknowledge: Literal["person", "authenticated", "never"] = "person"


class Organisation(Table):
    siret: str
    name: str
    email: str = ""
    telephone: str = ""
    horaires: str = ""
    adresse: str = ""
    faq_url: str = ""


class Groupe(Table):
    label: str
    instructeurs: tuple[str, ...] = ()


class Demarche(Table):
    number: int
    title: str
    organisation: str
    addresses: tuple[str, ...] = ()
    administrateurs: tuple[str, ...] = ()
    instructeurs: tuple[str, ...] = ()
    groupes: tuple[Groupe, ...] = ()


class Dossier(Table):
    number: int
    demarche: int
    usager: str
    invites: tuple[str, ...] = ()
    followers: tuple[str, ...] = ()
    state: str = "en_construction"
    groupe: str = ""


class Agent(Table):
    email: str
    name: str = ""
    capacities: tuple[Literal["manager", "administrateur", "instructeur", "support"], ...] = ()
    notify: Literal["all", "assigned", "digest", "none"] = "all"


class SupportGroup(Table):
    name: str
    organisations: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()


class Faq(Table):
    title: str
    url: str
    words: tuple[str, ...] = ()


class Settings(Table):
    """All of `gateway.toml`, checked."""

    instance: Instance
    addresses: Addresses
    store: StoreSettings = StoreSettings()
    intake: Intake = Intake()
    relay: RelaySettings = RelaySettings()
    trust: Trust = Trust()
    organisations: tuple[Organisation, ...] = ()
    demarches: tuple[Demarche, ...] = ()
    dossiers: tuple[Dossier, ...] = ()
    agents: tuple[Agent, ...] = ()
    support_groups: tuple[SupportGroup, ...] = ()
    faq: tuple[Faq, ...] = ()
