"""A real Postfix that writes to a Maildir: all its folders in a scratch folder, one port on loopback. Needs root."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.servers import await_port, free_port, scratch

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
postlog unix-dgram n - n - 1 postlogd
"""


def usable() -> bool:
    return POSTFIX is not None and MASTER.exists() and os.geteuid() == 0


@contextlib.contextmanager
def postfix() -> Iterator[tuple[int, Path]]:
    """Its port, and the `new` folder of its Maildir."""
    with scratch() as folder:
        port = free_port()
        settings = _prepare(folder, port)
        with (folder / "output").open("w") as output:
            process = subprocess.Popen([MASTER, "-c", settings, "-d"], stdout=output, stderr=output)
        try:
            await_port(port)
            yield port, folder / "box" / "new"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _prepare(folder: Path, port: int) -> Path:
    folder.chmod(0o755)
    settings = folder / "conf"
    owner, group = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid
    for name in ("conf", "queue", "data", "box", "log"):
        (folder / name).mkdir()
    (settings / "main.cf").write_text(_MAIN.format(folder=folder, owner=owner, group=group))
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


def await_files(folder: Path, count: int, seconds: float = 60.0) -> None:
    """Wait until so many files are there.

    Raises:
        RuntimeError: they didn't come in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if folder.is_dir() and len(os.listdir(folder)) >= count:
            return
        time.sleep(0.02)
    raise RuntimeError(f"{folder} holds fewer than {count} mails")
