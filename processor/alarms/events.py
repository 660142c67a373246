"""Alarm events for pagers and other systems: one per annunciated change."""

from __future__ import annotations

import polars as pl

from broker.contract.alarm_events import AlarmEvent
from broker.contract.evidence import decode
from broker.store.snapshot import PRIORITIES
from processor.alarms.states import NORMAL, state_of
from processor.alarms.subjects import Subjects, kind_of
from processor.alarms.texts import cause_text, rule_texts
from processor.engine.columns import Rules


def announcements(
    changes: pl.DataFrame,
    alarms: pl.DataFrame,
    *,
    subjects: Subjects,
    facts: pl.DataFrame,
    now: int,
    rules: Rules,
) -> list[AlarmEvent]:
    """Return an event for each change (`processor.alarms.lifecycle.CHANGES`) that is not quiet.

    `alarms` are the open alarms after the changes; `facts` has the pumps' sites; `now` is wall ms.
    """
    loud = changes.filter(~pl.col("quiet") & pl.col("alarm").is_not_null())
    if loud.is_empty():
        return []

    rows = (
        loud.with_columns(
            subjects.names(loud),
            kind_of(),
            subjects.pumps.gather(loud["pump"]).alias("serial"),
            subjects.gateways.gather(subjects.homes(loud)).alias("home"),
            facts["site"].gather(loud["pump"]).alias("site"),
            cause_text(rules).alias("reason"),
        )
        .join(alarms.select("alarm", "onset", "raised", "evidence", state_of().alias("state")), on="alarm", how="left",
              maintain_order="left")
        .join(rule_texts(rules), on="rule", how="left", maintain_order="left", suffix="_rule")
        .select(
            "kind", "alarm", "subject", "subject_kind",
            pl.col("serial").alias("pump"), pl.col("home").alias("gateway"), "site", "rule",
            "title", pl.col("priority").replace_strict(range(1, 4), PRIORITIES, return_dtype=pl.String),
            pl.col("state").fill_null(NORMAL), pl.lit(now).alias("at"), "time", "onset", "raised", "who",
            pl.col("reason").alias("text"), "cause", "meaning", pl.col("action_rule").alias("action"),
            "evidence",
        )
    )  # fmt: skip
    return [AlarmEvent(**{**row, "evidence": decode(row["evidence"])}) for row in rows.iter_rows(named=True)]
