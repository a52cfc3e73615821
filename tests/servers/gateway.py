"""The installed `gateway`, as an operator meets it: a folder, a gateway.toml, the daemon, the commands.

Everything is done from outside: mail by SMTP, questions by `gateway … --json`, what left by the relay's Maildir. The
daemon's log (JSON lines on standard error) serves to know when something has happened, so that nothing sleeps.
"""

from __future__ import annotations

import json
import os
import re
import signal
import smtplib
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.patience import PATIENCE
from tests.servers import forked
from tests.servers.ports import free_ports
from tests.servers.reticence import leaks, words

COMMAND = Path(sys.executable).with_name("gateway")
DOMAIN = "support.example.org"
CONTACT = f"contact@{DOMAIN}"

# People. Whoever is told of what: dossier 123 → Inès, who follows it; démarche 42 → Alice and the hotline;
# démarche 43 → Bob; the global inbox → Manon.
ULYSSE, VERA = "ulysse@usager.example.net", "vera@usager.example.net"
INES, IGOR = "ines.instruit@mairie.example.org", "igor.instruit@mairie.example.org"
ALICE, BOB = "alice.admin@mairie.example.org", "bob.admin@metropole.example.org"
HOTLINE, MANON = "hotline@adullact.example.org", "manon.manager@plateforme.example.org"
AGENTS = (INES, IGOR, ALICE, BOB, HOTLINE, MANON)

INSTANCE = f"""\
[instance]
name = "Démarches d'exemple"
url = "https://demarches.example.org"
locale = "fr"

[addresses]
domain = "{DOMAIN}"
global = "{CONTACT}"
"""

DIRECTORY = f"""\
[[organisations]]
siret = "21310555400017"
name = "Mairie d'Exemple"
email = "accueil@mairie.example.org"
telephone = "05 00 00 00 00"

[[organisations]]
siret = "24310002000011"
name = "Métropole d'Exemple"

[[demarches]]
number = 42
title = "Permis de végétaliser"
organisation = "21310555400017"
addresses = ["vegetaliser@{DOMAIN}"]
administrateurs = ["{ALICE}"]
instructeurs = ["{INES}", "{IGOR}"]

[[demarches]]
number = 43
title = "Aide au vélo"
organisation = "24310002000011"
administrateurs = ["{BOB}"]

[[dossiers]]
number = 123
demarche = 42
usager = "{ULYSSE}"
followers = ["{INES}"]

[[dossiers]]
number = 456
demarche = 43
usager = "{VERA}"

[[agents]]
email = "{MANON}"
capacities = ["manager"]

[[support_groups]]
name = "adullact"
organisations = ["21310555400017"]
agents = ["{HOTLINE}"]
"""

# Two more organisations with all that can be said of them, one with neither agents nor address. Titres de séjour
# are treated by groupe: 511 and its like → Noé, 512 → Suzie. Wanda has three open dossiers.
PREFECTURE, EAUX, NOWHERE = "17310001700016", "26310004500016", "77770004500019"
MAIRIE, METROPOLE = "21310555400017", "24310002000011"
WANDA = "wanda@usager.example.net"
PAULA, PIERRE = "paula.admin@prefecture.example.org", "pierre.admin@prefecture.example.org"
NOE, SUZIE = "noe.nord@prefecture.example.org", "suzie.sud@prefecture.example.org"
EVERYBODY = (*AGENTS, PAULA, PIERRE, NOE, SUZIE)

NEIGHBOURS = f"""\
[[organisations]]
siret = "{PREFECTURE}"
name = "Préfecture d'Exemple"
email = "accueil@prefecture.example.org"
telephone = "05 11 11 11 11"
horaires = "9 h – 12 h"
adresse = "1 place de l'Exemple, 31000 Exemple"
faq_url = "https://prefecture.example.org/faq"

[[organisations]]
siret = "{EAUX}"
name = "Syndicat des eaux"
email = "accueil@eaux.example.org"
telephone = "05 22 22 22 22"

[[organisations]]
siret = "{NOWHERE}"
name = "Association sans adresse"

[[demarches]]
number = 51
title = "Titre de séjour"
organisation = "{PREFECTURE}"
administrateurs = ["{PAULA}"]
delay = "10 jours ouvrés"
groupes = [{{ label = "Nord", instructeurs = ["{NOE}"] }}, {{ label = "Sud", instructeurs = ["{SUZIE}"] }}]

[[demarches]]
number = 52
title = "Permis de conduire"
organisation = "{PREFECTURE}"
administrateurs = ["{PIERRE}"]
first_name = true

[[dossiers]]
number = 511
demarche = 51
groupe = "Nord"
usager = "{WANDA}"

[[dossiers]]
number = 512
demarche = 51
groupe = "Sud"
usager = "{WANDA}"

[[dossiers]]
number = 521
demarche = 52
usager = "{WANDA}"

[[agents]]
email = "{INES}"
name = "Inès Instruit"

[[agents]]
email = "{PIERRE}"
name = "Pierre Permis"
"""

MAILDIR = '[relay]\ntransport = "maildir"\nfolder = "sent"\n'

T = TypeVar("T")
_REFERENCE = re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}\b")


def eventually(probe: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """The first truthy result of `probe`, asked again and again for `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience:.0f} s: {what}; the last answer was {found!r}")
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that left: its envelope, its octets, and what a mail program makes of them."""

    sender: str
    to: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return _parsed(self.raw)

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")

    @property
    def words(self) -> str:
        """Its text on one line, no-break spaces as plain ones."""
        return " ".join(self.text.split())

    @property
    def html(self) -> str:
        """Its HTML alternative, "" where it has none."""
        body = self.message.get_body(("html",))
        return str(body.get_content()) if body is not None else ""

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def answer_to(self) -> str:
        """The address that a reply goes to."""
        return str(self.message["Reply-To"].addresses[0].addr_spec)

    @property
    def from_name(self) -> str:
        return str(self.message["From"].addresses[0].display_name)

    @property
    def reference(self) -> str:
        """The first reference of a conversation that it names."""
        found = _REFERENCE.search(f"{self.subject}\n{self.text}")
        assert found, f"no reference in « {self.subject} »"
        return found[0]

    @property
    def whole(self) -> str:
        """All that its reader can get at, header fields and texts, decoded; and the octets as they are."""
        fields = "\n".join(f"{name}: {value}" for name, value in self.message.items())
        return f"{self.sender}\n{fields}\n{self.text}\n{self.html}\n{self.raw.decode('utf-8', 'replace')}"


class Gateway:
    """A daemon in `folder`; `config` may hold {smtp}, for the port that `send` writes to.

    `program` is what runs: the installed command, or a variant of it that may talk (its log isn't looked at).
    """

    def __init__(self, folder: Path, config: str, program: Sequence[str | Path] = (COMMAND,)) -> None:
        (self.port,) = free_ports(1)
        self.program = tuple(program)
        self.options: tuple[str, ...] = ()  # of `gateway run`
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.file = folder / "gateway.toml"
        self.configure(config)
        self._process: subprocess.Popen[bytes] | None = None
        self._read: dict[str, Sent] = {}
        self._commanded = 0
        self._said: set[str] = set()

    def configure(self, config: str) -> None:
        """Write gateway.toml. A daemon that runs keeps its own until it is told."""
        self.file.write_text(config.replace("{smtp}", str(self.port)))
        self.file.chmod(0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whatever went wrong, no daemon stays behind."""
        if self._process is not None:
            self._process.kill()
            self.ended()

    # --- the daemon --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, and wait for its line."""
        assert self._process is None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.program, "run", *self.options, "--verbose", "--config", self.file],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.folder,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        assert line.startswith("gateway is ready"), f"{line!r}; {self.log()[-3000:]}"

    def stop(self, patience: float = PATIENCE) -> None:
        """End it as systemd does. It must end in peace, within so many seconds."""
        process = self._taken()
        process.terminate()
        try:
            status = process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"SIGTERM didn't end it within {patience:.0f} s; {self.log()[-3000:]}") from None
        assert status == 0, f"exit status {status}; {self.log()[-3000:]}"
        self._discreet()

    def kill(self) -> None:
        process = self._taken()
        process.kill()
        process.wait()
        self._discreet()

    def ended(self) -> int:
        """Wait for it to end by what was done to it; its status, negative for a signal's number."""
        assert self._process is not None
        process, self._process = self._process, None
        status = process.wait(timeout=PATIENCE)
        assert process.stdout is not None
        process.stdout.close()
        return status

    def restart(self) -> None:
        self.stop()
        self.start()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def reload(self, config: str) -> dict[str, Any]:
        """Write another gateway.toml and have the daemon read it: what it logs of it."""
        names = ("configuration_reloaded", "configuration_kept")
        before = len(self.events(*names))
        self.configure(config)
        self.signal(signal.SIGHUP)
        return self.until(lambda: self.events(*names)[before:], "the configuration read again")[0]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _taken(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        process, self._process = self._process, None
        assert process.stdout is not None
        assert process.poll() is None, f"it ended by itself with {process.returncode}; {self.log()[-3000:]}"
        process.stdout.close()
        return process

    def _discreet(self) -> None:
        """Nothing that its log mustn't hold is in it, whatever else the test was about."""
        if self.program == (COMMAND,):
            assert leaks(self.log(), self._said, self.file.read_text()) == []

    # --- its log -----------------------------------------------------------------------------------------

    def until(self, probe: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
        """As `eventually`; where it doesn't come, the end of the log is shown."""
        try:
            return eventually(probe, what, patience)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from None

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def events(self, *names: str) -> list[dict[str, Any]]:
        """The log's events of these names, of all runs."""
        return [event for line in self.log().splitlines() if (event := _event(line)).get("event") in names]

    def logged(self, name: str, count: int = 1, patience: float = PATIENCE) -> dict[str, Any]:
        """Wait for the `count`-th event of a name."""

        def there() -> list[dict[str, Any]]:
            return self.events(name)[count - 1 :]

        return self.until(there, f"{name} × {count} in the log", patience)[0]

    def taken_in(self, count: int) -> None:
        """Wait until so many mails, from the beginning on, are filed, known already, or set aside."""
        done = ("mail_filed", "mail_duplicate", "mail_set_aside")
        self.until(lambda: len(self.events(*done)) >= count, f"{count} mails done")

    # --- mail --------------------------------------------------------------------------------------------

    def send(self, mail: EmailMessage | bytes, sender: str | None = None, to: str | list[str] = CONTACT) -> None:
        """Hand a mail in by SMTP; `sender` is the envelope's, else that of the mail."""
        raw = mail if isinstance(mail, bytes) else octets(mail)
        self._said |= words(raw)
        if sender is None:
            sender = str(message_from_bytes(raw, policy=policy.default)["From"].addresses[0].addr_spec)
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE) as client:
            refused = client.sendmail(sender, to, raw)
            assert not refused, refused

    def post(self, mail: EmailMessage | bytes, to: str = CONTACT) -> None:
        """Hand a mail in, and wait until it is filed and all that it causes has left."""
        done = ("mail_filed", "mail_duplicate", "mail_set_aside")
        before = len(self.events(*done))
        self.send(mail, to=to)
        self.until(lambda: len(self.events(*done)) > before, "the mail filed")
        self.settle()

    def settle(self) -> None:
        """Wait until every mail that was planned has left."""
        self.until(lambda: len(self.events("delivery_attempted")) >= self._planned(), "all mail that was planned")

    def _planned(self) -> int:
        return self._commanded + sum(int(event["deliveries"]) for event in self.events("mail_filed", "round_made"))

    def sent(self, to: str | None = None, about: str = "") -> list[Sent]:
        """What lies in the relay's Maildir, oldest first; what goes to one person, or names a reference."""
        for path in (self.folder / "sent" / "new").glob("*"):
            if path.name not in self._read:
                self._read[path.name] = _sent(path.read_bytes())
        found = sorted(self._read.values(), key=lambda mail: int(mail.id.strip("<>").partition(".")[0]))
        told = (mail for mail in found if to is None or mail.to == to)
        return [mail for mail in told if about in f"{mail.subject}\n{mail.text}"]

    def awaited(self, to: str, count: int = 1) -> Sent:
        """The `count`-th mail to a person, waited for."""
        return self.until(lambda: self.sent(to)[count - 1 :], f"{count} mail(s) to {to}")[0]

    def latest(self, to: str, about: str = "") -> Sent:
        """The last mail to a person."""
        found = self.sent(to, about)
        assert found, f"no mail to {to}; {self.log()[-3000:]}"
        return found[-1]

    def all_sent(self) -> list[Sent]:
        """What left, once nothing waits any more."""
        self.until(lambda: not self.waiting(), "an outbox in which nothing waits")
        return self.sent()

    def waiting(self) -> list[dict[str, Any]]:
        return [d for d in self.outbox() if d["state"] in {"waiting", "sending", "deferred"}]

    # --- commands ----------------------------------------------------------------------------------------

    def command(self, *arguments: str, status: int = 0, text: str = "") -> Any:
        """What a command prints with --json. `status` is the exit status it must have."""
        done = self._run([*arguments, "--json", "--config", str(self.file)], text.encode())
        assert done.returncode == status, f"{arguments}: {done.returncode}; {done.stderr.decode()}"
        document = json.loads(done.stdout) if status == 0 else done.stderr.decode()
        if isinstance(document, dict):
            self._commanded += len(document.get("deliveries", ()))
        return document

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """A command as it is, to its end."""
        return self._run([*arguments, "--config", str(self.file)], b"")

    def _run(self, arguments: list[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        if self.program == (COMMAND,):
            return forked.run(arguments, self.folder, stdin)
        command = [*self.program, *arguments]
        return subprocess.run(
            command, input=stdin, capture_output=True, timeout=PATIENCE, check=False, cwd=self.folder
        )

    def health(self) -> dict[str, int]:
        """What `gateway health` finds wrong, and how much of it; its exit status says the same."""
        done = self._run(["health", "--json", "--config", str(self.file)], b"")
        found = {gap["kind"]: gap["count"] for gap in json.loads(done.stdout)["gaps"]}
        assert done.returncode == (1 if found else 0), (done.returncode, found)
        return found

    def page(self, *arguments: str) -> str:
        """What a command shows on a terminal of 80 columns."""
        ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        process = subprocess.Popen(
            [*self.program, *arguments, "--config", self.file],
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )
        os.close(theirs)
        shown = b""
        with suppress(OSError), open(ours, "rb", buffering=0) as terminal:  # EIO: the other side is closed
            while octets_ := terminal.read(4096):
                shown += octets_
        assert process.wait(timeout=PATIENCE) == 0, arguments
        return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")

    def conversations(self, *options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.command("conversations", *options)
        return found

    def show(self, reference: str) -> dict[str, Any]:
        found: dict[str, Any] = self.command("show", reference)
        return found

    def only(self) -> dict[str, Any]:
        """The one conversation there is, whole."""
        (conversation,) = self.conversations()
        return self.show(conversation["reference"])

    def filed(self) -> list[str]:
        """The Message-IDs of all mails that are filed."""
        return [entry["message_id"] for entry in self.command("threads")]

    def outbox(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.command("outbox", "list")
        return found

    def aside(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.command("aside", "list")
        return found


@cache
def _parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


def octets(mail: EmailMessage) -> bytes:
    """A mail as it goes over the wire, with CRLF."""
    return mail.as_bytes(policy=policy.SMTP)


def _event(line: str) -> dict[str, Any]:
    """A line of the log; {} for what isn't one: a traceback, or a line that a SIGKILL cut off."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _sent(raw: bytes) -> Sent:
    fields = message_from_bytes(raw, policy=policy.compat32)
    sender, to = (str(fields[name]).strip("<> ") for name in ("X-Envelope-From", "X-Envelope-To"))
    return Sent(sender, to, raw)


def configuration(
    *,
    listen: str = "127.0.0.1:{smtp}",
    protocol: str = "smtp",
    authserv_id: str = "",
    agent_proof: str = "token",
    intake: str = "",
    relay: str = MAILDIR,
    desk: str = 'bundle = "0s"',
    directory: str = DIRECTORY,
    include: str = "",
    store: str = "",
) -> str:
    """A gateway.toml for tests. `intake` is more of [[intake.…]]; `desk`: lines of [desk]; mails are told at once.

    Scenes share a daemon, and the people in them: together they write more in a minute than anybody does.
    """
    way_in = (
        f'[[intake.smtp]]\nlisten = "{listen}"\nprotocol = "{protocol}"\nauthserv_id = "{authserv_id}"\n'
        'trusted_peers = ["127.0.0.1"]\n'
    )
    trust = f'[trust]\nagent_proof = "{agent_proof}"\n'
    limits = "[limits]\nacknowledgements_per_address = 100\nnotifications_per_agent = 1000\n"
    limits += "acknowledgements_per_minute = 1000\nalarm_above = 10000\n"
    included = f"include = {include}\n" if include else ""
    return "\n".join(
        (included, INSTANCE, store, way_in, intake, relay, trust, limits, f"[desk]\n{desk}\n", directory)
    )


def imap_intake(port: int, user: str, password: str) -> str:
    """A mailbox of a Dovecot on loopback."""
    return (
        f'[[intake.imap]]\nname = "contact"\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\n'
        f'user = "{user}"\npassword = "{password}"\nrecipient = "{CONTACT}"\npoll = "1s"\n'
    )


def smtp_relay(port: int, **more: str) -> str:
    """A smarthost on loopback."""
    lines = "".join(f'{key} = "{value}"\n' for key, value in more.items())
    return f'[relay]\ntransport = "smtp"\nhost = "127.0.0.1"\nport = {port}\n{lines}'


@contextmanager
def running(folder: Path, config: str | None = None) -> Iterator[Gateway]:
    """A daemon that is started, and in the end is stopped if the test left it running."""
    gateway = Gateway(folder, config or configuration())
    gateway.start()
    try:
        yield gateway
    except BaseException:
        if gateway.running:
            gateway.kill()
        raise
    if gateway.running:
        gateway.stop()
