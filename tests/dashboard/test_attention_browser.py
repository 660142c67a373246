"""Sounds and announcements in a real Chromium: silent until somebody allows it, and only for what nobody has seen."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.test_browser import PATIENCE_MS, Screen, browser, page, screen, served  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser
LISTEN = """
window.tones = [];
window.AudioContext = class extends AudioContext {
  constructor() { super(); window.device = this; }
};
const begin = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) {
  window.tones.push(Math.round(this.frequency.value));
  begin.call(this, at);
};
"""
"""Writes down the pitch of every tone that the page plays, and what it plays with."""
HEARD = "new Promise((done) => { setInterval(() => tones.length && done(), 100); })"
"""Waits until the page plays something."""
WITHOUT_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined });"
"""A page that came over plain HTTP from another machine has no locks."""


def sounds(page: Page, name: str) -> tuple[list[dict[str, Any]], float]:  # noqa: F811
    """Return the pulses of a priority's sound, and after how many seconds it comes again."""
    pulses: list[dict[str, Any]] = page.evaluate(f"pumpwatchAttention.burst('{name}')")
    return pulses, page.evaluate(f"pumpwatchAttention.repeat_s('{name}')")


def check_the_signals_of_the_standard(page: Page) -> None:  # noqa: F811
    """Compare the sounds with the numbers for auditory signals in IEC 60601-1-8, tables 3 and 4."""
    pitches = set()
    for name, count, shortest, longest, between in (
        ("high", 10, 0.075, 0.2, (2.5, 15)),
        ("medium", 3, 0.125, 0.25, (2.5, 30)),
        ("low", 2, 0.125, 0.25, (15, 120)),
    ):
        pulses, repeat_s = sounds(page, name)
        assert len(pulses) == count
        assert all(shortest <= pulse["lasts"] <= longest for pulse in pulses)
        assert all(0.1 <= pulse["rise"] / pulse["lasts"] <= 0.2 for pulse in pulses)
        assert all(150 <= pulse["hz"] <= 1000 for pulse in pulses)
        audible = [one for one in pulses[0]["harmonics"] if 300 <= one["hz"] <= 4000 and 0.18 <= one["gain"] <= 1]
        assert len(audible) >= 4, "four harmonics within 15 dB"
        gap_s = repeat_s - pulses[-1]["at"] - pulses[-1]["lasts"]
        assert between[0] <= gap_s <= between[1]
        pitches.add(pulses[0]["hz"])
    assert len(pitches) == 3
    pulses, _ = sounds(page, "high")
    gaps = [round(after["at"] - before["at"] - before["lasts"], 3) for before, after in itertools.pairwise(pulses)]
    near, lasts = gaps[0], pulses[0]["lasts"]
    half = [near, near, round(2 * near + lasts, 3), near]
    assert 0.05 <= near <= 0.125
    assert gaps[:4] == gaps[5:] == half
    assert 0.35 <= gaps[4] <= 1.3


def check_that_the_worst_decides_what_is_heard_and_said(page: Page) -> None:  # noqa: F811
    """Ask the functions of the page about states that would take minutes to reach."""
    state = {"on": True, "running": True, "holder": True, "waiting": [0, 1, 5], "paused_until": 0, "lost": False}
    state |= {"now": 100_000, "played": "medium", "played_at": 90_000}

    def decided(**changes: Any) -> dict[str, Any]:
        found: dict[str, Any] = page.evaluate("state => pumpwatchAttention.decide(state)", state | changes)
        return found

    assert decided() == {"status": "on", "priority": "medium", "play": False, "left_s": 0}
    assert decided(now=115_000)["play"] is True
    assert decided(waiting=[1, 1, 5]) == {"status": "on", "priority": "high", "play": True, "left_s": 0}
    assert decided(on=False)["status"] == "off"
    assert decided(running=False)["status"] == "blocked"
    assert decided(holder=False)["play"] is False
    assert decided(paused_until=160_000) == {"status": "paused", "priority": "", "play": False, "left_s": 60}
    assert decided(waiting=[0, 0, 0])["priority"] == ""
    assert decided(waiting=[0, 0, 0], lost=True)["priority"] == "medium"

    pause = {"until": 200_000, "worst": 1, "epoch": 7, "totals": [2, 3, 4]}

    def ended(totals: list[int], epoch: int = 7, now: int = 100_000, **changes: Any) -> bool:
        given = [pause | changes, now, {"epoch": epoch, "totals": totals}]
        return bool(page.evaluate("given => pumpwatchAttention.ends_pause(...given)", given))

    assert not ended([2, 9, 9]), "no more than what was paused"
    assert ended([3, 3, 4]), "a new high alarm"
    assert ended([3, 3, 4], worst=0), "another patient's high alarm"
    assert ended([2, 3, 4], now=200_000), "by itself"
    assert ended([2, 3, 4], epoch=8), "the server counts anew"
    assert ended([2, 3, 4], until=100_000 + 3_600_000), "longer than the longest pause"

    named = {"alarm": "a", "priority": 1, "subject": "ITB-000123", "title": "No flow", "number": 6}
    flood = {"counts": [1, 3, 8], "alarms": [named]}
    said = page.evaluate("flood => pumpwatchAnnounce.sentence(flood)", flood)
    assert said == {"text": "12 new alarms, worst: ITB-000123 No flow, high", "urgent": True}
    heard = {
        "epoch": 7,
        "waiting": [2, 0, 0],
        "totals": [7, 0, 0],
        "recent": [{**named, "alarm": "b", "number": 7}],
    }
    over = "given => pumpwatchAnnounce.is_over(...given)"
    assert page.evaluate(over, [named, heard]) is False, "older than those that are named"
    assert page.evaluate(over, [named, {**heard, "waiting": [1, 0, 0]}]) is True


def test_new_alarms_are_heard_once_somebody_has_allowed_it_until_they_are_acknowledged(
    screen: Screen,  # noqa: F811
    page: Page,  # noqa: F811
) -> None:
    page.add_init_script(LISTEN)
    opener = page.locator("#attention-open")
    screen.show(40, alarms=0)
    with served(screen) as address:
        page.goto(address)
        expect(opener).to_have_text("Sound off", timeout=PATIENCE_MS)
        expect(page).to_have_title("Pumpwatch")
        check_the_signals_of_the_standard(page)
        check_that_the_worst_decides_what_is_heard_and_said(page)
        opener.click()
        expect(page.locator("#attention-note")).to_contain_text("Sound is off in this browser")
        page.get_by_role("button", name="Turn sound on").click()
        expect(opener).to_have_text("Sound on")
        assert page.evaluate("tones") == []

        screen.show(40, alarms=1)
        expect(page).to_have_title("(1) ▲ Pumpwatch", timeout=PATIENCE_MS)
        expect(page.locator("#announce-urgent")).to_have_text("New high alarm: ITB-000001 Alarm of rule 0")
        assert page.locator("link[rel=icon]").get_attribute("href").startswith("data:image/png")  # type: ignore[union-attr]
        assert page.evaluate("tones") == [660] * 10

        page.get_by_role("button", name="Pause sound").click()
        expect(opener).to_contain_text("Sound paused 1:5")
        screen.show(40, alarms=4)
        expect(opener).to_have_text("Sound on", timeout=PATIENCE_MS)
        expect(page.locator("#announce-urgent")).to_contain_text("new alarms, worst: ITB-000004 Alarm of rule 0, high")

        page.evaluate("""localStorage["pumpwatch-attention"] = JSON.stringify({ ...pumpwatchAttention.settings(),
            pause: { ...{ epoch: 0, worst: 0, totals: [0, 0, 0] }, until: Date.now() + 1500 } })""")
        expect(opener).to_have_text("Sound on", timeout=PATIENCE_MS)

        other = page.context.new_page()
        other.add_init_script(LISTEN)
        other.goto(address)
        other.mouse.click(600, 20)
        expect(other.locator("#attention-open")).to_have_text("Sound on", timeout=PATIENCE_MS)
        expect(other).to_have_title("(3) ▲ Pumpwatch", timeout=PATIENCE_MS)
        page.evaluate("device.suspend()")
        page.wait_for_timeout(1500)
        page.evaluate("device.resume()")
        assert other.evaluate("tones") == [], "the first tab sounds"

        screen.show(40, alarms=0)
        expect(page).to_have_title("Pumpwatch", timeout=PATIENCE_MS)
        count = page.evaluate("tones.length")
        opener.click()
        expect(page.locator("#attention-panel")).to_be_hidden()
        assert page.evaluate("tones.length") == count


def check_that_a_lease_has_one_holder(page: Page) -> None:  # noqa: F811
    """Ask the function of the page about two tabs of the same browser."""

    def asked(found: dict[str, Any] | None, tab: str, now: int) -> tuple[dict[str, Any], bool]:
        answer = page.evaluate("given => pumpwatch.sounder.lease(...given)", [found, tab, now])
        return answer["lease"], answer["holds"]

    first, holds = asked(None, "a", 1_000)
    assert not holds, "another tab may have taken it in the same moment"
    assert asked(first, "a", 2_500) == ({"tab": "a", "since": 1_000, "at": 2_500}, True)
    assert asked(first, "b", 9_000) == (first, False)
    second, holds = asked(first, "b", 12_000)
    assert (second["tab"], holds) == ("b", False), "the first tab has been gone for long"
    assert asked(second, "a", 13_500) == (second, False), "it comes back, and the other one has taken its place"


def test_one_tab_sounds_and_the_next_one_when_it_is_closed_also_without_locks(
    screen: Screen,  # noqa: F811
    page: Page,  # noqa: F811
) -> None:
    page.context.add_init_script(LISTEN)
    page.context.add_init_script(WITHOUT_LOCKS)
    with served(screen) as address, screen.moving(40, alarms=1):
        page.goto(address)
        page.locator("#attention-open").click()
        check_that_a_lease_has_one_holder(page)
        page.get_by_role("button", name="Turn sound on").click()
        page.evaluate(HEARD)
        other = page.context.new_page()
        other.goto(address)
        other.mouse.click(600, 20)
        expect(other.locator("#attention-open")).to_have_text("Sound on", timeout=PATIENCE_MS)
        expect(other).to_have_title("(1) ▲ Pumpwatch", timeout=PATIENCE_MS)
        other.wait_for_timeout(2000)
        assert other.evaluate("tones") == []
        page.close()
        other.evaluate(HEARD)
