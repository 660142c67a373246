"""Scenarios page: read, start, pause, stop and upload scenarios; the cursor moves, and errors are shown."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from msgspec import structs

from broker.contract.commands import MAX_SCENARIO_CHARS, Playback, Reply
from broker.contract.messages import encode
from broker.contract.rule_targets import RuleTargets
from broker.truth.playback import CATALOGUE_FILE, STATE_FILE, Catalogue, PlaybackState, ScenarioEntry, Step
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.components import scenario_views
from dashboard.data import scenario_playback
from dashboard.data.scenario_playback import Scenarios
from dashboard.data.services import DataService
from dashboard.pages import scenarios as page

WALL_MS = 1_790_000_000_000
DAY = ScenarioEntry(
    name="a-day",
    uploaded=False,
    description="One day.",
    pumps=100,
    days=None,
    random=False,
    steps=(
        Step(at_s=600, kind="fault", name="catheter_occlusion", pumps="pumps 3", severity="0.8"),
        Step(at_s=7200, kind="event", name="mri", pumps="20 % of the pumps"),
    ),
    steps_left_out=0,
    toml="pumps = 100",
)


def shown(parts: Any) -> str:
    return json.dumps(parts, default=lambda part: part.to_plotly_json(), ensure_ascii=False)


@pytest.fixture
def data(fleet: Any, data_of: Any) -> DataService:
    return data_of(fleet(10))


@pytest.fixture
def told(data: DataService) -> Any:
    """Write what a simulator tells: its scenarios, and what it plays."""

    def tell(state: str = "playing", *, position_s: float = 1200, sent: int = WALL_MS) -> Scenarios:
        mine = structs.replace(DAY, name="my-day", uploaded=True)
        catalogue = Catalogue(gateway="gateway-00", scenarios=[DAY, mine])
        (data.settings.data / CATALOGUE_FILE).write_bytes(encode(catalogue))
        playing = PlaybackState(
            sent=sent, name="a-day", state=state, position_s=position_s, speed=60, remaining=1, pumps=10, by="maria"
        )
        (data.settings.data / STATE_FILE).write_bytes(encode(playing))
        return Scenarios(data)

    return tell


def test_it_says_where_the_scenario_is_and_what_comes_next(told, data):
    scenarios = told(sent=WALL_MS - 5000)
    line, style, listed, about, _, steps, *_ = page.render(scenarios, data, None, None)
    assert line == (
        "a-day is playing at 25 min, started by maria. Therapy time runs at ×60. "
        "Next: MRI scan in 1 h 35 min (1 min here)."
    )
    assert float(style["left"].rstrip("%")) == pytest.approx(100 * 1500 / 10_800, abs=0.01)
    assert "a-day" in shown(listed)
    assert "One day." in shown(about)
    assert "this fleet has 10" in shown(about)
    assert "Catheter occluded" in shown(steps), "as on every other page"
    assert shown(steps).count("injection step passed") == 1
    assert shown(steps).count("injection step upcoming") == 1


def test_the_alarm_that_is_expected_stands_beside_the_entry():
    text = shown(
        scenario_views.steps(DAY, None, {"it": RuleTargets(identifies=("catheter_occlusion",))}, {"it": "No pulse"})
    )
    assert "alarm: No pulse" in text
    assert "no alarm expected" in text
    assert "passed" not in text
    many = structs.replace(DAY, steps=tuple(structs.replace(DAY.steps[0], at_s=60.0 * at) for at in range(9)))
    parts = scenario_views.steps(many, 450, {}, {}).children
    assert "3 earlier entries" in shown(parts[0]), "they can be unfolded"
    assert (shown(parts[0]).count("injection step"), shown(parts[1]).count("injection step")) == (3, 6)


def test_a_paused_scenario_stands_still_and_a_silent_simulator_is_said(told, data):
    assert told("paused", sent=WALL_MS - 9000).playing().position_s == 1200
    assert "has not reported" in page.render(told(sent=WALL_MS - 60_000), data, None, None)[0]
    assert page.render(told("stopped"), data, None, None)[0] == "No scenario plays. Therapy time runs at ×60."


def enabled(told: Any, data: DataService, state: str, chosen: str | None = None, **about: Any) -> dict[str, Any]:
    """Return what the buttons say that can be pressed, and what the field of the speed shows."""
    parts = page.render(told(state, **about), data, chosen, None)[6:-1]
    values = {f"{name.removeprefix('scenario-')} {prop}": value for (name, prop), value in
              zip(scenario_views.CONTROLS, parts, strict=True)}  # fmt: skip
    pressable = [name for name in ("start", "pause", "stop", "remove", "speed") if not values[f"{name} disabled"]]
    label = {"pause": values["pause children"]}
    return {
        "can": [label.get(name, name) for name in pressable],
        "speed": values["speed placeholder"],
        "remove": not values["remove hidden"],
    }


def test_only_what_can_be_done_now_is_enabled_and_the_speed_is_the_present_one(told, data):
    VISITOR.set(Visitor("maria", "engineer"))
    sent = {"sent": WALL_MS}
    assert enabled(told, data, "playing", **sent)["can"] == ["start", "Pause", "stop", "speed"]
    assert enabled(told, data, "paused", **sent)["can"] == ["start", "Resume", "stop", "speed"]
    assert enabled(told, data, "stopped", "a-day", **sent)["can"] == ["start", "speed"]
    assert enabled(told, data, "playing", "gone", **sent)["can"] == ["Pause", "stop", "speed"], "nothing to start"
    assert enabled(told, data, "playing", sent=WALL_MS - 60_000)["can"] == []
    assert enabled(told, data, "playing", **sent) | {"can": []} == {"can": [], "speed": "×60", "remove": False}
    mine = enabled(told, data, "playing", "my-day", **sent)
    assert (mine["can"][-2:], mine["remove"]) == (["remove", "speed"], True)
    VISITOR.set(Visitor("otto", "operator"))
    assert enabled(told, data, "playing", **sent)["can"] == []


def test_without_a_simulator_the_page_says_so(data):
    line, style, listed, *_ = page.render(Scenarios(data), data, None, None)
    assert "no simulator" in line
    assert style == {"display": "none"}
    assert "pumpwatch run" in shown(listed)


async def test_an_engineer_commands_the_simulator_by_signed_commands_to_its_gateway(told, wire):
    VISITOR.set(Visitor("maria", "engineer"))
    scenarios = told()
    assert (await page.command(scenarios, "start", (None, None, None, "a-day"))).good
    assert (await page.command(scenarios, "start", (None, None, None, None))).good, "the one that is described"
    assert (await page.command(scenarios, "speed", ("120", None, None, None))).good
    sent = [(one.gateway, one.command) for one in wire.orders]
    assert [(gateway, command.action, command.name, command.speed) for gateway, command in sent] == [
        ("gateway-00", "start", "a-day", None),
        ("gateway-00", "start", "a-day", None),
        ("gateway-00", "speed", "", 120.0),
    ]
    assert all(isinstance(command, Playback) and command.who == "maria" for _, command in sent)


async def test_others_play_nothing(told, wire):
    for role in ("viewer", "operator"):
        VISITOR.set(Visitor("otto", role))
        answer = await page.command(told(), "stop", (None, None, None, "a-day"))
        assert answer.text == "Not done: only engineers and admins may play scenarios."
    assert wire.orders == []


async def test_an_upload_is_bounded_and_the_simulator_answers_with_the_line(told, data):
    VISITOR.set(Visitor("maria", "engineer"))
    asked = []

    async def refuse(_url: str, orders: Any) -> list[Reply]:
        asked.extend(order.command for order in orders)
        return [Reply(id="", gateway="gateway-00", ok=False, text="my-day.toml, line 3: at is '7x'; write a duration")]

    told()
    scenarios = Scenarios(DataService(data.settings, data.live, data.now, refuse, data.act))
    content = "data:;base64," + base64.b64encode(b"pumps = 3").decode()
    answer = await page.command(scenarios, "upload", (None, content, "my day.toml", None))
    assert answer.text == "Not done: my-day.toml, line 3: at is '7x'; write a duration."
    assert (asked[0].name, asked[0].toml) == ("my-day", "pumps = 3")
    large = "data:;base64," + base64.b64encode(b"#" * (MAX_SCENARIO_CHARS + 1)).decode()
    assert "allowed are 64,000" in (await page.command(scenarios, "upload", (None, large, "x.toml", None))).text
    binary = "data:;base64," + base64.b64encode(b"\xff\xfe").decode()
    assert "no text in UTF-8" in (await page.command(scenarios, "upload", (None, binary, "x.toml", None))).text
    assert len(asked) == 1


def test_a_file_that_is_not_the_simulators_is_no_scenario(data):
    (data.settings.data / CATALOGUE_FILE).write_text("{")
    (data.settings.data / STATE_FILE).write_text('{"sent": "x"}')
    assert Scenarios(data).entries() == []
    assert Scenarios(data).playing() is None
    assert scenario_playback.name_of_file("../../x y.toml") == "x-y"
