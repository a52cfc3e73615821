"""`make chaos`: kills, power cuts, faults, on the gateway and without the defence (see `tests.trials.command`)."""

from __future__ import annotations

import sys

from tests.chaos import SUITE
from tests.trials.command import main

if __name__ == "__main__":
    sys.exit(main(SUITE, sys.argv[1:]))
