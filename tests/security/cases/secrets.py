"""Secrets and people stay out of logs and answers, whatever goes wrong (S13)."""

from __future__ import annotations

import base64
import hashlib
import signal
import smtplib
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from email.message import EmailMessage
from pathlib import Path

from gateway import redaction
from tests.security.parrots import parrots
from tests.servers.gateway import COMMAND, CONTACT, DOMAIN, Gateway, configuration, imap_intake, octets, smtp_relay
from tests.trials.case import Case, Counted, When, scratch

ROOT = Path(__file__).resolve().parent.parent.parent.parent
CARELESS = ("env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.security.careless")

# Secrets of the configuration, and what a citizen wrote.
RELAY, IMAP, FROM_FILE, MISPLACED, IN_URL = (f"canary-{word}-Zq7" for word in ("relay", "imap", "file", "key", "url"))
LOCAL, NAME, SUBJECT, TEXT, FILE = (
    "canarylocalpart",
    "Canary Displayname",
    "Canary subject",
    "Canary text",
    "canary.pdf",
)
WRITTEN = (LOCAL, NAME, SUBJECT, TEXT, FILE)


def talked(program: Sequence[str | Path]) -> Counted:
    """How many of the canaries stand in what a gateway logged, answered and printed in a bad hour."""
    with scratch() as folder, parrots() as (imap, smtp):
        gateway = Gateway(folder, _configuration(folder, imap, smtp), program)
        gateway.start()
        answers = list(_mail(gateway))
        gateway.logged("imap_trouble")
        gateway.until(lambda: [d for d in gateway.outbox() if d["attempts"]], "a delivery that was refused")
        tokens = _signed(folder)
        answers += _tokens_tried(gateway, tokens)
        gateway.configure(_faulty(folder, imap, smtp))
        gateway.signal(signal.SIGHUP)
        gateway.logged("configuration_kept")
        gateway.signal(signal.SIGSEGV)
        gateway.until(lambda: not gateway.running, "its end")
        said = [gateway.log(), *answers, *_commands(gateway)]
        said += [path.read_bytes().decode("latin-1") for path in folder.glob("core*")]
        keys = [line.split()[1] for line in (folder / "var/token.keys").read_text().splitlines()]
        secrets = (RELAY, IMAP, FROM_FILE, MISPLACED, IN_URL, *keys, *tokens)
        canaries = (*secrets, *map(_encoded, (RELAY, IMAP, FROM_FILE)), *WRITTEN)
        hits = sum(canary.lower() in words.lower() for canary in canaries for words in said)
        return Counted(len(canaries) * len(said), hits, "hits")


def _configuration(folder: Path, imap: int, smtp: int) -> str:
    (folder / "second").write_text(FROM_FILE)
    (folder / "second").chmod(0o600)
    second = imap_intake(imap, "second", "").replace('name = "contact"', 'name = "second"')
    boxes = imap_intake(imap, "first", IMAP) + second.replace('password = ""', 'password_file = "second"')
    relay = smtp_relay(smtp, user="gateway", password=RELAY)
    return configuration(intake=boxes, relay=relay)


def _faulty(folder: Path, imap: int, smtp: int) -> str:
    """A password in a place where none belongs, and one in the address of a database."""
    store = f'[store]\nurl = "postgresql://gateway:{IN_URL}@db.example.org/gateway"\n'
    text = _configuration(folder, imap, smtp).replace("[trust]", f'{store}\n[trust]\npasswort = "{MISPLACED}"')
    return text.replace(f'password = "{RELAY}"', f'password = "{RELAY}"\npassword_file = "second"')


def _mail(gateway: Gateway) -> Iterator[str]:
    """A mail that is taken; another that isn't; what the server said."""
    mail = EmailMessage()
    mail["From"] = f"{NAME} <{LOCAL}@usager.example.net>"
    mail["To"] = CONTACT
    mail["Subject"] = SUBJECT
    mail.set_content(TEXT)
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename=FILE)
    with closing(smtplib.SMTP("127.0.0.1", gateway.port, timeout=30)) as client:
        sender = f"{LOCAL}@usager.example.net"
        yield _answer(client.docmd("EHLO", "canary.example.net"))
        yield _answer(client.docmd("MAIL", f"FROM:<{sender}>"))
        yield _answer(client.docmd("RCPT", f"TO:<{LOCAL}@elsewhere.example.net>"))
        yield _answer(client.docmd("RCPT", f"TO:<{CONTACT}>"))
        yield _answer(client.data(octets(mail)))
        yield _answer(client.docmd("MAIL", f"FROM:<{sender}"))
        yield _answer(client.docmd(f"{LOCAL} what is this"))
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as raw:
        raw.sendall(f"EHLO x\r\nMAIL FROM:<{LOCAL}@usager.example.net>\r\nRCPT TO:<{CONTACT}>\r\nDATA\r\n".encode())
        raw.sendall(f"Subject: {SUBJECT}\r\n\r\n{TEXT}\n.\r\n".encode() + b"\r\n.\r\n")
        yield raw.recv(65536).decode("latin-1")
    gateway.taken_in(1)


def _signed(folder: Path) -> list[str]:
    """Tokens that the store has given out: of reply addresses, envelope senders and Message-IDs."""
    with closing(sqlite3.connect(f"file:{folder}/var/gateway.db?mode=ro", uri=True)) as base:
        rows = base.execute("SELECT reply_to, envelope_sender, message_id FROM deliveries").fetchall()
    found = {word for row in rows for value in row for word in value.replace("@", "+").replace(".", "+").split("+")}
    return sorted(word for word in found if len(word) == 32)[:5]


def _tokens_tried(gateway: Gateway, tokens: Sequence[str]) -> list[str]:
    with closing(smtplib.SMTP("127.0.0.1", gateway.port, timeout=30)) as client:
        client.ehlo("canary.example.net")
        client.docmd("MAIL", f"FROM:<{LOCAL}@usager.example.net>")
        tried = (f"TO:<{word}+{token}@{DOMAIN}>" for token in tokens for word in ("reponse", "nobody"))
        return [_answer(client.docmd("RCPT", to)) for to in tried]


def _answer(answer: tuple[int, bytes]) -> str:
    return f"{answer[0]} {answer[1].decode('latin-1')}"


def _commands(gateway: Gateway) -> Iterator[str]:
    """What commands print when the configuration is faulty, and when the store is damaged."""
    yield from _printed(gateway, ("check",), ("conversations",), ("outbox", "list"))
    gateway.configure(configuration())
    with (gateway.folder / "var/gateway.db").open("r+b") as base:
        base.seek(100)
        base.write(b"\xff" * 200_000)
    with suppress(FileNotFoundError):
        (gateway.folder / "var/gateway.db-wal").unlink()
    yield from _printed(gateway, ("conversations",), ("outbox", "list"), ("threads",), ("aside", "list"))


def _printed(gateway: Gateway, *commands: tuple[str, ...]) -> Iterator[str]:
    for command in commands:
        line = [*gateway.program, *command, "--verbose", "--config", str(gateway.file)]
        done = subprocess.run(line, capture_output=True, check=False, timeout=120, cwd=gateway.folder)
        yield (done.stderr + done.stdout).decode("utf-8", "replace")


def _encoded(secret: str) -> str:
    """As AUTH PLAIN carries it, without what depends on its neighbours."""
    return base64.b64encode(b"\0gateway\0" + secret.encode()).decode()[12:].rstrip("=")[:-1]


# --- pseudonyms ---------------------------------------------------------------------------------------------

_FIRST = ("jean", "marie", "pierre", "anne", "luc", "zoe", "paul", "lea", "hugo", "ines")
_STEMS = ("mart", "dur", "dup", "lef", "mor", "gir", "rou", "fab", "ber", "cl")
_ENDS = ("in", "and", "ont", "evre", "eau", "ard", "sel", "re", "nard", "ement")
_LAST = tuple(stem + end for stem in _STEMS for end in _ENDS)
PEOPLE = tuple(f"{first}.{last}{n}" for first in _FIRST for last in _LAST for n in range(10))


def guessed(pseudonym: Callable[[str], str]) -> Counted:
    """How many of 10,000 people in a log are found by somebody who tries their names out."""
    log = {pseudonym(f"{person}@usager.example.net").partition("@")[0] for person in PEOPLE}
    found = sum(hashlib.sha256(person.encode()).hexdigest()[:8] in log for person in PEOPLE)
    return Counted(len(PEOPLE), found, "people")


def _unkeyed(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{hashlib.sha256(local.encode()).hexdigest()[:8]}@{domain}"


CASES = (
    Case(
        "S13-canaries",
        "Servers that repeat passwords, refused mail, a faulty reload, a crash, a damaged store, all at debug level",
        "no secret and nothing that a person wrote in logs, SMTP answers, output of commands, core files",
        lambda: talked((COMMAND,)),
        lambda: talked(CARELESS),
        "closed fields, redaction, and libraries told by place",
    ),
    Case(
        "S13-pseudonyms",
        "10 000 names tried out on the pseudonyms of a log",
        "nobody is found",
        lambda: guessed(redaction.pseudonym),
        lambda: guessed(_unkeyed),
        "the key of the pseudonyms",
        when=When.TEST,
    ),
)
