"""Parts of the Drills page: plan form, question, planned drills, results per person and over time."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
from dash import html

from dashboard import formatting
from dashboard.access.accounts import Visitor
from dashboard.components import client_script, elements
from dashboard.components.elements import Component
from dashboard.components.fault_choice import KEPT
from dashboard.data import names
from dashboard.data.drill_records import ANSWER_MS, MINUTE_MS, OPEN, RUN_MS, SPANS_MIN, Drill
from dashboard.data.drills import MIN_SEVERITY, PersonReport

ANYBODY: Final = "whoever is on shift"
ANY_FAULT: Final = "any that alarms detect"
STATE_WORD: Final = {
    "planned": "planned",
    "injecting": "running",
    "running": "running",
    "answering": "acknowledged, question open",
    "ended": "ended",
    "cancelled": "cancelled",
}
HOW: Final = (
    "A drill injects a fault at a random time into a random healthy pump. Until it ends, no page shows that the fault "
    "is injected. It measures the time until the alarm and until somebody acknowledges it (at most "
    f"{RUN_MS // MINUTE_MS} min), and asks that person what to do first ({ANSWER_MS // MINUTE_MS} min to answer). Then "
    "the fault is cleared. Real alarms are never hidden."
)
MAX_LISTED: Final = 50


def plan_form(faults: list[str], people: list[str]) -> Component:
    """Return the form that plans a drill."""
    chosen = {"allowDeselect": False, "searchable": True}
    named = [{"value": name, "label": names.fault_title(name)} for name in faults]
    return html.Div(
        [
            html.P(HOW, className="note"),
            dmc.Select(
                id="drill-fault", label="Fault", value=ANY_FAULT,
                data=[{"value": ANY_FAULT, "label": ANY_FAULT}, *named], **chosen, **KEPT,
            ),
            dmc.Select(id="drill-person", label="For", value=ANYBODY, data=[ANYBODY, *people], **chosen, **KEPT),
            dmc.Select(
                id="drill-span", label="Begins at a random time within", value="60",
                data=[{"value": str(span), "label": f"{span} min"} for span in SPANS_MIN], allowDeselect=False, **KEPT,
            ),
            dmc.NumberInput(
                id="drill-severity", label="Severity", value=0.9, min=MIN_SEVERITY, max=1, step=0.1, decimalScale=2,
                clampBehavior="strict", **KEPT,
            ),
            html.Div(html.Button("Plan drill", id="drill-plan", className="button strong"), className="buttons"),
        ],
        className="form",
    )  # fmt: skip


def question(drill: Drill | None) -> Component:
    """Return the question for the person who acknowledged the alarm of a drill; hidden if there is none."""
    offered = drill.options if drill else ()
    about = (
        f"You acknowledged the alarm on {drill.pump} at {formatting.second(drill.acknowledged_at)}. It was a drill. "
        "What would you do first?"
        if drill
        else ""
    )
    return html.Div(
        [
            html.P(about),
            dmc.RadioGroup(
                html.Div([dmc.Radio(label=option, value=option) for option in offered], className="drill-options"),
                id="drill-answer",
                value=None,
                **client_script.label("What would you do first?"),
            )
            if drill
            else dmc.RadioGroup([], id="drill-answer", value=None),
            html.Button("Save answer", id="drill-save", className="button strong"),
        ],
        hidden=drill is None,
    )


def planned(drills: list[Drill], visitor: Visitor) -> Component:
    """Return the drills that a person planned, with a button that cancels an open one; results only for admins."""
    if not drills:
        return elements.nothing("No drills planned yet.")
    return html.Ul([_planned(drill, visitor) for drill in drills[:MAX_LISTED]], className="injections")


def _planned(drill: Drill, visitor: Visitor) -> Component:
    until = formatting.moment(drill.planned_at + drill.span_min * MINUTE_MS)
    fault = names.fault_title(drill.fault) if drill.fault else f"Fault: {ANY_FAULT}"
    when = f"begins until {until}" if drill.state == "planned" else f"began {formatting.moment(drill.injected_at)}"
    where: list[Component] = [elements.pump_link(drill.pump)] if drill.pump else ["pump drawn when it begins"]
    label = client_script.label(f"Cancel the drill planned {formatting.moment(drill.planned_at)}")
    cancel = html.Button("Cancel", className="button", **client_script.chooses("drill-cancel", drill.id), **label)
    planner = f" by {drill.planned_by}" if visitor.may("admin") else ""
    return html.Li(
        [
            cancel if drill.state in OPEN else html.Span(),
            html.Div([html.B(fault), f" for {drill.for_whom or ANYBODY}"], className="injection-what"),
            html.Div(where),
            html.Div([when if drill.injected_at or drill.state == "planned" else "did not begin", planner]),
            html.Div(html.Span(STATE_WORD[drill.state], className="tag")),
            html.Div(drill.note if drill.state == "cancelled" or visitor.may("admin") else ""),
        ],
        className="injection",
    )


def people(reports: list[PersonReport]) -> Component:
    """Return the results per person as a list of sentences."""
    return html.Ul([html.Li([html.B(one.person), f": {_figures(one)}"]) for one in reports], className="drill-people")


def _figures(one: PersonReport) -> str:
    time = f", median {formatting.span(one.to_acknowledge_s)} after the alarm" if one.acknowledged else ""
    asked = f"{one.right:,} of {one.answered:,}" if one.answered else "not asked"
    acknowledged = f"{one.acknowledged:,} acknowledged{time}"
    return f"{formatting.count(one.drills, 'drill')}, {acknowledged}; first action right: {asked}"


def results(over: list[Drill]) -> Component:
    """Return the ended drills, the newest first: a card each on a phone, a row each elsewhere."""
    if not over:
        return elements.nothing("No results yet. They appear when a drill has ended.")
    return html.Ul([_result(drill) for drill in over[:MAX_LISTED]], className="injections")


def _result(drill: Drill) -> Component:
    alarm = f"alarm after {formatting.span(drill.to_alarm_s)}" if drill.alarm_at else "no alarm"
    done = (
        f"acknowledged by {drill.acknowledged_by} {formatting.span(drill.to_acknowledge_s)} later"
        if drill.acknowledged_at
        else "not acknowledged"
    )
    attributes: dict[str, Any] = {"className": "injection result"}
    return html.Li(
        [
            html.Div([html.B(names.fault_title(drill.fault)), " on ", elements.pump_link(drill.pump)]),
            html.Div(f"{formatting.moment(drill.injected_at)}, for {drill.for_whom or ANYBODY}"),
            html.Div(f"{alarm}, {done}"),
            html.Div(_answered(drill)),
        ],
        **attributes,
    )


def _answered(drill: Drill) -> str:
    if not drill.answer:
        return drill.note
    if drill.answer == drill.right:
        return f"first action right: {drill.answer}"
    return f"first action: {drill.answer}; recommended: {drill.right}"
