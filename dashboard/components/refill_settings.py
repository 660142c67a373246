"""Below the refills: clinic days of each site, and the calendar feeds of the visitor."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboard import formatting
from dashboard.access.accounts import VISITOR, AccessError
from dashboard.access.feeds import FEEDS, MAX_PER_PERSON, Feeds
from dashboard.access.proxies import path_of
from dashboard.components import elements
from dashboard.components.elements import Component
from dashboard.data.clinic_days import USUAL, WEEKDAYS, ClinicDays, ClinicDaysError
from dashboard.data.refill_days import sites_of
from dashboard.data.services import DataService
from dashboard.languages import shown_date, tr, tr_later, tr_n
from dashboard.zones import ZONE

ONLY: Final = tr_later("Not set: only engineers and admins may set clinic days.")
MAX_LISTED: Final = 50
_FAILED: Final = (AccessError, OSError)


def layout() -> Component:
    """Return both panels, closed."""
    return html.Div([_clinic_panel(), _feed_panel()], className="refill-settings no-print")


def _clinic_panel() -> Component:
    days = [dmc.Checkbox(label=weekday(day), value=day, size="sm") for day in WEEKDAYS]
    return html.Details(
        [
            html.Summary(tr("Clinic days")),
            html.P(
                tr(
                    "A pump comes on the last clinic day of its site before its date. A site has clinic on Monday to "
                    "Friday unless set otherwise here; engineers and admins can set it."
                ),
                className="note",
            ),
            html.Div(
                [
                    dmc.Select(id="clinic-site", label=tr("Site"), searchable=True, size="sm", w=220, data=[]),
                    dmc.CheckboxGroup(dmc.Group(days, gap="sm"), id="clinic-days", label=tr("Days"), value=list(USUAL)),
                    html.Button(tr("Set clinic days"), id="clinic-set", className="button"),
                ],
                className="refill-form",
            ),
            html.Div(id="clinic-list", className="note"),
        ],
        className="card",
    )


def _feed_panel() -> Component:
    return html.Details(
        [
            html.Summary(tr("Calendar feed")),
            html.P(
                tr(
                    "Calendar programs cannot sign in, so a feed has a secret address: whoever knows it can read what "
                    "is due at the site and of the kind chosen above, and nothing else. It ends when you revoke it, "
                    "and with a new password, role or second factor of yours. Every entry says simulation; dates are "
                    "therapy dates, which are those of your calendar only if the fleet runs in real time."
                ),
                className="note",
            ),
            html.Div(
                [
                    html.Button(tr("Make a feed address"), id="feed-make", className="button"),
                    html.Div(id="feed-address", role="status"),
                ],
                className="refill-form",
            ),
            html.Div(id="feed-list"),
            dcc.Store(id="feed-revoke"),
        ],
        className="card",
    )


def register(app: Dash, data: DataService, clinic: ClinicDays) -> None:
    """Add the callbacks of both panels."""

    @app.callback(
        Output("clinic-site", "data"),
        Output("clinic-list", "children"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input("clinic-set", "n_clicks"),
        State("clinic-site", "value"),
        State("clinic-days", "value"),
        prevent_initial_call="initial_duplicate",
    )
    async def set_days(clicks: int | None, site: Any, days: Any) -> Any:
        said: Any = no_update
        if clicks and ctx.triggered_id == "clinic-set":
            said = [await set_clinic(data, clinic, site, days)]
        snapshot = data.snapshot()
        return await asyncio.to_thread(sites_of, snapshot), listed(clinic), said

    @app.callback(Output("clinic-days", "value"), Input("clinic-site", "value"), prevent_initial_call=True)
    async def fill(site: Any) -> Any:
        try:
            return list(clinic.of(site if isinstance(site, str) else None))
        except ClinicDaysError:
            return no_update

    @app.callback(
        Output("feed-address", "children"),
        Output("feed-list", "children"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input("feed-make", "n_clicks"),
        Input("feed-revoke", "data"),
        State("url", "href"),
        State("refill-site", "value"),
        State("refill-kind", "value"),
        prevent_initial_call="initial_duplicate",
    )
    async def feeds(made: Any, revoked: Any, href: Any, site: Any, kind: Any) -> Any:
        known, chosen = FEEDS.get(), ctx.triggered_id
        if known is None or not VISITOR.get().is_authenticated:
            raise PreventUpdate
        clicked = bool(made if chosen == "feed-make" else revoked)
        try:
            if clicked and chosen == "feed-make":
                address = feed_address(str(href), await known.make(), site, kind)
                await data.audit.record("feed_changed", VISITOR.get(), "made a calendar feed")
                return _shown_once(address), feed_list(known), no_update
            if clicked and isinstance(revoked, dict):
                ended = await known.revoke(str(revoked.get("feed")))
                if ended:
                    await data.audit.record("feed_changed", VISITOR.get(), "revoked a calendar feed")
                said = elements.notice(
                    tr("Calendar feed revoked.") if ended else tr("It was revoked already."), good=True
                )
                return "", feed_list(known), [said]
            return no_update, feed_list(known), no_update
        except _FAILED as error:
            said = elements.notice(tr("Not done: {problem}.", problem=error), good=False)
            return no_update, no_update, [said] if clicked else no_update


async def set_clinic(data: DataService, clinic: ClinicDays, site: Any, days: Any) -> dict[str, Any]:
    """Set the clinic days of a site if the visitor may, record it, and return the notice."""
    if not VISITOR.get().may("service"):
        await data.audit.denied(VISITOR.get(), "set clinic days")
        return elements.notice(tr(ONLY), good=False)
    if not isinstance(site, str) or site not in sites_of(data.snapshot()):
        return elements.notice(tr("Not set: choose a site."), good=False)
    wanted = [str(day) for day in days][:7] if isinstance(days, list) else []
    try:
        chosen = await asyncio.to_thread(clinic.set, site, wanted)
    except (ClinicDaysError, OSError) as error:
        return elements.notice(tr("Not set: {problem}.", problem=error), good=False)
    text = f"clinic days of {site}: {', '.join(chosen)}"
    await data.audit.record("setting_changed", VISITOR.get(), text)
    return elements.notice(tr("Set: {days}.", days=_days(site, chosen)), good=True)


def listed(clinic: ClinicDays) -> Component:
    """Return the sites whose clinic days differ from Monday to Friday."""
    try:
        known = clinic.all()
    except ClinicDaysError as error:
        return tr("Clinic days: {error}.", error=error)
    if not known:
        return tr("All sites: Monday to Friday.")
    rest = len(known) - MAX_LISTED
    more = f" {tr_n('and {count} more', 'and {count} more', rest)}" if rest > 0 else ""
    return "; ".join(_days(site, days) for site, days in sorted(known.items())[:MAX_LISTED]) + more


def _days(site: str, days: Iterable[str]) -> str:
    return f"{site}: {', '.join(map(weekday, days))}"


def weekday(name: str) -> str:
    """Return a weekday of `WEEKDAYS` as the viewer's language shortens it."""
    monday = date(2024, 1, 1)
    return shown_date(monday.replace(day=1 + WEEKDAYS.index(name)), "E") if name in WEEKDAYS else name


def feed_address(href: str, token: str, site: Any, kind: Any) -> str:
    """Return the address of a feed as the visitor's browser reaches this dashboard."""
    parts = urlsplit(href)
    chosen = {"site": site, "kind": kind, "tz": getattr(ZONE.get(), "key", "")}
    query = urlencode({name: value for name, value in chosen.items() if isinstance(value, str) and value})
    return f"{parts.scheme}://{parts.netloc}{path_of(f'/feed/refills/{token}.ics')}" + (f"?{query}" if query else "")


def _shown_once(address: str) -> Component:
    return [
        dmc.TextInput(value=address, readOnly=True, label=tr("Copy it now: it is shown only once"), size="sm"),
    ]


def feed_list(feeds: Feeds) -> Component:
    """Return the feeds of the visitor, each with a button that revokes it."""
    known = feeds.own()
    if not known:
        return elements.nothing(tr("You have no calendar feed; up to {count} are possible.", count=MAX_PER_PERSON))
    return [
        html.Div(
            [
                html.Span(tr("Made {time}", time=formatting.timestamp(feed.created))),
                html.Button(tr("Revoke"), className="button", **_revokes(feed.id)),
            ],
            className="feed-row",
        )
        for feed in known
    ]


def _revokes(feed_id: str) -> dict[str, Any]:
    return {"data-feed": feed_id}
