"""A scene with a daemon of its own: an usager writes, an agent answers by mail, the usager replies. `make demo`."""

from __future__ import annotations

import email.policy
import re
import smtplib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import make_msgid
from pathlib import Path

from rich.console import Console

from tests.patience import PATIENCE

REFERENCE = Path(__file__).parents[1] / "gateway.toml"
USAGER, ALIAS = "ulysse@usager.example.net", "vegetaliser@support.example.org"
AGENT, COLLEAGUE = "alice.admin@mairie.example.org", "ines.instruit@mairie.example.org"

QUESTION = """\
Bonjour,

Puis-je planter une glycine au pied de l’arbre devant chez moi ?

Ulysse"""
ANSWER = f"""\
@note La largeur du trottoir est à vérifier sur place.
@affecter {COLLEAGUE}

Bonjour Ulysse,

Oui, si le passage reste libre sur 1,40 m. Quelle est l’adresse de l’arbre ?

Alice"""
REPLY = """\
Merci ! Il se trouve au 3, rue des Lilas.

Ulysse"""


class DemoError(Exception):
    """The scene went another way than it should."""


# --- the daemon ------------------------------------------------------------------------------------------


@dataclass
class Daemon:
    """A running gateway, and which of its mails were looked at."""

    folder: Path
    process: subprocess.Popen[str]
    port: int
    seen: set[Path] = field(default_factory=set)

    def send(self, message: EmailMessage) -> None:
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE) as client:
            client.send_message(message)

    def mail_to(self, person: str, subject: str) -> EmailMessage:
        """Wait for a mail to this person, with these words in its subject, that wasn't looked at before."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            for path in sorted((self.folder / "var/sent/new").glob("*")):
                if path not in self.seen and (mail := _addressed(path, person, subject)):
                    self.seen.add(path)
                    return mail
            time.sleep(0.02)
        raise DemoError(f"no mail about « {subject} » came to {person}:\n{self.log()}")

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8")


def _addressed(path: Path, person: str, subject: str) -> EmailMessage | None:
    parsed = BytesParser(policy=email.policy.default).parsebytes(path.read_bytes())
    fits = parsed["X-Envelope-To"] == f"<{person}>" and subject in parsed["Subject"]
    return parsed if fits else None


def gateway(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "gateway", *arguments, "--config", str(folder / "gateway.toml")]


@contextmanager
def daemon() -> Iterator[Daemon]:
    """The shipped configuration on a free port, in a folder that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as name:
        folder = Path(name)
        text = REFERENCE.read_text("utf-8").replace('"127.0.0.1:2525"', '"127.0.0.1:0"')
        (folder / "gateway.toml").write_text(text, encoding="utf-8")
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(gateway(folder, "run"), stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield Daemon(folder, process, _port(process, folder))
        finally:
            process.terminate()
            _ended(process)


def _port(process: subprocess.Popen[str], folder: Path) -> int:
    """The port in the line that says it is ready; a daemon that doesn't come is ended, which ends the line."""
    assert process.stdout is not None
    watch = threading.Timer(PATIENCE, process.kill)
    watch.start()
    line = process.stdout.readline()
    watch.cancel()
    found = re.search(r"127\.0\.0\.1:(\d+)", line)
    if found is None:
        raise DemoError(f"the daemon didn't start:\n{(folder / 'log').read_text('utf-8')}")
    return int(found[1])


def _ended(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


# --- the mails -------------------------------------------------------------------------------------------


def written(author: str, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = author, to, subject
    message["Message-ID"] = make_msgid(domain=author.rpartition("@")[2].rstrip(">"))
    message.set_content(text)
    return message


def _words(mail: EmailMessage) -> str:
    """The plain text of a mail, whatever stands beside it."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def reply_to(mail: EmailMessage, author: str, text: str) -> EmailMessage:
    """What a mail client makes of « Répondre »: to Reply-To, with the ids, and the mail quoted below."""
    quoted = "\n".join(f"> {line}" for line in _words(mail).rstrip().split("\n"))
    subject = re.sub(r"^(?:Re: )*", "Re: ", str(mail["Subject"]))
    reply = written(author, mail["Reply-To"], subject, f"{text}\n\n{mail['From']} a écrit :\n{quoted}\n")
    reply["In-Reply-To"] = mail["Message-ID"]
    reply["References"] = f"{mail.get('References', '')} {mail['Message-ID']}".strip()
    return reply


# --- the scene -------------------------------------------------------------------------------------------


def play(running: Daemon, console: Console) -> str:
    """Play it; return the reference of the conversation.

    Raises:
        DemoError: a mail that should have come didn't.
    """
    console.print(f"The daemon listens on 127.0.0.1:{running.port}, on the shipped gateway.toml.\n")
    _heading(console, "1. An usager writes to the address of a démarche")
    question = written(f"Ulysse <{USAGER}>", ALIAS, "Une glycine au pied de l’arbre", QUESTION)
    running.send(question)
    _show(console, question)
    notification = running.mail_to(AGENT, "glycine")
    acknowledgement = running.mail_to(USAGER, "bien reçu")
    _heading(console, "2. She gets an acknowledgement; the administrateur of the démarche is told")
    _show(console, acknowledgement, lines=4)
    _show(console, notification, lines=9)
    _heading(console, "3. The administrateur answers by mail, with a note and an assignment")
    answer = reply_to(notification, f"Alice <{AGENT}>", ANSWER)
    running.send(answer)
    _show(console, answer, lines=9)
    relayed = running.mail_to(USAGER, "Re: ")
    _heading(console, "4. The usager gets the answer alone, from the organisation")
    _show(console, relayed)
    running.mail_to(COLLEAGUE, "glycine")
    _heading(console, "5. The usager replies; the colleague who now has the conversation is told")
    running.send(reply_to(relayed, f"Ulysse <{USAGER}>", REPLY))
    told = running.mail_to(COLLEAGUE, "glycine")
    _show(console, told, lines=7)
    return str(told["Subject"]).partition("]")[0].lstrip("[")


def _heading(console: Console, words: str) -> None:
    console.rule(words, align="left", style="dim")


def _show(console: Console, mail: EmailMessage, lines: int = 100) -> None:
    for name in ("From", "To", "Subject"):
        console.print(f"{name + ':':<9}{mail[name]}", style="bold", markup=False)
    text = _words(mail).rstrip().split("\n")
    for line in [*text[:lines], *(["[…]"] if len(text) > lines else [])]:
        console.print(f"  {line}", markup=False)
    console.print()


def main() -> int:
    console = Console(highlight=False, soft_wrap=True)
    try:
        with daemon() as running:
            reference = play(running, console)
            _heading(console, f"6. gateway show {reference}")
            command = gateway(running.folder, "show", reference)
            done = subprocess.run(command, check=False, text=True, capture_output=True)
            console.print(done.stdout + done.stderr, markup=False)
    except DemoError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
