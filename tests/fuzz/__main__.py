"""`make fuzz MINUTES=n`: hunt for inputs that break what must always hold, the time divided among all targets.

    python -m tests.fuzz MINUTES [TARGET …]

Prints a line for each target; status 1 where one was broken. What broke it is in tests/fuzz/found/, and belongs into
the repository once it's understood: every run of the tests tries it again.
"""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz import targets
from tests.fuzz.hunt import corpus

_AT_ONCE = 2
_TRIED = re.compile(r"stat::number_of_executed_units: +(\d+)|(\d+) inputs tried")


def main(arguments: list[str]) -> int:
    there = targets.every()
    names = arguments[1:] or list(there)
    if unknown := sorted(set(names) - set(there)):
        print(f"no target {', '.join(unknown)}; there are {', '.join(there)}", file=sys.stderr)
        return 2
    seconds = max(float(arguments[0]) * 60 * _AT_ONCE / len(names), 1)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        broken = sum(pool.map(lambda name: _hunt(name, seconds), names))
    print(f"\n{len(names)} targets, {broken} broken")
    return 1 if broken else 0


def _hunt(name: str, seconds: float) -> bool:
    """Was it broken? What was tried is told, and how it broke."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.hunt", name, f"{seconds:.0f}"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = run.stdout + run.stderr
    tried = next((int(a or b) for a, b in _TRIED.findall(said)), 0)
    kept = sum(path.is_file() for path in corpus(name).iterdir())
    print(f"{name:<16} {tried:>9,} inputs   corpus {kept:>6,}   {'BROKEN' if run.returncode else 'held'}", flush=True)
    if run.returncode:
        print("\n".join(said.splitlines()[-40:]), flush=True)
    return run.returncode != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
