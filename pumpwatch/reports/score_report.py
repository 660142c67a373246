"""HTML report of a score: one page that opens without a network, rendered by Jinja2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import msgspec
from jinja2 import Environment, PackageLoader, select_autoescape
from plotly.offline import get_plotlyjs

from broker.display.printable import printable
from dashboard import theme

ROW_PX: Final = 22
MAX_LISTED: Final = 1000
HOURS: Final = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 24, 72, 168]
MAX_FALSE_ALARMS_PER_PUMP_DAY: Final = 0.01
"""Target for all rules together on a lively healthy fleet."""
TITLES: Final = {
    "recall": "Detection rate by severity",
    "delay": "Time to detect, hours",
    "false": "False alarms per pump-day, by rule",
}
ENVIRONMENT: Final = Environment(
    loader=PackageLoader("pumpwatch", "reports"),
    autoescape=select_autoescape(("html", "j2")),
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda value: printable(value, keep="\n") if type(value) is str else value,
)


@dataclass(frozen=True)
class Table:
    """A table of the page: heads, cells, columns with numbers, and how many rows were omitted."""

    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: frozenset[int] = frozenset()
    omitted: int = 0


def page(report: dict[str, Any]) -> str:
    """Return the HTML page of a report (`trials.score.report`, with `scenario` and, for a sweep, `sweep`)."""
    visible = {name: fault for name, fault in report["faults"].items() if fault["visible"]}
    drawn = (("recall", recall(visible)), ("delay", delay(visible)), ("false", false_alarms(report)))
    figures = {name: figure for name, figure in drawn if figure is not None}
    tables = {
        "summary": Table((), list(_summary(report)), frozenset({1})),
        "sweep": _sweep(report["sweep"]) if "sweep" in report else None,
        "faults": _faults(report["faults"]),
        "false_alarms": _listed(report["false"]),
        "missed": _listed(report["missed"]),
    }
    return ENVIRONMENT.get_template("score_report.html.j2").render(
        report=report,
        tables=tables,
        figures=figures,
        titles=TITLES,
        font=theme.FONT,
        light=theme.variables(theme.LIGHT),
        dark=theme.variables(theme.DARK),
        plotly=get_plotlyjs(),
        schemes=script_json(schemes()),
        figures_json=script_json({name: _with_plain_names(figure) for name, figure in figures.items()}),
    )


def recall(faults: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the figure of the detection rate of each fault at each severity; None without injections."""
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
                "text": [[_counted(row.get(step)) for step in steps] for row in rungs],
                "texttemplate": "%{text}",
                "hovertemplate": "%{y}, severity %{x}: %{text} detected<extra></extra>",
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
    """Return the figure of the time to detect of each fault; None if nothing was detected."""
    found = [name for name in reversed(faults) if faults[name]["time_to_detect_h"]["p50"] is not None]
    if not found:
        return None
    p50, p95 = ([faults[name]["time_to_detect_h"][share] for name in found] for share in ("p50", "p95"))
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "x": p50,
                "y": found,
                "marker": {"color": "signal", "size": 8},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [last - first for first, last in zip(p50, p95, strict=True)],
                    "arrayminus": [0.0] * len(found),
                },
                "customdata": p95,
                "hovertemplate": "%{y}: p50 %{x:.2f} h, p95 %{customdata:.2f} h<extra></extra>",
            }
        ],
        "layout": _layout(
            len(found), "hours of therapy time, dot p50, end of line p95", x={"type": "log", "tickvals": HOURS}
        ),
    }


def false_alarms(report: dict[str, Any]) -> dict[str, Any] | None:
    """Return the figure of false alarms per pump-day by rule, with the target for all rules together; None if none."""
    rules: dict[str, int] = {}
    for alarm in report["false"]:
        rules[alarm["rule"]] = rules.get(alarm["rule"], 0) + 1
    if not rules:
        return None
    names = sorted(rules, key=lambda name: rules[name])
    target = {
        "type": "line",
        "x0": MAX_FALSE_ALARMS_PER_PUMP_DAY,
        "x1": MAX_FALSE_ALARMS_PER_PUMP_DAY,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
    }
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "x": [rules[name] / report["pump_days"] for name in names],
                "y": names,
                "marker": {"color": "signal"},
                "hovertemplate": "%{y}: %{x:.5f} per pump-day<extra></extra>",
            }
        ],
        "layout": {
            **_layout(len(names), "per pump-day; the line is the target for all rules together"),
            "shapes": [{**target, "line": {"width": 2, "dash": "dash"}}],
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


def _counted(rung: dict[str, Any] | None) -> str:
    return "" if rung is None else f"{round(rung['detected'] * rung['injected'])}/{rung['injected']}"


def _summary(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, shares in report["recall"].items():
        severity = name.rpartition("_")[2]
        for column, title in (("detected", "detection rate"), ("right_cause", "correct cause")):
            if shares[column] is not None:
                yield f"{title}, severity from {severity}", f"{shares[column]:.1%} of {shares['injected']:,}"
    for kind, title in (
        ("", "false alarms"),
        ("_announced", "false alarms, annunciated"),
        ("_high", "false alarms, high priority"),
    ):
        count, rate = report[f"false_alarms{kind}"], report[f"false_alarms{kind}_per_pump_day"]
        yield title, f"{count:,} ({rate:.4f} per pump-day)"
    yield "secondary alarms", f"{report['secondary_alarms']:,}"
    yield "pump-days", f"{report['pump_days']:,.1f}"
    yield "samples", f"{report['samples']:,} in {report['seconds']:,.0f} s"


def _faults(faults: dict[str, dict[str, Any]]) -> Table:
    heads = ("fault", "injected", "detected", "correct cause", "annunciated", "p50 h", "p95 h", "first alarm")
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
    return Table(heads, rows, frozenset(range(1, 7)))


def _sweep(sweep: dict[str, dict[str, float | None]]) -> Table:
    rows = [
        (
            name,
            "none" if least["severity"] is None else f"{least['severity']:g}",
            _hours(least["p50"]),
            _hours(least["p95"]),
        )
        for name, least in sweep.items()
    ]
    return Table(("fault", "severity", "p50 h", "p95 h"), rows, frozenset({1, 2, 3}))


def _listed(rows: Sequence[dict[str, Any]]) -> Table:
    cells = [tuple("" if value is None else str(value) for value in row.values()) for row in rows[:MAX_LISTED]]
    return Table(tuple(rows[0]) if rows else (), cells, omitted=max(0, len(rows) - MAX_LISTED))


def _hours(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def schemes() -> dict[str, dict[str, str]]:
    """Return the colors of both schemes, for scripts of reports."""
    return {name: {**vars(colors), "font": theme.FONT} for name, colors in theme.SCHEMES.items()}


def _with_plain_names(figure: dict[str, Any]) -> dict[str, Any]:
    """Return a figure whose category names are text: Plotly reads some HTML in labels."""
    traces = [{**trace, "y": [escape(printable(name), quote=False) for name in trace["y"]]} for trace in figure["data"]]
    return {**figure, "data": traces}


def script_json(value: object) -> str:
    """Return JSON that cannot end the script element around it."""
    return msgspec.json.encode(value).decode().replace("<", "\\u003c")
