"""An engineer retires a pump on its page and reinstates it, on real parts; part of `make chaos`."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import conftest as whole_system
from tests.e2e.conftest import SPEED, System
from tests.e2e.test_end_to_end import page  # noqa: F401 - fixture

pytestmark = [pytest.mark.broker, pytest.mark.browser]
PATIENCE_MS = 60_000
system = whole_system.system
SILENCE = ("MY-1", "pump_silent")


def publish(system: System, leaf: str, message: dict[str, object]) -> None:
    where = urlsplit(system.broker)
    words = ["mosquitto_pub", "-h", str(where.hostname), "-p", str(where.port), "-q", "1"]
    line = [*words, "-t", f"itb/01/mine/{leaf}", "-m", json.dumps(message)]
    subprocess.run(line, check=True, timeout=60)


def send_once(system: System) -> None:
    """Announce the pump MY-1 at the speed of the fleet, send one sample of it, and no other ever."""
    now = time.time_ns() // 1_000_000
    publish(
        system, "birth", {"gateway": "mine", "pumps": {"serial": ["MY-1"]}, "sent": now, "time": now, "speed": SPEED}
    )
    publish(system, "telemetry", {"pump": "MY-1", "time": now, "seq": 1, "flow_ul_h": 8.1})


def retire(page: Page, why: str) -> None:  # noqa: F811
    page.get_by_role("button", name="Retire pump…").click()
    page.get_by_label("Reason (required)").fill(why)
    page.get_by_role("button", name="Retire pump", exact=True).click()


def test_an_engineer_retires_a_silent_pump_finds_it_and_reinstates_it(system: System, page: Page) -> None:  # noqa: F811
    if shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto_pub is not on this machine")
    page.set_default_timeout(PATIENCE_MS)
    send_once(system)
    system.wait_for("the alarm of silence", lambda now: SILENCE in now.alarms.select("pump", "rule").rows())
    page.goto(system.sign_in)

    page.goto(f"{system.address}/pump/ITB-000001")
    retire(page, "explanted")
    expect(page.get_by_text("Refused: ITB-000001: it sent within the last 8 min; stop it first.")).to_be_visible(
        timeout=PATIENCE_MS
    )
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible(timeout=PATIENCE_MS)
    dialog.get_by_role("button", name="Cancel").click()

    page.goto(f"{system.address}/pump/MY-1")
    page.get_by_role("button", name="Retire pump…").click()
    expect(dialog).to_contain_text("MY-1", timeout=PATIENCE_MS)
    expect(dialog).to_contain_text("no alarms, not even for silence")
    page.get_by_role("button", name="Retire pump", exact=True).click()
    expect(page.get_by_text("Not retired: enter a reason.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Reason (required)").fill("explanted in room 4")
    page.get_by_role("button", name="Retire pump", exact=True).click()
    expect(page.get_by_text("Retired 1 pump.")).to_be_visible(timeout=PATIENCE_MS)
    head = page.locator("#pump-head")
    expect(head).to_contain_text("Retired since", timeout=PATIENCE_MS)
    expect(head).to_contain_text("by shared key")
    expect(head).to_contain_text("explanted in room 4")
    later = system.look().health.version + 20
    now = system.wait_for("the time of silence again", lambda now: now.version >= later)
    assert SILENCE not in now.alarms.select("pump", "rule").rows()

    page.get_by_role("link", name="Pumps", exact=True).click()
    page.get_by_text("Retired: 1").click()
    page.get_by_role("link", name="MY-1").click()
    page.get_by_role("button", name="Reinstate").click()
    expect(page.get_by_text("Reinstated 1 pump.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Retire pump…")).to_be_visible(timeout=PATIENCE_MS)
    system.wait_for("the alarm of silence", lambda now: SILENCE in now.alarms.select("pump", "rule").rows())
    assert {"retired", "reinstated"} <= {row["kind"] for row in json.loads(system.command("journal", "--json").stdout)}
