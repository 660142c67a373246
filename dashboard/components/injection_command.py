"""Commands of the injection form: inject and clear the ticked faults on the selected pumps."""

from __future__ import annotations

from typing import Any

from dash import no_update

from broker.contract.dose_limits import MAX_SEVERITY
from dashboard.components import elements, fault_choice, injection_report, pump_picker
from dashboard.components.elements import Component
from dashboard.data import injections, pump_search
from dashboard.data.fleet_clock import therapy_clock
from dashboard.data.services import DataService


def names(given: Any) -> list[str]:
    """Return the names of the ticked faults."""
    return [str(name) for name in given] if isinstance(given, list) else []


async def carry_out(data: DataService, button: str, values: tuple[Any, ...]) -> tuple[Component, Any]:
    """Send the commands of a button; return the responses, and which injection to show."""
    clicks, (given, text, picked, severity, ramp_h, hold_h) = values[:3], values[3:]
    if not any(clicks):
        return no_update, no_update
    clock = therapy_clock(data.snapshot())
    wanted, chosen = names(given), pump_picker.chosen(data, text, picked)
    problem = _problem(wanted, chosen, every_fault=button == "fault-clear-all")
    if problem:
        return elements.nothing(problem), no_update
    if button == "fault-clear-all":
        return injection_report.summary(await data.clear(chosen.pumps, None), clock), no_update
    replies, begun = [], None
    for name in wanted:
        if button == "fault-clear":
            replies += await data.clear(chosen.pumps, name)
            continue
        answers = await data.inject(
            chosen.pumps,
            fault=name,
            severity=min(MAX_SEVERITY, max(0.0, float(severity or 0))),
            ramp_s=_seconds(ramp_h) or 0.0,
            hold_s=_seconds(hold_h),
        )
        replies += answers
        times = [reply.time for reply in answers if reply.ok]
        begun = injections.key_of(name, min(times)) if times and begun is None else begun
    return injection_report.summary(replies, clock), begun or no_update


def _problem(wanted: list[str], chosen: pump_search.Choice, *, every_fault: bool) -> str:
    """Return what is missing before commands can be sent, as a sentence; "" if nothing is."""
    if not wanted and not every_fault:
        return "Tick a fault."
    if len(wanted) > fault_choice.MAX_AT_ONCE:
        return f"{len(wanted)} faults are ticked; at most {fault_choice.MAX_AT_ONCE} at once. Untick some."
    return pump_search.describe(chosen) if chosen.unknown or chosen.pumps.is_empty() else ""


def _seconds(hours: Any) -> float | None:
    return float(hours) * 3600 if isinstance(hours, int | float) and hours >= 0 else None
