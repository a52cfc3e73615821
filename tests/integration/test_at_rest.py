"""What lies on the disk, and in the process table, is for the daemon's account alone."""

from __future__ import annotations

import os
from pathlib import Path

from tests.servers.clients import letter
from tests.servers.gateway import ULYSSE, Gateway, configuration, imap_intake

PASSWORD = "canary-password"


def _modes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): oct(path.stat().st_mode & 0o777) for path in folder.rglob("*")}


def test_nobody_else_can_read_what_is_kept_or_left_and_no_secret_is_in_the_process_table(tmp_path: Path) -> None:
    box = imap_intake(9, "contact", PASSWORD)
    gateway = Gateway(tmp_path, configuration(intake=box))
    before = os.umask(0)
    try:
        gateway.start()
    finally:
        os.umask(before)
    gateway.post(letter(ULYSSE, "Bonjour."))
    process = Path(f"/proc/{gateway.pid}")
    told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    modes = {**_modes(tmp_path / "var"), **_modes(tmp_path / "sent")}
    gateway.stop()
    assert PASSWORD.encode() not in told
    assert {"gateway.db", "token.keys", "raw"} <= modes.keys()
    assert set(modes.values()) <= {"0o600", "0o700"}, modes
