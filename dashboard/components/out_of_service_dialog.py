"""Dialog that takes alarms of a pump or another subject out of service, and the list of what is out of service."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, ctx, html, no_update

from dashboard import clocks, formatting
from dashboard.components import elements
from dashboard.components.elements import Component, notice
from dashboard.data.services import DataService
from dashboard.languages import tr

STORE: Final = "service"
"""Id of the store that any page sets to {"kind": …, "subject": …, "rule": …}; `n` makes each request unique."""
TAKE_OUT: Final = "take_out"
PUT_BACK: Final = "put_back"
ALL: Final = "all"
UNTIL: Final = "until"
HOURS: Final = (1.0, 8.0, 24.0, 72.0, 168.0)
"""Durations that the dialog offers, in therapy hours, besides no limit."""


def layout() -> Component:
    """Return the dialog, closed."""
    times = [{"value": UNTIL, "label": tr("Until returned to service")}]
    times += [{"value": f"{hours:g}", "label": formatting.span(hours * 3600)} for hours in HOURS]
    return dmc.Modal(
        [
            html.P(id="service-effect", className="note"),
            dmc.Select(id="service-rule", label=tr("Alarms"), data=[], allowDeselect=False, searchable=True),
            dmc.Select(
                id="service-duration", label=tr("Duration (therapy time)"), data=times, value=UNTIL, allowDeselect=False
            ),
            dmc.Textarea(id="service-reason", label=tr("Reason (required)"), autosize=True, minRows=2),
            html.Div(
                [
                    html.Button(tr("Cancel"), id="service-cancel", className="button"),
                    html.Button(tr("Take out of service"), id="service-send", className="button strong"),
                ],
                className="buttons dialog-buttons",
            ),
        ],
        id="service-dialog",
        title=tr("Take out of service"),
        opened=False,
        size="md",
        transitionProps={"duration": 0},
    )


def register(app: Dash, data: DataService) -> None:
    """Open the dialog to take alarms out of service, return them to service at once; show the result."""

    @app.callback(
        Output("service-dialog", "opened"),
        Output("service-effect", "children"),
        Output("service-rule", "data"),
        Output("service-rule", "value"),
        Output("service-duration", "value"),
        Output("service-reason", "value"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input(STORE, "data"),
        Input("service-send", "n_clicks"),
        Input("service-cancel", "n_clicks"),
        State("service-rule", "value"),
        State("service-duration", "value"),
        State("service-reason", "value"),
        prevent_initial_call=True,
    )
    async def act(
        request: Any, _send: Any, _cancel: Any, rule: str | None, duration: str | None, reason: str | None
    ) -> Any:
        if ctx.triggered_id == "service-cancel":
            return False, *[no_update] * 6
        kind, subject, of_rule = read(request)
        if kind is None:
            return [no_update] * 7
        if ctx.triggered_id == STORE and kind == TAKE_OUT:
            effect = tr(
                "While out of service, alarms of {subject} are not annunciated and do not suppress others.",
                subject=subject,
            )
            return True, effect, choices(data.snapshot().health.rules), ALL, UNTIL, "", no_update
        if kind == TAKE_OUT:
            of_rule = None if rule in (None, ALL) else rule
        for_s = None if duration in (None, UNTIL) else float(duration or 0) * 3600
        answer = await data.change_service(kind, subject, rule=of_rule, why=(reason or "").strip(), for_s=for_s)
        stays_open = not answer.good and kind == TAKE_OUT
        return stays_open, *[no_update] * 5, [notice(answer.text, good=answer.good)]


def read(request: Any) -> tuple[str | None, str, str | None]:
    """Return action, subject and rule (None: all) that a browser sent; the action is None if it is invalid."""
    if not isinstance(request, dict) or request.get("kind") not in (TAKE_OUT, PUT_BACK):
        return None, "", None
    rule = request.get("rule")
    return request["kind"], str(request.get("subject") or ""), None if rule is None else str(rule)


def choices(rules: dict[str, str]) -> list[dict[str, str]]:
    """Return what can be taken out of service: all alarms, or those of one rule, by title."""
    by_title = sorted(rules.items(), key=lambda rule: rule[1])
    return [
        {"value": ALL, "label": tr("All alarms")},
        *({"value": name, "label": tr(title)} for name, title in by_title),
    ]


def button(subject: str) -> Component:
    """Return the button that opens the dialog for a subject."""
    return elements.service(tr("Out of service…"), {"kind": TAKE_OUT, "subject": subject})


def listed(orders: pl.DataFrame) -> Component:
    """Return what is out of service (`broker.store.snapshot.ORDERS_SCHEMA`), one line each, with a return button."""
    return html.Div([_line(row) for row in orders.iter_rows(named=True)], className="out-of-service")


def _line(row: dict[str, Any]) -> Component:
    left = "until returned to service" if row["left_s"] is None else f"{clocks.time_left(row['left_s'], row['speed'])}"
    request = {"kind": PUT_BACK, "subject": row["subject"], "rule": row["rule"]}
    return html.Div(
        [
            html.Span("out of service", className="tag"),
            elements.subject(row),
            html.Span(row["title"]),
            html.Span(
                tr(
                    "{left}, by {out_by} since {time}: {out_why}",
                    left=left,
                    out_by=row["out_by"],
                    time=formatting.moment(row["out_wall"]),
                    out_why=row["out_why"],
                ),
                className="note",
            ),
            elements.service(tr("Return to service"), request),
        ],
        className="out-of-service-line",
    )
