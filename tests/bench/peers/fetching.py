"""Who else fetches a mailbox by IMAP into a Maildir: mbsync (isync) and getmail, each one run of its command."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

MBSYNC, GETMAIL = shutil.which("mbsync"), shutil.which("getmail")
# As they come, but for what is said here: both wait for the disk with each mail.
_MBSYNC = """\
IMAPAccount bench
Host 127.0.0.1
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account bench

MaildirStore near
Path {folder}/
Inbox {folder}/box

Channel bench
Far :far:
Near :near:
Create Near
Sync Pull
SyncState {folder}/
"""
_GETMAIL = """\
[retriever]
type = SimpleIMAPRetriever
server = 127.0.0.1
port = {port}
username = {user}
password = {password}
mailboxes = ("INBOX",)
timeout = 10
[destination]
type = Maildir
path = {folder}/box/
[options]
read_all = true
delete = false
verbose = 0
max_messages_per_session = {most}
"""
# getmail starts a process for each mail. Where that ends before it is waited for, getmail waits for `timeout`, and
# ends with an error: it is given few.
MOST = 100


class Interrupted(RuntimeError):
    """A fault of the peer's own that comes by chance: how long it would have taken isn't known."""


def by_mbsync(folder: Path, port: int, user: str, password: str) -> None:
    """Fetch all into the Maildir `box` of an empty folder.

    Raises:
        RuntimeError: it isn't there, or didn't work.
    """
    if MBSYNC is None:
        raise RuntimeError("it isn't installed (Debian: isync)")
    config = folder / "mbsyncrc"
    config.write_text(_MBSYNC.format(folder=folder, port=port, user=user, password=password))
    _run([MBSYNC, "--quiet", "--config", str(config), "bench"])


def by_getmail(folder: Path, port: int, user: str, password: str) -> None:
    """The same with the first MOST mails, by a user without rights: it doesn't write mail as root.

    Raises:
        Interrupted: it missed the end of one of its processes.
        RuntimeError: it isn't there, or didn't work.
    """
    if GETMAIL is None:
        raise RuntimeError("it isn't installed (Debian: getmail6)")
    for name in ("cur", "new", "tmp"):
        (folder / "box" / name).mkdir(parents=True)
    config = folder / "getmailrc"
    config.write_text(_GETMAIL.format(folder=folder, port=port, user=user, password=password, most=MOST))
    others: dict[str, Any] = {}
    if not os.geteuid():
        others = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, "nobody", "nogroup")
    _run([GETMAIL, "--getmaildir", str(folder), "--rcfile", str(config)], **others)


def _run(command: list[str], **others: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, **others)
    said = done.stderr or done.stdout
    if done.returncode:
        raise Interrupted(said) if "waiting child pid" in said else RuntimeError(said)
