"""Memory goes back to the system, or to the next thread, whichever thread had it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc")

# Threads do `work` one after the other, and live on; what they hold then, of what each keeps and has freed.
_PROGRAM = """
import sys, threading
from pathlib import Path
from gateway.allocator import hold_little
if sys.argv[1:]: hold_little()
kept = []
def large():
    for _ in range(3):
        mail = b"x" * 25_000_000
        kept.append(b"x" * 100_000)
        del mail
def small():
    rows = [bytes(2_000) for _ in range(8_000)]
    kept.append(rows[-1])
def held(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
turn, done = threading.Lock(), threading.Barrier(5)
def one():
    with turn: {work}()
    done.wait()
    done.wait()
before = held()
threads = [threading.Thread(target=one) for _ in range(4)]
for thread in threads: thread.start()
done.wait()
print(held() - before)
done.wait()
"""


def _held(work: str, *, little: bool = True) -> int:
    """Octets that a process still holds after four threads have done this."""
    command = [sys.executable, "-c", _PROGRAM.replace("{work}", work), *(["yes"] if little else [])]
    return int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def test_large_memory_is_given_back() -> None:
    assert _held("large") < 10_000_000


def test_small_memory_that_one_thread_has_freed_is_of_use_to_the_next() -> None:
    assert _held("small") < 30_000_000
