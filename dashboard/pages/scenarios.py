"""Scenarios: read what the simulator can play, start, pause and stop it, see what comes next, upload one."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from broker.contract.commands import MAX_SCENARIO_CHARS
from dashboard.access.accounts import VISITOR
from dashboard.components import address, elements, scenario_views, shell
from dashboard.components.elements import Component
from dashboard.data import scenario_playback
from dashboard.data.scenario_playback import SPEEDS, Playing, Scenarios
from dashboard.data.services import Answer, DataService

BUTTONS: Final = {"start": "Start", "pause": scenario_views.PAUSE, "stop": "Stop", "remove": "Remove"}


def layout() -> Component:
    """Return the page; its controls are enabled for engineers and admins."""
    may = VISITOR.get().may("inject")
    buttons = [
        html.Button(
            label,
            id=f"scenario-{action}",
            className="button strong" if action == "start" else "button",
            disabled=True,
            hidden=action == "remove",
        )
        for action, label in BUTTONS.items()
    ]
    speed = dmc.Select(
        id="scenario-speed",
        label="Therapy time runs at",
        data=[{"value": f"{speed:g}", "label": f"×{speed:g}"} for speed in SPEEDS],
        value=None,
        placeholder=scenario_views.UNKNOWN_SPEED,
        w=150,
        disabled=True,
    )
    upload = dcc.Upload(
        html.Button("Upload TOML file", className="button", disabled=not may),
        id="scenario-upload",
        accept=".toml",
        max_size=2 * MAX_SCENARIO_CHARS,
        disabled=not may,
    )
    return html.Div(
        [
            html.H1("Scenarios", className="hidden"),
            dcc.Store(id="scenario-chosen"),
            dcc.Store(id="scenario-key"),
            dcc.Store(id="scenario-changed"),
            elements.card(
                "Now",
                html.P(id="scenario-position"),
                html.Div([html.Div([*buttons], className="buttons"), speed], className="scenario-controls"),
                html.P(id="scenario-answer", role="status"),
                None if may else elements.nothing("Only engineers and admins may play scenarios."),
            ),
            html.Div(
                [
                    elements.card(
                        "Scenarios",
                        html.Div(id="scenario-list"),
                        upload,
                        html.P(id="scenario-uploaded", role="status"),
                        name="scenario-list-card",
                    ),
                    html.Div(
                        [
                            elements.card("About", html.Div(id="scenario-about")),
                            elements.card(
                                "Time line",
                                html.Div(
                                    [
                                        html.Div(id="scenario-bar"),
                                        html.Span(id="scenario-cursor", style={"display": "none"}),
                                    ],
                                    className="scenario-line",
                                ),
                                html.Div(id="scenario-steps"),
                            ),
                        ],
                        className="scenario-side",
                    ),
                ],
                className="scenario-page",
            ),
        ],
        className="column scenarios",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page: what plays now with every snapshot, the rest when it changes."""
    shell.add_page(__name__, name="Scenarios", path="/scenarios", order=21, layout=layout, english=True)
    scenarios = Scenarios(data)
    address.bind(app, "/scenarios", {"scenario": address.text("scenario-chosen", prop="data", step=True)})

    @app.callback(
        Output("scenario-position", "children"),
        Output("scenario-cursor", "style"),
        Output("scenario-list", "children"),
        Output("scenario-about", "children"),
        Output("scenario-bar", "children"),
        Output("scenario-steps", "children"),
        *(Output(component, prop) for component, prop in scenario_views.CONTROLS),
        Output("scenario-key", "data"),
        Input("live", "data"),
        Input("scenario-chosen", "data"),
        Input("scenario-changed", "data"),
        State("scenario-key", "data"),
    )
    async def show(_live: Any, chosen: Any, _changed: Any, key: Any) -> Any:
        return render(scenarios, data, chosen, key)

    @app.callback(
        Output("scenario-answer", "children"),
        Output("scenario-uploaded", "children"),
        Output("scenario-chosen", "data"),
        Output("scenario-changed", "data"),
        Output("scenario-speed", "value"),
        *(Input(f"scenario-{action}", "n_clicks") for action in BUTTONS),
        Input("scenario-speed", "value"),
        Input("scenario-upload", "contents"),
        State("scenario-upload", "filename"),
        State("scenario-chosen", "data"),
        State("scenario-pause", "children"),
        prevent_initial_call=True,
    )
    async def control(*values: Any) -> Any:
        (speed, content, file, chosen, pause), button = values[len(BUTTONS) :], str(ctx.triggered_id or "")
        asked = ctx.triggered[0]["value"] if ctx.triggered else None
        if not asked:
            return (no_update,) * 5
        action = button.removeprefix("scenario-")
        action = "resume" if action == "pause" and pause == scenario_views.RESUME else action
        answer = await command(scenarios, action, (speed, content, file, chosen))
        message = html.Span(answer.text, className="" if answer.good else "scenario-error")
        uploads = action == "upload"
        found = scenario_playback.name_of_file(str(file)) if uploads and answer.good else no_update
        return "" if uploads else message, message if uploads else "", found, str(asked)[-20:], None


async def command(scenarios: Scenarios, button: str, values: tuple[Any, ...]) -> Answer:
    """Carry out what a control asks for; `values` are speed, content and name of a file, and the chosen scenario."""
    speed, content, file, chosen = values
    name = shown(chosen, scenarios.playing()) or ""
    match button:
        case "start" | "remove" if not name:
            return Answer("Choose a scenario from the list first.", good=False)
        case "start" | "pause" | "resume" | "stop" | "remove":
            return await scenarios.send(button, name=name[:100])
        case "speed":
            return await scenarios.send("speed", speed=float(speed))
        case "upload":
            return await upload(scenarios, content, file)
    return Answer("Not done: unknown command.", good=False)


async def upload(scenarios: Scenarios, content: Any, file: Any) -> Answer:
    """Send an uploaded file to the simulator, which validates and keeps it."""
    try:
        text = base64.b64decode(str(content).partition(",")[2], validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return Answer("Not uploaded: the file is no text in UTF-8; upload a scenario file (TOML).", good=False)
    name = scenario_playback.name_of_file(str(file))
    if not name:
        return Answer("Not uploaded: name the file as the scenario, such as my-day.toml.", good=False)
    return await scenarios.send("add", name=name, toml=text)


def shown(chosen: Any, playing: Playing | None) -> str | None:
    """Return the name of the scenario that the page describes: the chosen one, else the one that plays."""
    return str(chosen) if chosen else (playing.state.name or None) if playing else None


def render(scenarios: Scenarios, data: DataService, chosen: Any, key: Any) -> tuple[Any, ...]:
    """Return what plays now, and the other parts unless they would look the same as those of `key`."""
    playing, health = scenarios.playing(), data.snapshot().health
    wanted = shown(chosen, playing)
    entry, current = scenarios.entry(wanted), scenarios.entry(playing.state.name if playing else None)
    on = (
        playing is not None and not playing.silent and playing.state.state != "stopped" and playing.state.name == wanted
    )
    passed = playing.position_s if playing and on else None
    begun = -1 if passed is None or entry is None else sum(step.at_s <= passed for step in entry.steps)
    state = playing.state.state if playing and not playing.silent else ""
    entries = scenarios.entries()
    names = [(one.name, hash(one.toml)) for one in entries]
    play_state = f"{state} {playing.state.name} {playing.state.speed}" if playing else ""
    fresh = f"{wanted} {begun} {play_state} {hash(tuple(names))} {len(health.rules)}"
    line, style = scenario_views.position(playing, current), scenario_views.cursor(playing, entry)
    if fresh == key:
        return line, style, *([no_update] * (5 + len(scenario_views.CONTROLS)))
    fleet = playing.state.pumps if playing else 0
    rules = data.snapshot().rules
    titles = {**health.rules, **dict(rules.select("rule", "title").iter_rows())}
    return (
        line,
        style,
        scenario_views.listed(entries, wanted, playing),
        scenario_views.described(entry, fleet),
        scenario_views.bar(entry),
        scenario_views.steps(entry, passed, health.rule_targets, titles),
        *scenario_views.controls(playing, entry, may=VISITOR.get().may("inject")),
        fresh,
    )
