"""Search of alarms below /fhir: the open ones, and with a range of time those that are over, from the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from broker.contract.subjects import kind_by_name
from broker.interop import coding, observations
from broker.interop.coding import Resource
from broker.interop.stored import rule_terms
from broker.store.snapshot import Snapshot
from dashboard.api.fhir_search import Found, Match, Place, about, term_code

MAX_SPAN_MS: Final = 800 * 86_400_000
Range = tuple[int, int] | None
"""From and to, in therapy ms; None: the open alarms alone."""


def find(
    snapshot: Snapshot, over: pl.DataFrame, place: Place, *, device: str = "", code: str = "", within: Range = None
) -> Found:
    """Find the open alarms, and with a range those of `over` too (`occurrences.SCHEMA`), all that stood in it."""
    terms = rule_terms(snapshot)
    opened = _chosen(snapshot, snapshot.alarms, device, code)
    closed = _chosen(snapshot, _closed(snapshot, over if within is not None else over.clear()), device, code)
    if within is not None:
        since, until = within
        closed = closed.filter(pl.col("onset") <= until, pl.col("ended") >= since)
        begun = pl.coalesce("onset", "raised")
        opened = opened.filter(begun <= until, pl.coalesce("returned", pl.lit(until)) >= since)
    after = place.after.removeprefix("0")
    # Of a long past, only the alarms of the page are made.
    matches = [
        Match(f"0{row['alarm']}", lambda row=row, make=make: make(row, terms.get(row["rule"])))  # type: ignore[misc]
        for frame, make in ((opened, observations.alarm), (closed, observations.alarm_over))
        for row in frame.filter(pl.col("alarm") > after).sort("alarm").head(place.limit + 1).iter_rows(named=True)
    ]
    return Found(sorted(matches, key=lambda match: match.key), opened.height + closed.height)


def one(snapshot: Snapshot, over: pl.DataFrame, identity: str) -> Resource | None:
    """Return the alarm of a logical id, open or over; None if there is none."""
    terms = rule_terms(snapshot)
    for frame, make in ((snapshot.alarms, observations.alarm), (_closed(snapshot, over), observations.alarm_over)):
        number = next((at for at, alarm in enumerate(frame["alarm"]) if coding.alarm_id(alarm) == identity), None)
        if number is not None:
            row: Mapping[str, Any] = frame.row(number, named=True)
            return make(row, terms.get(row["rule"]))
    return None


def _closed(snapshot: Snapshot, over: pl.DataFrame) -> pl.DataFrame:
    """Return the occurrences that are over, each alarm once, with `subject_kind`, `onset` and `ended` (therapy ms)."""
    names = over.select("subject").filter(over["pump"].is_null()).unique()["subject"].drop_nulls()
    kinds = {name: kind_by_name(name) for name in names}
    return (
        over.drop_nulls(["raised", "returned", "rule", "priority", "subject"])
        .filter(pl.col("alarm").is_in(snapshot.alarms["alarm"].implode()).not_())
        .unique("alarm", keep="last")
        .with_columns(
            pl.when(pl.col("pump").is_not_null())
            .then(pl.lit("pump"))
            .otherwise(pl.col("subject").replace_strict(kinds, default=None, return_dtype=pl.String))
            .alias("subject_kind"),
            pl.col("title").fill_null(pl.col("rule")),
            pl.col("therapy").alias("onset"),
            (pl.col("therapy") + pl.col("lasted_ms")).alias("ended"),
        )
    )


def _chosen(snapshot: Snapshot, found: pl.DataFrame, device: str, code: str) -> pl.DataFrame:
    """Return the alarms about a device and of a code. Raises `ApiError` (404) if there is no such device."""
    wanted = code.rpartition("|")[2]
    if wanted:
        terms = rule_terms(snapshot)
        rules = [rule for rule in found["rule"].unique() if wanted in (rule, term_code(terms.get(rule)))]
        found = found.filter(pl.col("rule").is_in(rules))
    return found.filter(about(snapshot, device)) if device else found
