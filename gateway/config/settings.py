"""The shape of `gateway.toml`: one model per table, names as in the file, values typed.

Durations become `timedelta`, sizes become octets, paths are absolute (relative ones count from the file).
What one field can't tell alone (references between tables) is checked in `gateway.config.rules`.
Required keys carry an example: it is what the report of a missing key proposes.
"""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StrictBool
from pydantic.dataclasses import dataclass

from gateway.config import values
from gateway.config.hours import ALWAYS, Hours, parse

OpeningHours = Annotated[Hours, BeforeValidator(parse)]
OwnHours = Annotated[Hours | None, BeforeValidator(values.or_none(parse))]


class Table(BaseModel):
    """A table of the file: closed (an unknown key is an error) and unchangeable."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)


# Entries of the directory: many, and a third of a model's size.
_CLOSED = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Instance(Table):
    name: values.Text = Field(examples=["Démarches d'exemple"])
    url: values.Url = Field(examples=["https://demarches.example.org"])
    legacy_urls: tuple[values.Url, ...] = ()
    locale: Literal["fr", "en"] = "fr"
    timezone: values.Timezone = "Europe/Paris"


class Addresses(Table):
    domain: values.Domain = Field(examples=["support.example.org"])
    global_: values.MailAddress = Field(alias="global", examples=["contact@support.example.org"])
    reply: values.LocalPart = "reponse"
    dossier: values.FilledLocalPart = "dossier"
    demarche: values.FilledLocalPart = "demarche"
    separator: values.Separator = "+"


class S3(Table):
    """Object storage that speaks S3's protocol, and the key with which we may write there."""

    endpoint: values.Endpoint = ""
    region: values.Text = "us-east-1"
    key_id: str = ""
    secret: SecretStr = SecretStr("")
    secret_file: values.OptionalPath = None
    secret_credential: str = ""


class StoreSettings(Table):
    url: values.Database = "sqlite:///var/gateway.db"
    password: SecretStr = SecretStr("")
    password_file: values.OptionalPath = None
    password_credential: str = ""
    raw: values.RawPlace = Path("var/raw")
    s3: S3 = S3()
    token_keys_file: values.AbsolutePath = Path("var/token.keys")

    @property
    def database(self) -> str:
        """`url` with the password, where there is one: as the engine wants it, and nobody else may see it."""
        password = quote(self.password.get_secret_value(), safe="")
        return self.url.replace("@", f":{password}@", 1) if password else self.url


class SmtpIntake(Table):
    listen: values.Listen = "127.0.0.1:2525"
    protocol: Literal["smtp", "lmtp"] = "smtp"
    max_size: values.Size = 25_000_000
    trusted_peers: tuple[values.Peer, ...] = ("127.0.0.1", "::1")
    authserv_id: str = ""
    verify: StrictBool = False
    tls_certificate: values.OptionalPath = None
    tls_key: values.OptionalPath = None


class ImapIntake(Table):
    name: values.Text = Field(examples=["contact"])
    host: values.Text = Field(examples=["imap.example.org"])
    port: values.Port = 993
    security: Literal["tls", "starttls", "none"] = "tls"
    user: values.Text = Field(examples=["contact@support.example.org"])
    password: SecretStr = SecretStr("")
    password_file: values.OptionalPath = None
    password_credential: str = ""
    oauth2: values.NotYet = None
    folder: values.Text = "INBOX"
    idle: StrictBool = True
    poll: values.Duration = timedelta(seconds=60)
    after: values.After = "keep"
    recipient: values.OptionalMailAddress = ""
    authserv_id: str = ""
    max_size: values.Size = 25_000_000

    @property
    def mailbox(self) -> str:
        """What the ledger calls it."""
        return f"{self.name}/{self.folder}"


class Intake(Table):
    smtp: tuple[SmtpIntake, ...] = ()
    imap: tuple[ImapIntake, ...] = ()

    @property
    def polls(self) -> dict[str, timedelta]:
        """How often each mailbox is polled."""
        return {box.mailbox: box.poll for box in self.imap}


class RelaySettings(Table):
    transport: Literal["maildir", "smtp"] = "maildir"
    folder: values.AbsolutePath = Path("var/sent")
    host: values.Text = "localhost"
    port: values.Port = 25
    security: Literal["none", "starttls", "tls"] = "none"
    user: str = ""
    password: SecretStr = SecretStr("")
    password_file: values.OptionalPath = None
    password_credential: str = ""
    connections: values.Connections = 4
    give_up_after: values.Duration = timedelta(days=5)
    uncertain: Literal["hold", "retry"] = "hold"
    lookup: values.Program = ()


# What runs when it is opened, carries what runs, or shows itself as a page of somebody else's: no file of a dossier.
_WITHHELD = """
.exe .com .scr .pif .cpl .dll .sys .msi .msp .msix .appx .elf .macho .wasm
.bat .cmd .ps1 .psm1 .vb .vbs .vbe .js .jse .mjs .ws .wsf .wsh .hta
.sh .csh .py .pyw .pl .rb .php .jar .class .jnlp .apk .deb .rpm .app
.lnk .url .desktop .scf .inf .reg .msc .chm .hlp .library-ms .settingcontent-ms
.iso .img .vhd .vhdx .dmg .cab .ace .arj .lzh .tnef
.html .htm .xhtml .xht .shtml .mht .mhtml .svg .svgz .swf .xsl .xslt
.docm .dotm .xlsm .xltm .xlam .xll .pptm .potm .ppsm .ppam .sldm .one .iqy
text/html application/xhtml+xml image/svg+xml
text/javascript application/javascript application/x-javascript application/hta
application/x-msdownload application/x-msdos-program application/x-dosexec application/x-executable
application/vnd.microsoft.portable-executable application/x-sh application/x-shellscript
application/java-archive application/x-ms-shortcut application/ms-tnef application/vnd.ms-tnef
"""


class Attachments(Table):
    withheld: tuple[values.FileType, ...] = tuple(_WITHHELD.split())
    max_relayed: values.Size = 15_000_000  # with base64, what most mail servers take
    max_count: values.FileCount = 50


class Antivirus(Table):
    socket: values.ClamdSocket = ""
    timeout: values.Duration = timedelta(seconds=10)


class Health(Table):
    """How the gateway looks after itself. `canary` is None for « never », `metrics_file` where none is written."""

    reconcile: values.Interval = timedelta(minutes=5)
    canary: values.OptionalInterval = timedelta(minutes=4)
    canary_returns: StrictBool = False
    metrics_file: values.OptionalPath = None


class Trust(Table):
    """`token_life` is None where it is « never »."""

    agent_proof: Literal["authenticated", "token"] = "authenticated"
    acknowledge: Literal["person", "authenticated", "never"] = "person"
    token_life: values.Lifetime = timedelta(days=180)
    resolver: values.Resolver = ""
    arc_sealers: tuple[values.Domain, ...] = ()
    confirm_within: values.Duration = timedelta(days=3)


class Limits(Table):
    """How much we write by ourselves. What a person writes is never counted, nor held back."""

    acknowledgements_per_address: values.Most = 3
    acknowledgements_per_minute: values.Most = 60
    alarm_above: values.Most = 100
    notifications_per_agent: values.Most = 30


class Desk(Table):
    """`remind_after`, `close_after` and `templates` are None where they are « never » and « none »."""

    global_agents: tuple[values.MailAddress, ...] = ()
    bundle: values.Duration = timedelta(seconds=30)
    digest_at: values.DigestTimes = (time(8, 30),)
    remind_after: values.OptionalDuration = None
    close_after: values.OptionalDuration = None
    close_warning: values.Duration = timedelta(days=3)
    hours: OpeningHours = ALWAYS
    closed_days: tuple[values.Day, ...] = ()
    templates: values.OptionalPath = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class Organisation:
    siret: values.Siret = Field(examples=["21310555400017"])
    name: values.Text = Field(examples=["Mairie d'Exemple"])
    email: values.OptionalMailAddress = ""
    telephone: str = ""
    horaires: str = ""
    adresse: str = ""
    faq_url: values.OptionalUrl = ""


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class Groupe:
    label: values.Text = Field(examples=["Nord"])
    instructeurs: tuple[values.MailAddress, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class Demarche:
    """`locale` is "", `remind_after` and `hours` are None where the instance's and the desk's count."""

    number: values.Number = Field(examples=[42])
    title: values.Text = Field(examples=["Permis de végétaliser"])
    organisation: values.Siret = Field(examples=["21310555400017"])
    addresses: tuple[values.MailAddress, ...] = ()
    administrateurs: tuple[values.MailAddress, ...] = ()
    instructeurs: tuple[values.MailAddress, ...] = ()
    groupes: tuple[Groupe, ...] = ()
    locale: Literal["fr", "en", ""] = ""
    delay: str = ""
    first_name: StrictBool = False
    remind_after: values.OptionalDuration = None
    hours: OwnHours = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class Dossier:
    number: values.Number = Field(examples=[123])
    demarche: values.Number = Field(examples=[42])
    usager: values.MailAddress = Field(examples=["ulysse@usager.example.net"])
    invites: tuple[values.MailAddress, ...] = ()
    followers: tuple[values.MailAddress, ...] = ()
    state: Literal["brouillon", "en_construction", "en_instruction", "accepte", "refuse", "sans_suite"] = (
        "en_construction"
    )
    groupe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class Agent:
    email: values.MailAddress = Field(examples=["manon.manager@mairie.example.org"])
    name: str = ""
    capacities: tuple[Literal["manager", "administrateur", "instructeur", "support"], ...] = ()
    notify: Literal["all", "assigned", "digest", "none"] = "all"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class SupportGroup:
    name: values.Text = Field(examples=["assistance"])
    organisations: tuple[values.Siret, ...] = ()
    agents: tuple[values.MailAddress, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=_CLOSED)
class Faq:
    title: values.Text = Field(examples=["Où en est mon dossier ?"])
    url: values.Url = Field(examples=["https://demarches.example.org/faq/usager/etat"])
    words: tuple[values.Text, ...] = ()
    demarches: tuple[values.Number, ...] = ()
    locale: Literal["fr", "en", ""] = ""


class Settings(Table):
    """All of `gateway.toml` and the files it includes, checked."""

    include: tuple[values.Text, ...] = ()
    instance: Instance
    addresses: Addresses
    store: StoreSettings = StoreSettings()
    intake: Intake = Intake()
    relay: RelaySettings = RelaySettings()
    trust: Trust = Trust()
    limits: Limits = Limits()
    desk: Desk = Desk()
    attachments: Attachments = Attachments()
    antivirus: Antivirus = Antivirus()
    health: Health = Health()
    organisations: tuple[Organisation, ...] = ()
    demarches: tuple[Demarche, ...] = ()
    dossiers: tuple[Dossier, ...] = ()
    agents: tuple[Agent, ...] = ()
    support_groups: tuple[SupportGroup, ...] = ()
    faq: tuple[Faq, ...] = ()
