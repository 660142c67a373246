"""Execution of commands to gateways: inject and clear faults, treat pumps."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from broker.contract.commands import (
    Bolus,
    Clear,
    GatewayCommand,
    Inject,
    Interrogate,
    Playback,
    Program,
    Refill,
    Replace,
    Reply,
    Stop,
    Treatment,
)
from broker.contract.signed import MAX_REMEMBERED
from simulator.fleet import program
from simulator.fleet.program import Profiles
from simulator.fleet.state import U32
from simulator.fleet.therapy import Fill, TreatmentError
from simulator.playback.notation import ScenarioError
from simulator.playback.simulation import Simulation

MAX_REPLIES: Final = MAX_REMEMBERED
"""Number of recent replies kept to answer redelivered commands: of all that a verifier accepts while they are valid."""
MAX_INTERROGATED: Final = 5
"""Number of pumps whose interrogation fits into one reply."""


@dataclass
class CommandExecutor:
    """Executes each command once, however often it arrives (QoS 1 may redeliver it), and keeps the latest replies.

    `commanded` gets who commanded a fault at which therapy time (ms), for the ground truth; `play` carries out what is
    about the scenario and returns what was done.
    """

    simulation: Simulation
    play: Callable[[Playback], str] | None = None
    commanded: dict[tuple[str, int], str] = field(default_factory=dict)
    _replies: collections.OrderedDict[tuple[str, str], Reply] = field(default_factory=collections.OrderedDict)

    def execute(self, gateway: str, own: range, command: GatewayCommand) -> Reply:
        """Execute a command for the pumps `own` (indices) of a gateway; the reply says what is refused, and why."""
        key = (gateway, command.id)
        if key not in self._replies:
            self._replies[key] = self._reply_to(gateway, own, command)
            if len(self._replies) > MAX_REPLIES:
                self._replies.popitem(last=False)
        return self._replies[key]

    def _reply_to(self, gateway: str, own: range, command: GatewayCommand) -> Reply:
        reply = Reply(id=command.id, gateway=gateway, ok=False, text="", time=self.simulation.time_ms)
        try:
            if isinstance(command, Playback):
                count, text = 0, self._control(command)
            else:
                count, text = self._apply(command, self._indices(gateway, own, command.pumps))
        except (ScenarioError, TreatmentError) as error:
            return msgspec.structs.replace(reply, text=str(error))
        return msgspec.structs.replace(reply, ok=True, text=text, pumps=count)

    def _control(self, command: Playback) -> str:
        if self.play is None:
            raise ScenarioError("this gateway plays no scenarios")
        return self.play(command)

    def _apply(self, command: Inject | Clear | Treatment, pumps: U32) -> tuple[int, str]:
        if isinstance(command, Inject):
            self.simulation.inject(
                command.fault, pumps, severity=command.severity, ramp_s=command.ramp_s, hold_s=command.hold_s
            )
            self.commanded[(command.fault, self.simulation.time_ms)] = command.who or "unknown"
            return len(pumps), f"{command.fault} begins on {_pumps(len(pumps))}"
        if isinstance(command, Clear):
            count = self.simulation.clear(pumps, command.fault)
            return count, f"cleared on {_pumps(count)}"
        return len(pumps), treat(self.simulation, command, pumps)

    def _indices(self, gateway: str, own: range, serials: list[str] | None) -> U32:
        if serials is None:
            return np.array(own, dtype=np.uint32)
        known = dict(zip(self.simulation.serials[own.start : own.stop], own, strict=True))
        unknown = [serial for serial in serials if serial not in known]
        if unknown:
            raise ScenarioError(f"{gateway} does not speak for {', '.join(unknown[:5])}")
        if not serials:
            raise ScenarioError("no pump was named; at least one is needed")
        return np.unique(np.array([known[serial] for serial in serials], dtype=np.uint32))


def treat(simulation: Simulation, command: Treatment, pumps: U32) -> str:
    """Treat these pumps and return what was done; raises `TreatmentError` and does nothing if it is out of limits."""
    many = _pumps(len(pumps))
    match command:
        case Program():
            _prescribe(simulation, command, pumps)
            return f"new program on {many}, from the next sample on"
        case Stop():
            simulation.prescribe(pumps, mode=program.STOPPED)
            return f"{many} stopped until the next program"
        case Bolus():
            simulation.give_bolus(pumps, dose_ug=command.dose_ug, over_s=command.over_s)
            return f"bolus of {command.dose_ug:g} µg over {command.over_s / 60:g} min begins on {many}"
        case Refill():
            _refill(simulation, command, pumps)
            return f"{many} refilled"
        case Replace():
            simulation.replace(pumps)
            return f"{many} replaced by new ones"
        case Interrogate():
            reports = simulation.interrogate(pumps)
            rest = len(reports) - MAX_INTERROGATED
            return "\n".join([*reports[:MAX_INTERROGATED], *([f"and {rest} more"] if rest > 0 else [])])


def _prescribe(simulation: Simulation, command: Program, pumps: U32) -> None:
    dose = None
    if command.dose_ug_day is not None and command.change is not None:
        raise ScenarioError("a program has either a dose or a change of each pump's own dose, not both")
    if command.dose_ug_day is not None:
        dose = np.full(len(pumps), command.dose_ug_day)
    elif command.change is not None:
        dose = simulation.fleet.dose_ug_day[pumps].astype(np.float64) * command.change
    mode = program.RUNNING if command.mode == "run" else program.MINIMUM
    try:
        schedule = _schedule(command)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    simulation.prescribe(pumps, dose_ug_day=dose, schedule=schedule, mode=mode)


def _schedule(command: Program) -> Profiles | None:
    steps = _steps(command)
    if steps is None or command.days is None:
        return None if steps is None else program.profile(steps)
    mean = [(0.0, program.mean_rate(steps))]
    return program.weekly([steps if day in command.days else mean for day in range(program.DAYS)])


def _steps(command: Program) -> Sequence[tuple[float, float]] | None:
    if command.boluses_a_day is None:
        return command.steps
    if command.steps is not None:
        raise ScenarioError("a program has either steps or periodic boluses, not both")
    return program.periodic(command.boluses_a_day, command.bolus_share, command.bolus_s)


def _refill(simulation: Simulation, command: Refill, pumps: U32) -> None:
    """Refill pumps by groups: a volume or concentration that was not given depends on reservoir and program."""
    fleet = simulation.fleet
    kinds = np.stack([fleet.reservoir_capacity_ml[pumps], fleet.concentration_ug_ml[pumps]], axis=1)
    fills = []
    for capacity_ml, strength in np.unique(kinds, axis=0):
        entered_ml = float(capacity_ml) if command.entered_ml is None else command.entered_ml
        entered_ug_ml = float(strength) if command.entered_ug_ml is None else command.entered_ug_ml
        fill = Fill(
            entered_ml,
            entered_ug_ml,
            entered_ml if command.actual_ml is None else command.actual_ml,
            entered_ug_ml if command.actual_ug_ml is None else command.actual_ug_ml,
        )
        fills.append((pumps[np.all(kinds == (capacity_ml, strength), axis=1)], fill))
    simulation.refill(fills, command.after)


def _pumps(count: int) -> str:
    return "1 pump" if count == 1 else f"{count} pumps"
