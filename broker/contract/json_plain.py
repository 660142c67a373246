"""JSON samples in plain form, one by one or many payloads at once: exact JSON types, within their ranges."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Annotated, Any, Final, cast

import msgspec
import numpy as np
import polars as pl

from broker.contract.json_dialects import read_object
from broker.contract.json_elements import check_nesting
from broker.contract.payload_limits import MAX_SAMPLE_BYTES, SampleError
from broker.contract.ranges import EARLIEST_MS, LATEST_MS, MAX_COUNT
from broker.contract.sample_values import COUNTS, is_unknown, time_of
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES, SIGNALS, Signal, empty_samples
from broker.contract.topics import NAME, name_rule

Time = Annotated[int, msgspec.Meta(ge=EARLIEST_MS, le=LATEST_MS)] | str
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)] | None


class JsonSample(msgspec.Struct, gc=False):
    """One sample as JSON: `pump` and `time` are required, anything else may be missing and is then unknown.

    What the decoder returns has a field for each row of `SIGNALS` as well, and times in milliseconds. It checks the
    ranges.
    """

    pump: str
    time: Time
    sent: Time | None = None
    seq: Count = None
    boot: Count = None
    program: Count = None
    flags: Count = None


def _field(signal: Signal) -> tuple[str, Any, None]:
    return signal.name, Annotated[float, msgspec.Meta(ge=signal.low, le=signal.high)] | None, None


WITH_SIGNALS: Final = cast(
    type[JsonSample],
    msgspec.defstruct("JsonSample", [_field(signal) for signal in SIGNALS], bases=(JsonSample,), gc=False),
)
NOT_DECODED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SAMPLE: Final[msgspec.json.Decoder[JsonSample]] = msgspec.json.Decoder(WITH_SIGNALS)
_KEY: Final = re.compile(rb'"(\w+)"\s*:')
_OPTIONAL: Final = attrgetter("sent", *COUNTS, *SIGNAL_NAMES)
_STRUCT_FIELDS: Final = WITH_SIGNALS.__struct_fields__
_FIELDS: Final = len(SAMPLE_SCHEMA)
_CHUNK: Final = 2_000
"""Payloads that are decoded together: few enough for their samples to stay in the processor's cache."""
_MAX_NAMES: Final = 100_000
_names: Final[set[str]] = set()
"""Names of pumps that were checked before, about 10 MB at most; emptied when it is full."""
_PRESENT: Final = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.UInt32) for name in SAMPLE_SCHEMA)


@dataclass
class PlainSamples:
    """The samples of those among many payloads that are one sample in plain form each.

    `places` are the positions of these payloads, ascending; `samples` (`SAMPLE_SCHEMA`) has a row for each, and
    `pumps`, `times` and `sent` are columns of it.
    """

    places: list[int] = field(default_factory=list)
    pumps: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    sent: list[int | None] = field(default_factory=list)
    samples: pl.DataFrame = field(default_factory=empty_samples)


def plain_samples(payloads: Sequence[bytes]) -> PlainSamples:
    """Decode the payloads that are one sample in plain form each; never raises.

    Anything else is left out, for `decode_rows` to read or to reject. For payloads of one sample this gives what
    `decode_rows` gives, in half the time: whatever can be checked for many of them at once is.
    """
    found, frames = PlainSamples(), []
    for first in range(0, len(payloads), _CHUNK):
        part = _plain_part(payloads[first : first + _CHUNK])
        found.places += [first + place for place in part.places]
        found.pumps += part.pumps
        found.times += part.times
        found.sent += part.sent
        frames.append(part.samples)
    if frames:
        found.samples = pl.concat(frames, rechunk=True)
    return found


def _plain_part(payloads: Sequence[bytes]) -> PlainSamples:
    places, rows = _decoded(payloads)
    columns = _columns(rows)
    if str in {*map(type, columns["time"]), *map(type, columns["sent"])}:
        places, rows = _with_times(places, rows)
        columns = _columns(rows)
    samples = pl.DataFrame(columns, SAMPLE_SCHEMA)
    wrong = _with_wrong_keys([payloads[place] for place in places], samples)
    if bad_names := _bad_names(set(columns["pump"])):
        wrong |= {at for at, row in enumerate(rows) if row.pump in bad_names}
    if wrong:
        right = [at for at in range(len(rows)) if at not in wrong]
        columns |= {name: [columns[name][at] for at in right] for name in ("pump", "time", "sent")}
        places, samples = [places[at] for at in right], samples[right]
    return PlainSamples(places, list(columns["pump"]), list(columns["time"]), list(columns["sent"]), samples)


def _bad_names(names: set[str]) -> set[str]:
    """Return the names that no pump can have."""
    unknown = names - _names
    if not unknown:
        return unknown
    bad = {name for name in unknown if not NAME.fullmatch(name)}
    if len(_names) + len(unknown) > _MAX_NAMES:
        _names.clear()
    _names.update(unknown - bad)
    return bad


def _with_wrong_keys(payloads: Sequence[bytes], samples: pl.DataFrame) -> set[int]:
    """Return the positions of payloads with a key that is there twice, or with brackets that are nested too deeply."""
    colons = [payload.count(b":") for payload in payloads]
    # No payload has fewer colons than values: if all together have as many, so has each.
    if sum(colons) == samples.height * _FIELDS - sum(column.null_count() for column in samples.get_columns()):
        return set()
    doubtful = np.flatnonzero(np.array(colons) > samples.select(_PRESENT).to_series().to_numpy()).tolist()
    return {at for at in doubtful if not _has_distinct_keys(payloads[at])}


def plain_row(part: bytes) -> JsonSample:
    """Return one sample in plain form; raise `SampleError` or one of `NOT_DECODED` if it is none.

    A key that is there twice, or a field of another name, needs a colon more than there are values; only then keys and
    nesting are checked.
    """
    if len(part) > MAX_SAMPLE_BYTES:
        raise SampleError(f"{len(part):,} bytes in one sample; the limit is {MAX_SAMPLE_BYTES:,}")
    row = _SAMPLE.decode(part)
    check_name(row)
    if type(row.time) is not int or type(row.sent) is str:
        _read_times(row)
    if part.count(b":") > _FIELDS - _OPTIONAL(row).count(None):
        _check_keys(part)
    return row


def frame_of(rows: list[JsonSample]) -> pl.DataFrame:
    """Return valid samples as a frame with `SAMPLE_SCHEMA`."""
    return pl.DataFrame(_columns(rows), SAMPLE_SCHEMA)


def _columns(rows: list[JsonSample]) -> dict[str, Sequence[Any]]:
    """Return the columns of `SAMPLE_SCHEMA`: a row as a tuple takes half the time of its fields one by one."""
    if not rows:
        return dict.fromkeys(SAMPLE_SCHEMA, ())
    columns = dict(zip(_STRUCT_FIELDS, zip(*map(msgspec.structs.astuple, rows), strict=True), strict=True))
    return {name: columns[name] for name in SAMPLE_SCHEMA}


def check_name(row: JsonSample) -> None:
    """Raise `SampleError` if no pump can have the name in a sample."""
    if not NAME.fullmatch(row.pump):
        raise SampleError(f"pump is {row.pump[:80]!r}; allowed is {name_rule()}")


def _decoded(payloads: Sequence[bytes]) -> tuple[list[int], list[JsonSample]]:
    """Return the positions and contents of the payloads that the decoder takes; names, keys and times are unchecked."""
    if max(map(len, payloads)) <= MAX_SAMPLE_BYTES:
        with contextlib.suppress(*NOT_DECODED):
            return list(range(len(payloads))), list(map(_SAMPLE.decode, payloads))
    places, rows, decode = list[int](), list[JsonSample](), _SAMPLE.decode
    for place, payload in enumerate(payloads):
        if len(payload) > MAX_SAMPLE_BYTES:
            continue
        try:
            rows.append(decode(payload))
        except NOT_DECODED:
            continue
        places.append(place)
    return places, rows


def _with_times(places: list[int], rows: list[JsonSample]) -> tuple[list[int], list[JsonSample]]:
    """Return the rows whose times are numbers, or texts that are times, with their positions."""
    kept = [(place, row) for place, row in zip(places, rows, strict=True) if _has_times(row)]
    return [place for place, _ in kept], [row for _, row in kept]


def _has_times(row: JsonSample) -> bool:
    try:
        _read_times(row)
    except SampleError:
        return False
    return True


def _has_distinct_keys(part: bytes) -> bool:
    try:
        _check_keys(part)
    except SampleError:
        return False
    return True


def _check_keys(part: bytes) -> None:
    """Raise `SampleError` if brackets are nested too deeply, or a key is there twice."""
    check_nesting(part)
    keys = _KEY.findall(part)
    # If each colon follows a plain key, and no key is there twice, all keys are seen to differ.
    if not len(set(keys)) == len(keys) == part.count(b":"):
        read_object(part)


def _read_times(row: JsonSample) -> None:
    """Convert the times that are texts to milliseconds."""
    try:
        row.time = time_of("time", row.time)
        row.sent = None if is_unknown(row.sent) else time_of("sent", row.sent)
    except SampleError as error:
        raise SampleError(f"pump {row.pump!r}: {error}") from None
