"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from gateway import log

# How long an example takes depends on what else the machine does: slowness alone is no fault. What examples of a test
# share, like its store, they bring into order themselves. A run says whether a change broke something, so it tries
# what the last one tried; HYPOTHESIS_PROFILE=chance draws new examples.
settings.register_profile(
    "gateway",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)
settings.register_profile("chance", settings.get_profile("gateway"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gateway"))


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """A command that a test ran in this process has set the log up, on a standard error that is gone afterwards."""
    yield
    log._made.clear()
    log._to_do.clear()
    structlog.reset_defaults()
