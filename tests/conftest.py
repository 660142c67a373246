"""Fixtures that every folder of tests may use: real brokers, a browser, free ports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.mqtt.endpoint import free_port as any_free_port
from broker.mqtt.endpoint import listening_socket
from broker.mqtt.mosquitto_config import find

ROOT = Path(__file__).resolve().parents[1]
END_S = 10
FIRST = (
    *("tests/trials/test_detection.py", "tests/e2e/test_recovery.py"),
    *("tests/dashboard/test_browser_barriers.py", "tests/strangers/test_clocks.py"),
    *("tests/dashboard/pages/test_pages.py", "tests/pumpwatch/commands/test_run.py"),
    *("tests/dashboard/test_reverse_proxy.py", "tests/e2e/test_end_to_end.py"),
    *("tests/pumpwatch/test_environments.py", "tests/simulator/faults/test_fault_conformance.py"),
    *("tests/dashboard/test_browser.py", "tests/simulator/faults/test_fault_signatures.py"),
    *("tests/pumpwatch/supervision", "tests/pumpwatch/commands/test_cli.py"),
    *("tests/pumpwatch/test_containers.py", "tests/processor/detectors/test_detector_conformance.py"),
    *("tests/pumpwatch/commands/test_run_connections.py", "tests/pumpwatch/commands/test_broker_password.py"),
    *("tests/dashboard/test_browser_alarms.py", "tests/processor/service/test_crash.py"),
    *("tests/e2e", "tests/cluster/test_take_over.py", "tests/test_new_signal.py", "tests/chaos"),
    *("tests/broker/mqtt/test_overload.py",),
    *("tests/pumpwatch/commands/test_load.py", "tests/pumpwatch/commands/test_bad_values.py"),
)
"""What takes longest begins: by turns a whole system, which waits more than it works, and what works all the time.

A worker takes whole files, so a long one that begins last is what everybody waits for. Types are checked beside the
first of them: systems whose pumps fall silent when nobody gives them time come a little later.
"""
# Checks of a story and of a monitored processor are to show both sides, as a test's own assertion does.
pytest.register_assert_rewrite("tests.processor.story", "tests.processor.watch.monitored_processor")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; the order within a file stays."""

    def place(item: pytest.Item) -> int:
        file = item.path.relative_to(ROOT).as_posix()
        return next((at for at, begin in enumerate(FIRST) if file.startswith(begin)), len(FIRST))

    items.sort(key=place)


def missing(program: str) -> None:
    """Skip the test with its reason; where CI=true, everything must be there and this fails."""
    reason = f"{program} is not on this machine"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true")
    pytest.skip(reason)


@pytest.fixture
def free_port() -> int:
    return any_free_port()


@pytest.fixture(scope="session")
def ipv6() -> str:
    """The loopback address of IPv6, if this machine has it."""
    try:
        listening_socket("::1", 0).close()
    except OSError:
        missing("the IPv6 loopback address ::1")
    return "::1"


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Mosquitto on a free port, as Pumpwatch itself starts it."""
    if find(os.environ.get("PATH")) is None:
        missing("mosquitto")
    yield from serve("mosquitto", tmp_path_factory.mktemp("mosquitto"))


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the embedded broker on a free port."""
    yield from serve("amqtt", tmp_path_factory.mktemp("amqtt"))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium, as CHROMIUM_PATH says or as it is found."""
    given = os.environ.get("CHROMIUM_PATH")
    found = given or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        missing("chromium")
    return str(found)


def serve(kind: str, directory: Path) -> Iterator[str]:
    """Run `pumpwatch broker` until the fixture ends; yield its URL."""
    command = [
        sys.executable,
        "-m",
        "pumpwatch",
        "broker",
        "--kind",
        kind,
        "--anonymous",
        "--port",
        "0",
        "--data",
        str(directory),
    ]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:2] == ["READY", "broker"], (directory / "log").read_text()
            yield words[2]
        finally:
            process.terminate()
            process.wait(END_S)
            process.stdout.close()
