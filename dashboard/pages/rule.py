"""One alarm rule: meaning, threshold, delays, evidence, what it suppresses, and how its faults show in the signals."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import quote

from dash import Dash, Input, Output, State, dcc, html

from broker.contract.mdc import TERM_BY_REFERENCE
from broker.store.alarm_database import AlarmDatabase
from broker.store.snapshot import Snapshot
from dashboard import formatting, theme
from dashboard.components import alarm_database_panel, client_script, elements, fault_choice, rule_texts, shell
from dashboard.components.elements import Component
from dashboard.data import fault_catalogue, rationalization, rules
from dashboard.data.rules import RuleRates
from dashboard.data.services import DataService
from dashboard.languages import ENGLISH, tr

MAX_PICTURES: Final = 3
MAX_OPEN: Final = 30
UNDECIDED: Final = AlarmDatabase()


def layout(name: str) -> Component:
    """Return the page of a rule; its parts follow at once."""
    return html.Div(
        [
            dcc.Store(id="rule-name", data=name),
            html.Div(id="rule-facts", className="strip card"),
            html.Div(id="rule-body", className="column"),
            elements.card(tr("How its faults show in the signals"), html.Div(id="rule-pictures")),
        ],
        className="column rule-page",
    )


def body(snapshot: Snapshot, name: str, database: AlarmDatabase = UNDECIDED) -> list[Component]:
    """Return what a rule says: meaning, limits, relations; or that there is no such rule."""
    row = rules.row(snapshot, name)
    if row is None:
        absent = tr("There is no rule {name}.", name=name[:100])
        text = absent if snapshot.rules.height else tr("The processor has not published rules.")
        return [html.H1(tr("Rule not found")), html.P([text, " ", rule_texts.go(tr("All rules"), "/rules")])]
    return [
        html.Div([elements.mark(row["priority"]), html.H1(tr(row["title"])), _priority(row)], className="rule-head"),
        elements.card(tr("What it means"), html.Dl(_words(row), className="rule-words")),
        alarm_database_panel.of_rule(row, database),
        elements.card(tr("Threshold and delays"), html.Dl(_limits(row), className="rule-words")),
        elements.card(tr("Evidence and other rules"), html.Dl(_relations(row, snapshot), className="rule-words")),
    ]


def register(app: Dash, data: DataService) -> None:
    """Add the page."""
    shell.add_page(__name__, name="Rule", path="/rules/<name>", layout=layout)
    counted = RuleRates(data)

    @app.callback(Output("rule-facts", "children"), Input("live", "data"), State("rule-name", "data"))
    async def facts(_live: Any, name: Any) -> Any:
        return await asyncio.to_thread(lambda: figures_of(data.snapshot(), str(name), counted))

    @app.callback(Output("rule-body", "children"), Input("rule-name", "data"))
    async def words(name: Any) -> Any:
        return await asyncio.to_thread(lambda: body(data.snapshot(), str(name), rationalization.known(data)))

    @app.callback(Output("rule-pictures", "children"), Input("rule-name", "data"), Input("scheme", "data"))
    async def show(name: Any, scheme: str | None) -> Any:
        return await asyncio.to_thread(lambda: pictures(data.snapshot(), str(name), scheme))


def figures_of(snapshot: Snapshot, name: str, counted: RuleRates) -> list[Component]:
    """Return open alarms, rate and links of a rule."""
    row = rules.row(snapshot, name)
    if row is None:
        return []
    target = formatting.span(_seconds(row["detection_target_h"]))
    return [
        elements.fact(tr("Open now"), rule_texts.open_link(row), note=_where(snapshot, name)),
        elements.fact(tr("Annunciated in the last 30 days"), counted.latest().text(name), note=tr("therapy time")),
        elements.fact(tr("Detection target"), target, note=tr("from the onset")),
        elements.fact(tr("History"), rule_texts.go(tr("Past alarms"), f"/history?rule={quote(name, safe='')}")),
        elements.fact(tr("Scorecard"), rule_texts.go(tr("Detections and false alarms"), "/scorecard")),
    ]


def _seconds(hours: float | None) -> float | None:
    return None if hours is None else hours * 3600


def _where(snapshot: Snapshot, name: str) -> str:
    subjects = snapshot.alarms.filter(snapshot.alarms["rule"] == name)["subject"].head(MAX_OPEN)
    return formatting.listed(subjects) if subjects.len() else tr("no open alarm")


def _priority(row: dict[str, Any]) -> Component:
    word, subject = tr(formatting.PRIORITY_WORD[row["priority"]]), tr(rules.SUBJECTS[row["subject_kind"]])
    return html.Span(tr("{word} priority, about {subject}", word=word, subject=subject), className="note")


def _words(row: dict[str, Any]) -> list[Component]:
    return _list(
        (tr("Meaning"), tr(row["meaning"])),
        (tr("What to do"), tr(row["action"])),
        (tr("Time to respond"), tr(row["time_to_respond"])),
        (tr("Why it matters"), _english(row["rationale"])),
    )


def _english(text: str) -> Component:
    """Return a text that is not translated; screen readers read it as English."""
    return html.Span(text, lang=ENGLISH.code)


def _limits(row: dict[str, Any]) -> list[Component]:
    on, off = rules.delays(row)
    below = tr(
        "when it has been below the limit for {duration}, and is below {share} % of it",
        duration=off,
        share=f"{100 * row['deadband']:.0f}",
    )
    at_once = tr("when the condition is over") if row["off_delay_s"] == 0 else below
    raised = tr("after {duration} at the limit", duration=on) if row["on_delay_s"] else tr("at once")
    return _list(
        (tr("Threshold"), rule_texts.thresholds(row)),
        (tr("Raised"), raised),
        (tr("Returns to normal"), at_once),
        (tr("Latching"), tr("yes, until a person resets it") if row["latch"] else tr("no")),
    )


def _relations(row: dict[str, Any], snapshot: Snapshot) -> list[Component]:
    titles = rules.titles(snapshot)
    recorded = [html.Li(rule_texts.measurement(text)) for text in row["evidence"]]
    excluded = [": ".join(map(tr, text.split(": ", 1))) for text in row["rules_out"]]
    return _list(
        (tr("Recorded with each alarm"), html.Ul(recorded, className="thresholds")),
        (tr("Excluded by the numbers"), "; ".join(excluded) or tr("nothing")),
        (tr("Suppresses"), _links(row["suppresses"], titles)),
        (tr("Suppressed by"), _links(row["suppressed_by"], titles)),
        (tr("Event in IEEE 11073"), _event(row["mdc"])),
    )


def _event(reference: str | None) -> str:
    term = TERM_BY_REFERENCE.get(reference or "")
    return tr("none", "event") if term is None else f"{term.reference} ({term.code})"


def _links(names: list[str], titles: dict[str, str]) -> Component:
    if not names:
        return tr("nothing")
    links = [rule_texts.go(tr(titles.get(name, name)), f"/rules/{quote(name, safe='')}") for name in names]
    return html.Span([part for one in links for part in (one, ", ")][:-1])


def _list(*pairs: tuple[str, Component]) -> list[Component]:
    return [part for term, text in pairs for part in (html.Dt(term), html.Dd(text))]


def pictures(snapshot: Snapshot, name: str, scheme: str | None) -> Component:
    """Return the faults that a rule identifies, else those that it detects, each with its signature and curves."""
    row = rules.row(snapshot, name)
    if row is None:
        return ""
    faults = row["identifies"] or row["detects"]
    known = [(fault, fault_catalogue.catalogue()[fault]) for fault in faults if fault in fault_catalogue.catalogue()]
    if not known:
        return elements.nothing(tr("No simulated fault belongs to this rule."))
    colors = theme.scheme(scheme)
    return [
        html.Section(
            [
                html.H3(tr(fault.title)),
                html.P(_english(f"{fault.signature[:1].upper()}{fault.signature[1:]}")),
                html.Div(
                    dcc.Graph(
                        figure=fault_choice.picture(fault, colors), config=fault_choice.STILL, style={"height": 250}
                    ),
                    role="img",
                    **client_script.label(f"{tr(fault.title)}: {fault.signature}"),
                ),
            ]
        )
        for _, fault in known[:MAX_PICTURES]
    ]
