"""Layers of the trend charts besides a pump's own curves: events, expected band, forecast, what it is compared with."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker.contract.signals import SIGNAL_BY_NAME
from dashboard.components.signal_panels import PANELS, Line
from dashboard.data.trend_ahead import NOTHING, Ahead
from dashboard.data.trend_bands import Band
from dashboard.data.trend_compare import NONE, Comparison
from dashboard.data.trend_events import KINDS, Mark, Marks
from dashboard.data.trends import Curve
from dashboard.languages import decimal, tr, tr_later, tr_sentence
from dashboard.theme import Scheme

Figure = dict[str, Any]
Axis = Callable[[str], str]
"""Returns the axis of a signal's panel, such as "y3"."""

SYMBOLS: Final = {
    "refill": ("triangle-down", "▼"),
    "program": ("diamond-open", "◇"),
    "bolus": ("cross", "✚"),
    "stop": ("square", "■"),
    "replace": ("square-open", "□"),
    "fault": ("star", "★"),
    "alarm": ("triangle-up", "▲"),
    "returned": ("triangle-up-open", "△"),
    "gap": ("x-thin-open", "×"),
}
"""Plotly's symbol of each kind of event, and the same sign for the legend."""
SIZE_PX: Final = 10
MARK_TEXTS: Final = (
    tr_later("returned to normal: {title}"),
    tr_later("{kind}, recorded by the pump"),
    tr_later("no samples from here on"),
    tr_later("{kind}: {title}"),
)
"""Texts of events as `dashboard.data.trend_events` writes them."""
RESERVOIR_NOTE: Final = tr_later("reservoir: {why}")


@dataclass(frozen=True)
class Layers:
    """What is drawn besides a pump's own past: events, forecast, comparison, expected `bands` by signal.

    `now` is therapy ms, and the axis ends at `edge`. On a touch screen, `drag` is off: a finger scrolls the page;
    `narrow` charts have fewer labels.
    """

    marks: Marks = field(default_factory=Marks)
    ahead: Ahead = NOTHING
    other: Comparison = NONE
    now: int | None = None
    edge: int | None = None
    drag: bool = True
    narrow: bool = False
    bands: Mapping[str, Band] = field(default_factory=dict)

    def shifted(self, by_ms: int) -> Layers:
        """Return the same with every time later by `by_ms`."""
        now, edge = (None if time is None else time + by_ms for time in (self.now, self.edge))
        parts = (self.marks.shifted(by_ms), self.ahead.shifted(by_ms), self.other.shifted(by_ms))
        bands = {signal: band.shifted(by_ms) for signal, band in self.bands.items()}
        return Layers(*parts, now, edge, drag=self.drag, narrow=self.narrow, bands=bands)


PLAIN: Final = Layers()


def tinted(colour: str, share: float) -> str:
    """Return a color "#RRGGBB" at a share of opacity."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


def dates(times: Iterable[float] | NDArray[np.float64]) -> list[str]:
    """Return times in ms as texts, which Plotly shows as they are; it would move numbers into the browser's zone."""
    whole = np.fromiter(times, np.float64).astype("datetime64[ms]")
    return [str(time) for time in np.datetime_as_string(whole)]


def packed(values: NDArray[np.float32]) -> Figure:
    """Return numbers as Plotly reads them without parsing."""
    return {"dtype": "f4", "bdata": base64.b64encode(np.ascontiguousarray(values, np.float32).tobytes()).decode()}


def events(marks: list[Mark], axis: str, colours: Scheme) -> list[Figure]:
    """Return the marks of the events on their lane, one trace for each kind."""
    of_priority = {1: colours.high, 2: colours.medium, 3: colours.low}
    traces = []
    for kind, (symbol, _) in SYMBOLS.items():
        found = [mark for mark in marks if mark.kind == kind]
        if not found:
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": tr(KINDS[kind]),
                "x": dates(mark.time for mark in found),
                "y": [0.5] * len(found),
                "yaxis": axis,
                "text": [tr_sentence(mark.text, MARK_TEXTS) for mark in found],
                "cliponaxis": False,
                "marker": {
                    "symbol": symbol,
                    "size": SIZE_PX,
                    "color": [of_priority.get(mark.priority, colours.text) for mark in found],
                    "line": {"width": 1.5, "color": [of_priority.get(mark.priority, colours.text) for mark in found]},
                },
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    return traces


def legend(marks: list[Mark], left_out: int) -> str:
    """Return the legend of the events that are there."""
    kinds = {mark.kind for mark in marks}
    named = [f"{sign} {tr(KINDS[kind])}" for kind, (_, sign) in SYMBOLS.items() if kind in kinds]
    more = [tr("{count} older ones not shown", count=decimal(left_out))] if left_out else []
    return "   ".join([f"<b>{tr('Events')}</b>", *(named or [tr("none in this range")]), *more])


def expected(bands: Mapping[str, Band], axis: Axis, colours: Scheme) -> list[Figure]:
    """Return the bands in which signals are expected, behind their curves."""
    shade = tinted(colours.signal, 0.12)
    return [
        trace
        for signal, band in bands.items()
        for trace in _band(band.time, band.low, band.high, axis(signal), shade, shape="hv" if band.steps else "linear")
    ]


def edges(bands: Mapping[str, Band], signals: list[str]) -> list[Curve]:
    """Return the edges of the bands of these signals, for which their axis needs room."""
    shown = [bands[signal] for signal in signals if signal in bands]
    return [Curve(band.time, edge) for band in shown for edge in (band.low, band.high)]


def forecast(ahead: Ahead, axis: Axis, colours: Scheme) -> list[Figure]:
    """Return the fans of the reservoir's level and the battery's voltage, each with its middle."""
    level, volts = tr("{level} mL forecast", level="%{y:.1f}"), tr("{volts} V forecast", volts="%{y:.2f}")
    fans = (
        ("reservoir_ml", ahead.fan, tr("Reservoir forecast"), level),
        ("battery_v", ahead.battery, tr("Battery forecast"), volts),
    )
    traces = []
    for signal, fan, name, says in fans:
        if fan is not None:
            y, line = axis(signal), {"color": colours.signal, "width": 1.2, "dash": "dot"}
            middle = {**_line(fan.time, fan.mid, y, line), "name": name, "hovertemplate": f"{says}<extra></extra>"}
            traces += [*_band(fan.time, fan.low, fan.high, y, tinted(colours.signal, 0.2)), middle]
    return traces


def coming(ahead: Ahead, axis: Axis, colours: Scheme) -> list[Figure]:
    """Return the intervals in which something is forecast, as shapes over the chart of their signal."""
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": f"{axis(one.signal)} domain",
            "x0": dates([one.start])[0],
            "x1": dates([one.end])[0],
            "y0": 0,
            "y1": 1,
            "fillcolor": tinted(colours.signal, 0.2),
            "line": {"width": 0},
            "layer": "below",
            "label": {
                "text": tr(one.title),
                "textposition": "top right",
                "font": {"size": 11, "color": colours.muted},
            },
        }
        for one in ahead.coming
    ]


def compared(other: Comparison, axis: Axis, colours: Scheme) -> list[Figure]:
    """Return the curves of another pump, or median and band of a cohort, in the panels of the measured signals."""
    traces = []
    for line in _measured():
        signal, y = SIGNAL_BY_NAME[line.signal], axis(line.signal)
        low, high, middle = (part.get(line.signal) for part in (other.low, other.high, other.lines))
        if low is not None and high is not None and low.time.size:
            traces += _band(low.time, low.value, high.value, y, tinted(colours.muted, 0.16))
        if middle is not None and middle.time.size:
            style = {"color": colours.muted, "width": 1.3, "dash": "dot"}
            name = other.name.partition(":")[0]
            template = f"%{{y:.{signal.decimals}f}} {signal.unit} {name}<extra></extra>"
            traces.append({**_line(middle.time, middle.value, y, style), "name": name, "hovertemplate": template})
    return traces


def _measured() -> list[Line]:
    return [line for panel in PANELS for line in panel.lines if line.dash == "solid"]


def _line(time: NDArray[np.float64], value: NDArray[np.float32], axis: str, style: Figure) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": dates(time),
        "y": packed(value),
        "yaxis": axis,
        "line": style,
        "connectgaps": False,
    }


def _band(
    time: NDArray[np.float64],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    axis: str,
    colour: str,
    *,
    shape: str = "linear",
) -> list[Figure]:
    """Return two lines without width and the area between them, in which no gap is filled."""
    if not time.size:
        return []
    edge = {"hoverinfo": "skip", "name": "", "line": {"width": 0, "shape": shape}}
    lower = {**_line(time, low, axis, {}), **edge}
    upper = {**_line(time, high, axis, {}), **edge, "fill": "tonexty", "fillcolor": colour}
    return [lower, upper]
