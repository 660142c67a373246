"""One fault from its physics to the screen on the embedded broker; the default tests do the same on Mosquitto."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import System, running
from tests.e2e.test_end_to_end import (  # noqa: F401 - the test itself, and its fixture
    page,
    test_one_fault_gives_exactly_its_alarm_on_its_pump_and_clears,
)


@pytest.fixture
def system(embedded_broker: str, tmp_path: Path, free_port: int) -> Iterator[System]:
    with running(tmp_path / "data", "--broker", embedded_broker, "--gateways", "1", "--port", str(free_port)) as found:
        yield found
