"""Telemetry payloads for the tests of intake: one valid JSON sample, and frames of samples."""

from __future__ import annotations

import polars as pl

from broker.contract.codec import encode_arrow
from broker.contract.signals import SAMPLE_SCHEMA

START_MS = 1_767_225_600_000
SAMPLE = b'{"pump":"A","time":1767225600000,"seq":1,"flow_ul_h":8.1}'


def frame(**columns: object) -> pl.DataFrame:
    rows = max((len(values) for values in columns.values() if isinstance(values, list)), default=1)
    given = {"pump": ["A"] * rows, "time": [START_MS] * rows, **columns}
    return pl.DataFrame({name: given.get(name, [None] * rows) for name in SAMPLE_SCHEMA}, SAMPLE_SCHEMA)


def arrow(**columns: object) -> bytes:
    return encode_arrow(frame(**columns))
