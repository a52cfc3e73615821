"""The gateway's command, run in a process of its own that need not import anything first.

    done = forked.run(["show", "7K2M-Q9TX", "--json"], folder, stdin=b"")

A server process has imported it all, and forks for each call: what a test asks of the store costs the work, and not
a second of imports each time. The installed command itself is started by the daemons, and by the tests of the
command line.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

from gateway import cli
from tests.patience import PATIENCE

_MODULES = sorted({f"gateway.commands.{module}" for module, _ in cli.COMMANDS.values()})
# What commands import only when they come to it.
_LATER = ("gateway.reading.answering", "gateway.reading.searching", "rich.console", "rich.table", "rich.text")


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_MODULES, *_LATER, __name__])
    return context


def run(
    arguments: Sequence[str], folder: Path, stdin: bytes = b"", patience: float = PATIENCE
) -> subprocess.CompletedProcess[bytes]:
    """Run `gateway ARGUMENTS` in `folder`; its exit status, and what it printed.

    Raises:
        subprocess.TimeoutExpired: it took more than `patience` seconds, and was ended.
    """
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place) / name for name in ("in", "out", "err")]
        streams[0].write_bytes(stdin)
        process = _context().Process(target=_answer, args=(list(arguments), folder, streams))
        process.start()
        process.join(patience)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["gateway", *arguments], patience)
        _, out, err = (stream.read_bytes() if stream.exists() else b"" for stream in streams)
        return subprocess.CompletedProcess(["gateway", *arguments], process.exitcode or 0, out, err)


def _answer(arguments: list[str], folder: Path, streams: list[Path]) -> None:
    """In the forked process: as if a shell had started it with these streams."""
    os.chdir(folder)
    for number, stream in enumerate(streams):
        file = os.open(stream, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 (they end with the process)
    sys.argv = ["gateway", *arguments]
    sys.exit(cli.main())
