"""Routes of what is known about the system: rules, faults, injections, scorecard, health."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query, Request, Response

from dashboard.api.answers import constant, heavy, json_answer, rows
from dashboard.api.idempotency import IdempotencyKey
from dashboard.api.models import Injecting
from dashboard.api.route import ApiError, Data
from dashboard.data import injections as found_injections
from dashboard.data import live_scorecard
from dashboard.data.fault_catalogue import catalogue
from dashboard.data.live_scorecard import LiveScorecard, Score
from dashboard.data.pump_search import choose


async def rules(request: Request, data: Data) -> Response:
    """List the alarm rules: what each is about, priority, meaning, action, time to respond, delays."""
    return constant(request, {"items": rows(data.snapshot().rules)})


async def faults(request: Request, data: Data) -> Response:
    """List the faults that can be injected: what they are and how they show."""
    health = data.snapshot().health
    known = catalogue()
    names = health.faults or sorted(known)
    items = []
    for name in names:
        entry = known.get(name)
        texts = ("summary", "signature", "severity", "unseen")
        title = health.fault_titles.get(name) or (entry.title if entry else name)
        items.append({"fault": name, "title": title, **{text: getattr(entry, text, "") for text in texts}})
    return constant(request, {"items": items})


async def injections(
    request: Request, data: Data, state: Annotated[Literal["all", "running", "ended"], Query()] = "all"
) -> Response:
    """List the newest injected faults, at most 100, each with what became of it; times are therapy ms."""
    score = await _score(request, data)
    items, more = found_injections.injections(score, state) if score else ([], 0)
    return json_answer({"items": [finite(asdict(one)) for one in items], "more": more})


async def inject(request: Request, data: Data, body: Injecting, key: IdempotencyKey = None) -> Response:
    """Inject a fault into simulated pumps; answered once their gateways have replied."""
    snapshot = data.snapshot()
    if body.fault not in (snapshot.health.faults or catalogue()):
        text = f"There is no fault {body.fault!r}; the faults are listed at /api/v1/faults."
        raise ApiError(400, text, kind="bad-parameter")
    unknown = sorted(set(body.pumps) - set(snapshot.table.facts["pump"].filter(_among(snapshot, body.pumps))))
    if unknown:
        raise ApiError(404, f"There is no pump {unknown[0][:80]!r} ({len(unknown)} unknown).", kind="no-pump")
    chosen = choose(snapshot.table, " ".join(body.pumps)).pumps

    async def act(_action_id: str) -> dict[str, Any]:
        replies = await data.inject(
            chosen, fault=body.fault, severity=body.severity, ramp_s=body.ramp_s, hold_s=body.hold_s
        )
        if not any(reply.ok for reply in replies):
            text = "; ".join(dict.fromkeys(reply.text for reply in replies))[:400]
            raise ApiError(502, f"No gateway injected it: {text}.", kind="not-injected")
        return {
            "replies": [{"gateway": one.gateway, "ok": one.ok, "text": one.text, "pumps": one.pumps} for one in replies]
        }

    return json_answer(await request.app.state.answered.once(request, key, body.model_dump(), act))


def _among(snapshot: Any, names: list[str]) -> Any:
    return snapshot.table.facts["pump"].is_in(names)


async def scorecard(request: Request, data: Data) -> Response:
    """Return how well injected faults were detected: totals, and per fault. 404 without a simulated fleet."""
    score = await _score(request, data)
    if score is None:
        text = "There is no ground truth: no simulated fleet writes to this data directory."
        raise ApiError(404, text, kind="no-ground-truth")
    figures = {"totals": live_scorecard.totals(score), "by_fault": live_scorecard.by_fault(score)}
    return json_answer({"therapy_ms": score.now, "pump_days": score.pump_days, **finite(figures)})


async def health(data: Data) -> Response:
    """Return the health of the stream processor: throughput, latency, limits, losses, and the snapshot's age."""
    found = msgspec.to_builtins(data.snapshot().health)
    return json_answer({**finite(found), "age_ms": data.live.beat()["age_ms"]})


async def _score(request: Request, data: Data) -> Score | None:
    state = request.app.state
    if not hasattr(state, "scorecard"):
        state.scorecard = LiveScorecard(data)
    found: LiveScorecard = state.scorecard
    return await heavy(request, found.score)


def finite(value: Any) -> Any:
    """Return JSON content without infinite numbers, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value
