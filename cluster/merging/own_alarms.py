"""Alarms of the merger itself: about ranges, nodes and servers, which no processor can judge; one row for each.

They begin and end with their condition. Nobody can acknowledge them, as no processor owns them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from broker.contract.subjects import system_subject
from broker.store.cluster_health import NodeHealth
from broker.store.journal import EVENTS_SCHEMA
from broker.store.rule_facts import RULES_SCHEMA
from broker.store.snapshot import ALARMS_SCHEMA, PRIORITY_CODE

RANGE: Final = "range_not_judged"
NODE: Final = "node_lost"
SERVER: Final = "nats_server_down"


@dataclass(frozen=True)
class Row:
    """One alarm: how long its condition stands before it is raised, and what people read of it.

    A new merger cannot tell for `unsure_s` whether an alarm of the merger before is over.
    """

    rule: str
    title: str
    priority: str
    on_delay_s: float
    unsure_s: float
    meaning: str
    action: str
    respond: str
    rationale: str
    began: str
    ended: str


ROWS: Final = (
    Row(
        RANGE,
        "Part of the fleet not judged",
        "high",
        10.0,
        10.0,
        "No processor works on this range. Its pumps are shown as they last were: new alarms about them do not appear.",
        "Start the processor of this range, or another one. Until then, rely on pagers. The gateways keep samples.",
        "none: new alarms about these pumps do not appear",
        "A pump fault would be detected by a processor, but this range has none.",
        "nobody judges this range",
        "this range is judged again",
    ),
    Row(
        NODE,
        "Node lost",
        "medium",
        15.0,
        15.0,
        "This node ended without being stopped, or its machine or network failed. Other nodes have taken over its "
        "ranges and carry more; if they fail too, part of the fleet is not judged.",
        "Start the node again, or another one in its place. If it is not to come back, remove its file in the "
        "directory nodes of the shared data directory.",
        "hours, while other nodes judge its ranges",
        "A cluster that has lost a node has less to lose; nobody sees it in the alarms about pumps.",
        "this node has not reported for 15 s",
        "this node reports again, or another one was started in its place",
    ),
    Row(
        SERVER,
        "NATS server down",
        "medium",
        10.0,
        20.0,
        "This server does not answer, or says that it is not healthy. The others carry the cluster; if one more fails, "
        "no message reaches a processor. Gateways then keep their samples.",
        "Start the server again under its name, with its disk or an empty one, and check its log.",
        "hours, while a majority of the servers is left",
        "Two servers of three are needed; the loss of one is seen nowhere else.",
        "this server has not answered for 10 s",
        "this server answers again",
    ),
)
OF: Final = {row.rule: row for row in ROWS}


@dataclass(frozen=True)
class Condition:
    """A condition that stands: the rule, what it is about, since when (wall ms), and a sentence for the Pipeline page.

    `therapy_ms` is the onset in therapy time. `meaning` and `action` stand in place of those of the row, if given.
    """

    rule: str
    name: str
    since: int
    therapy_ms: int
    note: str
    meaning: str = ""
    action: str = ""

    @property
    def subject(self) -> str:
        """The subject of the alarm."""
        return system_subject(self.name)


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema=ALARMS_SCHEMA)


@dataclass
class OwnAlarms:
    """The alarms (`ALARMS_SCHEMA`) that this merger shows; `before` are those that the merger before it had raised."""

    before: pl.DataFrame = field(default_factory=_nothing)
    _shown: pl.DataFrame = field(default_factory=_nothing)
    _began_s: float | None = None

    def of(self, conditions: Iterable[Condition], now_s: float, wall_ms: int) -> pl.DataFrame:
        """Return one alarm about each condition; `now_s` is a clock that is never set.

        What stood before stays the same alarm with its onset, whoever raised it. Those of the merger before also
        stand until this one has looked for long enough to know that they are over.
        """
        self._began_s = now_s if self._began_s is None else self._began_s
        unsure = [row.rule for row in ROWS if now_s - self._began_s < row.unsure_s]
        held = self.before.filter(pl.col("rule").is_in(unsure))
        known = {
            (str(row["rule"]), str(row["subject"])): row for row in pl.concat([held, self._shown]).iter_rows(named=True)
        }
        rows = [_row(each, known.get((each.rule, each.subject)), wall_ms) for each in conditions]
        found = pl.DataFrame(rows, ALARMS_SCHEMA)
        self._shown = pl.concat([found, held.join(found, on=["rule", "subject"], how="anti", maintain_order="left")])
        return self._shown


def _row(condition: Condition, known: Mapping[str, Any] | None, wall_ms: int) -> dict[str, object]:
    row = OF[condition.rule]
    began: Mapping[str, Any] = known or {
        "alarm": f"{row.rule}-{condition.name.rpartition(' ')[2]}-{condition.since}",
        "onset": condition.therapy_ms,
        "raised": condition.therapy_ms,
        "raised_wall": condition.since,
    }
    return {
        **dict.fromkeys(ALARMS_SCHEMA),
        **{name: began[name] for name in ("alarm", "onset", "raised", "raised_wall")},
        "subject": condition.subject,
        "subject_kind": "system",
        "rule": row.rule,
        "title": row.title,
        "priority": PRIORITY_CODE[row.priority],
        "state": "unacknowledged",
        # A merger before this one may have had another clock.
        "age_s": max(0, wall_ms - began["raised_wall"]) / 1000,
        "speed": 1.0,
        "score": 1.0,
        "meaning": condition.meaning or row.meaning,
        "action": condition.action or row.action,
        "deadline": row.respond,
        "held": 0,
        "latch": False,
    }


def among(alarms: pl.DataFrame) -> pl.DataFrame:
    """Return those of these alarms that a merger has raised itself."""
    return alarms.filter(pl.col("rule").is_in(list(OF)))


def lost(node: NodeHealth, wall_ms: int, therapy_ms: int) -> Condition:
    """Return the condition of a node that is silent, as of a wall-clock and a therapy time."""
    name = f"node {node.node}"
    note = f"{name} has not reported for {node.silent_s:.0f} s"
    return Condition(NODE, name, wall_ms - round(node.silent_s * 1000), therapy_ms, note)


def changes(before: pl.DataFrame, now: pl.DataFrame, wall_ms: int) -> pl.DataFrame:
    """Return the journal entries (`EVENTS_SCHEMA`) of these alarms: raised, or cleared since `before`."""
    found = [
        shown.join(others, on="alarm", how="anti", maintain_order="left").select(
            pl.lit(wall_ms).alias("at"),
            pl.col("onset").alias("time"),
            pl.lit(kind).alias("kind"),
            pl.col("rule").replace_strict({row.rule: getattr(row, text) for row in ROWS}).alias("text"),
            *("alarm", "subject", "subject_kind", "rule", "title", "priority"),
        )
        for kind, text, shown, others in (("raised", "began", now, before), ("cleared", "ended", before, now))
    ]
    return pl.concat([pl.DataFrame(schema=EVENTS_SCHEMA), *found], how="diagonal_relaxed").select(*EVENTS_SCHEMA)


def rules(rows: Sequence[Row] = ROWS) -> pl.DataFrame:
    """Return the rules behind these alarms (`RULES_SCHEMA`)."""
    lists: dict[str, list[str]] = {name: [] for name, dtype in RULES_SCHEMA.items() if isinstance(dtype, pl.List)}
    return pl.DataFrame(
        [
            {
                **dict.fromkeys(RULES_SCHEMA),
                **lists,
                "rule": row.rule,
                "title": row.title,
                "subject_kind": "system",
                "priority": PRIORITY_CODE[row.priority],
                "meaning": row.meaning,
                "action": row.action,
                "time_to_respond": row.respond,
                "rationale": row.rationale,
                "deadband": 1.0,
                "on_delay_s": row.on_delay_s,
                "off_delay_s": 0.0,
                "wall_clock": True,
                "latch": False,
                "mdc": "",
            }
            for row in rows
        ],
        RULES_SCHEMA,
    )
