"""Route of an open alarm as the HL7 text of IHE PCD-04."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

import polars as pl
from fastapi import Query, Response

from broker.interop.pcd04 import message
from broker.interop.stored import rule_terms
from dashboard.api.route import ApiError, Data

MEDIA: Final = "application/hl7-v2"


async def pcd04(data: Data, alarm: Annotated[str, Query(min_length=1, max_length=200)]) -> Response:
    """Return an open alarm as HL7 version 2.6, ORU^R40 of IHE PCD-04, marked as simulated; segments end with CR."""
    snapshot = data.snapshot()
    rows = snapshot.alarms.filter(pl.col("alarm") == alarm)
    if rows.is_empty():
        raise ApiError(404, f"No alarm {alarm!r} is open; the open ones are listed at /api/v1/alarms.", kind="no-alarm")
    row = rows.row(0, named=True)
    text = message(row, rule_terms(snapshot).get(row["rule"]), at=snapshot.health.written, number=secrets.token_hex(10))
    return Response(text.encode(), headers={"Cache-Control": "no-store"}, media_type=MEDIA)
