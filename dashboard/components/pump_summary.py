"""Current state of one pump: identity, open alarms with recommended actions, latest values, data quality."""

from __future__ import annotations

from typing import Any

import polars as pl
from dash import html

from broker.contract.signals import SIGNALS
from broker.store.snapshot import WAITING
from dashboard import clocks, formatting
from dashboard.clocks import WALL, TherapyClock
from dashboard.components import elements, evidence_panel, out_of_service_dialog, retirement_dialog
from dashboard.components.elements import Component
from dashboard.data import alarm_actions, queries


def head(row: dict[str, Any], alarms: pl.DataFrame, orders: pl.DataFrame) -> Component:
    """Return the pump's identity, its worst alarm, and the buttons for actions on it."""
    first = alarms.row(0, named=True) if alarms.height else None
    waiting = alarms.filter(pl.col("state").is_in(WAITING))["alarm"].to_list()
    every = alarms["alarm"].to_list()
    if first:
        over = first["state"] in ("returned", "latched")
        duration = formatting.STATE_WORD[first["state"]] if over else clocks.alarm_age(first)
        status = [elements.mark(first["priority"], first["state"]), f"{first['title']}, {duration}"]
    elif row["silent"]:
        status = [elements.mark(0, silent=True), f"silent {_since(row)}, state unknown"]
    else:
        status = [html.Span("normal", className="calm")]
    label = "Acknowledge" if len(waiting) == 1 else f"Acknowledge {len(waiting)} alarms"
    dose = queries.dose_ug_day(row["flow_ul_h"], row["concentration_ug_ml"])
    commanded = queries.dose_ug_day(row["commanded_ul_h"], row["concentration_ug_ml"])
    facts = [
        (
            "Measured dose",
            elements.quantity(formatting.number(dose, 0, "µg/day")),
            f"commanded {formatting.number(commanded, 0, 'µg/day')}",
        ),
        (
            "Concentration",
            elements.quantity(formatting.number(row["concentration_ug_ml"], 0, "µg/mL")),
            row["prescription"] or "",
        ),
        (
            "Reservoir capacity",
            elements.quantity(formatting.number(row["reservoir_capacity_ml"], 0, "mL")),
            row["model"] or "model unknown",
        ),
        ("Lot", row["lot"] or formatting.UNKNOWN, ""),
        ("Site", row["site"] or formatting.UNKNOWN, row["group"] or ""),
        ("Gateway", row["gateway"] or formatting.UNKNOWN, ""),
    ]
    return html.Section(
        [
            html.Div([html.H1(row["pump"]), html.Div(status, className="pump-status")], className="pump-title"),
            html.Div([elements.fact(label, value, note=note) for label, value, note in facts], className="pump-facts"),
            html.Div(
                [
                    elements.programmer_link(row["pump"]),
                    out_of_service_dialog.button(row["pump"]),
                    retirement_dialog.button("Retire pump…", retirement_dialog.RETIRE, row["pump"]),
                    elements.action("Note…", "note", every, [row["pump"]], row["priority"] or 1) if every else None,
                    elements.action("Shelve…", "shelve", every, [row["pump"]], row["priority"] or 1) if every else None,
                    elements.acknowledge(label, {"alarms": waiting}, strong=True) if waiting else None,
                ],
                className="pump-actions",
            ),
            out_of_service_dialog.listed(orders) if orders.height else None,
        ],
        className=f"card pump-head {elements.SHAPE.get(row['priority'] or 0, 'normal')}",
    )


def _since(row: dict[str, Any]) -> str:
    return clocks.with_here(formatting.since(row["age_s"]), row["age_s"], row["speed"])


def alarms(alarms: pl.DataFrame, clock: TherapyClock = WALL) -> list[Component]:
    """Return one card per open alarm: recommended action, meaning, time to respond, evidence, its times by `clock`.

    The first shows all its evidence, the others their first fact.
    """
    return [
        html.Section(
            [
                html.Div(
                    [
                        elements.priority(row["priority"], row["state"]),
                        html.B(row["title"]),
                        html.Span(_story(row, clock)),
                    ],
                    className="alarm-head",
                ),
                html.Div(
                    [html.Span("Recommended action", className="alarm-label"), html.Span(row["action"])],
                    className="alarm-action",
                ),
                html.Div(
                    [html.Span("Meaning", className="alarm-label"), html.Span(row["meaning"]), _suppressed(row)],
                    className="alarm-meaning",
                ),
                html.Div(
                    [
                        html.Span("Time to respond", className="alarm-label"),
                        html.B(clocks.deadline(row)),
                    ],
                    className="alarm-deadline",
                ),
                _evidence(row, clock, whole=at == 0),
            ],
            className=f"card alarm-card {elements.SHAPE.get(row['priority'], 'normal')} {row['state']}",
        )
        for at, row in enumerate(alarms.head(4).iter_rows(named=True))
    ]


def _evidence(row: dict[str, Any], clock: TherapyClock, *, whole: bool) -> Component:
    evidence = evidence_panel.shown(row, clock) if whole else evidence_panel.brief(row)
    if evidence is None:
        return None
    return html.Div([html.Span("Evidence", className="alarm-label"), evidence], className="alarm-evidence")


def _suppressed(row: dict[str, Any]) -> Component:
    if not row["explains"]:
        return None
    first = f" First out: {row['first_out']}." if row["first_out"] else ""
    return html.Div(f"Suppresses: {row['explains']}.{first}", className="alarm-suppresses")


def _story(row: dict[str, Any], clock: TherapyClock) -> str:
    # The line on who took it out of service already names the state.
    state = [] if row["out_by"] else [formatting.STATE_WORD.get(row["state"], row["state"])]
    since = f"since {clocks.therapy_moment(row['onset'], clock)}, {clocks.alarm_age(row)}"
    return " · ".join([since, *state, *alarm_actions.audit_trail(row)])


def values(row: dict[str, Any]) -> Component:
    """Return the table of the latest value of each signal, with its age."""
    lasts = clocks.here(row["age_s"], row["speed"])
    age, title = formatting.span(row["age_s"]), f"therapy time; {lasts}" if lasts else None
    rows = [
        [
            signal.title,
            elements.quantity(formatting.reading(signal.name, row[signal.name])),
            html.Span(age, className="value-age", title=title),
        ]
        for signal in SIGNALS
    ]
    name = "values old" if row["silent"] else "values"
    return elements.table(
        [("Signal", ""), ("Value", "number"), ("Age (therapy)" if lasts else "Age", "number")], rows, name=name
    )


def flags(row: dict[str, Any]) -> Component:
    """Return the status flags that the pump reports."""
    titles = formatting.flags(row["flags"])
    tags = [html.Span(title, className="tag") for title in titles]
    return html.Div(tags) if tags else elements.nothing("No status flags set.")


def quality(row: dict[str, Any], clock: TherapyClock = WALL) -> Component:
    """Return how complete and how fresh the samples are; times by `clock`."""
    age = clocks.with_here(f"{formatting.span(row['age_s'])} ago", row["age_s"], row["speed"])
    return html.Div(
        [
            elements.fact("Last sample", clocks.therapy_moment(row["time"], clock), note=age),
            elements.fact(
                "Samples",
                formatting.number(row["samples"], 0),
                note=f"latest no. {formatting.number(row['seq'], 0)}",
            ),
            *(
                elements.fact(name, formatting.number(row[column], 0), tone="warn" if row[column] else "", hint=hint)
                for name, column, hint in (
                    ("Lost", "lost", formatting.LOST),
                    ("Late", "late", formatting.LATE),
                    ("Duplicates", "repeated", formatting.DUPLICATES),
                )
            ),
        ],
        className="quality",
    )
