"""Files of the page Refills over HTTP: CSV and calendar for who is signed in, and the feed for calendar programs."""

from __future__ import annotations

import asyncio
import logging
from typing import Final
from urllib.parse import urlencode

from dash import Dash
from fastapi import FastAPI, Response

from dashboard import formatting
from dashboard.access.accounts import VISITOR, AccessError, Visitor
from dashboard.access.feeds import FEEDS
from dashboard.data import refill_days, refill_files
from dashboard.data.clinic_days import ClinicDays, ClinicDaysError
from dashboard.data.refill_days import Choice, choice_of
from dashboard.data.services import DataService
from dashboard.languages import in_english
from dashboard.zones import ZONE, zone

LOG: Final = logging.getLogger("dashboard")
CSV: Final = "/refills.csv"
CALENDAR: Final = "/refills.ics"
FEED: Final = "/feed/refills/{token}.ics"
BUSY_S: Final = 60
_TYPES: Final = {"csv": "text/csv; charset=utf-8", "ics": "text/calendar; charset=utf-8"}


def query_of(choice: Choice) -> str:
    """Return a choice as the query of an address."""
    chosen = {"kind": choice.kind, "site": choice.site, "span": choice.span}
    chosen |= {"day": choice.day.isoformat()} if choice.day else {}
    return urlencode({name: value for name, value in chosen.items() if value})


def register(app: Dash, data: DataService, clinic: ClinicDays) -> None:
    """Add the routes to the server of an app."""
    server: FastAPI = app.server

    @server.get(CSV)
    async def table(kind: str = "", site: str = "", span: str = "", day: str = "") -> Response:
        return await _file(data, clinic, choice_of(kind, site, span, day), "csv")

    @server.get(CALENDAR)
    async def calendar(kind: str = "", site: str = "", span: str = "", day: str = "") -> Response:
        return await _file(data, clinic, choice_of(kind, site, span, day), "ics")

    @server.get(FEED)
    async def feed(token: str, kind: str = "", site: str = "", tz: str = "") -> Response:
        ZONE.set(zone(tz))
        return await _feed(data, clinic, token, choice_of(kind, site, "365"))


async def _file(data: DataService, clinic: ClinicDays, choice: Choice, kind: str) -> Response:
    """Return a file for the visitor; what cannot be recorded in the audit log is not exported."""
    try:
        content, count = await asyncio.to_thread(_content, data, clinic, choice, kind)
    except ClinicDaysError as error:
        return _text(f"Not exported: {error}.", 503)
    with in_english():
        rows = formatting.count(count, "row")
    if not await data.audit.record("exported", VISITOR.get(), f"refills as {kind}, {rows}"):
        return _text("Not exported: the export cannot be recorded in the audit log; see the dashboard's log.", 503)
    headers = {
        "Content-Disposition": f'attachment; filename="refills-{data.now()}.{kind}"',
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=_TYPES[kind], headers=headers)


async def _feed(data: DataService, clinic: ClinicDays, token: str, choice: Choice) -> Response:
    """Return the calendar to whoever knows the token of a valid feed."""
    feeds = FEEDS.get()
    try:
        reading = await asyncio.to_thread(feeds.read, token) if feeds else None
        if reading is not None and reading.busy:
            return _text("This calendar is read too often. Try again later.", 429, {"Retry-After": str(BUSY_S)})
        if reading is None or not reading.name:
            return _text("There is no such calendar feed, or it was revoked.", 404)
        content, count = await asyncio.to_thread(_content, data, clinic, choice, "ics")
    except (AccessError, ClinicDaysError) as error:
        LOG.warning("Calendar feed not served: %s", error)
        return _text("The calendar feed is not available; the dashboard's log says why.", 503)
    if reading.first:
        with in_english():
            entries = formatting.count(count, "entry", "entries")
        text = f"refills by calendar feed, {entries}; first reading in 24 h"
        await data.audit.record("exported", Visitor(reading.name, ""), text)
    return Response(content, media_type=_TYPES["ics"], headers={"Cache-Control": "private, no-cache"})


@in_english()
def _content(data: DataService, clinic: ClinicDays, choice: Choice, kind: str) -> tuple[bytes | str, int]:
    snapshot = data.snapshot()
    tasks = refill_days.agenda(snapshot, choice, clinic).shown(choice)
    if kind == "csv":
        return refill_files.csv(snapshot, tasks), tasks.height
    return refill_files.calendar(snapshot, tasks), min(tasks.height, refill_files.MAX_EVENTS)


def _text(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(text, status, media_type="text/plain", headers={"Cache-Control": "no-store", **(headers or {})})
