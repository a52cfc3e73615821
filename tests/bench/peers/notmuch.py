"""notmuch: reads a Maildir, threads it, indexes every word of it, and writes its database once at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence

from tests.bench.servers import scratch

NOTMUCH = shutil.which("notmuch")


def indexed(raws: Sequence[bytes]) -> float:
    """Mails per second of `notmuch new`, on an empty database.

    Raises:
        RuntimeError: it isn't there, or didn't take them all.
    """
    if NOTMUCH is None:
        raise RuntimeError("it isn't installed (Debian: notmuch)")
    with scratch() as folder:
        box = folder / "mail" / "cur"
        box.mkdir(parents=True)
        for number, raw in enumerate(raws):
            (box / f"{number}:2,").write_bytes(raw)
        config = folder / "config"
        config.write_text(
            f"[database]\npath={folder / 'mail'}\n[user]\nname=Bench\nprimary_email=bench@example.org\n"
        )
        env = {**os.environ, "NOTMUCH_CONFIG": str(config), "HOME": str(folder)}
        begin = time.perf_counter()
        done = subprocess.run([NOTMUCH, "new", "--quiet"], env=env, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begin
        if done.returncode:
            raise RuntimeError(done.stderr)
    return len(raws) / seconds
