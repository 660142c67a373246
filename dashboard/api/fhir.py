"""Routes below /fhir: FHIR R4 read and search of devices, metrics, observations and the audit trail."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Path, Query, Request, Response

from broker.contract.signals import SIGNALS
from broker.interop import audit_events, bundles, capability, devices
from broker.interop.coding import Resource
from broker.store import journal_query
from broker.store.segments import END_MS
from dashboard.api import fhir_alarms, fhir_answers, fhir_search
from dashboard.api.answers import heavy
from dashboard.api.cursors import Cursor
from dashboard.api.fhir_pages import Asked, page_links, read, search
from dashboard.api.fhir_search import MAX_SPAN_MS, Found, Place
from dashboard.api.pumps import row_of
from dashboard.api.route import ApiError, Data
from dashboard.data.queries import therapy_now

Count = Annotated[int, Query(alias="_count", ge=1, le=500, description="Resources of a page.")]
Device = Annotated[str, Query(max_length=120, description="Device/pump-… or Device/gateway-….")]
Code = Annotated[str, Query(max_length=200, description="Signal, rule, or code of IEEE 11073; a system| is ignored.")]
_TIMES: Final = "ge, gt, le or lt, and an ISO 8601 time"
Dates = Annotated[list[str] | None, Query(alias="date", max_length=2, description=f"{_TIMES}.")]
Changed = Annotated[
    list[str] | None, Query(alias="_lastUpdated", max_length=2, description=f"{_TIMES}: changed then (wall clock).")
]
Identity = Annotated[str, Path(alias="id", max_length=64, pattern=r"^[A-Za-z0-9.-]+$", description="Logical id.")]
MAX_AUDIT_MS: Final = 800 * 86_400_000
VERSION: Final = importlib.metadata.version("pumpwatch")


async def fhir_metadata(request: Request, data: Data) -> Response:
    """Return the CapabilityStatement: what can be read and searched."""
    return fhir_answers.answer(request, capability.statement(VERSION, data.snapshot().health.started))


async def fhir_devices(
    request: Request,
    data: Data,
    *,
    identifier: Annotated[str, Query(max_length=120, description="Serial of a pump or name of a gateway.")] = "",
    count: Count = 100,
    cursor: Cursor = None,
) -> Response:
    """Search devices: Pumpwatch, gateways, pumps."""
    snapshot = data.snapshot()

    def find(place: Place) -> Found:
        return fhir_search.find_devices(snapshot, VERSION, identifier, place)

    return await search(request, snapshot, Asked("Device", (identifier,), count, cursor), find)


async def fhir_device(request: Request, data: Data, identity: Identity) -> Response:
    """Return one device."""
    snapshot = data.snapshot()
    name = await heavy(request, lambda: fhir_search.name_of(snapshot, identity))
    found = await heavy(request, lambda: fhir_search.find_devices(snapshot, VERSION, name, Place("", 1)))
    return read(request, "Device", identity, [match.make() for match in found.matches])


async def fhir_device_metrics(
    request: Request, data: Data, *, source: Device = "", count: Count = 100, cursor: Cursor = None
) -> Response:
    """Search the metrics of pumps: one per signal."""
    snapshot = data.snapshot()

    def find(place: Place) -> Found:
        return fhir_search.find_metrics(snapshot, source, place)

    return await search(request, snapshot, Asked("DeviceMetric", (source,), count, cursor), find)


async def fhir_device_metric(request: Request, data: Data, identity: Identity) -> Response:
    """Return one metric."""
    device, _, signal = identity.rpartition(".")
    serial = await heavy(request, lambda: fhir_search.serial_of(data.snapshot(), device))
    found = [devices.metric(serial, one) for one in SIGNALS if one.name.replace("_", "-") == signal]
    return read(request, "DeviceMetric", identity, found)


async def fhir_observations(
    request: Request,
    data: Data,
    *,
    device: Device = "",
    code: Code = "",
    category: Annotated[str, Query(pattern=r"^(.{0,100}\|)?(signal|alarm)?$", description="signal or alarm.")] = "",
    dates: Dates = None,
    changed: Changed = None,
    count: Count = 100,
    cursor: Cursor = None,
) -> Response:
    """Search alarms, and the values of a pump's signals in at most 2 days of therapy time (default: the last).

    Values need `device`; without it, ask for `category=alarm`. Without times, alarms are the open ones; with `date`,
    those that stood in that range of therapy time, of at most 800 days, open or over; with `_lastUpdated`, those that
    changed in it.
    """
    snapshot, wanted = data.snapshot(), category.rpartition("|")[2]
    if not device and wanted != "alarm":
        raise ApiError(400, "Values of signals need device=Device/pump-…; or ask for category=alarm.", kind="no-device")

    def find(place: Place) -> Found:
        within = fhir_search.period(dates, END_MS, fhir_alarms.MAX_SPAN_MS) if dates else None
        updated = _updated(changed)
        of_alarms = Found([], 0)
        if wanted != "signal":
            chosen = fhir_alarms.Wanted(device, code, within, updated)
            of_alarms = fhir_alarms.find(snapshot, data.occurrences.known().found, place, chosen)
        if wanted == "alarm" or not device.rpartition("/")[2].startswith("pump-"):
            return of_alarms
        serial = fhir_search.serial_of(snapshot, device)
        row = row_of(snapshot, serial)
        times = fhir_search.period(dates or (), therapy_now(snapshot, row), MAX_SPAN_MS)
        samples = fhir_search.find_samples(data.settings.data, serial, times, code=code, sent=updated)
        return Found([*of_alarms.matches, *samples], of_alarms.total + len(samples))

    query = (device, code, wanted, tuple(dates or ()), tuple(changed or ()))
    return await search(request, snapshot, Asked("Observation", query, count, cursor), find)


async def fhir_observation(request: Request, data: Data, identity: Identity) -> Response:
    """Return an alarm, or the value of a signal at a time."""
    snapshot = data.snapshot()

    def find() -> list[Resource]:
        if identity.startswith("alarm-"):
            alarm = fhir_alarms.one(snapshot, data.occurrences.known().found, identity)
            return [] if alarm is None else [alarm]
        metric, _, at = identity.rpartition(".")
        if not (at.isascii() and at.isdecimal() and len(at) <= 15):
            return []
        serial = fhir_search.serial_of(snapshot, metric.rpartition(".")[0])
        found = fhir_search.find_samples(data.settings.data, serial, (int(at), int(at)))
        return [match.make() for match in found]

    return read(request, "Observation", identity, await heavy(request, find))


async def fhir_audit_events(
    request: Request,
    data: Data,
    *,
    dates: Dates = None,
    changed: Changed = None,
    count: Count = 100,
    cursor: Cursor = None,
) -> Response:
    """Search what people did, the newest first; `date` is wall-clock time, at most 800 days.

    Entries never change, so `_lastUpdated` means the same.
    """
    asked = Asked("AuditEvent", (*(dates or ()), "", *(changed or ())), count, cursor)
    name = asked.after
    before = None if not name else int(name[:18]) if name.isascii() and name.isdecimal() else 0
    at = data.snapshot().health.written
    ranges = [
        fhir_search.period(given, at, MAX_AUDIT_MS, name=name)
        for name, given in (("date", dates), ("_lastUpdated", changed))
        if given
    ]
    since = max((begin for begin, _ in ranges), default=None)
    until = min((end for _, end in ranges), default=None)
    chosen = journal_query.Query(since=since, until=until, people_only=True, limit=count + 1, before=before)
    outcome = fhir_answers.ignored(request, "AuditEvent")
    found = await heavy(request, lambda: journal_query.numbered(data.settings.data, chosen))
    resources = [audit_events.audit_event(row) for row in found.head(count).iter_rows(named=True)]
    following = str(found["id"][count - 1]) if found.height > count else ""
    links = page_links(request, asked, following)
    bundle = bundles.searchset(
        resources, base=fhir_answers.base_of(request), links=links, total=None, at=at, outcome=outcome
    )
    return fhir_answers.answer(request, bundle)


async def fhir_device_alerts(
    request: Request,
    data: Data,
    *,
    device: Device = "",
    code: Code = "",
    dates: Dates = None,
    changed: Changed = None,
    count: Count = 100,
    cursor: Cursor = None,
) -> Response:
    """Search alarms as FHIR R6 drafts them (ballot 6.0.0-ballot4): a preview, which will change.

    Without times, they are the open ones; `date` and `_lastUpdated` mean what they mean for Observation.
    """
    snapshot = data.snapshot()

    def find(place: Place) -> Found:
        within = fhir_search.period(dates, END_MS, fhir_alarms.MAX_SPAN_MS) if dates else None
        chosen = fhir_alarms.Wanted(device, code, within, _updated(changed))
        return fhir_alarms.find(snapshot, data.occurrences.known().found, place, chosen, fhir_alarms.DEVICE_ALERT)

    query = (device, code, tuple(dates or ()), tuple(changed or ()))
    return await search(request, snapshot, Asked("DeviceAlert", query, count, cursor), find)


def _updated(changed: Sequence[str] | None) -> tuple[int, int] | None:
    """Return the range of `_lastUpdated`, None if it was not asked for."""
    return fhir_search.period(changed, END_MS, MAX_AUDIT_MS, name="_lastUpdated") if changed else None
