"""HTML report of a load test: one page that opens without a network, rendered by Jinja2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from plotly.offline import get_plotlyjs

from dashboard import theme
from pumpwatch.reports.score_report import ENVIRONMENT, Table, schemes, script_json
from trials.load.metrics import ALARM, COUNTS, HOPS, PERCENTILES
from trials.load.result import Result, StageResult

HEIGHT_PX: Final = 320
DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Lines are told apart without colour too."""
HUES: Final = ("signal", "medium_fill", "low_fill", "commanded", "high_fill", "muted", "accent")
TITLES: Final = {
    "latency": "Latency over time, p99 from when a sample was due to each hop",
    "curve": "Percentile curve of the last stage",
    "throughput": "Samples due and shown",
    "cores": "Cores used by each part",
    "memory": "Memory of each part, MB",
    "written": "Written to disk by each part",
    "network": "MQTT traffic, as the broker counts it",
    "stored": "Messages that wait in the broker",
    "switches": "Context switches of each part",
    "knee": "Probes of the search for the knee",
}
DRAWN: Final = ("published", "received", "judged", "durable", "shown", "painted")


def page(result: Result) -> str:
    """Return the HTML page of a result."""
    drawn = {
        "latency": _latency(result),
        "throughput": _throughput(result),
        "curve": _curve(result),
        "cores": _use(result, "cores", "cores"),
        "memory": _use(result, "memory_mb", "MB"),
        "written": _use(result, "written_mb_per_s", "MB/s"),
        "network": _broker(result, {"bytes_received": "to the broker", "bytes_sent": "from the broker"}, "MB/s"),
        "stored": _broker(result, {"stored": "messages"}, "messages"),
        "switches": _use(result, "switches_per_s", "a second"),
        "knee": _knee(result),
    }
    figures = {name: figure for name, figure in drawn.items() if figure["data"]}
    return ENVIRONMENT.get_template("load_report.html.j2").render(
        result=result,
        verdict=_verdict(result),
        stages=[(stage, list(_tables(stage))) for stage in result.stages],
        titles=TITLES,
        figures=figures,
        light=theme.variables(theme.LIGHT),
        dark=theme.variables(theme.DARK),
        font=theme.FONT,
        plotly=get_plotlyjs(),
        schemes=script_json(schemes()),
        figures_json=script_json(figures),
    )


def _verdict(result: Result) -> str:
    if result.interrupted:
        return "Interrupted: the figures are of the time until then."
    if result.void:
        return "Void: the generator was saturated, so these are not the limits of the system."
    return "Every threshold was kept." if result.passed else "A threshold was broken, or something failed."


def _tables(stage: StageResult) -> Iterator[tuple[str, Table]]:
    numbers = frozenset(range(1, 8))
    rows = [
        (hop.name, hop.meaning, *(_seconds(stage.latency.get(hop.name, {}).get(name)) for name in PERCENTILES))
        for hop in (*HOPS, ALARM)
        if any(value is not None for value in stage.latency.get(hop.name, {}).values())
    ]
    yield "Latency since a sample was due, s", Table(("hop", "", *PERCENTILES), rows, frozenset(range(2, 8)))
    raw = [
        (name, *(_seconds(figures.get(each)) for each in PERCENTILES))
        for name, figures in stage.raw.items()
        if any(value is not None for value in figures.values())
    ]
    yield "The same since it was made (raw), s", Table(("hop", *PERCENTILES), raw, numbers)
    counts = [(meaning, _number(stage.value(name))) for name, meaning in COUNTS.items()]
    alarms = [(f"alarms {name}", _number(stage.alarms[name])) for name in ("faults", "expected", "seen")]
    yield "Counts", Table((), [*counts, *alarms], frozenset({1}))
    heads = ("part", "cores", "MB", "context switches/s", "MB/s written")
    resources = [(name, *(f"{value:,.4g}" for value in row.values())) for name, row in stage.resources.items()]
    yield "Resources", Table(heads, resources, numbers)
    checks = [
        (check.metric, _number(check.measured), f"{check.below:g}", "kept" if check.kept else "BROKEN")
        for check in stage.checks
    ]
    yield "Thresholds", Table(("metric", "measured", "at most", ""), checks, frozenset({1, 2}))


def _line(name: str, x: Sequence[Any], y: Sequence[Any], place: int, mode: str = "lines") -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"dash": DASHES[place % len(DASHES)], "width": 1.6, "color": HUES[place % len(HUES)]},
        "marker": {"color": HUES[place % len(HUES)], "size": 9, "symbol": place},
    }


def _layout(x: str, y: str, **axis: Any) -> dict[str, Any]:
    return {
        "height": HEIGHT_PX,
        "margin": {"l": 64, "r": 16, "t": 8, "b": 48},
        "xaxis": {"title": {"text": x}},
        "yaxis": {"title": {"text": y}, "rangemode": "tozero", **axis},
        "legend": {"orientation": "h", "y": 1.12},
        "hovermode": "x unified",
    }


def _latency(result: Result) -> dict[str, Any]:
    course = result.course
    lines = [
        _line(name, course["second"], course[f"{name}.p99"], place)
        for place, name in enumerate(DRAWN)
        if any(value is not None for value in course.get(f"{name}.p99", ()))
    ]
    return {"data": lines, "layout": _layout("second of the run", "s")}


def _throughput(result: Result) -> dict[str, Any]:
    course = result.course
    lines = [
        _line(title, course["second"], course[name], place)
        for place, (name, title) in enumerate((("due", "due"), ("shown_samples", "shown")))
        if course
    ]
    return {"data": lines, "layout": _layout("second of the run", "samples")}


def _curve(result: Result) -> dict[str, Any]:
    curves = result.stages[-1].curve if result.stages else {}
    lines = [
        _line(name, [_nines(percentile) for percentile, _ in curves[name]], [at for _, at in curves[name]], place)
        for place, name in enumerate(DRAWN)
        if curves.get(name)
    ]
    layout = _layout("percentile", "s")
    layout["xaxis"] |= {"type": "category"}
    return {"data": lines, "layout": layout}


def _nines(percentile: float) -> str:
    return f"{percentile:g} %"


def _use(result: Result, name: str, unit: str) -> dict[str, Any]:
    lines = [
        _line(part, uses["second"], uses[name], place)
        for place, (part, uses) in enumerate(result.use.items())
        if uses["second"] and name in uses
    ]
    return {"data": lines, "layout": _layout("second of the run", unit)}


def _broker(result: Result, names: dict[str, str], unit: str) -> dict[str, Any]:
    courses = ((title, result.broker_course.get(name, {"second": []})) for name, title in names.items())
    lines = [
        _line(title, course["second"], course["value"], place)
        for place, (title, course) in enumerate(courses)
        if course["second"]
    ]
    return {"data": lines, "layout": _layout("second of the run", unit)}


def _knee(result: Result) -> dict[str, Any]:
    probes = (result.knee or {}).get("probes", [])
    lines = [
        _line(title, numbers, [probes[number - 1]["load"] for number in numbers], place, "markers")
        for place, (title, numbers) in enumerate(
            (
                ("carried", [number for number, each in enumerate(probes, 1) if each["carried"]]),
                ("not carried", [number for number, each in enumerate(probes, 1) if not each["carried"]]),
            )
        )
        if numbers
    ]
    return {
        "data": lines,
        "layout": _layout("probe", (result.knee or {}).get("unit", "pumps"), type="log", rangemode="normal"),
    }


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:,g}"
