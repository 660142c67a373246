"""Parts of the Drills page: plan form, question, planned drills, results per person and over time."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html

from dashboard import formatting
from dashboard.access.accounts import Visitor
from dashboard.components import client_script, elements
from dashboard.components.elements import Component
from dashboard.components.fault_choice import KEPT
from dashboard.data import names
from dashboard.data.drill_records import ANSWER_MS, MINUTE_MS, OPEN, RUN_MS, SPANS_MIN, Drill, noted
from dashboard.data.drills import MIN_SEVERITY, PersonReport
from dashboard.languages import decimal, tr, tr_later

ON_SHIFT: Final = tr_later("whoever is on shift")
ANY_FAULT: Final = tr_later("any that alarms detect")
STATE_WORD: Final = {
    "planned": tr_later("planned", "drill"),
    "injecting": tr_later("running", "drill"),
    "running": tr_later("running", "drill"),
    "answering": tr_later("acknowledged, question open", "drill"),
    "ended": tr_later("ended", "drill"),
    "cancelled": tr_later("cancelled", "drill"),
}
HOW: Final = tr_later(
    "A drill injects a fault at a random time into a random healthy pump. Until it ends, no page shows that the fault "
    "is injected. It measures the time until the alarm and until somebody acknowledges it (at most {run} min), and "
    "asks that person what to do first ({answer} min to answer). Then the fault is cleared. Real alarms are never "
    "hidden."
)
MAX_LISTED: Final = 50
NO_ACTIONS: Final[Mapping[str, str]] = MappingProxyType({})
"""Without it, first actions are shown as they are stored."""


def plan_form(faults: list[str], people: list[str]) -> Component:
    """Return the form that plans a drill."""
    chosen = {"allowDeselect": False, "searchable": True}
    named = [{"value": name, "label": tr(names.fault_title(name))} for name in faults]
    options = [{"value": ON_SHIFT, "label": tr(ON_SHIFT)}, *({"value": name, "label": name} for name in people)]
    how = tr(HOW, run=RUN_MS // MINUTE_MS, answer=ANSWER_MS // MINUTE_MS)
    return html.Div(
        [
            html.P(how, className="note"),
            dmc.Select(
                id="drill-fault", label=tr("Fault"), value=ANY_FAULT,
                data=[{"value": ANY_FAULT, "label": tr(ANY_FAULT)}, *named], **chosen, **KEPT,
            ),
            dmc.Select(id="drill-person", label=tr("For", "person"), value=ON_SHIFT, data=options, **chosen, **KEPT),
            dmc.Select(
                id="drill-span", label=tr("Begins at a random time within"), value="60",
                data=[{"value": str(span), "label": f"{span} min"} for span in SPANS_MIN], allowDeselect=False, **KEPT,
            ),
            dmc.NumberInput(
                id="drill-severity", label=tr("Severity"), value=0.9, min=MIN_SEVERITY, max=1, step=0.1, decimalScale=2,
                clampBehavior="strict", **KEPT,
            ),
            html.Div(html.Button(tr("Plan drill"), id="drill-plan", className="button strong"), className="buttons"),
        ],
        className="form",
    )  # fmt: skip


def question(drill: Drill | None, actions: Mapping[str, str] = NO_ACTIONS) -> Component:
    """Return the question for the person who acknowledged the alarm of a drill; hidden if there is none.

    `actions` are first actions in the viewer's language by their English.
    """
    offered = drill.options if drill else ()
    about = (
        tr(
            "You acknowledged the alarm on {pump} at {time}. It was a drill. What would you do first?",
            pump=drill.pump,
            time=formatting.second(drill.acknowledged_at),
        )
        if drill
        else ""
    )
    return html.Div(
        [
            html.P(about),
            dmc.RadioGroup(
                html.Div(
                    [dmc.Radio(label=actions.get(option, option), value=option) for option in offered],
                    className="drill-options",
                ),
                id="drill-answer",
                value=None,
                **client_script.label(tr("What would you do first?")),
            )
            if drill
            else dmc.RadioGroup([], id="drill-answer", value=None),
            html.Button(tr("Save answer"), id="drill-save", className="button strong"),
        ],
        hidden=drill is None,
    )


def planned(drills: list[Drill], visitor: Visitor) -> Component:
    """Return the drills that a person planned, with a button that cancels an open one; results only for admins."""
    if not drills:
        return elements.nothing(tr("No drills planned yet."))
    return html.Ul([_planned(drill, visitor) for drill in drills[:MAX_LISTED]], className="injections")


def _planned(drill: Drill, visitor: Visitor) -> Component:
    until = formatting.moment(drill.planned_at + drill.span_min * MINUTE_MS)
    fault = tr(names.fault_title(drill.fault)) if drill.fault else tr("Fault: {which}", which=tr(ANY_FAULT))
    began = tr("began {time}", time=formatting.moment(drill.injected_at))
    when = tr("begins before {time}", time=until) if drill.state == "planned" else began
    where: list[Component] = [elements.pump_link(drill.pump)] if drill.pump else [tr("pump drawn when it begins")]
    label = client_script.label(tr("Cancel the drill planned {time}", time=formatting.moment(drill.planned_at)))
    cancel = html.Button(tr("Cancel"), className="button", **client_script.chooses("drill-cancel", drill.id), **label)
    planner = f", {tr('planned by {who}', who=drill.planned_by)}" if visitor.may("admin") else ""
    return html.Li(
        [
            cancel if drill.state in OPEN else html.Span(),
            html.Div([html.B(fault), " ", _for_whom(drill)], className="injection-what"),
            html.Div(where),
            html.Div([when if drill.injected_at or drill.state == "planned" else tr("did not begin"), planner]),
            html.Div(html.Span(tr(STATE_WORD[drill.state], "drill"), className="tag")),
            html.Div(noted(drill) if drill.state == "cancelled" or visitor.may("admin") else ""),
        ],
        className="injection",
    )


def _for_whom(drill: Drill) -> str:
    return tr("for {who}", who=drill.for_whom or tr(ON_SHIFT))


def people(reports: list[PersonReport]) -> Component:
    """Return the results per person as a list of sentences."""
    return html.Ul([html.Li([html.B(one.person), f": {_figures(one)}"]) for one in reports], className="drill-people")


def _figures(one: PersonReport) -> str:
    known = one.acknowledged > 0
    time = tr(", median {duration} after the alarm", duration=formatting.span(one.to_acknowledge_s)) if known else ""
    right = tr("{right} of {answered}", right=decimal(one.right), answered=decimal(one.answered))
    return tr(
        "{drills}, {acknowledged} acknowledged{time}; first action right: {asked}",
        drills=formatting.count(one.drills, "drill"),
        acknowledged=decimal(one.acknowledged),
        time=time,
        asked=right if one.answered else tr("not asked"),
    )


def results(over: list[Drill], actions: Mapping[str, str] = NO_ACTIONS) -> Component:
    """Return the ended drills, the newest first: a card each on a phone, a row each elsewhere."""
    if not over:
        return elements.nothing(tr("No results yet. They appear when a drill has ended."))
    return html.Ul([_result(drill, actions) for drill in over[:MAX_LISTED]], className="injections")


def _result(drill: Drill, actions: Mapping[str, str]) -> Component:
    after = tr("alarm after {duration}", duration=formatting.span(drill.to_alarm_s))
    alarm = after if drill.alarm_at else tr("no alarm")
    later = formatting.span(drill.to_acknowledge_s)
    done = (
        tr("acknowledged by {who} {duration} later", who=drill.acknowledged_by, duration=later)
        if drill.acknowledged_at
        else tr("not acknowledged")
    )
    attributes: dict[str, Any] = {"className": "injection result"}
    return html.Li(
        [
            html.Div([html.B(tr(names.fault_title(drill.fault))), ", ", elements.pump_link(drill.pump)]),
            html.Div(f"{formatting.moment(drill.injected_at)}, {_for_whom(drill)}"),
            html.Div(f"{alarm}, {done}"),
            html.Div(_answered(drill, actions)),
        ],
        **attributes,
    )


def _answered(drill: Drill, actions: Mapping[str, str]) -> str:
    if not drill.answer:
        return noted(drill)
    answer, right = (actions.get(action, action) for action in (drill.answer, drill.right))
    if drill.answer == drill.right:
        return tr("first action right: {answer}", answer=answer)
    return tr("first action: {answer}; recommended: {right}", answer=answer, right=right)
