"""Attacks, each against the gateway as it is and against one whose defence is taken out: `make security`."""

from tests.security import cases
from tests.trials.suite import Suite

SUITE = Suite(cases, "tests.security", "security.md", trial="attack", through="got through")
