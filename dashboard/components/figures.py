"""Trend chart of one pump, drawn from prepared curves and spans; it neither filters nor counts."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from broker.contract.signals import SIGNAL_BY_NAME
from dashboard import theme
from dashboard.components import trend_layers
from dashboard.components.signal_panels import PANELS, Line, Panel
from dashboard.components.trend_layers import PLAIN, Layers, dates, packed
from dashboard.data.trends import Curve, Past, limits
from dashboard.languages import tr, tr_sentence
from dashboard.theme import Scheme
from dashboard.zones import ChartZone

Figure = dict[str, Any]

SPACE: Final = 0.045
LANE: Final = 0.04
"""Share of the height that the lane of events takes."""
UTC_CHART: Final = ChartZone()
DOT_PX: Final = 6
CONFIG: Final[Any] = {
    "displaylogo": False,
    "displayModeBar": False,
    "scrollZoom": False,
    "doubleClick": "reset",
    "responsive": True,
    "topojsonURL": "",
}
EMPTY: Final[Figure] = {
    "data": [],
    "layout": {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {"visible": False},
        "yaxis": {"visible": False},
    },
}
"""Placeholder until the chart is drawn; Plotly's own would be white, with axes."""


def trends(
    past: Past, colours: Scheme, *, revision: str, zone: ChartZone = UTC_CHART, layers: Layers = PLAIN
) -> Figure:
    """Draw all signals of one pump over one time axis in a `zone`, with alarms and gaps shaded behind them.

    The zoom is kept as long as `revision` stays the same.
    """
    past, layers = past.shifted(zone.offset_ms), layers.shifted(zone.offset_ms)
    window = (past.window[0], layers.edge or past.window[1])
    lane = f"y{2 * len(PANELS) + 1}"
    layout: Figure = {
        "template": theme.template(colours),
        "uirevision": revision,
        "margin": {"l": 36, "r": 28, "t": 24, "b": 34} if layers.narrow else {"l": 48, "r": 44, "t": 30, "b": 34},
        "showlegend": False,
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "dragmode": "zoom" if layers.drag else False,
        "xaxis": {**_time_axis(window, zone, colours, layers.narrow), "anchor": f"y{2 * len(PANELS) - 1}"},
        "shapes": [*_unknown(past, colours), *_bands(past, colours)],
        "annotations": _unknown_labels(past, colours),
        f"yaxis{lane[1:]}": {"domain": [1 - LANE + 0.005, 1], "range": [0, 1], "visible": False, "fixedrange": True},
    }
    layout["shapes"] += [*trend_layers.coming(layers.ahead, axis_of, colours), *_now(layers, window, colours)]
    legend = trend_layers.legend(layers.marks.shown, layers.marks.left_out)
    layout["annotations"].append(_note(legend, 0, 1, colours, xanchor="left", yanchor="bottom"))
    data: list[Figure] = trend_layers.compared(layers.other, axis_of, colours)
    data += trend_layers.expected(layers.bands, axis_of, colours)
    data += trend_layers.forecast(layers.ahead, axis_of, colours)
    top = 1.0 - LANE - SPACE
    for number, panel in enumerate(PANELS):
        bottom = top - panel.share * (1 - LANE - SPACE * len(PANELS))
        layout["annotations"].append(_heading(panel, top, colours, "" if layers.narrow else layers.ahead.note))
        for line in panel.lines:
            axis = 2 * number + (2 if line.right else 1)
            layout[_axis(axis)] = _value_axis(panel, line, past, layers, (2 * number + 1, bottom, top))
            data.append(_trace(line, past.curves[line.signal], getattr(colours, line.colour), axis))
        top = bottom - SPACE
    data += trend_layers.events(layers.marks.shown, lane, colours)
    return {"data": data, "layout": layout}


def axis_of(signal: str) -> str:
    """Return the value axis of a signal's chart, as Plotly names it: "y3"."""
    for number, panel in enumerate(PANELS):
        for line in panel.lines:
            if line.signal == signal:
                axis = 2 * number + (2 if line.right else 1)
                return "y" if axis == 1 else f"y{axis}"
    raise KeyError(f"{signal} is drawn in no chart; allowed are the signals of PANELS")


def _now(layers: Layers, window: tuple[int, int], colours: Scheme) -> list[Figure]:
    """Return a line at now if the chart looks ahead of it."""
    if layers.now is None or not window[0] < layers.now < window[1]:
        return []
    at = dates([layers.now])[0]
    line = {"color": colours.muted, "width": 1, "dash": "dot"}
    return [{"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": line}]


def _value_axis(panel: Panel, line: Line, past: Past, layers: Layers, place: tuple[int, float, float]) -> Figure:
    left, bottom, top = place
    sharing = [one.signal for one in panel.lines if one.right == line.right]
    parts = (past.curves, layers.other.lines, layers.other.low, layers.other.high)
    curves = [part[name] for part in parts for name in sharing if name in part]
    curves += trend_layers.edges(layers.bands, sharing)
    ranges = [limits(curve, line.least, zero=line.zero) for curve in curves if curve.value.size]
    ranges = ranges or [limits(past.curves[line.signal], line.least, zero=line.zero)]
    axis: Figure = {
        "range": [min(low for low, _ in ranges), max(high for _, high in ranges)],
        "nticks": 5,
        "fixedrange": True,
        "anchor": "x",
        "tickmode": "auto",
    }
    if line.right:
        return {**axis, "overlaying": "y" if left == 1 else f"y{left}", "side": "right", "showgrid": False}
    return {**axis, "domain": [max(0.0, bottom), min(1.0, top)]}


def _heading(panel: Panel, top: float, colours: Scheme, ahead: str) -> Figure:
    words = [f"<b>{tr(panel.title)}</b>"]
    for line in panel.lines if len(panel.lines) > 1 else ():
        sign = "╌" if line.dash == "dash" else "━"
        words.append(f"<span style='color:{getattr(colours, line.colour)}'>{sign} {tr(line.name)}</span>")
    if ahead and any(line.signal == "reservoir_ml" for line in panel.lines):
        words.append(tr_sentence(ahead, (trend_layers.RESERVOIR_NOTE,)))
    return _note("   ".join(words), 0, top, colours, xanchor="left", yanchor="bottom")


def _note(text: str, x: float | str, y: float, colours: Scheme, **more: str) -> Figure:
    font = {"size": 11, "color": colours.muted}
    return {"text": text, "x": x, "y": y, "xref": "paper", "yref": "paper", "showarrow": False, "font": font, **more}


def _unknown(past: Past, colours: Scheme) -> list[Figure]:
    return [{**_band(start, end, colours.cell), "y0": 0, "y1": 1, "opacity": 0.35} for start, end in past.gaps]


def _unknown_labels(past: Past, colours: Scheme) -> list[Figure]:
    since, until = past.window
    wide = [(start, end) for start, end in past.gaps if end - start > 0.05 * (until - since)]
    return [_note("unknown", dates([(start + end) / 2])[0], 0.5, colours, xref="x") for start, end in wide]


def _bands(past: Past, colours: Scheme) -> list[Figure]:
    fills = {1: colours.high_fill, 2: colours.medium_fill, 3: colours.low_fill}
    bands: list[Figure] = []
    for priority, start, end in past.spans.select("priority", "start", "end").iter_rows():
        band = _band(start, end, fills.get(priority, colours.line))
        bands.append({**band, "y0": 0, "y1": 1, "opacity": 0.09})
        bands.append({**band, "y0": 1 - LANE - 0.012, "y1": 1 - LANE - 0.004, "opacity": 0.9})
    return bands


def _band(start: int, end: int, colour: str) -> Figure:
    line = {"width": 0}
    first, last = dates((start, end))
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": first,
        "x1": last,
        "fillcolor": colour,
        "line": line,
        "layer": "below",
    }


def _axis(number: int) -> str:
    return "yaxis" if number == 1 else f"yaxis{number}"


def _trace(line: Line, curve: Curve, colour: str, axis: int) -> Figure:
    signal = SIGNAL_BY_NAME[line.signal]
    return {
        "type": "scatter",
        "name": tr(signal.title),
        "x": dates(curve.time),
        **_points(curve),
        "y": packed(curve.value),
        "yaxis": "y" if axis == 1 else f"y{axis}",
        "connectgaps": False,
        "line": {
            "color": colour,
            "width": line.width,
            "dash": line.dash,
            "shape": "hv" if line.dash == "dash" else "linear",
        },
        "hovertemplate": f"%{{y:.{signal.decimals}f}} {signal.unit}",
    }


def _points(curve: Curve) -> Figure:
    """Return how points are drawn: those without a neighbor as dots, since a line of one point is invisible."""
    known = np.concatenate(([False], np.isfinite(curve.value), [False]))
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    if not alone.any():
        return {"mode": "lines"}
    sizes = np.where(alone, DOT_PX, 0).astype(np.float32)
    return {"mode": "lines+markers", "cliponaxis": False, "marker": {"size": packed(sizes), "line": {"width": 0}}}


def _time_axis(window: tuple[int, int], zone: ChartZone, colours: Scheme, narrow: bool) -> Figure:
    return {
        "type": "date",
        "range": dates(window),
        "showspikes": True,
        "spikemode": "across",
        "spikesnap": "cursor",
        "spikethickness": 1,
        "spikedash": "solid",
        "spikecolor": colours.muted,
        "hoverformat": f"%d %b %Y %H:%M {zone.label}",
        "tickformatstops": [
            {"dtickrange": [None, 60_000], "value": "%H:%M:%S"},
            {"dtickrange": [60_000, 86_400_000], "value": "%H:%M\n%d %b %Y"},
            {"dtickrange": [86_400_000, None], "value": "%d %b %Y"},
        ],
        "nticks": 4 if narrow else 9,
        "tickangle": 0,
    }
