"""Master alarm database below the rules: export, import with the differences to confirm; and one rule's entry."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from dash import Dash, Input, Output, State, dcc, html, no_update
from fastapi import FastAPI, Response

from broker.store.alarm_database import AlarmDatabase, AlarmDatabaseError, Change
from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.access.proxies import path_of
from dashboard.components import elements
from dashboard.components.elements import Component
from dashboard.data import rationalization
from dashboard.data.rationalization import TITLES, Review
from dashboard.data.services import DataService
from dashboard.languages import tr, tr_later, tr_n

CSV: Final = "/alarm-database.csv"
AS_RULE: Final = tr_later("(as the rule)")
MAX_SHOWN: Final = 200
MAX_HISTORY: Final = 30
HOW: Final = tr_later(
    "Each rule with cause, consequence, time to respond, action, class and approver. Edit the last five columns in a "
    "spreadsheet; the page shows every difference before anything is changed. An empty cell means what the rule says."
)


def layout() -> Component:
    """Return the panel, closed; the import only for admins."""
    may = VISITOR.get().may(rationalization.RIGHT)
    upload = dcc.Upload(
        html.Button(tr("Import CSV…"), className="button"),
        id="database-upload",
        accept=".csv,.txt",
        max_size=rationalization.MAX_UPLOAD,
    )
    confirm = html.Button(tr("Make these changes"), id="database-confirm", className="button strong", hidden=True)
    return html.Details(
        [
            html.Summary(tr("Master alarm database")),
            html.P(tr(HOW), className="note"),
            html.Div(
                [html.A(tr("Export CSV"), href=path_of(CSV), className="button"), *([upload] if may else [])],
                className="database-tools",
            ),
            *([html.Div(id="database-review", role="status"), confirm, dcc.Store(id="database-seen")] if may else []),
        ],
        className="card database",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the export, and the callbacks of the import."""
    server: FastAPI = app.server

    @server.get(CSV)
    async def export() -> Response:
        try:
            content = await asyncio.to_thread(rationalization.exported, data)
        except AlarmDatabaseError as error:
            return Response(tr("Not exported: {problem}.", problem=error), 503, media_type="text/plain")
        if not await data.audit.record("exported", VISITOR.get(), "the master alarm database as csv"):
            return Response(tr("Not exported: it cannot be recorded in the audit trail."), 503, media_type="text/plain")
        headers = {"Content-Disposition": 'attachment; filename="alarm-database.csv"', "Cache-Control": "no-store"}
        return Response(content, media_type="text/csv; charset=utf-8", headers=headers)

    @app.callback(
        Output("database-review", "children"),
        Output("database-confirm", "hidden"),
        Output("database-seen", "data"),
        Input("database-upload", "contents"),
        prevent_initial_call=True,
    )
    async def show(upload: Any) -> Any:
        if not upload or not VISITOR.get().may(rationalization.RIGHT):
            return no_update, no_update, no_update
        found = await asyncio.to_thread(rationalization.review, data, upload)
        return reviewed(found, titles(data)), not found.changes, rationalization.key(found)

    @app.callback(
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("database-review", "children", allow_duplicate=True),
        Output("database-confirm", "hidden", allow_duplicate=True),
        Output("database-upload", "contents"),
        Input("database-confirm", "n_clicks"),
        State("database-upload", "contents"),
        State("database-seen", "data"),
        prevent_initial_call=True,
    )
    async def confirm(clicks: Any, upload: Any, seen: Any) -> Any:
        if not clicks:
            return no_update, no_update, no_update, no_update
        answer = await rationalization.change(data, upload, seen)
        said = [elements.notice(answer.text, good=answer.good)]
        return (said, None, True, None) if answer.good else (said, no_update, no_update, no_update)


def titles(data: DataService) -> dict[str, str]:
    """Return the titles of the rules."""
    return dict(data.snapshot().rules.select("rule", "title").iter_rows())


def reviewed(found: Review, names: dict[str, str]) -> Component:
    """Return what an uploaded table changes, or why it changes nothing."""
    if found.problems:
        lines = html.Ul([html.Li(text) for text in found.problems])
        return html.Div([html.B(tr("Nothing can be imported:"), className="warn-word"), lines])
    ignored = html.Ul([html.Li(text) for text in found.ignored], className="note") if found.ignored else None
    if not found.changes:
        return html.Div([elements.nothing(tr("The file changes nothing.")), ignored])
    rows = [_cells(one, tr(names.get(one.rule, one.rule))) for one in found.changes[:MAX_SHOWN]]
    more = len(found.changes) - MAX_SHOWN
    cut = [html.P(tr_n("and {count} more", "and {count} more", more), className="note")] if more > 0 else []
    heads = [(tr("Rule"), "wide"), (tr("Field"), ""), (tr("Now"), "wrap"), (tr("New", "value"), "wrap")]
    count = formatting.count(len(found.changes), "change")
    return html.Div([html.B(f"{count}:"), elements.table(heads, rows), *cut, ignored], className="scroll")


def of_rule(row: dict[str, Any], database: AlarmDatabase) -> Component:
    """Return what a site decided about a rule, and its change history."""
    name = row["rule"]
    decided = [(title, text) for field, title in TITLES.items() if (text := database.of(name, field))]
    words = [part for title, text in decided for part in (html.Dt(tr(title)), html.Dd(text))]
    history = database.history(name)[:MAX_HISTORY]
    lines = [
        html.Li(
            tr("{time} by {who}", time=formatting.moment(one.at), who=one.who)
            + f": {tr(TITLES.get(one.field, one.field))}: {one.old or tr(AS_RULE)} → {one.new or tr(AS_RULE)}"
        )
        for one in history
    ]
    nothing = elements.nothing(
        tr("Nothing decided here yet: no class and approver, and no consequence or time to respond of your own.")
    )
    return elements.card(
        tr("Rationalization at this site"),
        html.Dl(words, className="rule-words") if words else nothing,
        html.Details([html.Summary(tr("Change history")), html.Ul(lines)]) if lines else None,
    )


def _cells(one: Change, title: str) -> list[Component]:
    return [title, tr(TITLES.get(one.field, one.field)), one.old or tr(AS_RULE), one.new or tr(AS_RULE)]
