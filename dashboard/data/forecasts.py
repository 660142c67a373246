"""What forecasts of one pump are worth showing: a present fault, or the end of service, makes some meaningless."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from broker.contract.datasheet import LOW_RESERVOIR_ML, RESIDUAL_ML
from broker.store.pump_table import band
from dashboard.languages import tr_later

AFTER_SERVICE: Final = tr_later("after end of service")
NO_FLOW: Final = tr_later("no flow, no forecast")
ENDED: Final = tr_later("service ended, no forecast")
NOW_EMPTY: Final = tr_later("empty now")
NOW_LOW: Final = tr_later("low now")
MIN_FLOW_SHARE: Final = 0.05
"""Share of the commanded flow below which the reservoir does not run empty in a time worth showing."""
DAY_MS: Final = 86_400_000
LEVELS_ML: Final = {"low_d": LOW_RESERVOIR_ML, "empty_d": RESIDUAL_ML}


def no_flow(row: Mapping[str, Any]) -> bool:
    """Return whether a pump delivers next to nothing of what is commanded."""
    flow, commanded = row["flow_ul_h"], row["commanded_ul_h"]
    return flow is not None and bool(commanded) and flow < MIN_FLOW_SHARE * commanded


def instead(row: Mapping[str, Any], name: str) -> str:
    """Return what to show in place of a forecast of the reservoir (`name` "low_d" or "empty_d"), "" for the forecast.

    A level that is reached needs no forecast; a pump that delivers next to nothing has none, however long its reservoir
    would last; and none goes beyond the end of its service.
    """
    middle, service = row[band(name)[1]], row[band("eos_d")[1]]
    level = row.get("reservoir_ml")
    if level is not None and level <= LEVELS_ML[name]:
        return NOW_EMPTY if name == "empty_d" else NOW_LOW
    if service is not None and service <= 0:
        return ENDED
    if no_flow(row):
        return NO_FLOW
    known = middle is not None and service is not None
    return AFTER_SERVICE if known and service < middle < math.inf else ""


def until_service_ends(row: Mapping[str, Any], name: str) -> tuple[float | None, float | None, float | None]:
    """Return a forecast (low, mid, high) of which no edge is later than the end of service."""
    (low, mid, high), (_, _, end) = (row[column] for column in band(name)), (row[column] for column in band("eos_d"))
    if mid is None or end is None:
        return low, mid, high
    return low, mid, min(high, end)


def refill_instead(row: Mapping[str, Any], now: int) -> str:
    """Return what to show in place of the day a refill is due: none is due after the end of service."""
    service, due = row[band("eos_d")[1]], row["refill_due"]
    if service is None or not math.isfinite(service) or due is None:
        return ""
    if service <= 0:
        return ENDED
    return AFTER_SERVICE if due > now + service * DAY_MS else ""
