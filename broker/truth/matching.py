"""This file judges alarms by the truth: which injection each alarm found, and which injections no alarm found.

An injection is one fault on one pump, from its onset until its end. Onset is when the fault was injected, also where
it grows over a ramp; a fault that waits for a refill begins with the refill (`bite_at_refill`). For each fault some
rules are expected: those that name its cause (*right*) and those that notice it under another name (*accepted*).

- An alarm that was raised on the injection's pump from its onset until `GRACE_MS` after its end, and whose rule is
  expected, is a detection; the delay counts from the onset to the first such alarm.
- Faults that overlap on one pump are each matched on their own, so that one alarm may find several. An alarm that was
  raised for one fault and still stands at the onset of another finds that one too, without a delay to be counted.
- Any other alarm on a pump between the onset of an injection and `AFTERMATH_MS` after its end is *secondary*: it is
  about something real, but names the wrong thing.
- An alarm of a cohort (a model, a lot, a gateway's pumps, the fleet) is about all of its pumps. It is a detection for
  each injection that expects its rule, if these pumps are at least `COHORT_SHARE` of the cohort; else it is *false*. Of
  one that says that a gateway or the fleet is silent they must be the share by which it is raised, and only those count
  whose injection is so severe that they are silent half of the time.
- Outages that a scenario plays are injections too.
- All alarms that remain are *false*. Each time an alarm is raised counts once.
- An injection that was not found, but that goes on and is younger than the deadline of its alarms, is *undecided*.

An alarm is *shown* from when no other alarm held it as its consequence; one that never was has found the fault, but
was not announced by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from broker.contract.cohorts import CROWDS, NO_MEMBERS
from broker.contract.rule_targets import RuleTargets
from broker.truth.ground_truth import FaultFacts

MS_PER_H: Final = 3_600_000
GRACE_MS: Final = 2 * MS_PER_H
"""So long after its end a fault may still be found: delays run on, late samples arrive; modelling choice."""
AFTERMATH_MS: Final = 24 * MS_PER_H
"""So long after its end a fault excuses alarms, as what was held back comes and averages recover; modelling choice."""
COHORT_SHARE: Final = 0.25
"""So large a part of a cohort must have what its alarm is expected for, or it is by chance; modelling choice."""
FAR_MS: Final = 2**53
"""Later than anything that happens."""

INJECTIONS: Final[dict[str, pl.DataType]] = {
    "pump": pl.String(),
    "fault": pl.String(),
    "severity": pl.Float32(),
    "onset": pl.Int64(),
    "end": pl.Int64(),
}
"""What was really wrong, in therapy ms; `severity` is that after the ramp, `end` is null while it goes on."""

RAISED: Final[dict[str, pl.DataType]] = {
    "alarm": pl.String(),
    "pump": pl.String(),
    "rule": pl.String(),
    "priority": pl.Int8(),
    "raised": pl.Int64(),
    "shown": pl.Int64(),
    "returned": pl.Int64(),
}
"""Alarms, a row each time one was raised: `pump` is a serial, or what else the alarm is about; when it was raised
(therapy ms of the clock that people saw it by), since when it was shown by itself, and when it went away; null is not
yet."""

EXPECTED: Final[dict[str, pl.DataType]] = {
    "fault": pl.String(),
    "rule": pl.String(),
    "right": pl.Boolean(),
    "detection_target_h": pl.Float64(),
    "least": pl.Float32(),
}
"""Which rules are expected for which fault, whether they name its cause, within how many hours they must be up, and at
which severity at least."""

ENDS: Final = ("returned", "cleared")
"""What the journal calls it when a condition ends; "cleared" may also follow the other."""
QUANTILES: Final = (("p50", 0.5), ("p95", 0.95))
RIGHT: Final = "right"
ACCEPTED: Final = "accepted"
SECONDARY: Final = "secondary"
FALSE: Final = "false"
_RANKS: Final = {0: FALSE, 1: SECONDARY, 2: ACCEPTED, 3: RIGHT}


@dataclass(frozen=True)
class Matched:
    """Injections and alarms, each with what was found.

    `injections` has in addition: `detected`, `right_cause`, `announced` and `right_announced` (Boolean), `delay_h` and
    `right_delay_h` (Float64, null where nothing was raised after the onset), `by` (the rule that was first) and
    `undecided`. `alarms` has in addition `verdict` (one of the four) and `fault`, whose it is.
    """

    injections: pl.DataFrame
    alarms: pl.DataFrame


def expectations(
    targets: Mapping[str, RuleTargets], detection_target_h: Mapping[str, float], faults: Iterable[FaultFacts] = ()
) -> pl.DataFrame:
    """Return which rules are expected for which fault (`EXPECTED`), from the targets and detection targets of rules.

    `faults` adds from which severity a fault counts for alarms of silent gateways.
    """
    silent_from = {facts.fault: facts.silent_from for facts in faults}
    rows = [
        (fault, rule, correct, detection_target_h[rule], silent_from.get(fault, 0.0) if rule in CROWDS else 0.0)
        for rule, target in targets.items()
        for names, correct in ((target.identifies, True), (target.detects, False))
        for fault in names
    ]
    return pl.DataFrame(rows, EXPECTED, orient="row")


def bite_at_refill(injections: pl.DataFrame, refills: pl.DataFrame) -> pl.DataFrame:
    """Return injections (`INJECTIONS`) that wait for a refill as they really ran; `refills` has pump and time (ms).

    They begin with the first refill from the injection until its end. Those that met none are left out: nothing was
    wrong.
    """
    met = pl.col("refill") <= pl.col("end").fill_null(FAR_MS)
    return _next_refill(injections, "onset", refills).filter(met).with_columns(onset="refill").select(*INJECTIONS)


def stay_until_refill(injections: pl.DataFrame, refills: pl.DataFrame) -> pl.DataFrame:
    """Return injections (`INJECTIONS`) whose effect outlasts them, ended by the next refill after their own end."""
    later = injections.with_columns(pl.col("end").fill_null(FAR_MS) + 1)
    return _next_refill(later, "end", refills).with_columns(end="refill").select(*INJECTIONS)


def _next_refill(injections: pl.DataFrame, since: str, refills: pl.DataFrame) -> pl.DataFrame:
    times = refills.select("pump", pl.col("time").alias("refill")).sort("refill")
    return injections.sort(since).join_asof(
        times, left_on=since, right_on="refill", by="pump", strategy="forward", check_sortedness=False
    )


def raised_by(events: pl.DataFrame) -> pl.DataFrame:
    """Return the alarms (`RAISED`) of the journal's entries (`broker.store.journal.EVENTS_SCHEMA`), in any order.

    One that was held when it was raised is shown from when it was released.
    """
    times = events.select("alarm", "kind", "time", "cause").drop_nulls(["alarm", "time"]).sort("time")
    ends = times.filter(pl.col("kind").is_in(ENDS)).select("alarm", pl.col("time").alias("returned"))
    freed = times.filter(pl.col("kind") == "released").select("alarm", pl.col("time").alias("released"))
    held = pl.concat(
        [
            times.filter(pl.col("kind") == "held"),
            times.filter((pl.col("kind") == "raised") & pl.col("cause").is_not_null()),
        ]
    ).select("alarm", pl.col("time").alias("raised"), pl.lit(value=True).alias("held"))
    rows = (
        events.filter(pl.col("kind") == "raised")
        .select(
            "alarm",
            pl.coalesce("pump", "subject").alias("pump"),
            "rule",
            "priority",
            pl.col("time").alias("raised"),
        )
        .drop_nulls(["alarm", "raised"])
        .sort("raised")
    )
    for column, later in (("returned", ends), ("released", freed)):
        rows = rows.join_asof(
            later, left_on="raised", right_on=column, by="alarm", strategy="forward", check_sortedness=False
        )
    return (
        rows.join(held.unique(["alarm", "raised"]), on=["alarm", "raised"], how="left", maintain_order="left")
        .with_columns(pl.when("held").then("released").otherwise("raised").alias("shown"))
        .select(pl.col(name).cast(dtype) for name, dtype in RAISED.items())
    )


def match(
    injections: pl.DataFrame, alarms: pl.DataFrame, expected: pl.DataFrame, now: int, members: pl.DataFrame = NO_MEMBERS
) -> Matched:
    """Match injections (`INJECTIONS`) with alarms (`RAISED`) by `EXPECTED`; `now` is the therapy time (ms) so far.

    `members` (`broker.contract.cohorts.MEMBERS`) says which pumps are in the cohorts that alarms are about.
    """
    cases, rows = injections.with_row_index("case"), alarms.with_row_index("row")
    pairs = (
        _by_pump(rows, members)
        .join(cases, on="pump")
        .join(expected.drop("detection_target_h"), on=["fault", "rule"], how="left")
        .with_columns(
            pl.col("end").fill_null(FAR_MS),
            pl.when(pl.col("severity") >= pl.col("least")).then("right").alias("right"),
        )
    )
    pairs = pairs.filter(_enough(pairs))
    caused = pairs.filter(pl.col("raised").is_between("onset", pl.col("end") + AFTERMATH_MS))
    finding = pl.col("right").is_not_null() & (pl.col("raised") <= pl.col("end") + GRACE_MS)
    judged = caused.with_columns(
        (1 + pl.when(finding).then(1 + pl.col("right").cast(pl.Int8)).otherwise(0)).alias("rank"),
    )
    verdicts = (
        judged.sort("rank", "onset", descending=True, maintain_order=True)
        .unique("row", keep="first", maintain_order=True)
        .select("row", "rank", "fault")
    )
    told = rows.join(verdicts, on="row", how="left", maintain_order="left").with_columns(
        pl.col("rank").fill_null(0).replace_strict(_RANKS, return_dtype=pl.String).alias("verdict")
    )
    stood = pairs.filter(
        pl.col("right").is_not_null()
        & (pl.col("raised") < pl.col("onset"))
        & (pl.col("returned").fill_null(FAR_MS) > pl.col("onset"))
    ).join(verdicts, on="row", how="semi")
    found = _found(judged.filter(finding), stood)
    deadline = pl.coalesce(pl.col("detection_target_h").filter("right").max(), pl.col("detection_target_h").max())
    deadlines = expected.group_by("fault").agg(deadline)
    return Matched(_decide(cases, found, deadlines, now), told.drop("row", "rank"))


def _by_pump(rows: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each pump that an alarm is about; `cohort` says of how many, null for an alarm of one pump."""
    of_many = rows.join(members.rename({"pump": "member"}), left_on="pump", right_on="cohort", maintain_order="left")
    whole = of_many.with_columns(pl.len().over("row").alias("cohort"), pl.col("member").alias("pump")).drop("member")
    of_one = rows.join(of_many, on="row", how="anti").with_columns(pl.lit(None, pl.UInt32).alias("cohort"))
    return pl.concat([of_one, whole.cast({"cohort": pl.UInt32})])


def _enough(pairs: pl.DataFrame) -> pl.Series:
    """Tell of each pair whether enough pumps of its cohort have, as it is raised, what it is expected for."""
    fits = pl.col("right").is_not_null() & pl.col("raised").is_between("onset", pl.col("end") + GRACE_MS)
    share = pl.when(fits).then("pump").drop_nulls().n_unique().over("row") / pl.col("cohort")
    least = pl.col("rule").replace_strict(CROWDS, default=COHORT_SHARE, return_dtype=pl.Float64)
    return pairs.select((pl.col("cohort").is_null() | (share >= least)).alias("enough")).to_series()


def spread(delay_h: pl.Series) -> dict[str, float | None]:
    """Return the delays by which half and 95 in 100 of those that were found had been found; None of none."""
    delays = delay_h.drop_nulls().sort()
    count = delays.len()
    return {name: delays[math.ceil(share * count) - 1] if count else None for name, share in QUANTILES}


def _found(raised: pl.DataFrame, stood: pl.DataFrame) -> pl.DataFrame:
    """Return for each case that any alarm found what it found, and when."""
    columns = ["case", "right", "rule", "shown", "end"]
    both = pl.concat(
        [
            raised.select(*columns, ((pl.col("raised") - pl.col("onset")) / MS_PER_H).alias("delay_h")),
            stood.select(*columns, pl.lit(None, pl.Float64).alias("delay_h")),
        ]
    ).sort("delay_h", nulls_last=False, maintain_order=True)
    shown = pl.col("shown") <= pl.col("end") + GRACE_MS
    return both.group_by("case", maintain_order=True).agg(
        pl.lit(value=True).alias("detected"),
        pl.col("right").any().alias("right_cause"),
        shown.any().alias("announced"),
        (shown & pl.col("right")).any().alias("right_announced"),
        pl.col("delay_h").min(),
        pl.col("delay_h").filter("right").min().alias("right_delay_h"),
        pl.col("rule").first().alias("by"),
    )


def _decide(cases: pl.DataFrame, found: pl.DataFrame, deadlines: pl.DataFrame, now: int) -> pl.DataFrame:
    young = (now - pl.col("onset")) / MS_PER_H < pl.col("detection_target_h")
    return (
        cases.join(found, on="case", how="left", maintain_order="left")
        .with_columns(pl.col("detected", "right_cause", "announced", "right_announced").fill_null(value=False))
        .join(deadlines, on="fault", how="left", maintain_order="left")
        .with_columns((~pl.col("detected") & pl.col("end").is_null() & young).fill_null(value=False).alias("undecided"))
        .drop("case", "detection_target_h")
    )
