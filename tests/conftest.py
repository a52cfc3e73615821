"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from gateway import log

# How long an example takes depends on what else the machine does: slowness alone is no fault.
settings.register_profile("gateway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gateway")


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """A command that a test ran in this process has set the log up, on a standard error that is gone afterwards."""
    yield
    log._to_do.clear()
    structlog.reset_defaults()
