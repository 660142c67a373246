"""Trend charts of one pump, drawn from history, journal and forecast."""

from __future__ import annotations

from typing import Any, Final

from broker.store.snapshot import Snapshot
from dashboard import theme
from dashboard.components import figures
from dashboard.components.trend_layers import Layers
from dashboard.data import queries, trend_ahead, trend_bands, trend_compare, trend_events, trend_view, trends
from dashboard.data.services import DataService
from dashboard.data.trend_compare import Comparisons
from dashboard.data.trend_view import Note, View
from dashboard.languages import tr, tr_sentence
from dashboard.zones import chart_zone

HOURLY_FROM: Final = 7 * trend_view.DAY_MS
"""Ranges from here on are drawn from hourly minima and maxima, which is finer than a screen shows."""
WINDOWS: Final = 72
"""Windows in which a range is judged again for its expected bands, which move slowly."""
MAX_EVENTS: Final = 400
"""Journal entries of a pump that are looked through for events of a chart."""


def draw(
    data: DataService,
    view: View,
    scheme: Any,
    *,
    comparisons: Comparisons | None = None,
    compared: str = "",
    screen: str = "",
) -> tuple[figures.Figure, Note, str]:
    """Return the charts of a pump, what to say above them, and how finely they are drawn.

    `screen` says what is special about the viewer's: "touch", "narrow".
    """
    snapshot = data.snapshot()
    alarms = queries.alarms_of(snapshot, view.serial)
    hourly = view.span >= HOURLY_FROM
    read = data.long_trend if hourly else data.trend
    samples = read(view.serial, view.since, view.until)
    past_end = min(view.until, max(view.now, view.since)) if view.zoomed else view.until
    journal = data.events(view.serial, MAX_EVENTS)
    row = queries.pump_row(snapshot, view.serial)
    gaps = trends.gaps(samples, view.since, past_end)
    if samples.height and row is not None and not row["silent"]:
        gaps = [gap for gap in gaps if gap[1] < past_end]  # What is on its way is not missing.
    past = trends.Past(
        curves=trends.curves(samples),
        spans=trends.spans(alarms, journal, view.now),
        gaps=gaps,
        window=(view.since, view.until),
    )
    other = trend_compare.NONE
    if comparisons is not None:
        other = comparisons.of(snapshot, view.serial, compared, (view.since, past_end), samples.height)
    ahead = trend_ahead.ahead(row, view.now, view.looks_ahead_to)
    judged = data.replays.of(read, view.serial, (view.since, past_end), windows=WINDOWS) if samples.height else None
    layers = Layers(
        trend_events.marks(samples, journal, past.gaps, past.window, _causes(snapshot)),
        ahead,
        other,
        now=view.now,
        edge=None if ahead.empty else view.looks_ahead_to,
        drag="touch" not in screen,
        narrow="narrow" in screen,
        bands=trend_bands.bands(past.curves, samples, judged, None if row is None else row["reservoir_capacity_ml"]),
    )
    revision = f"{view.serial} {view.chosen} {view.end}"
    figure = figures.trends(past, theme.scheme(scheme), revision=revision, zone=chart_zone(view.until), layers=layers)
    note = trend_view.note(view, past, samples.height)
    if other.problem:
        note = Note(
            f"{note.text} {tr('Not compared: {problem}.', problem=_said(other.problem))}".strip(), note.offers_latest
        )
    detail = trend_view.resolution(samples.height, hourly=hourly)
    return (
        figure,
        note,
        " · ".join(filter(None, (detail, tr("dotted: {name}", name=_said(other.name)) if other.name else ""))),
    )


def _said(text: str) -> str:
    return tr_sentence(text, trend_compare.WORDS)


def _causes(snapshot: Snapshot) -> set[str]:
    return {rule for rule, targets in snapshot.health.rule_targets.items() if targets.identifies}
