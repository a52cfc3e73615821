"""The installed `gateway`, as an operator meets it: a folder, a gateway.toml, the daemon, the commands.

Everything is done from outside: mail by SMTP, questions by `gateway … --json`, what left by the relay's Maildir. The
daemon's log (JSON lines on standard error) serves to know when something has happened, so that nothing sleeps.
"""

from __future__ import annotations

import json
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

from tests.servers.dovecot import free_ports

COMMAND = Path(sys.executable).with_name("gateway")
DOMAIN = "support.example.org"
CONTACT = f"contact@{DOMAIN}"
PATIENCE = 30.0

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

MAILDIR = '[relay]\ntransport = "maildir"\nfolder = "sent"\n'

T = TypeVar("T")


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
        return message_from_bytes(self.raw, policy=policy.default)  # type: ignore[return-value]

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")

    @property
    def id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def whole(self) -> str:
        """All that its reader can get at, header fields and text, decoded; and the octets as they are."""
        fields = "\n".join(f"{name}: {value}" for name, value in self.message.items())
        return f"{self.sender}\n{fields}\n{self.text}\n{self.raw.decode('utf-8', 'replace')}"


class Gateway:
    """A daemon in `folder`; `config` may hold {smtp}, for the port that `send` writes to."""

    def __init__(self, folder: Path, config: str) -> None:
        (self.port,) = free_ports(1)
        self.folder = folder
        self.file = folder / "gateway.toml"
        self.configure(config)
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, config: str) -> None:
        """Write gateway.toml. A daemon that runs keeps its own until it is told."""
        self.file.write_text(config.replace("{smtp}", str(self.port)))
        self.file.chmod(0o600)

    # --- the daemon --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, and wait for its line."""
        assert self._process is None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [COMMAND, "run", "--config", self.file], stdout=subprocess.PIPE, stderr=log, cwd=self.folder
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        assert line.startswith("gateway is ready"), f"{line!r}; {self.log()[-3000:]}"

    def stop(self) -> float:
        """End it as systemd does; the seconds it took. It must end in peace within ten."""
        process, begin = self._taken(), time.monotonic()
        process.terminate()
        try:
            status = process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"SIGTERM didn't end it within 10 s; {self.log()[-3000:]}") from None
        assert status == 0, f"exit status {status}; {self.log()[-3000:]}"
        return time.monotonic() - begin

    def kill(self) -> None:
        process = self._taken()
        process.kill()
        process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

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
        if sender is None:
            sender = str(message_from_bytes(raw, policy=policy.default)["From"].addresses[0].addr_spec)
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE) as client:
            refused = client.sendmail(sender, to, raw)
            assert not refused, refused

    def sent(self, to: str | None = None) -> list[Sent]:
        """What lies in the relay's Maildir, oldest first; what goes to one person, where she is named."""
        folder = self.folder / "sent" / "new"
        found = [_sent(path.read_bytes()) for path in sorted(folder.glob("*"))] if folder.exists() else []
        found.sort(key=lambda mail: int(mail.id.strip("<>").partition(".")[0]))  # our ids begin with a number
        return [mail for mail in found if to is None or mail.to == to]

    def awaited(self, to: str, count: int = 1) -> Sent:
        """The `count`-th mail to a person, waited for."""
        return self.until(lambda: self.sent(to)[count - 1 :], f"{count} mail(s) to {to}")[0]

    def all_sent(self) -> list[Sent]:
        """What left, once nothing waits any more."""
        self.until(lambda: not self.waiting(), "an outbox in which nothing waits")
        return self.sent()

    def waiting(self) -> list[dict[str, Any]]:
        return [d for d in self.outbox() if d["state"] in {"waiting", "sending", "deferred"}]

    # --- commands ----------------------------------------------------------------------------------------

    def command(self, *arguments: str, status: int = 0, text: str = "") -> Any:
        """What a command prints with --json. `status` is the exit status it must have."""
        done = subprocess.run(
            [COMMAND, *arguments, "--json", "--config", self.file],
            input=text.encode(),
            capture_output=True,
            timeout=120,
            check=False,
            cwd=self.folder,
        )
        assert done.returncode == status, f"{arguments}: {done.returncode}; {done.stderr.decode()}"
        return json.loads(done.stdout) if status == 0 else done.stderr.decode()

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
) -> str:
    """A gateway.toml for tests. `intake` is more of [[intake.…]]."""
    way_in = (
        f'[[intake.smtp]]\nlisten = "{listen}"\nprotocol = "{protocol}"\nauthserv_id = "{authserv_id}"\n'
        'trusted_peers = ["127.0.0.1"]\n'
    )
    trust = f'[trust]\nagent_proof = "{agent_proof}"\n'
    return "\n".join((INSTANCE, way_in, intake, relay, trust, DIRECTORY))


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
