"""A pump at real time beside a fast fleet, and a note with brackets, on real parts."""

from __future__ import annotations

import shutil
import subprocess
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from .conftest import System, warmed_up
from .test_end_to_end import page  # noqa: F401 - fixture

pytestmark = [pytest.mark.broker]
SAMPLE = '{"pump":"MY-1","time":"2026-01-01T00:00:00Z","seq":1,"flow_ul_h":8.1}'
NOTE = "C:\\[/temp]\x1b[2J"


@pytest.mark.browser
@pytest.mark.parametrize("system", ["mosquitto"], indirect=True)
def test_the_sample_of_the_readme_is_on_the_chart_of_its_pump(system: System, page: Page) -> None:  # noqa: F811
    if shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto_pub is not on this machine")
    where = urlsplit(system.broker)
    words = ["mosquitto_pub", "-h", str(where.hostname), "-p", str(where.port), "-q", "1"]
    subprocess.run([*words, "-t", "itb/00/mine/telemetry", "-m", SAMPLE], check=True, timeout=60)
    system.wait_for("the sample", lambda now: "MY-1" in now.pumps["pump"])
    page.goto(system.sign_in)
    page.goto(f"{system.address}/pump/MY-1")
    expect(page.locator("#pump-trends .scatterlayer .point").first).to_be_visible(timeout=60_000)
    expect(page.locator("#trend-note")).to_be_empty()
    expect(page.locator("#therapy")).to_contain_text("×600 (most pumps)")


@pytest.mark.parametrize("system", ["mosquitto"], indirect=True)
def test_a_note_with_brackets_is_noted_and_the_journal_still_opens(system: System) -> None:
    system.wait_for("three pumps, known for a while", lambda now: warmed_up(now, 3))
    assert system.command("inject", "motor_stall", "--pumps", "2").returncode == 0
    system.wait_for("the alarm", lambda now: now.alarms.height > 0)
    assert system.command("alarm", "note", "--alarms", "all", "--why", NOTE).returncode == 0
    system.wait_for("the note", lambda now: NOTE in now.alarms["note"].to_list())
    shown = system.command("journal")
    assert shown.returncode == 0, shown.stderr
    assert "[/temp]" in shown.stdout
    assert "\x1b" not in shown.stdout
