"""Routes of alarms: the open ones, their history, and alarm actions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import polars as pl
from fastapi import Query, Request, Response

from broker.contract.actions import MAX_WHY
from broker.store import journal_query
from broker.store.snapshot import PRIORITY_CODE
from dashboard.api.answers import from_snapshot, heavy, json_answer, rows
from dashboard.api.cursors import Cursor, Limit, cursor_of, place_of
from dashboard.api.idempotency import IdempotencyKey
from dashboard.api.models import EVENT_COLUMNS, AlarmList, Noting, Service, Shelving
from dashboard.api.route import ApiError, Data
from dashboard.api.times import Since, Until, time_of
from dashboard.data import queries
from dashboard.data.alarm_actions import ALARM_ACTIONS

State = Literal["unacknowledged", "acknowledged", "returned", "latched", "shelved", "out_of_service"]
Text = Annotated[str, Query(max_length=80)]


async def alarms(
    request: Request,
    data: Data,
    *,
    priority: Literal["high", "medium", "low"] | None = None,
    state: State | None = None,
    rule: Text = "",
    pump: Text = "",
    site: Text = "",
    gateway: Text = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List the open alarms by id, which begins with what they are about; `priority` and `state` tell urgency."""
    query = ("alarms", priority, state, rule, pump, site, gateway)
    after = "" if cursor is None else place_of(query, cursor)[1]
    snapshot = data.snapshot()

    def content() -> dict[str, Any]:
        wanted = {"state": state, "rule": rule, "pump": pump, "site": site, "gateway": gateway}
        found = snapshot.alarms.filter(*(pl.col(name) == value for name, value in wanted.items() if value))
        if priority:
            found = found.filter(pl.col("priority") == PRIORITY_CODE[priority])
        rest = found.filter(pl.col("alarm") > after).sort("alarm")
        shown = rest.head(limit)
        following = cursor_of(query, None, shown["alarm"][-1]) if rest.height > limit else None
        return {"items": rows(shown), "total": found.height, "next": following}

    return await heavy(request, lambda: from_snapshot(request, snapshot, content))


async def history(
    request: Request,
    data: Data,
    *,
    since: Since = None,
    until: Until = None,
    pump: Text = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List what happened to alarms, the newest first, from the journal; times are wall-clock times."""
    chosen = ("history", since, until, pump)
    before = None
    if cursor is not None:
        name = place_of(chosen, cursor)[1]
        before = int(name[:18]) if name.isascii() and name.isdecimal() else 0
    query = journal_query.Query(
        pump=pump or None,
        since=time_of(since),
        until=time_of(until),
        alarms_only=True,
        limit=limit + 1,
        before=before,
    )
    found = await heavy(request, lambda: journal_query.numbered(data.settings.data, query))
    shown = found.head(limit).select(*EVENT_COLUMNS)
    following = cursor_of(chosen, None, str(shown["id"][-1])) if found.height > limit else None
    return json_answer({"items": rows(shown), "total": None, "next": following})


async def acknowledge(request: Request, data: Data, body: AlarmList, key: IdempotencyKey = None) -> Response:
    """Acknowledge alarms; answered once that is durable."""
    waiting = queries.waiting_ids(data.snapshot().alarms, {"alarms": body.alarms})
    return await _act(request, data, "acknowledge", body, key, ids=waiting)


async def unacknowledge(request: Request, data: Data, body: AlarmList, key: IdempotencyKey = None) -> Response:
    """Withdraw the acknowledgement of alarms; answered once that is durable."""
    return await _act(request, data, "unacknowledge", body, key)


async def note(request: Request, data: Data, body: Noting, key: IdempotencyKey = None) -> Response:
    """Write a note, `why`, to alarms; answered once that is durable."""
    return await _act(request, data, "note", body, key)


async def reset(request: Request, data: Data, body: AlarmList, key: IdempotencyKey = None) -> Response:
    """Reset latched alarms whose condition has ended and that are acknowledged; answered once that is durable."""
    return await _act(request, data, "reset", body, key)


async def shelve(request: Request, data: Data, body: Shelving, key: IdempotencyKey = None) -> Response:
    """Shelve alarms for a time, with a reason; answered once that is durable."""
    return await _act(request, data, "shelve", body, key, for_s=body.for_s)


async def unshelve(request: Request, data: Data, body: AlarmList, key: IdempotencyKey = None) -> Response:
    """Annunciate shelved alarms again; answered once that is durable."""
    return await _act(request, data, "unshelve", body, key)


async def out_of_service(request: Request, data: Data, body: Service, key: IdempotencyKey = None) -> Response:
    """Take alarms out of service during a repair, with a reason; answered once that is durable."""
    return await _act(request, data, "out_of_service", body, key)


async def in_service(request: Request, data: Data, body: Service, key: IdempotencyKey = None) -> Response:
    """Return alarms to service; answered once that is durable."""
    return await _act(request, data, "in_service", body, key)


async def _act(
    request: Request,
    data: Data,
    name: str,
    body: AlarmList,
    key: str | None,
    *,
    ids: list[str] | None = None,
    for_s: float | None = None,
) -> Response:
    if ALARM_ACTIONS[name].prompt and not body.why.strip():
        what = "a note" if name == "note" else "a reason"
        raise ApiError(400, f"why: give {what} of 1 to {MAX_WHY} characters.", kind="bad-parameter")

    async def act(action_id: str) -> dict[str, Any]:
        chosen = body.alarms if ids is None else ids
        if not chosen:
            text = "None of these alarms waits for acknowledgment: acknowledged already, or ended."
            raise ApiError(409, text, kind="nothing-done")
        answer = await data.apply(name, chosen, why=body.why, for_s=for_s, action_id=action_id)
        if not answer.reached:
            raise ApiError(502, answer.text, kind="broker-unreachable")
        if not answer.good:
            raise ApiError(409, answer.text, kind="nothing-done")
        return {"id": action_id, "text": answer.text}

    done = await request.app.state.answered.once(request, key, body.model_dump(), act)
    return json_answer(done)
