"""Chart of one injection on one pump: ground truth, signals, scores and alarms over one time axis."""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.contract.signals import SIGNAL_BY_NAME
from dashboard import theme
from dashboard.components import figures, trend_layers
from dashboard.data.injection_view import InjectionView
from dashboard.theme import Scheme
from dashboard.zones import ChartZone

TRUTH: Final = (0.92, 1.0)
ALARMS: Final = (0.0, 0.23)
SCORES: Final = (0.29, 0.38)
SIGNALS: Final = (0.42, 0.89)
"""Shares of the height, from below."""
GAP: Final = 0.04
MAX_SCORE: Final = 3.0
"""The axis of scores ends there, so that the limit stays visible."""
LATE: Final = 0.65
"""An alarm that begins after this share of the window has its title at its end, where there is room for it."""
MAX_ALARMS: Final = 5
"""Alarms that are drawn, the earliest; each has a line of its own."""


def draw(view: InjectionView, colors: Scheme, zone: ChartZone) -> figures.Figure:
    """Draw an injection in a time zone; dashed lines say when it was injected and when it was detected."""
    shift = zone.offset_ms
    since, until = (trend_layers.dates([at + shift])[0] for at in view.window)
    layout: figures.Figure = {
        "template": theme.template(colors),
        "uirevision": f"{view.key} {view.pump}",
        "margin": {"l": 46, "r": 10, "t": 20, "b": 34},
        "showlegend": False,
        "hovermode": "x unified",
        "xaxis": {
            "type": "date",
            "range": [since, until],
            "anchor": f"y{len(view.curves) + 3}",
            "hoverformat": f"%d %b %Y %H:%M {zone.label}",
            "tickformatstops": [
                {"dtickrange": [None, 86_400_000], "value": "%H:%M\n%d %b"},
                {"dtickrange": [86_400_000, None], "value": "%d %b %Y"},
            ],
            "nticks": 6,
        },
        "shapes": _marks(view, shift, colors),
        "annotations": [],
    }
    data = [*_truth(view, shift, colors, layout), *_signals(view, shift, colors, layout)]
    data += [*_scores(view, shift, colors, layout), *_alarms(view, shift, colors, layout)]
    _names_of_marks(view, shift, colors, layout)
    return {"data": data, "layout": layout}


def _truth(view: InjectionView, shift: int, colors: Scheme, layout: figures.Figure) -> list[figures.Figure]:
    end = min(view.ended or view.window[1], view.window[1])
    times = [view.window[0], view.onset, view.onset, end, end, view.window[1]]
    values = [0.0, 0.0, view.severity, view.severity, view.severity if end == view.window[1] else 0.0]
    values.append(values[-1])
    layout["yaxis"] = {"domain": TRUTH, "range": [0, 1.05], "tickvals": [0, 1], "fixedrange": True}
    _head(layout, "Truth: severity", TRUTH[1], colors)
    line = {"color": colors.text, "width": 1}
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": trend_layers.dates([at + shift for at in times]),
            "y": values,
            "yaxis": "y",
            "fill": "tozeroy",
            "line": line,
            "fillcolor": colors.hatch,
            "hovertemplate": "severity %{y:.2g}<extra></extra>",
        }
    ]


def _signals(view: InjectionView, shift: int, colors: Scheme, layout: figures.Figure) -> list[figures.Figure]:
    low, high = SIGNALS
    height = (high - low) / max(1, len(view.curves))
    traces = []
    for place, (name, curve) in enumerate(view.curves.items()):
        top, axis, signal = high - place * height, place + 2, SIGNAL_BY_NAME[name]
        layout[f"yaxis{axis}"] = {
            "domain": [top - height + GAP, top - 0.015],
            "nticks": 3,
            "fixedrange": True,
            "anchor": "x",
        }
        _head(layout, f"{signal.title}, {signal.unit}", top, colors)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": trend_layers.dates(curve.time + shift),
                "y": [None if value != value else round(float(value), 4) for value in curve.value],  # noqa: PLR0124
                "yaxis": f"y{axis}",
                "connectgaps": False,
                "line": {"color": colors.signal, "width": 1.6},
                "hovertemplate": f"{signal.title} %{{y:.{signal.decimals}f}} {signal.unit}<extra></extra>",
            }
        )
    return traces


def _scores(view: InjectionView, shift: int, colors: Scheme, layout: figures.Figure) -> list[figures.Figure]:
    axis = len(view.curves) + 2
    highest = min(MAX_SCORE, max([1.0, *(score for points in view.scores.values() for _, score in points)]))
    layout[f"yaxis{axis}"] = {"domain": SCORES, "range": [0, 1.15 * highest], "nticks": 3, "fixedrange": True}
    _head(layout, _score_head(view, colors), SCORES[1], colors)
    level = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": f"y{axis}", "y0": 1, "y1": 1}
    layout["shapes"].append({**level, "line": {"color": colors.muted, "width": 1, "dash": "dot"}})
    return [
        {
            "type": "scatter",
            "mode": "lines" if view.judged else "lines+markers",
            "name": title,
            "x": trend_layers.dates([at + shift for at, _ in points]),
            "y": [score for _, score in points],
            "yaxis": f"y{axis}",
            "line": _score_line(place, view, colors),
            "marker": {"size": 6},
            "hovertemplate": f"{title}: score %{{y:.2f}}<extra></extra>",
        }
        for place, (title, points) in enumerate(view.scores.items())
    ]


def _score_line(place: int, view: InjectionView, colors: Scheme) -> figures.Figure:
    color, dash = ((colors.signal, "solid"), (colors.low, "solid"), (colors.muted, "dash"))[min(place, 2)]
    return {"color": color, "width": 1.4, "dash": dash if view.judged else "dot"}


def _score_head(view: InjectionView, colors: Scheme) -> str:
    if not view.judged:
        return "Score of open alarms (alarm at 1.0)" if view.scores else "Score: no open alarm"
    words = [
        f"<span style='color:{_score_line(place, view, colors)['color']}'>━ {title}</span>"
        for place, title in enumerate(view.scores)
    ]
    return "   ".join(["Score (alarm at 1.0)", *words[:3], *(["…"] if len(words) > 3 else [])])


def _alarms(view: InjectionView, shift: int, colors: Scheme, layout: figures.Figure) -> list[figures.Figure]:
    axis, spans = len(view.curves) + 3, view.alarms.head(MAX_ALARMS)
    layout[f"yaxis{axis}"] = {
        "domain": ALARMS,
        "range": [max(0, spans.height - 1) + 1.0, -1.0],
        "autorange": False,
        "visible": False,
        "fixedrange": True,
    }
    more = view.alarms.height - spans.height
    heading = f"Alarms, {more:,} more not drawn" if more else "Alarms" if spans.height else "Alarms: none"
    _head(layout, heading, ALARMS[1], colors)
    fills = {1: colors.high_fill, 2: colors.medium_fill, 3: colors.low_fill}
    traces = []
    for row, (name, priority, start, end, suppressed) in enumerate(
        spans.select(pl.col("title", "priority", "start", "end", "suppressed")).iter_rows()
    ):
        title = f"{name} (suppressed)" if suppressed else name
        late = start > view.window[0] + LATE * (view.window[1] - view.window[0])
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+text",
                "cliponaxis": False,
                "x": trend_layers.dates([max(start, view.window[0]) + shift, end + shift]),
                "y": [row, row],
                "yaxis": f"y{axis}",
                "line": {"color": fills.get(priority, colors.line), "width": 2 if suppressed else 6},
                "text": ["", title] if late else [title, ""],
                "textposition": "top left" if late else "top right",
                "textfont": {"size": 11, "color": colors.text},
                "hovertemplate": f"{title}<extra></extra>",
            }
        )
    return traces


def _marks(view: InjectionView, shift: int, colors: Scheme) -> list[figures.Figure]:
    times = [view.onset, *([view.found] if view.found else []), *([view.ended] if view.ended else [])]
    line = {"type": "line", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    return [
        {
            **line,
            **dict.fromkeys(("x0", "x1"), trend_layers.dates([at + shift])[0]),
            "line": {"color": colors.muted, "width": 1, "dash": "dash"},
        }
        for at in times
    ]


def _names_of_marks(view: InjectionView, shift: int, colors: Scheme, layout: figures.Figure) -> None:
    """Name the dashed lines at their lower ends, "injected" to the left so that it never covers "detected"."""
    for at, name in ((view.onset, "injected"), (view.found, "detected"), (view.ended, "ended")):
        if at is not None:
            where = {
                "x": trend_layers.dates([at + shift])[0],
                "y": 0,
                "xref": "x",
                "yref": "paper",
                "yanchor": "bottom",
            }
            side = {"xanchor": "right" if name == "injected" else "left", "xshift": -3 if name == "injected" else 3}
            font = {"size": 11, "color": colors.text}
            layout["annotations"].append({"text": name, "showarrow": False, "font": font, **where, **side})


def _head(layout: figures.Figure, text: str, top: float, colors: Scheme) -> None:
    where = {"x": 0, "y": top, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    layout["annotations"].append(
        {"text": text, "showarrow": False, "font": {"size": 11, "color": colors.muted}, **where}
    )
