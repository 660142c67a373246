"""Head of a handover sheet, and its signatures."""

from __future__ import annotations

import itertools
from typing import Final

from dash import html

from dashboard import formatting
from dashboard.components.elements import Component
from dashboard.data.handover_files import Kept
from dashboard.data.handover_sheet import Sheet
from dashboard.languages import decimal, tr

OLD_DATA_MS: Final = 10_000
"""From this age on, a sheet says how old the data in it is."""


def head(shown: Sheet, kept: Kept | None) -> Component:
    """Return what a sheet is, of when, by whom, and how the fleet stood; without its kept form it is a draft."""
    counts = {name: decimal(count) for name, count in shown.counts.items()}
    numbers = tr(
        "{pumps}: {high} high, {medium} medium, {low} low, {silent} silent, {normal} normal, {waiting}.",
        **counts
        | {
            "pumps": formatting.count(shown.counts["pumps"], "pump"),
            "waiting": formatting.count(shown.counts["waiting"], "unacknowledged alarm"),
        },
    )
    age = formatting.span(shown.data_age_ms / 1000)
    old = f" {tr('The data was {duration} old.', duration=age)}" if shown.data_age_ms > OLD_DATA_MS else ""
    runs = tr("Therapy time runs at {speed}.", speed=formatting.speed(shown.speed))
    speed = "" if shown.speed == 1 else f" {runs}"
    title = tr("Handover sheet {number}", number=decimal(shown.number)) if kept else tr("Handover sheet (draft)")
    since, made = formatting.moment(shown.since), formatting.moment(shown.made)
    return html.Header(
        [
            html.Div(
                [html.Span("Pumpwatch", className="brand"), html.Span(tr("Simulated fleet"), className="badge-sim")],
                className="sheet-brand",
            ),
            html.H2(title),
            html.P(tr("{since} to {made}, by {who}.", since=since, made=made, who=shown.by)),
            html.P(f"{numbers}{speed}{old}"),
        ],
        className="sheet-head",
    )


def signatures(shown: Sheet, kept: Kept | None) -> Component:
    """Return who handed over and who took over."""
    second = kept.taken_over if kept else None
    first = f"{shown.by}, {formatting.timestamp(shown.made)}" if kept else tr("not signed")
    other = f"{second.who}, {formatting.timestamp(second.at)}" if second else tr("not signed")
    lines = [(tr("Handed over by"), first), (tr("Taken over by"), other)]
    if kept:
        lines.append((tr("SHA-256 of this sheet"), kept.digest))
    pairs = itertools.chain.from_iterable([html.Dt(label), html.Dd(value)] for label, value in lines)
    return html.Section([html.H3(tr("Signatures")), html.Dl(list(pairs), className="sheet-signatures")])
