"""Scenarios on command: started, paused, stopped and uploaded on a fleet that runs; errors name their line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.contract.commands import Playback
from broker.truth.playback import CATALOGUE_FILE, STATE_FILE, Catalogue, PlaybackState
from simulator.gateway.commands import CommandExecutor
from simulator.gateway.player import ScenarioPlayer
from simulator.gateway.scenario_library import MAX_UPLOADS
from simulator.playback.notation import ScenarioError
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

MINE = """# Two faults.
pumps = 3
[[fault]]
name = "motor_stall"
pumps = "1"
at = "1m"
[[fault]]
name = "silent_pump"
pumps = "2"
at = "3m"
"""


@pytest.fixture
def simulation() -> Simulation:
    return Simulation(default(pumps=5), start_ms=0)


@pytest.fixture
def player(simulation: Simulation, tmp_path: Path) -> ScenarioPlayer:
    made = ScenarioPlayer(simulation, 60.0, tmp_path, "gateway-00")
    made.library.add("mine", MINE)
    return made


def ask(player: ScenarioPlayer, action: Any, **fields: Any) -> str:
    return player.execute(Playback(id="x", action=action, who="maria", **fields))


def faults(simulation: Simulation) -> list[str]:
    return sorted(simulation.ground_truth()["fault"])


def ticks(simulation: Simulation, count: int) -> None:
    for _ in range(count):
        simulation.tick()


def test_a_scenario_starts_on_the_running_fleet_and_its_times_count_from_then(simulation, player):
    ticks(simulation, 10)
    assert ask(player, "start", name="mine") == "mine plays from its beginning"
    assert faults(simulation) == []
    ticks(simulation, 2)
    assert faults(simulation) == ["motor_stall"]
    ticks(simulation, 2)
    assert faults(simulation) == ["motor_stall", "silent_pump"]


def test_while_it_is_paused_nothing_new_begins_and_what_began_goes_on(simulation, player):
    ask(player, "start", name="mine")
    ticks(simulation, 2)
    ask(player, "pause")
    ticks(simulation, 20)
    assert faults(simulation) == ["motor_stall"]
    assert simulation.timeline.position_s == 120
    ask(player, "resume")
    ticks(simulation, 2)
    assert faults(simulation) == ["motor_stall", "silent_pump"]


def test_stopping_ends_what_it_began_and_nothing_else(simulation, player):
    simulation.inject("sensor_noise", [0], severity=1.0)
    ask(player, "start", name="mine")
    ticks(simulation, 4)
    assert ask(player, "stop") == "mine is stopped; its faults and events ended on 2 pumps"
    assert faults(simulation) == ["sensor_noise"]
    with pytest.raises(ScenarioError, match="no scenario plays"):
        ask(player, "pause")


def test_a_scenario_for_more_pumps_is_refused_and_the_one_before_goes_on(simulation, player):
    ask(player, "start", name="mine")
    ticks(simulation, 2)
    with pytest.raises(ScenarioError, match="not in the fleet, whose pumps are 0 to 4"):
        ask(player, "start", name="demo")
    assert player.name == "mine"
    assert faults(simulation) == ["motor_stall"]


def test_an_invalid_upload_is_refused_with_its_line_and_what_is_allowed(player, tmp_path):
    wrong = MINE.replace('at = "3m"', 'at = "3m"\nseverity = 7')
    with pytest.raises(ScenarioError, match=r"other\.toml, line 11.*severity is 7; allowed is 0 to 1"):
        ask(player, "add", name="other", toml=wrong)
    with pytest.raises(ScenarioError, match="is not TOML"):
        ask(player, "check", name="other", toml="pumps = [")
    with pytest.raises(ScenarioError, match="use 1 to 60 letters"):
        ask(player, "add", name="../../etc/passwd", toml=MINE)
    with pytest.raises(ScenarioError, match="built-in scenario"):
        ask(player, "add", name="demo", toml=MINE)
    assert [path.name for path in (tmp_path / "scenarios").iterdir()] == ["mine.toml"]


def test_uploads_are_bounded_private_and_can_be_removed(player, tmp_path):
    for number in range(MAX_UPLOADS - 1):
        (tmp_path / "scenarios" / f"s{number}.toml").write_text(MINE)
    with pytest.raises(ScenarioError, match=f"{MAX_UPLOADS} scenarios are uploaded, which is the limit"):
        ask(player, "add", name="one-more", toml=MINE)
    assert (tmp_path / "scenarios" / "mine.toml").stat().st_mode & 0o077 == 0
    ask(player, "remove", name="mine")
    with pytest.raises(ScenarioError, match="no uploaded scenario"):
        ask(player, "remove", name="mine")


def test_it_tells_what_it_has_and_what_it_plays(simulation, player, tmp_path):
    ask(player, "add", name="told", toml=MINE)
    catalogue = msgspec.json.decode((tmp_path / CATALOGUE_FILE).read_bytes(), type=Catalogue)
    told = next(one for one in catalogue.scenarios if one.name == "told")
    assert (catalogue.gateway, told.description, told.uploaded) == ("gateway-00", "Two faults.", True)
    assert [(step.at_s, step.name, step.pumps) for step in told.steps] == [
        (60, "motor_stall", "pumps 1"),
        (180, "silent_pump", "pumps 2"),
    ]
    assert {"demo", "every-fault"} <= {one.name for one in catalogue.scenarios}
    ask(player, "start", name="told")
    ticks(simulation, 2)
    ask(player, "speed", speed=120)
    player.report(1_000_000)
    state = msgspec.json.decode((tmp_path / STATE_FILE).read_bytes(), type=PlaybackState)
    assert (state.name, state.state, state.position_s, state.speed, state.by) == ("told", "playing", 120, 120, "maria")
    assert state.remaining == 1


def test_a_redelivered_command_starts_nothing_again(simulation, player):
    executor = CommandExecutor(simulation, player.execute)
    command = Playback(id="1", action="start", name="mine", who="maria")
    first = executor.execute("gateway-00", range(5), command)
    ticks(simulation, 2)
    assert executor.execute("gateway-00", range(5), command) == first
    assert simulation.timeline.position_s == 120
    assert executor.execute("gateway-00", range(5), Playback(id="2", action="speed", speed=1e6)).ok is False
