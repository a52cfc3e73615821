"""A real Postfix that writes to a Maildir, or hands over to a real Dovecot by LMTP. Needs root.

It has other settings than the one of the tests (`tests/servers/postfix.py`): as many processes and connections as it
comes with, and nothing that slows it down.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import RECIPIENT
from tests.bench.servers import await_port, awaited, scratch
from tests.servers.dovecot import Dovecot
from tests.servers.ports import free_port

POSTFIX = shutil.which("postfix", path="/usr/sbin:" + os.environ.get("PATH", ""))
MASTER = Path("/usr/lib/postfix/sbin/master")
_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/maillog
maillog_file_prefixes = {folder}
myhostname = postfix.example.org
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:box/
virtual_mailbox_base = {folder}
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{group}
smtpd_client_connection_count_limit = 0
smtpd_recipient_restrictions = permit_mynetworks, reject
virtual_transport = {transport}
"""
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
postlog unix-dgram n - n - 1 postlogd
"""


@contextlib.contextmanager
def postfix(transport: str = "virtual") -> Iterator[tuple[int, Path]]:
    """Its port, and the `new` folder of its Maildir.

    Raises:
        RuntimeError: it isn't there, or can't be started by this user.
    """
    if POSTFIX is None or not MASTER.exists() or os.geteuid():
        raise RuntimeError("it isn't installed, or not run as root, which it needs")
    with scratch() as folder:
        port = free_port()
        settings = _prepare(folder, port, transport)
        with (folder / "output").open("w") as output:
            process = subprocess.Popen([MASTER, "-c", settings, "-d"], stdout=output, stderr=output)
        try:
            await_port(port)
            yield port, folder / "box" / "new"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


@contextlib.contextmanager
def postfix_to_dovecot() -> Iterator[tuple[int, Path]]:
    """Its port, and the `new` folder of the Maildir that Dovecot's LMTP server delivers to."""
    with contextlib.closing(Dovecot()) as dovecot:
        dovecot.add_user(RECIPIENT, "secret")
        with postfix(f"lmtp:inet:127.0.0.1:{dovecot.lmtp_port}") as (port, _):
            yield port, dovecot.folder / "mail" / RECIPIENT / "Maildir" / "new"


def _prepare(folder: Path, port: int, transport: str) -> Path:
    folder.chmod(0o755)
    settings = folder / "conf"
    owner, group = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid
    for name in ("conf", "queue", "data", "box", "log"):
        (folder / name).mkdir()
    (settings / "main.cf").write_text(_MAIN.format(folder=folder, owner=owner, group=group, transport=transport))
    (settings / "master.cf").write_text(_MASTER.format(port=port))
    os.chown(folder / "box", owner, group)
    shutil.chown(folder / "data", "postfix")
    _queue(folder / "queue")
    return settings


def _queue(queue: Path) -> None:
    """The folders that Postfix's own set-up would make."""
    private = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved")
    for name in (*private, "trace"):
        (queue / name).mkdir(mode=0o700)
        shutil.chown(queue / name, "postfix")
    (queue / "pid").mkdir()
    for name, mode in (("maildrop", 0o730), ("public", 0o710)):
        (queue / name).mkdir()
        (queue / name).chmod(mode)
        shutil.chown(queue / name, "postfix", "postdrop")


def await_files(folder: Path, count: int) -> None:
    """Wait until so many mails are there."""
    awaited(lambda: folder.is_dir() and len(os.listdir(folder)) >= count, f"{count} mails in {folder}")
