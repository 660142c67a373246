"""Five kills of the processor within 20 s of its start each: `pumpwatch run` and its dashboard live on and say so."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from tests.pumpwatch.commands.test_run import Run


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.process.terminate()
    run.process.wait(60)


def test_five_kills_of_the_processor_leave_the_run_and_its_dashboard_alive(run: Run) -> None:
    browser = build_opener(HTTPCookieProcessor())
    address = run.address()
    browser.open(address).read()

    def live() -> dict[str, str]:
        found: dict[str, str] = json.load(browser.open(address.partition("?")[0] + "live"))
        return found

    for kills in range(1, 6):
        pid = next(pid for pid, line in run.processes().items() if "pumpwatch process" in line)
        os.kill(pid, signal.SIGKILL)
        if kills == 5:
            run.until(lambda: "next try in" in live()["parts"])
            assert "The processor was killed (SIGKILL) 5 times in a row; next try in" in live()["parts"]
        run.until(lambda kills=kills: run.log.read_text().count("processor is running again") == kills)
    assert run.process.poll() is None
    assert "it is running again" in live()["parts"]
    assert {"dashboard", "broker", "simulate"} <= {
        line.split("pumpwatch ")[1].split()[0] for line in run.processes().values() if "-m pumpwatch " in line
    }
