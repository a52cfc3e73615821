"""A real Postfix on loopback: its own configuration, queue and data, in a folder that goes away with it.

It plays both parts. In front of the gateway: mail for the domain goes to it by LMTP (`gateway="lmtp:…"`). Behind it,
as its smarthost: everything else lands in one Maildir, or is refused as `refuse` says. Like Postfix, it needs root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from tests.patience import PATIENCE
from tests.servers.dovecot import SBIN, end
from tests.servers.gateway import DOMAIN
from tests.servers.ports import free_ports

POSTFIX = shutil.which("postfix", path=SBIN)
AVAILABLE = POSTFIX is not None and os.geteuid() == 0
MISSING = "Postfix isn't installed (Debian: postfix), or these tests aren't run as root, which it needs"

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
smtputf8_enable = yes
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtp_dns_support_level = disabled
lmtp_host_lookup = native
smtp_host_lookup = native
smtpd_forbid_bare_newline = {bare_newline}
smtpd_forbid_bare_newline_exclusions =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access texthash:{folder}/access, permit_mynetworks, reject
smtpd_peername_lookup = no
transport_maps = texthash:{folder}/transport
default_transport = virtual
virtual_mailbox_base = {folder}
virtual_mailbox_maps = static:box/
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
minimal_backoff_time = 1s
maximal_backoff_time = 5s
queue_run_delay = 1s
default_process_limit = 20
"""

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """`port` takes mail. `gateway` is the transport of the gateway's domain, such as `lmtp:inet:127.0.0.1:2400`.

    `bare_newline`: what it makes of a bare LF (smtpd_forbid_bare_newline); `no` is how Debian 12 ships it.
    """

    def __init__(self, gateway: str = "", bare_newline: str = "reject") -> None:
        if not AVAILABLE:
            raise RuntimeError(MISSING)
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-postfix-"))
        self.folder.chmod(0o755)
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._config = self.folder / "config"
        self._bare_newline = bare_newline
        self._write(gateway)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def _write(self, gateway: str) -> None:
        owner = pwd.getpwnam("mail")
        for name in ("config", "queue", "data", "box"):
            (self.folder / name).mkdir()
        os.chown(self.folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
        os.chown(self.folder / "box", owner.pw_uid, owner.pw_gid)
        main = MAIN.format(folder=self.folder, uid=owner.pw_uid, gid=owner.pw_gid, bare_newline=self._bare_newline)
        (self._config / "main.cf").write_text(main)
        (self._config / "master.cf").write_text(MASTER.format(port=self.port))
        self._map("access", {})
        self._map("transport", {DOMAIN: gateway} if gateway else {})

    def _map(self, name: str, entries: dict[str, str]) -> None:
        text = "".join(f"{key} {value}\n" for key, value in entries.items())
        (self.folder / name).write_text(text)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert POSTFIX
        assert self._process is None
        check = subprocess.run(
            [POSTFIX, "-c", self._config, "check"], capture_output=True, text=True, timeout=60, check=False
        )
        assert check.returncode == 0, check.stderr
        master = subprocess.run(
            [shutil.which("postconf", path=SBIN) or "postconf", "-h", "daemon_directory"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.strip()
        self._process = subprocess.Popen(
            [f"{master}/master", "-c", self._config, "-d"],
            env={**os.environ, "MAIL_CONFIG": str(self._config)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=60) as client:
                if client.recv(100).startswith(b"220"):
                    return
            time.sleep(0.01)
        raise AssertionError(f"Postfix doesn't answer on {self.port}: {self.log()}")

    def stop(self) -> None:
        """End it with all its connections. Queue, mail and configuration stay."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def refuse(self, answers: dict[str, str]) -> None:
        """Answer RCPT for these addresses or domains so (`450 4.2.1 …`), from now on."""
        self._map("access", answers)
        self._restart()

    def route(self, domain: str, transport: str) -> None:
        """Send mail for a domain there, from now on."""
        with (self.folder / "transport").open("a") as file:
            file.write(f"{domain} {transport}\n")
        self._restart()

    def _restart(self) -> None:
        """A reload wouldn't do: a process with a client goes on with the tables that it has."""
        self.stop()
        self.start()

    def box(self) -> list[EmailMessage]:
        """What was delivered to the Maildir, oldest first; `X-Original-To` says to whom."""
        files = sorted((self.folder / "box" / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]

    def box_of(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.box() if str(mail["X-Original-To"]).lower() == address]

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""
