"""Route of a pump's signals over time: JSON, CSV or Arrow, from samples or roll-ups."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import polars as pl
from fastapi import Query, Request, Response

from broker.contract.signals import SIGNAL_NAMES
from broker.store import rollup, segments
from dashboard.api.answers import CACHE, heavy, json_answer, rows, tag_of, unchanged
from dashboard.api.pumps import Serial, row_of
from dashboard.api.route import ApiError, Data
from dashboard.api.times import PATTERN, time_of
from dashboard.data.queries import therapy_now

MAX_ROWS: Final = 20_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
MAX_SPAN_MS: Final = {"sample": 2 * DAY_MS, "minute": 13 * DAY_MS, "hour": 800 * DAY_MS}
"""Longest range of each resolution; `auto` takes the first that is enough."""
ARROW: Final = "application/vnd.apache.arrow.stream"
CSV: Final = "text/csv"
MEDIA: Final = {"json": "application/json", "csv": CSV, "arrow": ARROW}
_KINDS: Final = ("min", "mean", "max")


@dataclass(frozen=True)
class _Choice:
    pump: str
    since: int
    until: int
    resolution: str


async def signals(
    request: Request,
    data: Data,
    serial: Serial,
    *,
    since: Annotated[str | None, Query(alias="from", pattern=PATTERN, description="Default: 24 h before `to`.")] = None,
    until: Annotated[str | None, Query(alias="to", pattern=PATTERN, description="Default: now.")] = None,
    resolution: Literal["auto", "sample", "minute", "hour"] = "auto",
    format_: Annotated[
        Literal["json", "csv", "arrow"] | None, Query(alias="format", description="Default: by the header Accept.")
    ] = None,
) -> Response:
    """Return a pump's signals in a range of therapy time, as samples, or minimum, mean and maximum of minutes or hours.

    Times are therapy times in UTC milliseconds. At most 2 days of samples, 13 days of minutes, 800 days of hours.
    """
    snapshot = data.snapshot()
    row = row_of(snapshot, serial)
    ends = time_of(until)
    ends = therapy_now(snapshot, row) if ends is None else ends
    begins = time_of(since)
    choice = _choice(serial, max(0, ends - DAY_MS) if begins is None else begins, ends, resolution)
    form = format_ or _accepted(request.headers.get("accept", ""))
    return await heavy(request, lambda: _answer(request, data, choice, form))


def _choice(pump: str, since: int, until: int, resolution: str) -> _Choice:
    span = until - since
    if span < 0:
        raise ApiError(400, "The range ends before it begins; `from` must not be after `to`.", kind="bad-range")
    if resolution == "auto":
        resolution = next((name for name, most in MAX_SPAN_MS.items() if span <= most), "hour")
    if span > MAX_SPAN_MS[resolution]:
        days, most = span / DAY_MS, MAX_SPAN_MS[resolution] // DAY_MS
        text = f"The range has {days:,.0f} days; at most {most} are allowed at the resolution {resolution}."
        advice = "Ask for parts of it." if resolution == "hour" else "Use a coarser resolution, or ask for parts of it."
        raise ApiError(400, f"{text} {advice}", kind="range-too-long")
    return _Choice(pump, since, until, resolution)


def _accepted(accept: str) -> str:
    named = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    if not accept or not {"*/*", "application/*", MEDIA["json"]}.isdisjoint(named):
        return "json"
    for form, media in MEDIA.items():
        if media in named:
            return form
    if "text/*" in named:
        return "csv"
    raise ApiError(406, f"None of {accept[:80]!r} is possible; accepted are: {', '.join(MEDIA.values())}.")


def _answer(request: Request, data: Data, choice: _Choice, form: str) -> Response:
    found = _read(data, choice)
    if found.height > MAX_ROWS:
        text = f"The range has {found.height:,} samples, of which at most {MAX_ROWS:,} are allowed."
        raise ApiError(400, f"{text} Use resolution=minute, or ask for parts of it.", kind="range-too-long")
    body = _body(found, choice, form)
    tag = tag_of(body)
    known = unchanged(request, tag)
    if known is not None:
        return known
    # No charset: it is a parameter of text alone, and CSV is ASCII here.
    return Response(body, headers={"ETag": tag, **CACHE, "Content-Type": MEDIA[form]})


def _read(data: Data, choice: _Choice) -> pl.DataFrame:
    where, edges = data.settings.data, (choice.pump, choice.since, choice.until)
    if choice.resolution == "sample":
        return segments.trend(where, *edges).select("time", "seq", *SIGNAL_NAMES)
    step = rollup.HOUR if choice.resolution == "hour" else rollup.MINUTE
    names = [f"{name}.{kind}" for name in SIGNAL_NAMES for kind in _KINDS]
    return rollup.rolled(where, *edges, step=step, kinds=_KINDS).select("time", "samples", *names)


def _body(found: pl.DataFrame, choice: _Choice, form: str) -> bytes:
    if form == "csv":
        return found.write_csv().encode()
    if form == "arrow":
        buffer = io.BytesIO()
        found.write_ipc_stream(buffer)
        return buffer.getvalue()
    return json_answer({"pump": choice.pump, "resolution": choice.resolution, "items": rows(found)}).body  # type: ignore[return-value]
