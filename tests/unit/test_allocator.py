"""Memory of large mails goes back to the system, whichever thread had it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import sys, threading
from pathlib import Path
from gateway.allocator import give_back_large
if sys.argv[1:]: give_back_large()
kept = []
def work():
    for _ in range(3):
        mail = b"x" * 25_000_000
        kept.append(b"x" * 100_000)
        del mail
def held(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
before = held()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(held() - before)
"""


def _held(*, given_back: bool) -> int:
    """Octets that a process still holds after four threads have had large mails."""
    command = [sys.executable, "-c", _PROGRAM, *(["yes"] if given_back else [])]
    return int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc")
def test_large_memory_is_given_back() -> None:
    assert _held(given_back=True) < 10_000_000
