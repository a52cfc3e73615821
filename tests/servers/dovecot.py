"""A real Dovecot on loopback: its own configuration, users and mail, in a folder that goes away with it.

`Dovecot()` starts it, `close()` ends it; `stop()` and `start()` in between keep ports and mail. Mail is a
Maildir that a user without rights owns, as Dovecot never serves mail as root.
"""

from __future__ import annotations

import base64
import grp
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import trustme

from gateway.intake import utf7
from tests.patience import PATIENCE
from tests.servers.ports import free_ports

SBIN = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", os.environ.get("PATH", "")))
DOVECOT = shutil.which("dovecot", path=SBIN)
MISSING = "dovecot isn't installed (Debian: dovecot-imapd dovecot-lmtpd)"

CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_home = {folder}/mail/%u
mail_uid = {owner}
mail_gid = {group}
mail_access_groups =
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 200
{internal}
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users/%u
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users/%u
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  {chroot}
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service anvil {{
  {chroot}
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  {chroot}
}}
"""


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server that was started in a session of its own, with all its children."""
    process.terminate()
    process.wait(timeout=60)
    with suppress(ProcessLookupError):  # its children may outlive it a little
        os.killpg(process.pid, signal.SIGKILL)


class Dovecot:
    """`tls` is a client context that trusts it; its certificate is for `localhost` and 127.0.0.1."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        if DOVECOT is None:
            raise RuntimeError(MISSING)
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-dovecot-"))
        self.folder.chmod(0o755)
        self.imap_port, self.imaps_port, self.lmtp_port = free_ports(3)
        root = os.geteuid() == 0
        self._owner = pwd.getpwnam("mail") if root else pwd.getpwuid(os.geteuid())
        self._process: subprocess.Popen[bytes] | None = None
        self._write(root)
        self.start()

    def _write(self, root: bool) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(self.folder / "cert.pem")
        certificate.private_key_pem.write_to_path(self.folder / "key.pem")
        authority.cert_pem.write_to_path(self.folder / "ca.pem")
        self.tls = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        me = self._owner.pw_name
        config = CONFIG.format(
            folder=self.folder,
            owner=self._owner.pw_uid,
            group=self._owner.pw_gid,
            internal=""
            if root
            else f"default_internal_user = {me}\ndefault_login_user = {me}\n"
            f"default_internal_group = {grp.getgrgid(self._owner.pw_gid).gr_name}",
            chroot="" if root else "chroot =",
            imap=self.imap_port,
            imaps=self.imaps_port,
            lmtp=self.lmtp_port,
        )
        (self.folder / "dovecot.conf").write_text(config)
        (self.folder / "users").mkdir()
        (self.folder / "mail").mkdir()
        self._own(self.folder / "mail")

    def _own(self, path: Path) -> None:
        os.chown(path, self._owner.pw_uid, self._owner.pw_gid)

    def start(self) -> None:
        """Start it again, on the same ports, and wait until it answers."""
        assert DOVECOT
        assert self._process is None
        command = [DOVECOT, "-F", "-c", str(self.folder / "dovecot.conf")]
        self._process = subprocess.Popen(command, start_new_session=True)
        for port in (self.imap_port, self.imaps_port, self.lmtp_port):
            self._await(port)

    def _await(self, port: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            try:
                with socket.create_connection((self.host, port), timeout=1):
                    return
            except OSError:
                time.sleep(0.01)
        raise AssertionError(f"dovecot doesn't listen on {port}: {self.log()}")

    def stop(self) -> None:
        """End it with all its connections. Mail and configuration stay."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def add_user(self, name: str, password: str) -> None:
        """Any password: it stands as base64 in a file of the user's own (Dovecot notices changes by the second)."""
        secret = "{PLAIN.b64}" + base64.b64encode(password.encode()).decode()
        ids = f"{self._owner.pw_uid}:{self._owner.pw_gid}"
        (self.folder / "users" / name).write_text(f"{name}:{secret}:{ids}::{self.folder}/mail/{name}\n")

    def doveadm(self, *args: str, data: bytes = b"") -> bytes:
        """`doveadm ARGS`: its standard output; an error is an AssertionError with what it said."""
        command = [
            shutil.which("doveadm", path=SBIN) or "doveadm",
            "-c",
            str(self.folder / "dovecot.conf"),
            *args,
        ]
        done = subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def deliver(self, user: str, raw: bytes, folder: str = "INBOX") -> None:
        """File one mail as it is (Dovecot gives its lines CRLF ends)."""
        self.doveadm("save", "-u", user, "-m", folder, data=raw)

    def fill(self, user: str, mails: Iterable[bytes], folder: str = "INBOX") -> None:
        """File many at once, as a delivery agent does: into the Maildir's `new`, in the order given."""
        box = self.folder / "mail" / user / "Maildir"
        if not box.exists():
            self.doveadm("mailbox", "status", "-u", user, "messages", "INBOX")
        if folder != "INBOX":
            box /= f".{utf7.encode(folder)}"
        for number, raw in enumerate(mails):
            name = f"{time.time_ns()}.M{number:08d}.test"
            (box / "tmp" / name).write_bytes(raw)
            self._own(box / "tmp" / name)
            (box / "tmp" / name).rename(box / "new" / name)

    def messages(self, user: str, folder: str = "INBOX") -> int:
        """How many mails a folder holds: told more quickly than which."""
        status = self.doveadm("-f", "flow", "mailbox", "status", "-u", user, "messages", folder)
        return int(status.rpartition(b"=")[2])

    def uids(self, user: str, folder: str = "INBOX") -> list[int]:
        """The UIDs of a folder, as Dovecot itself tells."""
        return [
            int(uid)
            for uid in self.doveadm("-f", "flow", "fetch", "-u", user, "uid", "mailbox", folder)
            .replace(b"uid=", b"")
            .split()
        ]
