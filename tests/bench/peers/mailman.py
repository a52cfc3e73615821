"""Mailman 3's core: a list that takes mail by LMTP; its `in` and `pipeline` runners carry it to the queue that sends.

Three of its runners, each a process as with its own master; SQLite, and everything in a scratch folder. Nobody is
subscribed: what a list costs for each member isn't measured.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import RECIPIENT
from tests.bench.servers import await_port, awaited, scratch
from tests.servers.ports import free_port

PYTHON = "/usr/bin/python3"  # Debian's, which has Mailman as a package
RUNNER = Path("/usr/lib/mailman3/bin/runner")
_CONFIG = """\
[mailman]
layout: bench
site_owner: owner@support.example.org
[paths.bench]
var_dir: {folder}
bin_dir: /usr/lib/mailman3/bin
log_dir: {folder}/logs
lock_dir: {folder}/locks
data_dir: {folder}/data
cache_dir: {folder}/cache
etc_dir: {folder}/etc
messages_dir: {folder}/messages
archive_dir: {folder}/archives
template_dir: {folder}/templates
pid_file: {folder}/master.pid
lock_file: {folder}/locks/master.lck
queue_dir: {folder}/queue
list_data_dir: {folder}/lists
[database]
class: mailman.database.sqlite.SQLiteDatabase
url: sqlite:///{folder}/mailman.db
[mta]
incoming: mailman.mta.null.NullMTA
lmtp_host: 127.0.0.1
lmtp_port: {port}
"""
_LIST = """\
import sys
from mailman.core.initialize import initialize
initialize(sys.argv[1])
from mailman.app.lifecycle import create_list
from mailman.config import config
from mailman.interfaces.action import Action
from mailman.interfaces.archiver import ArchivePolicy
from mailman.interfaces.domain import IDomainManager
from zope.component import getUtility
address = sys.argv[2]
getUtility(IDomainManager).add(address.partition("@")[2])
made = create_list(address, ["owner@support.example.org"])
made.default_nonmember_action = Action.accept
made.archive_policy = ArchivePolicy.never
config.db.commit()
"""


@contextlib.contextmanager
def mailman() -> Iterator[tuple[int, Path]]:
    """Its LMTP port, and the folder of its queues.

    Raises:
        RuntimeError: it isn't there, or doesn't start.
    """
    if not RUNNER.exists():
        raise RuntimeError("it isn't installed (Debian: mailman3)")
    with scratch() as folder, contextlib.ExitStack() as running:
        port = free_port()
        config = folder / "mailman.cfg"
        config.write_text(_CONFIG.format(folder=folder, port=port))
        _create(config)
        with (folder / "output").open("w") as output:
            for name in ("lmtp", "in", "pipeline"):
                command = [PYTHON, str(RUNNER), "-C", str(config), "-r", f"{name}:0:1"]
                running.enter_context(_ended(subprocess.Popen(command, stdout=output, stderr=output)))
        await_port(port, 60)
        yield port, folder / "queue"


def _create(config: Path) -> None:
    command = [PYTHON, "-c", _LIST, str(config), RECIPIENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RuntimeError(done.stderr)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.wait()


def await_processed(queues: Path, count: int) -> None:
    """Wait until so many mails stand in the queue that sends."""
    awaited(lambda: len(list((queues / "out").glob("*.pck"))) >= count, f"{count} mails through Mailman", 300)
