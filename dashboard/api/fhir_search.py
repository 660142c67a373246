"""Searches below /fhir: which resources match, and the page of them after a place."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from broker.contract.mdc import TERM_BY_REFERENCE
from broker.contract.signals import SAMPLE_SCHEMA, SIGNALS, Signal
from broker.interop import coding, devices, observations
from broker.interop.coding import Resource
from broker.store import segments
from broker.store.snapshot import Snapshot
from dashboard.api.answers import rows
from dashboard.api.route import ApiError
from dashboard.api.times import time_of

MAX_SPAN_MS: Final = 2 * 86_400_000
MAX_SAMPLES: Final = 20_000
DATE: Final = re.compile(r"(eq|ge|gt|le|lt)?(.+)", re.DOTALL)
_PRECISION_MS: Final = {len("2026-01-31"): 86_400_000}
"""How long a time lasts that is written so short; all others are moments."""


@dataclass(frozen=True)
class Match:
    """A resource that matches: its place in the order of results, and how to make it."""

    key: str
    make: Callable[[], Resource]


@dataclass(frozen=True)
class Place:
    """A page: at most `limit` resources after the place `after` ("": from the beginning)."""

    after: str
    limit: int


@dataclass(frozen=True)
class Found:
    """Matches in order, at least those of the page and one more, and how many there are in all."""

    matches: Sequence[Match]
    total: int


def page(found: Found, place: Place) -> tuple[list[Resource], str]:
    """Return the resources of a page, and the place that the next one follows, "" at the end."""
    begin = bisect_right(found.matches, place.after, key=lambda match: match.key)
    end = begin + place.limit
    shown = found.matches[begin:end]
    return [one.make() for one in shown], shown[-1].key if end < len(found.matches) else ""


def find_devices(snapshot: Snapshot, version: str, identifier: str, place: Place) -> Found:
    """Find Pumpwatch, the gateways and the pumps, or what has an identifier (`system|value` or a value)."""
    value = identifier.rpartition("|")[2]
    names, gateways = snapshot.table.facts["pump"], snapshot.gateways.sort("gateway")
    if value:
        names, gateways = names.filter(names == value), gateways.filter(pl.col("gateway") == value)
    found = [] if value and value != devices.PUMPWATCH else [Match("0", lambda: devices.pumpwatch(version))]
    found += [
        Match(f"1{row['gateway']}", lambda row=row: devices.gateway(row))  # type: ignore[misc]
        for row in gateways.iter_rows(named=True)
    ]
    total = len(found) + len(names)
    # Of a large fleet, only the pumps of the page are made, and their rows read at once.
    later = names.filter(names > place.after[1:]) if place.after.startswith("2") else names
    chosen = snapshot.table.facts["pump"].is_in(later.sort().head(place.limit + 1).implode()).arg_true()
    pumps = rows(snapshot.table.take(chosen.to_numpy()).sort("pump"))
    found += [Match(f"2{row['pump']}", lambda row=row: devices.pump(row)) for row in pumps]  # type: ignore[misc]
    return Found(found, total)


def find_metrics(snapshot: Snapshot, source: str, place: Place) -> Found:
    """Find the metrics of all pumps, or those of one."""
    names = snapshot.table.facts["pump"]
    if source:
        names = names.filter(names == serial_of(snapshot, source))
    later = names.filter(names >= place.after.partition(" ")[0]).sort().head(place.limit // len(SIGNALS) + 2)
    found = [
        Match(f"{serial} {number:03d}", lambda serial=serial, signal=signal: devices.metric(serial, signal))  # type: ignore[misc]
        for serial in later
        for number, signal in enumerate(SIGNALS)
    ]
    return Found(found, len(names) * len(SIGNALS))


def about(snapshot: Snapshot, device: str) -> pl.Expr:
    """Return the condition that an alarm is about a device; what is about neither pump nor gateway is Pumpwatch's.

    Raises `ApiError` (404) if there is no such device.
    """
    name, identity = name_of(snapshot, device), device.rpartition("/")[2]
    if identity == devices.PUMPWATCH:
        return pl.col("subject_kind").is_in(["pump", "gateway"]).not_()
    return (pl.col("subject") == name) & (pl.col("subject_kind") == identity.partition("-")[0])


def find_samples(
    data: Path, serial: str, within: tuple[int, int], *, code: str = "", sent: tuple[int, int] | None = None
) -> list[Match]:
    """Return the values of a pump's signals `within` a range of therapy time, or those of them `sent` then (wall ms).

    Raises `ApiError` if they are too many.
    """
    wanted = code.rpartition("|")[2]
    signals = [one for one in SIGNALS if not wanted or wanted in (one.name, term_code(one.mdc))]
    found = segments.trend(data, serial, *within) if signals else pl.DataFrame(schema=SAMPLE_SCHEMA)
    if sent is not None:
        found = found.filter(pl.col("sent").is_between(*sent))
    if found.height > MAX_SAMPLES:
        text = f"The range has {found.height:,} samples, of which at most {MAX_SAMPLES:,} are allowed; ask for less."
        raise ApiError(400, text, kind="range-too-long")
    places = [(row, number, signal) for row in found.iter_rows(named=True) for number, signal in enumerate(signals)]
    return [
        Match(f"1{row['time']:015d} {row['boot'] or 0:020d} {number:03d}", lambda row=row, one=one: _value(row, one))  # type: ignore[misc]
        for row, number, one in places
        if next(observations.sample(row, (one,)), None) is not None
    ]


def _value(row: dict[str, Any], signal: Signal) -> Resource:
    return next(observations.sample(row, (signal,)))


def term_code(reference: str | None) -> str:
    """Return the code of a term of IEEE 11073 by its reference id, empty if there is none."""
    term = TERM_BY_REFERENCE.get(reference or "")
    return "" if term is None else str(term.code)


def period(dates: Sequence[str], now: int, span: int, *, name: str = "date") -> tuple[int, int]:
    """Return the range of the parameters `name`: `ge…`, `gt…`, `le…`, `lt…`, a time; without them `span` before `now`.

    A day is all of it, as FHIR has it. Raises `ApiError` (400) for other prefixes and times that are none, and if the
    range is empty or longer than `span`.
    """
    since, until = None, None
    for text in dates:
        prefix, at = DATE.fullmatch(text[:60]).groups() if text else (None, "")  # type: ignore[union-attr]
        try:
            first = time_of(at)
        except ApiError:
            first = None
        if first is None:
            allowed = f"use ge, gt, le or lt and an ISO 8601 time, such as {name}=ge2026-01-31T12:00:00Z."
            raise ApiError(400, f"{name} {text[:60]!r} is not possible; {allowed}", kind="bad-parameter")
        last = first + _PRECISION_MS.get(len(at), 1) - 1
        since = {"le": since, "lt": since, "gt": last + 1}.get(prefix or "eq", first)
        until = {"ge": until, "gt": until, "lt": first - 1}.get(prefix or "eq", last)
    end = until if until is not None else now if since is None else min(now, since + span)
    begin = since if since is not None else max(0, end - span)
    if not 0 <= end - begin <= span:
        text = f"The range of {name} has {(end - begin) / 86_400_000:,.1f} days; allowed are 0 to {span // 86_400_000}."
        raise ApiError(400, text, kind="bad-range")
    return begin, end


def name_of(snapshot: Snapshot, reference: str) -> str:
    """Return the name of the pump, gateway or system that a reference is to. Raises `ApiError` (404)."""
    identity = reference.rpartition("/")[2]
    if identity == devices.PUMPWATCH:
        return identity
    kind = "gateway" if identity.startswith("gateway-") else "pump"
    names = snapshot.gateways["gateway"] if kind == "gateway" else snapshot.table.facts["pump"]
    found = coding.name_of(kind, identity, names)
    if found is None:
        raise ApiError(404, f"There is no Device/{identity[:80]}.", kind="no-device")
    return found


def serial_of(snapshot: Snapshot, reference: str) -> str:
    """Return the serial of the pump that a reference is to. Raises `ApiError` (404)."""
    if not reference.rpartition("/")[2].startswith("pump-"):
        raise ApiError(404, f"{reference[:80]!r} is no pump; a reference to one is Device/pump-….", kind="no-device")
    return name_of(snapshot, reference)
