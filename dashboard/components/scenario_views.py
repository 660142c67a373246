"""Parts of the Scenarios page: list, description, time line with a cursor, entries with their expected alarms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dash import html

from broker.contract.rule_targets import RuleTargets
from broker.truth.playback import ScenarioEntry, Step
from dashboard import clocks, formatting
from dashboard.components import client_script, elements
from dashboard.components.elements import Component
from dashboard.data import names
from dashboard.data.scenario_playback import Playing

PAUSE: Final = "Pause"
RESUME: Final = "Resume"
"""Labels of one button, so that the keyboard stays on it."""
UNKNOWN_SPEED: Final = "×?"
CONTROLS: Final = (
    ("scenario-start", "disabled"),
    ("scenario-pause", "disabled"),
    ("scenario-pause", "children"),
    ("scenario-stop", "disabled"),
    ("scenario-remove", "disabled"),
    ("scenario-remove", "hidden"),
    ("scenario-speed", "disabled"),
    ("scenario-speed", "placeholder"),
)
"""Components and properties of which `controls` returns the values."""
NONE: Final = "No scenarios: no simulator writes to this data directory. Start one: pumpwatch run."
MAX_ROWS: Final = 200
MAX_TICKS: Final = 300
END_S: Final = 3600.0
"""How long the time line goes on after the last entry begins."""


def listed(entries: list[ScenarioEntry], chosen: str | None, playing: Playing | None) -> Component:
    """Return the list of scenarios; the chosen one is marked, and the one that plays is tagged."""
    if not entries:
        return elements.nothing(NONE)
    now = playing.state if playing and not playing.silent else None
    rows = []
    for entry in entries:
        tags = ["uploaded"] if entry.uploaded else []
        tags += [now.state] if now and now.name == entry.name and now.state != "stopped" else []
        attributes: dict[str, Any] = {
            **client_script.chooses("scenario-chosen", entry.name),
            "aria-pressed": str(entry.name == chosen).lower(),
        }
        rows.append(
            html.Li(
                html.Button(
                    [html.B(entry.name), *(html.Span(tag, className="tag") for tag in tags)],
                    className="scenario-choice chosen" if entry.name == chosen else "scenario-choice",
                    **attributes,
                )
            )
        )
    return html.Ul(rows, className="injections")


def described(entry: ScenarioEntry | None, fleet: int) -> Component:
    """Return what a scenario is: its author's words, its size, and its file."""
    if entry is None:
        return elements.nothing("Choose a scenario from the list.")
    facts = [
        f"written for {formatting.count(entry.pumps, 'pump')}{f', this fleet has {fleet:,}' if fleet else ''}",
        f"{entry.days:g} days" if entry.days else "without end",
        formatting.count(len(entry.steps) + entry.steps_left_out, "entry", "entries"),
        *(["further faults or events come at random"] if entry.random else []),
    ]
    return html.Div(
        [
            html.P(entry.description or "Its author has written no description."),
            html.P("; ".join(facts) + ".", className="note"),
            html.Details([html.Summary("File"), html.Pre(entry.toml, className="scenario-file")]),
        ]
    )


def length_s(entry: ScenarioEntry) -> float:
    """Return how long the time line of a scenario is: until an hour after its last entry begins."""
    return max([entry.days * 86_400 if entry.days else 0.0, *(step.at_s + END_S for step in entry.steps), END_S])


def bar(entry: ScenarioEntry | None) -> Component:
    """Return the time line as a bar with a mark for each entry."""
    if entry is None:
        return None
    whole = length_s(entry)
    marks = [
        html.Span(className=f"scenario-mark {step.kind}", style={"left": f"{100 * step.at_s / whole:.2f}%"})
        for step in entry.steps[:MAX_TICKS]
    ]
    text = f"Time line of {formatting.span(whole)} with {formatting.count(len(entry.steps), 'entry', 'entries')}"
    label = {"role": "img", **client_script.label(text)}
    return html.Div([html.Div(marks, className="scenario-bar", **label), _ends(whole)])


def _ends(whole: float) -> Component:
    return html.Div([html.Span("start"), html.Span(formatting.span(whole))], className="scenario-ends")


def steps(
    entry: ScenarioEntry | None, passed_s: float | None, targets: Mapping[str, RuleTargets], titles: Mapping[str, str]
) -> Component:
    """Return the entries in order; with `passed_s` those that have begun are muted and the next one is marked."""
    if entry is None:
        return elements.nothing("No scenario chosen.")
    if not entry.steps:
        return elements.nothing("No entries: nothing happens but what comes at random.")
    begun = 0 if passed_s is None else sum(step.at_s <= passed_s for step in entry.steps)
    first = max(0, begun - 5) if passed_s is not None else 0
    rows = [
        _step(step, targets, titles, passed=passed_s is not None and place < begun,
              upcoming=passed_s is not None and place == begun)
        for place, step in enumerate(entry.steps)
    ]  # fmt: skip
    shown = rows[first : first + MAX_ROWS]
    later = len(rows) - first - len(shown) + entry.steps_left_out
    return html.Div(
        [
            html.Details(
                [
                    html.Summary(formatting.count(first, "earlier entry", "earlier entries")),
                    html.Ol(rows[max(0, first - MAX_ROWS) : first], className="injections"),
                ],
                className="scenario-earlier",
            )
            if first
            else None,
            html.Ol(shown, className="injections"),
            html.P(f"{formatting.count(later, 'later entry', 'later entries')} not listed.", className="note")
            if later
            else None,
        ]
    )


def _step(
    step: Step, targets: Mapping[str, RuleTargets], titles: Mapping[str, str], *, passed: bool, upcoming: bool
) -> Component:
    lasts = "" if step.hold_s is None else f" for {formatting.span(step.hold_s)}"
    severity = f" severity {step.severity}" if step.severity else ""
    what: list[Component] = [html.B(names.step_title(step.name)), severity]
    state = html.Span("next" if upcoming else "begun" if passed else "", className="tag" if upcoming or passed else "")
    alarms = [titles.get(rule, rule) for rule, target in targets.items() if step.name in target.identifies]
    expected = (
        f"alarm: {formatting.listed(alarms, last='or')}"
        if alarms
        else ""
        if step.kind == "fault"
        else "no alarm expected"
    )
    return html.Li(
        [
            html.Div(f"at {formatting.span(step.at_s)}{lasts}"),
            html.Div(what),
            html.Div(_serials(step.pumps)),
            html.Div(expected, className="muted"),
            state,
        ],
        className=f"injection step{' passed' if passed else ' upcoming' if upcoming else ''}",
    )


def _serials(pumps: str) -> str:
    """Return "pump 7" for "pumps 7", which names one pump."""
    return f"pump {pumps[6:]}" if re.fullmatch(r"pumps (ITB-)?\d+", pumps) else pumps


def position(playing: Playing | None, entry: ScenarioEntry | None) -> str:
    """Return what plays and what comes next, in a sentence."""
    if playing is None:
        return "Nothing is known of what plays: no simulator writes to this data directory."
    state = playing.state
    if playing.silent:
        return "The simulator has not reported for a while; it may have ended."
    speed = formatting.speed(state.speed)
    if not state.name or state.state == "stopped":
        return f"No scenario plays. Therapy time runs at {speed}."
    by = f", started by {state.by}" if state.by else ""
    at = formatting.span(playing.position_s)
    following = next((one for one in entry.steps if one.at_s > playing.position_s), None) if entry else None
    if following is None:
        then = "No further entry"
    else:
        left = following.at_s - playing.position_s
        then = f"Next: {names.step_title(following.name)} in {formatting.span(left)}"
        here = clocks.here(left, state.speed, short=True)
        then += " after it goes on" if state.state == "paused" else f" ({here})" if here else ""
    return f"{state.name} is {state.state} at {at}{by}. Therapy time runs at {speed}. {then}."


def cursor(playing: Playing | None, entry: ScenarioEntry | None) -> dict[str, str]:
    """Return the style of the cursor: where the chosen scenario plays now, hidden if it does not."""
    if playing is None or entry is None or playing.silent or playing.state.name != entry.name:
        return {"display": "none"}
    if playing.state.state == "stopped":
        return {"display": "none"}
    return {"left": f"{min(100.0, 100 * playing.position_s / length_s(entry)):.2f}%"}


def controls(playing: Playing | None, entry: ScenarioEntry | None, *, may: bool) -> tuple[bool | str, ...]:
    """Return the values of `CONTROLS`: only what can be done now is enabled, to a visitor who `may` do it.

    `entry` is the scenario that the page describes.
    """
    there = may and playing is not None and not playing.silent
    state = playing.state.state if playing and not playing.silent and playing.state.name else "stopped"
    uploaded = entry is not None and entry.uploaded
    return (
        not (there and entry is not None),
        not there or state == "stopped",
        RESUME if state == "paused" else PAUSE,
        not there or state == "stopped",
        not (there and uploaded),
        not uploaded,
        not there,
        formatting.speed(playing.state.speed) if playing else UNKNOWN_SPEED,
    )
