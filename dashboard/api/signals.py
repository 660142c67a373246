"""Route of a pump's signals over time, from samples or roll-ups: JSON, or CSV and Arrow as a stream of chunks."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import polars as pl
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from broker.contract.signals import SIGNAL_NAMES
from broker.store import rollup, segments
from dashboard.api.answers import CACHE, Heavy, heavy, json_answer, rows, tag_of, unchanged
from dashboard.api.pumps import Serial, row_of
from dashboard.api.route import ApiError, Data
from dashboard.api.times import PATTERN, time_of
from dashboard.data.queries import therapy_now

MAX_ROWS: Final = 20_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
MAX_SPAN_MS: Final = {"sample": 2 * DAY_MS, "minute": 13 * DAY_MS, "hour": 800 * DAY_MS}
"""Longest range of each resolution; `auto` takes the first that is enough."""
CHUNK_MS: Final = {"sample": 6 * HOUR_MS, "minute": DAY_MS, "hour": 40 * DAY_MS}
"""Range that is read and sent at a time: a reader that is slow or far behind holds no more than this in memory."""
ARROW: Final = "application/vnd.apache.arrow.stream"
CSV: Final = "text/csv"
MEDIA: Final = {"json": "application/json", "csv": CSV, "arrow": ARROW}
_KINDS: Final = ("min", "mean", "max")
_ARROW_END: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"


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

    Times are therapy times in UTC milliseconds. At most 2 days of samples, 13 days of minutes, 800 days of hours. CSV
    and Arrow are streamed; if the history cannot be read on, the connection ends before the stream does.
    """
    snapshot = data.snapshot()
    row = row_of(snapshot, serial)
    ends = time_of(until)
    ends = therapy_now(snapshot, row) if ends is None else ends
    begins = time_of(since)
    choice = _choice(serial, max(0, ends - DAY_MS) if begins is None else begins, ends, resolution)
    form = format_ or _accepted(request.headers.get("accept", ""))
    tag = await heavy(request, lambda: _checked_tag(data, choice, form))
    known = unchanged(request, tag)
    if known is not None:
        return known
    # No charset: it is a parameter of text alone, and CSV is ASCII here.
    headers = {"ETag": tag, **CACHE, "Content-Type": MEDIA[form]}
    if form == "json":
        return Response(await heavy(request, lambda: _json(data, choice)), headers=headers)
    parts = _csv(data, choice) if form == "csv" else _arrow(data, choice)
    # What is wrong with the history is found before the answer begins, where it begins.
    first = await heavy(request, lambda: next(parts))
    return StreamingResponse(_streamed(request, first, parts), headers=headers)


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


def _checked_tag(data: Data, choice: _Choice, form: str) -> str:
    """Return the entity tag of the answer: that of the files it comes from, which never change once written.

    Raises `ApiError` (400) if there are more samples than allowed.
    """
    where = data.settings.data
    if choice.resolution == "sample":
        found = segments.height(where, choice.pump, choice.since, choice.until)
        if found > MAX_ROWS:
            text = f"The range has {found:,} samples, of which at most {MAX_ROWS:,} are allowed."
            raise ApiError(400, f"{text} Use resolution=minute, or ask for parts of it.", kind="range-too-long")
    files = segments.files(where, choice.since, choice.until)
    if choice.resolution != "sample":
        files += rollup.files(where, choice.since, choice.until, _step(choice))
    return tag_of("\n".join([form, str(choice), *map(str, files)]).encode())


def _step(choice: _Choice) -> rollup.Step:
    return rollup.HOUR if choice.resolution == "hour" else rollup.MINUTE


def _chunks(data: Data, choice: _Choice) -> Iterator[pl.DataFrame]:
    """Yield the rows of a range in order, at least one frame, `CHUNK_MS` at a time. Raises `OSError`."""
    where, step_ms = data.settings.data, CHUNK_MS[choice.resolution]
    unit = 1 if choice.resolution == "sample" else _step(choice).ms
    names = [f"{name}.{kind}" for name in SIGNAL_NAMES for kind in _KINDS]
    for begin in range(choice.since // unit * unit, choice.until + 1, step_ms):
        edges = (choice.pump, begin, min(begin + step_ms - 1, choice.until))
        if choice.resolution == "sample":
            yield segments.trend(where, *edges).select("time", "seq", *SIGNAL_NAMES)
        else:
            yield rollup.rolled(where, *edges, step=_step(choice), kinds=_KINDS).select("time", "samples", *names)


def _json(data: Data, choice: _Choice) -> bytes:
    items = [row for chunk in _chunks(data, choice) for row in rows(chunk)]
    return bytes(json_answer({"pump": choice.pump, "resolution": choice.resolution, "items": items}).body)


def _csv(data: Data, choice: _Choice) -> Iterator[bytes]:
    """Yield the rows as one CSV file, its header first."""
    for number, chunk in enumerate(_chunks(data, choice)):
        yield chunk.write_csv(include_header=number == 0).encode()


def _arrow(data: Data, choice: _Choice) -> Iterator[bytes]:
    """Yield the rows as one Arrow IPC stream: the schema once, a batch per chunk, and the end."""
    for number, chunk in enumerate(_chunks(data, choice)):
        buffer = io.BytesIO()
        chunk.write_ipc_stream(buffer)
        whole = buffer.getvalue()
        # A message is a mark, the length of its description, and the description; a schema has no body.
        schema = 8 + int.from_bytes(whole[4:8], "little")
        yield whole[0 if number == 0 else schema : -len(_ARROW_END)]
    yield _ARROW_END


async def _streamed(request: Request, first: bytes, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the parts, each read when the client has taken the one before; a slow client occupies no thread."""
    work: Heavy = request.app.state.heavy
    part: bytes | None = first
    while part is not None:
        yield part
        part = await work.go_on(lambda: next(parts, None))
