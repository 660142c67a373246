"""Snapshot of the fleet for screens: the schemas of its frames, and the health of the pipeline.

How it is written and read is in `broker.store.snapshot_files`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec
import polars as pl

from broker.contract.signals import SIGNAL_NAMES

PRIORITIES: Final = ("high", "medium", "low")
PRIORITY_CODE: Final = {"high": 1, "medium": 2, "low": 3}
"""0 is a pump without an alarm."""

BANDS: Final = ("under_dosed_h", "over_dosed_h", "low_d", "empty_d", "eri_d", "eos_d")
"""What is forecast of each pump, each from now as the three columns of `band`: h until the effect is too small or too
large, days until the reservoir is low and empty, and until the battery asks for replacement (ERI) and ends (EOS)."""
FORECASTS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "effect": pl.Float32(),
    **{f"{name}_{edge}": pl.Float32() for name in BANDS for edge in ("low", "mid", "high")},
    "refill_due": pl.Int64(),
}
"""`effect` is what the drug on board does, as a share of what the program would do; `refill_due` is therapy ms. Between
low and high the truth lies in four of five cases. Infinite is "not if nothing changes", null is unknown."""


def band(name: str) -> tuple[str, str, str]:
    """Return the columns of one of `BANDS`: low, mid, high."""
    return f"{name}_low", f"{name}_mid", f"{name}_high"


PUMPS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "pump": pl.String(),
    "gateway": pl.String(),
    "site": pl.String(),
    "model": pl.String(),
    "lot": pl.String(),
    "group": pl.String(),
    "reservoir_capacity_ml": pl.Float32(),
    "concentration_ug_ml": pl.Float32(),
    "prescription": pl.String(),
    "time": pl.Int64(),
    "age_s": pl.Float32(),
    "silent": pl.Boolean(),
    "seq": pl.Int64(),
    "boot": pl.Int64(),
    "program": pl.Int64(),
    "flags": pl.Int64(),
    **{name: pl.Float32() for name in SIGNAL_NAMES},
    "samples": pl.Int64(),
    "lost": pl.Int64(),
    "late": pl.Int64(),
    "repeated": pl.Int64(),
    "priority": pl.Int8(),
    "alarms": pl.Int16(),
    "unacknowledged": pl.Int16(),
    "worst": pl.String(),
    **FORECASTS_SCHEMA,
}
"""One row a pump. `reservoir_capacity_ml` is the reservoir's size; null in any column is unknown.

`age_s` is therapy seconds since its last sample and `silent` says that this is too long. `lost` samples were skipped
by `seq` and never came, `late` ones came after younger ones, `repeated` ones had come before. `priority` is
that of the worst open alarm (1 high, 2 medium, 3 low, 0 none) and `worst` that alarm's rule.
"""

ALARMS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "alarm": pl.String(),
    "subject": pl.String(),
    "subject_kind": pl.String(),
    "pump": pl.String(),
    "gateway": pl.String(),
    "site": pl.String(),
    "rule": pl.String(),
    "title": pl.String(),
    "priority": pl.Int8(),
    "state": pl.String(),
    "onset": pl.Int64(),
    "raised": pl.Int64(),
    "raised_wall": pl.Int64(),
    "returned": pl.Int64(),
    "acknowledged_wall": pl.Int64(),
    "acknowledged_by": pl.String(),
    "age_s": pl.Float32(),
    "score": pl.Float32(),
    "score_now": pl.Float32(),
    "evidence": pl.String(),
    "meaning": pl.String(),
    "action": pl.String(),
    "deadline": pl.String(),
    "explains": pl.String(),
    "held": pl.Int32(),
    "first_out": pl.String(),
    "latch": pl.Boolean(),
    "shelved_left_s": pl.Float32(),
    "shelved_wall": pl.Int64(),
    "shelved_by": pl.String(),
    "shelved_why": pl.String(),
    "out_wall": pl.Int64(),
    "out_by": pl.String(),
    "out_why": pl.String(),
    "note": pl.String(),
    "note_wall": pl.Int64(),
    "note_by": pl.String(),
}
"""One row an open alarm. `subject` is a pump's serial, a gateway's name, a cohort's such as "lot B07", the name of
something else, or "fleet"; `pump` is null where it is no pump.

`state` is a state of ISA-18.2: unacknowledged, acknowledged,
returned, latched, shelved or out_of_service. `deadline` says how long one has. `explains` names the
consequences held under it, which have no row of their own, `held` counts them, and `first_out` is which of all of them
came first. `onset`, `raised` and `returned` are therapy ms; what ends in `_wall` is wall ms; `age_s` is therapy seconds
since onset, `shelved_left_s` until it calls again. What ends in `_by` is who, in `_why` why.
`score` is the highest so far, `score_now` null where it is about no pump; `evidence` is that of `broker.contract.evidence`.
"""
WAITING: Final = ("unacknowledged", "returned")
"""The states in which an alarm waits for somebody to acknowledge it."""

ORDERS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "subject": pl.String(),
    "subject_kind": pl.String(),
    "pump": pl.String(),
    "rule": pl.String(),
    "title": pl.String(),
    "left_s": pl.Float32(),
    "out_wall": pl.Int64(),
    "out_by": pl.String(),
    "out_why": pl.String(),
}
"""What is out of service before it alarms, a row an order: of a subject all alarms (`rule` null) or those of one rule,
for another `left_s` therapy seconds or (null) until somebody puts it back."""

GATEWAYS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "gateway": pl.String(),
    "shard": pl.Int16(),
    "state": pl.String(),
    "pumps": pl.Int32(),
    "speed": pl.Float64(),
    "therapy_ms": pl.Int64(),
    "heard_wall": pl.Int64(),
    "waiting": pl.Int64(),
    "dropped": pl.Int64(),
    "resent": pl.Int64(),
}
"""One row a gateway. `waiting` and `dropped` are samples, as it says itself; `resent` are messages that came again."""


class Refusal(msgspec.Struct):
    """Something that was refused: where it came from, when (wall ms), why, and how it began."""

    topic: str
    at: int
    reason: str
    excerpt: str = ""


class CapacityLimit(msgspec.Struct):
    """Something of limited size: how full it is, and how often it was full.

    `warn_at` is the share at which that is an alarm (None: to be full is how it is meant to be). What happens when it
    is full: the rest `waits` elsewhere, the `oldest goes` as it is set, something is `thrown away`, more pumps are
    refused, or it `grows` on.
    """

    name: str
    value: float
    limit: float
    unit: str
    reached: int = 0
    warn_at: float | None = None
    when_full: Literal["waits", "oldest goes", "thrown away", "refused pumps", "grows"] = "waits"

    @property
    def near(self) -> bool:
        """Whether it is so full that somebody should know."""
        return self.warn_at is not None and 0 < self.warn_at * self.limit <= self.value


class Health(msgspec.Struct, kw_only=True):
    """How the pipeline is, as of one snapshot.

    `written` is wall ms, `therapy_ms` the fleet's therapy clock, which began at `therapy_start` (0: unknown).
    `rules` are the titles of the rules of pumps, by their names.
    """

    version: int = 0
    written: int = 0
    started: int = 0
    therapy_start: int = 0
    therapy_ms: int = 0
    speed: float = 1.0
    broker: str = ""
    protocol: str = ""
    connected: bool = False
    samples: int = 0
    samples_per_s: float = 0.0
    messages: int = 0
    lost: int = 0
    late: int = 0
    repeated: int = 0
    refused: int = 0
    refusals: list[Refusal] = []
    latency_ms: dict[str, float] = {}
    bounds: list[CapacityLimit] = []
    reconnects: int = 0
    clock_steps: int = 0
    faults: list[str] = []
    rules: dict[str, str] = {}
    notes: list[str] = []


@dataclass(frozen=True)
class Snapshot:
    """One consistent picture of the fleet."""

    pumps: pl.DataFrame
    alarms: pl.DataFrame
    gateways: pl.DataFrame
    health: Health
    orders: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ORDERS_SCHEMA))

    @property
    def version(self) -> int:
        """Counts snapshots since the processor started; 0 is "none yet"."""
        return self.health.version


def empty() -> Snapshot:
    """Return the snapshot of a fleet nobody has heard of yet."""
    return Snapshot(
        pl.DataFrame(schema=PUMPS_SCHEMA),
        pl.DataFrame(schema=ALARMS_SCHEMA),
        pl.DataFrame(schema=GATEWAYS_SCHEMA),
        Health(),
    )
