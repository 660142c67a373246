"""This file writes a score as one page that needs nothing but a browser: what was found, how soon, and false alarms."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from plotly.offline import get_plotlyjs

from dashboard import theme
from trials.score import BARS

ROW_PX: Final = 22
LISTED: Final = 1000
HOURS: Final = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 24, 72, 168]
FALSE_ALARMS_AT_MOST: Final = 0.01
"""Per pump-day on a lively healthy fleet: what we ask of the alarm list."""

STYLE: Final = """
body{margin:0;padding:24px;background:var(--ground);color:var(--text);font:14px/1.45 var(--font)}
main{max-width:1100px;margin:auto}h1{font-size:22px;margin:0}h2{font-size:16px;margin:0 0 8px}
p{margin:4px 0;color:var(--muted)}
section{background:var(--surface);border:1px solid var(--line);border-radius:4px;padding:16px;margin:16px 0}
section{overflow-x:auto}
table{border-collapse:collapse;width:100%}td,th{padding:3px 10px;border-bottom:1px solid var(--line);text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}th{color:var(--muted);font-weight:600}
"""
SCRIPT: Final = """
const dark=matchMedia('(prefers-color-scheme: dark)');
function draw(){const c=schemes[dark.matches?'dark':'light'];
for(const [id,f] of Object.entries(figures)){
const shades=[[0,c.high_fill],[.5,c.medium_fill],[.9,c.cell],[1,c.cell]];
const data=f.data.map(t=>t.type==="heatmap"?{...t,colorscale:shades}:
{...t,marker:{...t.marker,color:c[t.marker.color]}});
const axis={gridcolor:c.grid,linecolor:c.line,tickcolor:c.line,zeroline:false,color:c.muted};
Plotly.react(id,data,{...f.layout,paper_bgcolor:'rgba(0,0,0,0)',plot_bgcolor:'rgba(0,0,0,0)',
font:{family:c.font,color:c.text,size:12},xaxis:{...axis,...f.layout.xaxis},yaxis:{...axis,...f.layout.yaxis},
shapes:(f.layout.shapes||[]).map(s=>({...s,line:{...s.line,color:c.medium_fill}}))},{displayModeBar:false,responsive:true});}}
dark.addEventListener('change',draw);draw();
"""


def page(told: dict[str, Any]) -> str:
    """Return the page of a report, as `trials.score.report` gives it; with a sweep it has what that found, too."""
    visible = {name: fault for name, fault in told["faults"].items() if fault["visible"]}
    figures = {
        name: figure
        for name, figure in (
            ("recall", recall(visible)),
            ("delay", delay(visible)),
            ("false", false_alarms(told)),
        )
        if figure is not None
    }
    what = (
        f"{told['pumps']:,} simulated pumps, {told['days']:g} days of therapy time, a sample every "
        f"{told['interval_s']:g} s, seed {told['seed']}. A simulation, no medical device."
    )
    body = [
        f"<h1>Score of {html.escape(told['scenario'])}</h1><p>{what}</p>",
        _section("All together", _table(("", ""), _rates(told), numbers=(1,))),
        *(_section(TITLES[name], f'<div id="{name}"></div>') for name in figures),
        *([_section("Smallest severity still found", _sweep(told["sweep"]))] if "sweep" in told else []),
        *([_section("Faults", _faults(told["faults"]))] if told["faults"] else []),
        _section(f"False alarms: {len(told['false'])}", _listed(told["false"])),
        _section(f"Missed injections: {len(told['missed'])}", _listed(told["missed"])),
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Pumpwatch score</title>'
        f"<style>:root{{--font:{theme.FONT};{theme.variables(theme.LIGHT)}color-scheme:light dark}}"
        f"@media(prefers-color-scheme:dark){{:root{{{theme.variables(theme.DARK)}}}}}{STYLE}</style>"
        f"<main>{''.join(body)}</main><script>{get_plotlyjs()}</script>"
        f"<script>const schemes={_json(_schemes())},figures={_json(figures)};{SCRIPT}</script></html>"
    )


TITLES: Final = {
    "recall": "Found, by severity",
    "delay": "Hours until found: half (dot) and 95 in 100 (end of the line)",
    "false": "False alarms a pump-day, by rule",
}


def recall(faults: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the figure of the share found of each fault at each severity."""
    names = [name for name in reversed(faults) if faults[name]["severities"]]
    steps = sorted({rung["severity"] for name in names for rung in faults[name]["severities"]})
    if not names:
        return None
    rungs = [{rung["severity"]: rung for rung in faults[name]["severities"]} for name in names]
    return {
        "data": [
            {
                "type": "heatmap",
                "x": [f"{step:g}" for step in steps],
                "y": names,
                "z": [[row[step]["detected"] if step in row else None for step in steps] for row in rungs],
                "text": [[_found(row.get(step)) for step in steps] for row in rungs],
                "texttemplate": "%{text}",
                "hovertemplate": "%{y}, severity %{x}: %{text} found<extra></extra>",
                "zmin": 0,
                "zmax": 1,
                "xgap": 2,
                "ygap": 2,
                "showscale": False,
            }
        ],
        "layout": _layout(len(names), "severity", x={"type": "category", "showgrid": False}),
    }


def delay(faults: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the figure of the hours until each fault was found."""
    found = [name for name in reversed(faults) if faults[name]["time_to_detect_h"]["p50"] is not None]
    if not found:
        return None
    half, most = ([faults[name]["time_to_detect_h"][share] for name in found] for share in ("p50", "p95"))
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "x": half,
                "y": found,
                "marker": {"color": "signal", "size": 8},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [last - first for first, last in zip(half, most, strict=True)],
                    "arrayminus": [0.0] * len(found),
                },
                "customdata": most,
                "hovertemplate": "%{y}: half within %{x:.2f} h, 95 in 100 within %{customdata:.2f} h<extra></extra>",
            }
        ],
        "layout": _layout(len(found), "hours of therapy time", x={"type": "log", "tickvals": HOURS}),
    }


def false_alarms(told: dict[str, Any]) -> dict[str, Any] | None:
    """Return the figure of false alarms a pump-day of each rule, with the most that all together may have."""
    rules: dict[str, int] = {}
    for alarm in told["false"]:
        rules[alarm["rule"]] = rules.get(alarm["rule"], 0) + 1
    if not rules:
        return None
    names = sorted(rules, key=lambda name: rules[name])
    most = {"type": "line", "x0": FALSE_ALARMS_AT_MOST, "x1": FALSE_ALARMS_AT_MOST, "y0": 0, "y1": 1, "yref": "paper"}
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "x": [rules[name] / told["pump_days"] for name in names],
                "y": names,
                "marker": {"color": "signal"},
                "hovertemplate": "%{y}: %{x:.5f} a pump-day<extra></extra>",
            }
        ],
        "layout": {
            **_layout(len(names), "a pump-day; the line is what all rules together may have"),
            "shapes": [{**most, "line": {"width": 2, "dash": "dash"}}],
        },
    }


def _layout(rows: int, title: str, x: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "height": 90 + ROW_PX * rows,
        "margin": {"l": 190, "r": 16, "t": 8, "b": 48},
        "xaxis": {"title": {"text": title}, **(x or {})},
        "yaxis": {"type": "category", "showgrid": False},
        "bargap": 0.3,
    }


def _found(rung: dict[str, Any] | None) -> str:
    return "" if rung is None else f"{round(rung['detected'] * rung['injected'])}/{rung['injected']}"


def _rates(told: dict[str, Any]) -> Iterable[Sequence[str]]:
    for least in BARS:
        shares = told["recall"][f"severity_from_{least}"]
        for name, said in (("detected", "found"), ("right_cause", "right cause")):
            if shares[name] is not None:
                yield f"{said}, severity from {least}", f"{shares[name]:.1%} of {shares['injected']:,}"
    for kind, said in (
        ("", "false alarms"),
        ("_announced", "false alarms, announced"),
        ("_high", "false alarms, high"),
    ):
        yield said, f"{told[f'false_alarms{kind}']:,} ({told[f'false_alarms{kind}_per_pump_day']:.4f} a pump-day)"
    yield "secondary alarms", f"{told['secondary_alarms']:,}"
    yield "pump-days", f"{told['pump_days']:,.1f}"
    yield "samples", f"{told['samples']:,} in {told['seconds']:,.0f} s"


def _faults(faults: dict[str, dict[str, Any]]) -> str:
    heads = ("fault", "injected", "found", "right cause", "announced", "p50 h", "p95 h", "first alarm")
    rows = [
        (
            name,
            *(str(fault[column]) for column in ("injected", "detected", "right_cause", "announced")),
            *(_hours(fault["time_to_detect_h"][share]) for share in ("p50", "p95")),
            ", ".join(f"{rule} {count}" for rule, count in fault["first"].items())
            if fault["visible"]
            else "no alarm is expected",
        )
        for name, fault in faults.items()
    ]
    return _table(heads, rows, numbers=range(1, 7))


def _sweep(sweep: dict[str, dict[str, float | None]]) -> str:
    rows = [
        (
            name,
            "none" if least["severity"] is None else f"{least['severity']:g}",
            _hours(least["p50"]),
            _hours(least["p95"]),
        )
        for name, least in sweep.items()
    ]
    return _table(("fault", "severity", "p50 h", "p95 h"), rows, numbers=range(1, 4))


def _listed(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "<p>None.</p>"
    shown = [["" if value is None else str(value) for value in row.values()] for row in rows[:LISTED]]
    more = f"<p>and {len(rows) - LISTED:,} more</p>" if len(rows) > LISTED else ""
    return _table(tuple(rows[0]), shown) + more


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    right = set(numbers)

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = [' class="n"' if place in right else "" for place in range(len(row))]
        return "".join(f"<{tag}{kind}>{html.escape(value)}</{tag}>" for kind, value in zip(kinds, row, strict=True))

    head = f"<tr>{cells('th', heads)}</tr>" if any(heads) else ""
    lines = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table>{head}{lines}</table>"


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{html.escape(title)}</h2>{inside}</section>"


def _hours(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _schemes() -> dict[str, dict[str, str]]:
    return {name: {**vars(colours), "font": theme.FONT} for name, colours in theme.SCHEMES.items()}


def _json(value: object) -> str:
    """Return JSON that cannot end the script it stands in."""
    return msgspec.json.encode(value).decode().replace("<", "\\u003c")
