"""Silences: for which alarms nobody is notified and until when; silence alarms with a preview, end a silence."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from dash import Dash, Input, Output, State, dcc, html, no_update

from broker.contract.alarm_matchers import PRIORITIES, MatcherError
from broker.contract.silences import Silence
from broker.store.silences import SilenceFileError
from dashboard.access.accounts import VISITOR
from dashboard.components import address, elements, shell, silence_views
from dashboard.components.elements import Component
from dashboard.data import silencing
from dashboard.data.services import DataService
from dashboard.data.silencing import MATCHED, Asked, Silencing
from dashboard.languages import LANGUAGE, tr, tr_later
from dashboard.zones import ZONE

PATH: Final = "/silences"
FIELDS: Final = (*(f"silence-{name}" for name in MATCHED), "silence-kind", "silence-minutes")
WINDOWS: Final = tuple(f"silence-{name}" for name in ("days", "begin", "end", "zone", "recurs", "starts"))
MAX_TEXT: Final = 500
MAX_VALUES: Final = 200
NO_SIGNAL: Final = tr_later("No alarm is silenced by this yet: choose what to silence.")


def layout(data: DataService) -> Component:
    """Return the page; the form only for who may silence."""
    may = VISITOR.get().may(silencing.RIGHT)
    zone = getattr(ZONE.get(), "key", "UTC")
    form = silence_views.form(silencing.offered(data.snapshot()), zone) if may else None
    jump = html.A(tr("Silence alarms"), href="#silence-alarms", className="button silence-jump") if may else None
    cards = [
        elements.card(tr("Silences"), html.Div(id="silence-expired", role="status"), html.Div(id="silence-list"),
                      side=jump, name="silence-list-card"),
        html.Div(elements.card(tr("Silence alarms"), form, name="silence-form-card"), id="silence-alarms")
        if may else None,
    ]  # fmt: skip
    return html.Div(
        [
            html.H1(tr("Silences"), className="hidden"),
            *(dcc.Store(id=f"silence-{name}") for name in ("key", "changed", "ending")),
            html.Div([card for card in cards if card is not None], className="silence-page" if may else "column"),
        ],
        className="column",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page: list, form, preview; the list follows the snapshots and is drawn again only if it changed."""
    shell.add_page(__name__, name="Silences", path=PATH, order=9, layout=partial(layout, data))
    service = Silencing(data)
    matched = {name: address.choices(f"silence-{name}", PRIORITIES if name == "priority" else None) for name in MATCHED}
    address.bind(app, PATH, matched)

    @app.callback(
        Output("silence-list", "children"),
        Output("silence-expired", "children"),
        Output("silence-key", "data"),
        Input("live", "data"),
        Input("silence-changed", "data"),
        State("silence-key", "data"),
    )
    async def show(_live: Any, _changed: Any, key: Any) -> Any:
        return await asyncio.to_thread(render, data, key)

    @app.callback(Output("silence-for", "hidden"), Output("silence-windows", "hidden"), Input("silence-kind", "value"))
    async def choose(kind: Any) -> Any:
        return kind != "for_time", kind != "windows"

    @app.callback(
        Output("silence-preview", "children"),
        *[Input(name, "value") for name in (*FIELDS, *WINDOWS)],
        Input("silence-reason", "value"),
    )
    async def preview(*given: Any) -> Any:
        return await asyncio.to_thread(previewed, service, asked_of(given))

    @app.callback(
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("silence-changed", "data", allow_duplicate=True),
        Output("silence-reason", "value"),
        Input("silence-add", "n_clicks"),
        *[State(name, "value") for name in (*FIELDS, *WINDOWS)],
        State("silence-reason", "value"),
        prevent_initial_call=True,
    )
    async def add(clicks: Any, *given: Any) -> Any:
        if not clicks:
            return no_update, no_update, no_update
        answer = await service.add(asked_of(given))
        return [elements.notice(answer.text, good=answer.good)], clicks, "" if answer.good else no_update

    @app.callback(
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("silence-changed", "data", allow_duplicate=True),
        Input("silence-ending", "data"),
        prevent_initial_call=True,
    )
    async def end(name: Any) -> Any:
        if not name:
            return no_update, no_update
        answer = await service.end(str(name)[:MAX_TEXT])
        return [elements.notice(answer.text, good=answer.good)], str(name)


def asked_of(given: tuple[Any, ...]) -> Asked:
    """Return what a browser asks for, from the values of `FIELDS`, `WINDOWS` and the reason, whatever they are."""
    fields, kind, minutes = given[: len(MATCHED)], given[len(MATCHED)], given[len(MATCHED) + 1]
    days, begin, end, zone, recurs, starts, reason = given[len(MATCHED) + 2 :]
    match = {name: _texts(value) for name, value in zip(MATCHED, fields, strict=True) if _texts(value)}
    return Asked(
        match=match,
        reason=_text(reason).strip(),
        kind=kind if kind in silencing.KINDS else "for_time",
        minutes=int(minutes) if isinstance(minutes, str) and minutes in silencing.DURATIONS else 0,
        days=tuple(_texts(days)),
        begin=_text(begin).strip(),
        end=_text(end).strip(),
        zone=_text(zone).strip() or "UTC",
        recurs_d=recurs if isinstance(recurs, int) and 1 <= recurs <= 366 else 0,
        starts=_text(starts).strip(),
    )


def previewed(service: Silencing, asked: Asked) -> Component:
    """Return what a silence would cover; a missing reason is no problem of the preview."""
    if not asked.match:
        return elements.nothing(tr(NO_SIGNAL))
    try:
        return silence_views.preview(service.preview(Asked(**{**vars(asked), "reason": asked.reason or "-"})))
    except MatcherError as error:
        return html.P(tr("Not possible: {problem}.", problem=error), className="warn-word")


def render(data: DataService, key: Any) -> tuple[Any, ...]:
    """Return the list, what expired lately and their key; nothing if they would look the same as those of `key`."""
    now, may = data.now(), VISITOR.get().may(silencing.RIGHT)
    try:
        known = data.silences.silences()
    except SilenceFileError as error:
        return elements.nothing(f"{error}."), "", None
    marked = silencing.marks(data.silences, data.snapshot(), now)
    counts = dict(marked.group_by("silence").len().iter_rows())
    lately = silencing.expired_lately(known, now)
    looks = [(one.id, one.status(now), one.active_until(now), one.ended, counts.get(one.id)) for one in known]
    fresh = f"{may} {ZONE.get()} {LANGUAGE.get().code} {looks} {[one.id for one in lately]}"
    if fresh == key:
        return no_update, no_update, no_update
    return silence_views.listed(known, now, counts, may=may), expired(lately), fresh


def expired(lately: list[Silence]) -> Component:
    """Return the banner about silences that ended by themselves in the last hour; None if none did."""
    return html.P(silence_views.over(lately), className="silence-banner") if lately else None


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    values = value[:MAX_VALUES] if isinstance(value, list) else []
    return [text for text in map(_text, values) if text]
