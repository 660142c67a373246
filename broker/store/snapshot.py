"""Snapshot of the fleet for screens: the schemas of its frames, and the health of the pipeline.

How it is written and read is in `broker.store.snapshot_files`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec
import polars as pl

from broker.contract.rule_targets import RuleTargets
from broker.store.cluster_health import NodeHealth, RangeHealth
from broker.store.fleet_silence import SilenceCount
from broker.store.pump_table import PUMPS_SCHEMA, PumpTable, no_pumps
from broker.store.rule_facts import RULES_SCHEMA

COUNTED: Final = ("lost", "late", "repeated", "refused", "reconnects")
"""Counts of trouble in the health of the pipeline, which people ask about only while they grow."""
PRIORITIES: Final = ("high", "medium", "low")
PRIORITY_CODE: Final = {"high": 1, "medium": 2, "low": 3}
"""0 means that a pump has no alarm."""

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
    "speed": pl.Float32(),
    "score": pl.Float32(),
    "score_now": pl.Float32(),
    "evidence": pl.String(),
    "meaning": pl.String(),
    "action": pl.String(),
    "deadline": pl.String(),
    "harm_s": pl.Float32(),
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
"""One row per open alarm. `subject` is what it is about: a pump's serial, the name of a gateway, of a cohort such as
"lot B07" or of a part of Pumpwatch, or "fleet"; `subject_kind` says which (`broker.contract.subjects`), and `pump` is
null unless it is a pump.

`state` is a state of ISA-18.2: unacknowledged, acknowledged, returned, latched, shelved or out_of_service. `deadline`
says how long a person has to respond. `explains` names the consequences that it suppresses, which have no row of their
own, `held` counts them, and `first_out` is the first of all of them. `onset`, `raised` and `returned` are therapy ms;
columns that end in `_wall` are wall ms; `age_s` is therapy seconds since onset, `shelved_left_s` until it is unshelved,
`harm_s` until the patient is under-dosed, as `deadline` says (null if it does not). `speed` is the therapy seconds per
wall second of its subject; an alarm about Pumpwatch itself (`subject_kind` "system") has its `age_s` in wall seconds.
Columns that end in `_by` say who, in `_why` why. `score` is the highest so far, `score_now` null unless it is about a
pump; `evidence` is JSON of `broker.contract.evidence`.
"""
WAITING: Final = ("unacknowledged", "returned")
"""The states in which an alarm waits for its acknowledgement."""

ORDERS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "subject": pl.String(),
    "subject_kind": pl.String(),
    "pump": pl.String(),
    "rule": pl.String(),
    "title": pl.String(),
    "left_s": pl.Float32(),
    "speed": pl.Float32(),
    "out_wall": pl.Int64(),
    "out_by": pl.String(),
    "out_why": pl.String(),
}
"""Subjects that are out of service, one row per entry: all alarms of a subject (`rule` null) or those of one rule, for
another `left_s` therapy seconds or (null) until it is put back. `speed` is as in `ALARMS_SCHEMA`."""

RETIRED_SCHEMA: Final[dict[str, pl.DataType]] = {
    **{name: PUMPS_SCHEMA[name] for name in ("pump", "gateway", "site", "model", "lot", "time")},
    "retired_wall": pl.Int64(),
    "retired_by": pl.String(),
    "retired_why": pl.String(),
}
"""Retired pumps, which are in no other frame. `time` is that of the last sample; `retired_wall`, `retired_by` and
`retired_why` are null if a pump was retired with its gateway, `retired_by` also if no person did it."""

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
    "delay_ms": pl.Int64(),
}
"""One row per gateway. `waiting` and `dropped` are samples, as it reports; `resent` are redelivered messages.

`delay_ms` is the wall-clock time from the stamp of its latest message to its arrival, redelivered ones left out: how
far its clock is behind, and the message's time on the way; negative if its clock is ahead, null without a stamp.
"""


class Refusal(msgspec.Struct):
    """A rejected payload: its topic, when it arrived (wall ms), the reason, and its first bytes."""

    topic: str
    at: int
    reason: str
    excerpt: str = ""


class CapacityLimit(msgspec.Struct):
    """A buffer or limit: its utilization, and how often it was full.

    `warn_at` is the share at which an alarm is raised (None: being full is normal). `when_full` says what happens then:
    new data is `delayed`, the `oldest removed` as configured, data `discarded`, further `pumps refused`, what comes
    too fast is refused (`rate exceeded`), or it `grows` beyond the limit.
    """

    name: str
    value: float
    limit: float
    unit: str
    reached: int = 0
    warn_at: float | None = None
    when_full: Literal["delayed", "oldest removed", "discarded", "pumps refused", "rate exceeded", "grows"] = "delayed"

    @property
    def near(self) -> bool:
        """Whether its utilization has reached `warn_at`."""
        return self.warn_at is not None and 0 < self.warn_at * self.limit <= self.value


class Health(msgspec.Struct, kw_only=True):
    """Health of the pipeline, as of one snapshot.

    `written` is wall ms, `therapy_ms` the therapy clock of the fleet, which began at `therapy_start` (0: unknown).
    `rules` are the titles of the rules of pumps by name; `rule_targets` the faults that rules identify or detect;
    `grown` says when (wall ms) one of the counts `COUNTED` last grew since the start, without those that never did;
    `faults` the faults that gateways can inject, and `fault_titles` their titles. `ranges` and `nodes` are those of a
    cluster, `silence` what the processor of a range contributes to the silence of the fleet; a single processor has
    none of them.
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
    grown: dict[str, int] = {}
    clock_steps: int = 0
    faults: list[str] = []
    fault_titles: dict[str, str] = {}
    rules: dict[str, str] = {}
    rule_targets: dict[str, RuleTargets] = {}
    notes: list[str] = []
    ranges: list[RangeHealth] = []
    nodes: list[NodeHealth] = []
    silence: SilenceCount | None = None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One consistent snapshot of the fleet. Of a large fleet, the pumps in it may be older than the alarms."""

    table: PumpTable
    alarms: pl.DataFrame
    gateways: pl.DataFrame
    health: Health
    orders: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ORDERS_SCHEMA))
    retired: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RETIRED_SCHEMA))
    rules: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RULES_SCHEMA))

    @classmethod
    def of(
        cls, pumps: pl.DataFrame, alarms: pl.DataFrame, gateways: pl.DataFrame, health: Health, **more: pl.DataFrame
    ) -> Snapshot:
        """Return a snapshot of pumps given whole (`PUMPS_SCHEMA`)."""
        return cls(PumpTable.of(pumps), alarms, gateways, health, **more)

    @property
    def pumps(self) -> pl.DataFrame:
        """All pumps (`PUMPS_SCHEMA`); of a large fleet better ask `table` for rows or columns."""
        return self.table.frame

    @property
    def version(self) -> int:
        """Number of snapshots since the processor started; 0 means none yet."""
        return self.health.version


def empty() -> Snapshot:
    """Return the snapshot before any gateway was heard."""
    return Snapshot(no_pumps(), pl.DataFrame(schema=ALARMS_SCHEMA), pl.DataFrame(schema=GATEWAYS_SCHEMA), Health())
