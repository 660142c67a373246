"""Views of load tests: the one that runs, the list of reports, a report, and two compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html

from dashboard import formatting
from dashboard.components import elements
from dashboard.components.elements import Component
from dashboard.components.fault_choice import KEPT
from dashboard.data.load_runs import PROFILES, LiveFile, Report, Stage

PERCENTILES: Final = ("p50", "p90", "p99", "p99.9", "max")
NOTE: Final = (
    "The test starts a system of its own on this machine and loads it. It shares the cores with this system: values "
    "here may come late meanwhile."
)


def form(*, may: bool) -> Component:
    """Return the form that starts and stops a test."""
    return html.Div(
        [
            html.P(NOTE, className="note"),
            dmc.Select(
                id="load-profile", label="Profile", value=PROFILES[0], data=list(PROFILES), allowDeselect=False, **KEPT
            ),
            html.Div(
                [
                    html.Button("Start load test", id="load-start", className="button strong", disabled=not may),
                    html.Button("Stop", id="load-stop", className="button", disabled=True),
                ],
                className="buttons",
            ),
            None if may else html.P("Engineers and admins start and stop load tests.", className="note"),
        ],
        className="form",
    )


def disabled(*, busy: bool, may: bool) -> tuple[bool, bool]:
    """Return whether Start and Stop are disabled: one test runs at a time, and without one there is none to stop."""
    return busy or not may, not busy or not may


def live(profile: str, found: LiveFile | None, failure: str, *, busy: bool) -> Component:
    """Return the state of the test that runs."""
    if not busy:
        return html.P(failure, className="warn-word") if failure else elements.nothing("No load test is running.")
    if found is None or found.state is None:
        said = found.said[-1] if found is not None and found.said else "The system is starting."
        return html.P(f"{profile}: {said}")
    state = found.state
    rows = [
        *([f"p99 {hop}", _seconds(value)] for hop, value in state.latency.items()),
        *([f"Cores of {part}", formatting.number(cores, 2)] for part, cores in state.cores.items()),
    ]
    facts = [
        elements.fact("Stage", state.stage, note=f"{state.second:.0f} of about {state.seconds:.0f} s"),
        elements.fact("Offered", f"{state.offered_per_s:,.0f}", note="samples/s"),
        elements.fact("Made", f"{state.made_per_s:,.0f}", note="samples/s"),
        elements.fact("Sessions", f"{state.connected:,}", note=f"of {state.sessions:,}"),
    ]
    return html.Div(
        [
            html.Div(facts, className="strip"),
            elements.table([(f"{profile}: last 12 s", ""), ("", "number")], rows),
        ]
    )


def reports(found: Mapping[str, Report]) -> Component:
    """Return the list of reports."""
    if not found:
        return elements.nothing("No reports yet. Start a load test, or save one with pumpwatch load --json.")
    rows = [
        [
            html.A(report.began.replace("T", " ").replace("+00:00", " UTC"), href=f"?report={name}"),
            report.profile,
            html.Span(report.verdict, className="" if report.verdict == "passed" else "warn-word"),
            report.stages[-1].name if report.stages else "",
            _seconds(p99(report.stages[-1])) if report.stages else "",
        ]
        for name, report in found.items()
    ]
    heads = [("Began", ""), ("Profile", ""), ("Verdict", ""), ("Last stage", "wide"), ("p99 shown", "number")]
    return elements.table(heads, rows)


def choices(found: Mapping[str, Report]) -> list[dict[str, str]]:
    """Return the reports as the options of a select."""
    return [
        {"value": name, "label": f"{one.began[:19].replace('T', ' ')} {one.profile}"} for name, one in found.items()
    ]


def report(found: Report) -> Component:
    """Return the figures of a report, stage by stage."""
    parts: list[Component] = [html.P([html.B(found.title), f" {found.began}: {found.verdict}"])]
    parts += [html.P(f"Void: {text}", className="warn-word") for text in found.void_reasons]
    if found.blame:
        evidence = "; ".join(str(text) for text in found.blame.get("evidence", ()))
        parts.append(html.P(f"Gave way first: {found.blame.get('part')}: {evidence}"))
    for stage in found.stages:
        heads = [(stage.name, ""), *((name, "number") for name in PERCENTILES)]
        rows = [
            [hop, *(_seconds(values.get(name)) for name in PERCENTILES)]
            for hop, values in stage.latency.items()
            if any(value is not None for value in values.values())
        ]
        used = ", ".join(f"{part} {row['cores']:.2f} cores" for part, row in stage.resources.items())
        parts += [
            elements.table(heads, rows),
            html.P(
                f"{stage.offered_per_s:,.0f} samples/s offered, {stage.shown_per_s:,.0f} shown; lost "
                f"{stage.lost.get('shown', 0):,}, duplicates {stage.duplicates:,}, out of order {stage.disorder:,}; "
                f"{used}",
                className="note",
            ),
            *(html.P(f"Void: {text}", className="warn-word") for text in stage.void),
            *(html.P(text, className="warn-word") for text in _broken(stage)),
        ]
    return html.Div(parts)


def compared(before: Report, now: Report) -> Component:
    """Return the figures that two reports have in common, with their change."""
    rows = list(_changes(before, now))
    if not rows:
        return elements.nothing("The two reports have no stage in common.")
    heads = [("Stage", "wide"), ("Figure", ""), ("Before", "number"), ("Now", "number"), ("Change", "number")]
    return html.Div([elements.table(heads, rows), html.P("Single runs: a change may be noise.", className="note")])


def _changes(before: Report, now: Report) -> Iterator[list[Component]]:
    earlier = {stage.name: stage for stage in before.stages}
    for stage in now.stages:
        if stage.name not in earlier:
            continue
        old, new = dict(_figures(earlier[stage.name])), dict(_figures(stage))
        for name in (each for each in new if each in old):
            share = f"{100 * (new[name] - old[name]) / old[name]:+.0f} %" if old[name] else ""
            yield [stage.name, name, f"{old[name]:g}", f"{new[name]:g}", share]


def _figures(stage: Stage) -> Iterator[tuple[str, float]]:
    yield "samples/s shown", stage.shown_per_s
    for hop, values in stage.latency.items():
        for name in ("p50", "p99", "max"):
            if (value := values.get(name)) is not None:
                yield f"{hop} {name}, s", value
    yield "lost samples", float(stage.lost.get("shown", 0))
    for part, row in stage.resources.items():
        yield f"cores of {part}", row["cores"]


def _broken(stage: Stage) -> Iterator[str]:
    yield from stage.failures
    for check in stage.checks:
        if check["measured"] is None:
            yield f"{check['metric']} was not measured; allowed {check['below']:g}"
        elif check["measured"] > check["below"]:
            yield f"{check['metric']} is {check['measured']:g}; allowed {check['below']:g}"


def p99(stage: Stage) -> float | None:
    """Return p99 from due to the snapshot, s."""
    return stage.latency.get("shown", {}).get("p99")


def _seconds(value: Any) -> str:
    return formatting.UNKNOWN if value is None else f"{value:.3f} s"
