"""Plays scenarios on command: start, pause, stop, speed, uploads; tells in files what it has and what it plays."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from broker.contract.commands import Playback
from broker.contract.messages import encode
from broker.store import secret_files
from broker.truth.playback import CATALOGUE_FILE, STATE_FILE, Catalogue, PlaybackState
from simulator.gateway.scenario_library import ScenarioLibrary
from simulator.playback import scenario_player
from simulator.playback.notation import ScenarioError, number
from simulator.playback.simulation import Simulation

log = logging.getLogger("simulator")
REPORT_INTERVAL_MS: Final = 1000
MIN_SPEED: Final = 0.1
MAX_SPEED: Final = 100_000.0


@dataclass
class ScenarioPlayer:
    """The scenario `name` on a simulation, and its `speed` (therapy seconds per wall second).

    `data` is the directory of the files; None writes none. `gateway` is the one that takes commands.
    """

    simulation: Simulation
    speed: float
    data: Path | None
    gateway: str
    name: str = ""
    by: str = ""
    library: ScenarioLibrary = field(init=False)
    _stopped: bool = False
    _reported: tuple[str, str, float] | None = None
    _at: int = 0

    def __post_init__(self) -> None:
        self.library = ScenarioLibrary(self.data)
        self.name = Path(self.name).stem
        self._stopped = not self.name
        self._tell()

    def execute(self, command: Playback) -> str:
        """Carry out a command and return what was done; raises `ScenarioError`, and then nothing was."""
        match command.action:
            case "start":
                scenario_player.start(self.simulation, self.library.scenario(command.name))
                self.name, self.by, self._stopped = command.name, command.who, False
                done = f"{self.name} plays from its beginning"
            case "pause" | "resume" | "stop":
                done = self._halt(command.action)
            case "speed":
                self.speed = number("speed", command.speed, MIN_SPEED, MAX_SPEED)
                done = f"therapy time runs at x{self.speed:g}"
            case "check":
                found = self.library.check(command.name, command.toml)
                done = f"valid: {len(found.faults):,} faults and {len(found.events):,} events"
            case "add":
                self.library.add(command.name, command.toml)
                done = f"{command.name} is uploaded"
            case "remove":
                self.library.remove(command.name)
                done = f"{command.name} is removed"
        if command.action in {"add", "remove"}:
            self._tell()
        return done

    def _halt(self, action: str) -> str:
        if self._stopped:
            raise ScenarioError("no scenario plays; start one")
        if action == "stop":
            ended, self._stopped = scenario_player.stop(self.simulation), True
            return f"{self.name} is stopped; its faults and events ended on {ended:,} pumps"
        self.simulation.timeline.playing = action == "resume"
        return f"{self.name} {'goes on' if action == 'resume' else 'is paused; faults that began go on'}"

    def report(self, now: int) -> None:
        """Write what plays at `now` (wall ms) if it changed, and else once in a while."""
        timeline = self.simulation.timeline
        state: Literal["playing", "paused", "stopped"]
        state = "stopped" if self._stopped else "playing" if timeline.playing else "paused"
        shown = (self.name, state, self.speed)
        if self.data is None or (shown == self._reported and 0 <= now - self._at < REPORT_INTERVAL_MS):
            return
        self._reported, self._at = shown, now
        told = PlaybackState(
            sent=now,
            name=self.name,
            state=state,
            position_s=timeline.position_s,
            speed=self.speed,
            remaining=timeline.remaining,
            pumps=self.simulation.scenario.pumps,
            by=self.by,
        )
        self._write(STATE_FILE, encode(told), durable=False)

    def _tell(self) -> None:
        if self.data is not None:  # reading all scenarios takes a while
            self._write(CATALOGUE_FILE, encode(Catalogue(gateway=self.gateway, scenarios=self.library.entries())))

    def _write(self, name: str, content: bytes, *, durable: bool = True) -> None:
        if self.data is None:
            return
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            if durable:
                secret_files.write(self.data / name, content)
                return
            fresh = self.data / f"{name}.new"
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
            fresh.touch(0o600)
            fresh.write_bytes(content)
            fresh.replace(self.data / name)
        except OSError as error:
            log.warning("%s cannot be written (%s); the page Scenarios shows an older state", name, error)
