"""One fault in one of three pumps, from its physics to the screen and back, on real parts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from .conftest import System, pairs, warmed_up

pytestmark = [pytest.mark.broker]
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
                  "--disable-background-networking", "--disable-component-update"]  # fmt: skip
SAMPLE = '{"pump":"MY-1","time":"2026-01-01T00:00:00Z","seq":1,"flow_ul_h":8.1}'
NOTE = "C:\\[/temp]\x1b[2J"
OCCLUSION = {("ITB-000001", "catheter_occlusion")}


@pytest.fixture
def page(chromium: str):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser.new_page(viewport={"width": 1600, "height": 1000})
        browser.close()


def readable_by_others(data: Path) -> list[str]:
    """Return the files of a data directory on which group or others have any right."""
    every = [data, *data.rglob("*")]
    return [str(path) for path in every if not path.is_symlink() and path.stat().st_mode & 0o077]


@pytest.mark.browser
def test_one_fault_gives_exactly_its_alarm_on_its_pump_and_clears(system: System, page: Page) -> None:
    page.goto(system.sign_in)
    system.wait_for("three pumps, known for a while", lambda now: warmed_up(now, 3))
    assert system.alarms() == set()
    expect(page.get_by_text("0 open alarms").or_(page.get_by_text("No open alarms")).first).to_be_visible()

    done = system.command("inject", "catheter_occlusion", "--pumps", "1", "--severity", "0.9")
    assert done.returncode == 0, done.stderr
    system.wait_for("the alarm", lambda now: pairs(now) == OCCLUSION)
    row = page.get_by_text("Catheter occluded").first
    expect(row).to_be_visible(timeout=60_000)
    assert set(re.findall(r"ITB-\d{6}", page.inner_text("main"))) == {"ITB-000001"}

    page.get_by_role("button", name=re.compile("^Ack")).first.click()
    system.wait_for("the acknowledgement", lambda now: now.alarms["state"].to_list() == ["acknowledged"])
    assert pairs(system.look()) == OCCLUSION

    done = system.command("clear", "--pumps", "1")
    assert done.returncode == 0, done.stderr
    system.wait_for("no alarm any more", lambda now: now.alarms.height == 0)
    expect(page.get_by_text("Catheter occluded")).to_have_count(0, timeout=60_000)
    assert system.look().health.lost == 0


@pytest.mark.browser
def test_an_engineer_injects_a_fault_on_the_page_and_sees_it_detected(system: System, page: Page) -> None:
    system.wait_for("three pumps, known for a while", lambda now: warmed_up(now, 3))
    page.goto(system.sign_in)
    page.get_by_role("link", name="Faults").click()
    page.get_by_label("Motor stall", exact=True).check()
    page.get_by_label("Pumps", exact=True).fill("2")
    page.get_by_role("button", name="Inject", exact=True).click()
    expect(page.get_by_text("Done on 1 pump")).to_be_visible(timeout=60_000)
    system.wait_for("the alarm", lambda now: pairs(now) == {("ITB-000002", "motor_stall")})
    expect(page.locator(".injection-outcome").first).to_contain_text(re.compile(r"^detected \d"), timeout=60_000)


def test_a_note_with_brackets_is_noted_and_the_journal_still_opens(system: System) -> None:
    system.wait_for("three pumps, known for a while", lambda now: warmed_up(now, 3))
    assert system.command("inject", "motor_stall", "--pumps", "0").returncode == 0
    system.wait_for("the alarm", lambda now: ("ITB-000000", "motor_stall") in pairs(now))
    assert system.command("alarm", "note", "--alarms", "all", "--why", NOTE).returncode == 0
    system.wait_for("the note", lambda now: NOTE in now.alarms["note"].to_list())
    shown = system.command("journal", "--text", "temp")
    assert shown.returncode == 0, shown.stderr
    assert "[/temp]" in shown.stdout
    assert "\x1b" not in shown.stdout


@pytest.mark.browser
def test_what_is_refused_shows_on_the_pipeline_page_and_the_sample_of_the_readme_on_the_chart_of_its_pump(
    system: System, page: Page
) -> None:
    if shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto_pub is not on this machine")
    where = urlsplit(system.broker)

    def publish(topic: str, message: str) -> None:
        line = ["mosquitto_pub", "-h", str(where.hostname), "-p", str(where.port), "-q", "1", "-t", topic]
        subprocess.run([*line, "-m", message], check=True, timeout=60)

    page.goto(system.address + f"/pipeline?key={system.sign_in.partition('key=')[2]}")
    publish("itb/00/mine/telemetry", '{"pump":"MY-1","time":"1900-01-01T00:00:00Z"}')
    publish("itb/00/mine/telemetry", '{"pump":"<script>alert(1)</script>","time":"2026-01-01T00:00:00Z"}')
    publish("itb/77/mine/telemetry", '{"pump":"MY-1","time":"2026-01-01T00:00:00Z"}')
    publish("itb/00/mine/telemetry", SAMPLE)
    now = system.wait_for("the good message", lambda now: "MY-1" in now.pumps["pump"])
    assert now.health.refused == 3
    mine = now.pumps.filter(now.pumps["pump"] == "MY-1").row(0, named=True)
    assert mine["flow_ul_h"] == pytest.approx(8.1)
    assert mine["battery_v"] is None
    page.get_by_role("link", name="Pipeline").click()
    expect(page.get_by_text("is not one of 00 to 63").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    assert {"journal.sqlite", "quarantine.jsonl", "run.json"} <= {path.name for path in system.data.iterdir()}
    assert readable_by_others(system.data) == [], "others could read payloads, alarms and who did what"

    page.goto(f"{system.address}/pump/MY-1")
    expect(page.locator("#pump-trends .scatterlayer .point").first).to_be_visible(timeout=60_000)
    expect(page.locator("#trend-note")).to_be_empty()
    expect(page.locator("#therapy")).to_contain_text("×600 (most pumps)")
