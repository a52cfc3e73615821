"""What breaks under a gateway: kills, power cuts, faults of disk, database and clock: `make chaos`."""

from tests.chaos import cases
from tests.trials.suite import Suite

SUITE = Suite(cases, "tests.chaos", "reliability.md", trial="what happens", through="went wrong")
