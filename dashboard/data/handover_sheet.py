"""Handover sheet: what stands, what happened, what is shelved and what to watch at a change of shift, at one moment."""

from __future__ import annotations

from typing import Final

import msgspec

FORMAT: Final = 1
MAX_TEXT: Final = 4_000
"""Characters of the text by whoever hands over."""
MAX_LINES: Final = 150
"""Lines of each part of a sheet; each part says how many more there were."""


class OpenAlarm(msgspec.Struct, frozen=True):
    """An open alarm, as in the columns of the same names of `broker.store.snapshot.ALARMS_SCHEMA`."""

    priority: int
    subject: str
    subject_kind: str
    pump: str | None
    title: str
    state: str
    raised_wall: int | None
    returned: int | None
    age_s: float | None
    speed: float | None
    harm_s: float | None
    deadline: str | None
    action: str | None
    acknowledged_by: str | None
    acknowledged_wall: int | None
    shelved_by: str | None
    shelved_why: str | None
    shelved_left_s: float | None
    out_by: str | None
    out_wall: int | None
    out_why: str | None
    note: str | None
    note_by: str | None
    note_wall: int | None


class Order(msgspec.Struct, frozen=True):
    """What is out of service (`broker.store.snapshot.ORDERS_SCHEMA`)."""

    subject: str
    title: str | None
    left_s: float | None
    out_wall: int | None
    out_by: str | None
    out_why: str | None


class AlarmLine(msgspec.Struct, frozen=True):
    """An occurrence of an alarm, as in the columns of the same names of `dashboard.data.occurrences.SCHEMA`."""

    priority: int | None
    subject: str
    pump: str | None
    title: str
    raised: int | None
    acknowledged: int | None
    acknowledged_by: str | None
    response_ms: int | None
    returned: int | None


class ActionLine(msgspec.Struct, frozen=True):
    """What a person did: `kind` of the journal, wall ms, what it was about, and the text of the entry."""

    at: int
    kind: str
    who: str
    about: str
    text: str


class Due(msgspec.Struct, frozen=True):
    """A forecast that comes due in the next shift, in `in_s` therapy seconds (negative: overdue), at a speed."""

    pump: str
    what: str
    in_s: float
    speed: float


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """A handover sheet. `made` and `since` are wall ms, `hours` how far it looks back and ahead.

    `counts` are those of the header of every page. `more` says how many lines each part had beyond `MAX_LINES`.
    """

    format: int = FORMAT
    number: int
    made: int
    since: int
    hours: int
    by: str
    text: str
    data_age_ms: int
    speed: float
    counts: dict[str, int]
    standing: list[OpenAlarm]
    aside: list[OpenAlarm]
    orders: list[Order]
    happened: list[AlarmLine]
    raised: int
    acknowledged: int
    median_response_ms: float | None
    actions: list[ActionLine]
    due: list[Due]
    notes: list[OpenAlarm]
    more: dict[str, int]
