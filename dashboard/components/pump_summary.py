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
from dashboard.languages import tr, tr_n


def head(row: dict[str, Any], alarms: pl.DataFrame, orders: pl.DataFrame) -> Component:
    """Return the pump's identity, its worst alarm, and the buttons for actions on it."""
    first = alarms.row(0, named=True) if alarms.height else None
    waiting = alarms.filter(pl.col("state").is_in(WAITING))["alarm"].to_list()
    every = alarms["alarm"].to_list()
    if first:
        over = first["state"] in ("returned", "latched")
        duration = tr(formatting.STATE_WORD[first["state"]]) if over else clocks.alarm_age(first)
        status = [elements.mark(first["priority"], first["state"]), f"{tr(first['title'])}, {duration}"]
    elif row["silent"]:
        status = [elements.mark(0, silent=True), tr("silent {since}, state unknown", since=_since(row))]
    else:
        status = [html.Span(tr("normal"), className="calm")]
    label = (
        tr("Acknowledge")
        if len(waiting) == 1
        else tr_n("Acknowledge {count} alarm", "Acknowledge {count} alarms", len(waiting))
    )
    return html.Section(
        [
            html.Div([html.H1(row["pump"]), html.Div(status, className="pump-status")], className="pump-title"),
            _first_action(first) if first else None,
            html.Div(_facts(row), className="pump-facts"),
            html.Div(
                [
                    html.Div(_services(row), className="pump-services"),
                    elements.action(tr("Note…"), "note", every, [row["pump"]], row["priority"] or 1) if every else None,
                    elements.action(tr("Shelve…"), "shelve", every, [row["pump"]], row["priority"] or 1)
                    if every
                    else None,
                    elements.acknowledge(label, {"alarms": waiting}, strong=True) if waiting else None,
                ],
                className="pump-actions",
            ),
            out_of_service_dialog.listed(orders) if orders.height else None,
        ],
        className=f"card pump-head {elements.SHAPE.get(row['priority'] or 0, 'normal')}",
    )


def facts(row: dict[str, Any]) -> Component:
    """Return the facts and the services of a pump as a card for a narrow screen, whose head has no room for them."""
    return elements.card(
        tr("Pump"),
        html.Div(_facts(row), className="pump-facts"),
        html.Div(_services(row), className="pump-actions"),
        name="facts-card",
    )


def _first_action(alarm: dict[str, Any]) -> Component:
    """Return time left and what to do first, for a narrow screen; a wide one has them in the alarm's card."""
    left, do = (
        html.Div(clocks.deadline(alarm), className="first-left"),
        html.Div(tr(alarm["action"]), className="first-do"),
    )
    return html.Div([html.Span(tr("Time to respond"), className="alarm-label"), left, do], className="pump-first")


def _services(row: dict[str, Any]) -> list[Component]:
    return [
        elements.programmer_link(row["pump"]),
        out_of_service_dialog.button(row["pump"]),
        retirement_dialog.button(tr("Retire pump…"), retirement_dialog.RETIRE, row["pump"]),
    ]


def _facts(row: dict[str, Any]) -> list[Component]:
    dose = queries.dose_ug_day(row["flow_ul_h"], row["concentration_ug_ml"])
    commanded = queries.dose_ug_day(row["commanded_ul_h"], row["concentration_ug_ml"])
    facts = [
        (
            tr("Measured dose"),
            elements.quantity(formatting.number(dose, 0, tr("µg/day"))),
            tr("commanded {number}", number=formatting.number(commanded, 0, tr("µg/day"))),
        ),
        (
            tr("Concentration"),
            elements.quantity(formatting.number(row["concentration_ug_ml"], 0, "µg/mL")),
            row["prescription"] or "",
        ),
        (
            tr("Reservoir capacity"),
            elements.quantity(formatting.number(row["reservoir_capacity_ml"], 0, "mL")),
            tr("model {model}", model=row["model"]) if row["model"] else tr("model unknown"),
        ),
        (tr("Lot"), row["lot"] or tr(formatting.UNKNOWN), ""),
        (tr("Site"), row["site"] or tr(formatting.UNKNOWN), row["group"] or ""),
        (tr("Gateway"), row["gateway"] or tr(formatting.UNKNOWN), ""),
    ]
    return [elements.fact(label, value, note=note) for label, value, note in facts]


def _since(row: dict[str, Any]) -> str:
    return clocks.with_here(formatting.since(row["age_s"]), row["age_s"], row["speed"])


def alarms(alarms: pl.DataFrame, clock: TherapyClock = WALL) -> list[Component]:
    """Return one card per open alarm: recommended action, meaning, time to respond, its times by `clock`.

    `evidence` of the first has a card of its own; the others show their first fact.
    """
    return [
        html.Section(
            [
                html.Div(
                    [
                        elements.priority(row["priority"], row["state"]),
                        html.B(tr(row["title"])),
                        html.Span(_story(row, clock)),
                    ],
                    className="alarm-head",
                ),
                html.Div(
                    [html.Span(tr("Recommended action"), className="alarm-label"), html.Span(tr(row["action"]))],
                    className="alarm-action",
                ),
                html.Div(
                    [
                        html.Span(tr("Meaning"), className="alarm-label"),
                        html.Span(tr(row["meaning"])),
                        _suppressed(row),
                    ],
                    className="alarm-meaning",
                ),
                html.Div(
                    [
                        html.Span(tr("Time to respond"), className="alarm-label"),
                        html.B(clocks.deadline(row)),
                    ],
                    className="alarm-deadline",
                ),
                _brief(row) if at else None,
            ],
            className=f"card alarm-card {elements.SHAPE.get(row['priority'], 'normal')} {row['state']}",
        )
        for at, row in enumerate(alarms.head(4).iter_rows(named=True))
    ]


def evidence(alarms: pl.DataFrame, clock: TherapyClock = WALL) -> Component:
    """Return the card with all evidence of the first open alarm; None if there is none."""
    if alarms.is_empty():
        return None
    row = alarms.row(0, named=True)
    shown = evidence_panel.shown(row, clock)
    title = tr("Evidence: {title}", title=tr(row["title"]))
    return None if shown is None else elements.card(title, shown, name="evidence-whole")


def _brief(row: dict[str, Any]) -> Component:
    evidence = evidence_panel.brief(row)
    if evidence is None:
        return None
    return html.Div([html.Span(tr("Evidence"), className="alarm-label"), evidence], className="alarm-evidence")


def _suppressed(row: dict[str, Any]) -> Component:
    if not row["explains"]:
        return None
    first = tr(" First out: {first_out}.", first_out=tr(row["first_out"])) if row["first_out"] else ""
    return html.Div(
        tr("Suppresses: {explains}.{first}", explains=alarm_actions.suppressed(row["explains"]), first=first),
        className="alarm-suppresses",
    )


def _story(row: dict[str, Any], clock: TherapyClock) -> str:
    # The line on who took it out of service already names the state.
    state = [] if row["out_by"] else [tr(formatting.STATE_WORD.get(row["state"], row["state"]))]
    since = tr(
        "since {therapy_moment}, {alarm_age}",
        therapy_moment=clocks.therapy_moment(row["onset"], clock),
        alarm_age=clocks.alarm_age(row),
    )
    return " · ".join([since, *state, *alarm_actions.audit_trail(row)])


def values(row: dict[str, Any]) -> Component:
    """Return the table of the latest value of each signal, with its age."""
    lasts = clocks.here(row["age_s"], row["speed"])
    age = formatting.span(row["age_s"])
    rows = [
        [
            tr(signal.title),
            elements.quantity(formatting.reading(signal.name, row[signal.name])),
            html.Span(age, className="value-age"),
        ]
        for signal in SIGNALS
    ]
    name = "values old" if row["silent"] else "values"
    table = elements.table([(tr("Signal"), ""), (tr("Value"), "number"), (tr("Age"), "number")], rows, name=name)
    converted = tr("Age in therapy time; {age} are {lasts}.", age=age, lasts=lasts) if lasts else ""
    return html.Div([table, html.P(converted, className="note") if lasts else None])


def flags(row: dict[str, Any]) -> Component:
    """Return the status flags that the pump reports."""
    titles = formatting.flags(row["flags"])
    tags = [html.Span(title, className="tag") for title in titles]
    return html.Div(tags) if tags else elements.nothing(tr("No status flags set."))


def quality(row: dict[str, Any], clock: TherapyClock = WALL) -> Component:
    """Return how complete and how fresh the samples are; times by `clock`."""
    age = clocks.with_here(tr("{duration} ago", duration=formatting.span(row["age_s"])), row["age_s"], row["speed"])
    return html.Div(
        [
            elements.fact(tr("Last sample"), clocks.therapy_moment(row["time"], clock), note=age),
            elements.fact(
                tr("Samples"),
                formatting.number(row["samples"], 0),
                note=tr("latest no. {number}", number=formatting.number(row["seq"], 0)),
            ),
            *(
                elements.fact(name, formatting.number(row[column], 0), tone="warn" if row[column] else "", hint=hint)
                for name, column, hint in (
                    (tr("Lost"), "lost", tr(formatting.LOST)),
                    (tr("Late"), "late", tr(formatting.LATE)),
                    (tr("Duplicates"), "repeated", tr(formatting.DUPLICATES)),
                )
            ),
        ],
        className="quality",
    )
