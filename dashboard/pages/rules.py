"""Rules: what raises an alarm, what it means and what to do, how many are open, and how often they come."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

from dashboard import formatting
from dashboard.components import address, alarm_database_panel, client_script, elements, rule_texts, shell
from dashboard.components.elements import Component
from dashboard.data import rules
from dashboard.data.rules import Rates, RuleRates
from dashboard.data.services import DataService
from dashboard.languages import decimal, tr, tr_later

HEADS: Final = (
    tr_later("Rule"),
    tr_later("What to do"),
    tr_later("Threshold"),
    tr_later("On-delay, off-delay"),
    tr_later("Open now"),
    tr_later("Last 30 days"),
)
PRIORITIES: Final = {"": tr_later("Any priority"), "1": tr_later("High"), "2": tr_later("Medium"), "3": tr_later("Low")}
NO_RULES: Final = tr_later("No rules yet: the stream processor publishes them with its first snapshot.")
NO_MATCH: Final = tr_later("No rule matches. Search for a title, a word of what to do, or a measurement.")


def layout() -> Component:
    """Return the page; its rules follow at once."""
    priorities = [{"value": value, "label": tr(label)} for value, label in PRIORITIES.items()]
    tools = [
        dmc.TextInput(
            id="rule-search",
            value="",
            placeholder=tr("Title, measurement, action"),
            size="xs",
            debounce=300,
            w=210,
            **client_script.label(tr("Search rules")),
        ),
        dmc.Select(
            id="rule-priority",
            value="",
            data=priorities,
            allowDeselect=False,
            size="xs",
            w=130,
            **client_script.label(tr("Priority")),
        ),
        dmc.Checkbox(id="rule-open", label=tr("With open alarms"), checked=False, size="xs"),
    ]
    return html.Div(
        [
            html.H1(tr("Rules"), className="hidden"),
            dcc.Store(id="rules-key"),
            alarm_database_panel.layout(),
            elements.card(
                tr("Alarm rules"), html.Div(id="rules-body"), html.Div(id="rules-note", className="note"), side=tools,
                name="rules-card",
            ),
        ],
        className="column",
    )  # fmt: skip


def register(app: Dash, data: DataService) -> None:
    """Add the page; counts follow the snapshots, and rules are drawn again only if something changed."""
    shell.add_page(__name__, name="Rules", path="/rules", order=8, layout=layout)
    counted = RuleRates(data)
    alarm_database_panel.register(app, data)
    address.bind(
        app,
        "/rules",
        {
            "search": address.text("rule-search"),
            "priority": address.choice("rule-priority", PRIORITIES),
            "open": address.flag("rule-open"),
        },
    )

    @app.callback(
        Output("rules-body", "children"),
        Output("rules-note", "children"),
        Output("rules-key", "data"),
        Input("live", "data"),
        Input("rule-search", "value"),
        Input("rule-priority", "value"),
        Input("rule-open", "checked"),
        State("rules-key", "data"),
    )
    async def show(_live: Any, text: Any, priority: Any, only_open: Any, key: Any) -> Any:
        def known() -> tuple[pl.DataFrame, Rates]:
            return rules.found(data.snapshot(), text, priority, only_open=only_open is True), counted.latest()

        found, rates = await asyncio.to_thread(known)
        rows = dict(found.select("rule", "open").iter_rows())
        fresh = f"{rows} {[rates.text(rule) for rule in rows]}"
        if fresh == key:
            raise PreventUpdate
        return *render(found, rates, data.snapshot().rules.height), fresh


def render(found: pl.DataFrame, rates: Rates, known: int) -> tuple[Component, str]:
    """Return the rules as a table, which narrow screens show as cards, and a note."""
    if found.is_empty():
        return elements.nothing(tr(NO_MATCH if known else NO_RULES)), ""
    heads = [tr(head) for head in HEADS]
    body = [
        html.Tr([html.Td(cell, **rule_texts.label(head)) for head, cell in zip(heads, _cells(row, rates), strict=True)])
        for row in found.iter_rows(named=True)
    ]
    head = html.Thead(html.Tr([html.Th(title, scope="col") for title in heads]))
    newest = tr("Only the newest {count} journal entries are counted.", count=decimal(rules.MAX_EVENTS))
    note = tr(
        "{rules} of {known}. Delays and rates are therapy time unless stated. Counted are annunciated alarms, "
        "suppressed and shelved ones are not.",
        rules=formatting.count(found.height, "rule"),
        known=decimal(known),
    )
    note = f"{note} {newest}" if rates.cut else note
    return html.Div(html.Table([head, html.Tbody(body)]), className="table cards rule-table"), note


def _cells(row: dict[str, Any], rates: Rates) -> list[Component]:
    on, off = rules.delays(row)
    return [
        html.Div([rule_texts.link(row), html.Div(tr(row["meaning"]), className="note")]),
        tr(row["action"]),
        rule_texts.thresholds(row, most=2),
        f"{on}, {off}",
        rule_texts.open_link(row),
        rates.text(row["rule"]),
    ]
