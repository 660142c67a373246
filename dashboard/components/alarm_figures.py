"""Chart of annunciated alarms over time, with floods and the flood limit."""

from __future__ import annotations

from typing import Any

import polars as pl

from dashboard import theme
from dashboard.components.figures import UTC_CHART
from dashboard.components.trend_layers import dates
from dashboard.data.alarm_performance import BIN_MS
from dashboard.languages import tr
from dashboard.theme import Scheme
from dashboard.zones import ChartZone

Figure = dict[str, Any]


def load(
    bins: pl.DataFrame, floods: pl.DataFrame, limit: float, colours: Scheme, zone: ChartZone = UTC_CHART
) -> Figure:
    """Draw annunciated alarms (`time`, `alarms`) as bars, floods (`begin`, `end`) behind them, and the flood limit.

    Without an alarm there is no time axis: before the first sample it would be one of 1970.
    """
    times, counts = dates(bins["time"] + zone.offset_ms), bins["alarms"].to_list()
    edges = pl.col("begin", "end").fill_null(bins["time"].max() or 0)
    shapes = [
        {
            "type": "rect", "xref": "x", "yref": "paper", "x0": begin, "x1": end, "y0": 0, "y1": 1,
            "fillcolor": colours.high_fill, "opacity": 0.12, "line": {"width": 0}, "layer": "below",
        }
        for begin, end in (dates(flood) for flood in floods.select(edges + zone.offset_ms).iter_rows())
    ]  # fmt: skip
    line = {"color": colours.high, "width": 1, "dash": "dash"}
    shapes.append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": limit, "y1": limit, "line": line})
    note = {
        "text": tr("flood limit"), "xref": "paper", "x": 1, "y": limit, "xanchor": "right", "yanchor": "bottom",
        "showarrow": False, "font": {"size": 11, "color": colours.high},
    }  # fmt: skip
    nothing = {
        "text": tr("No alarms annunciated yet."), "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.4,
        "showarrow": False,
    }  # fmt: skip
    bar = {
        "type": "bar", "x": times, "y": counts, "offset": 0, "width": 0.9 * BIN_MS,
        "marker": {"color": colours.signal, "line": {"width": 0}},
        "hovertemplate": f"%{{x|%d %b %H:%M}} {zone.label}: {tr('{count} per 10 min', count='%{y}')}<extra></extra>",
    }  # fmt: skip
    layout = {
        "template": theme.template(colours),
        "margin": {"l": 36, "r": 12, "t": 8, "b": 30},
        "showlegend": False,
        "xaxis": {
            "type": "date",
            "visible": any(counts),
            "fixedrange": True,
            "nticks": 9,
            "tickformatstops": [
                {"dtickrange": [None, 86_400_000], "value": "%H:%M\n%d %b"},
                {"dtickrange": [86_400_000, None], "value": "%d %b"},
            ],
        },
        "yaxis": {"rangemode": "tozero", "fixedrange": True, "range": [0, 1.15 * max([limit, *counts])]},
        "shapes": shapes,
        "annotations": [note] if any(counts) else [note, nothing],
    }
    return {"data": [bar], "layout": layout}
