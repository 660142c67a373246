"""Scores of gateways and of the fleet: how many of their pumps are silent, and whether they are offline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from broker.store.fleet_silence import FleetSilence, SilenceCount
from processor.alarms.hold import LIMIT, SCORES, no_scores
from processor.alarms.subjects import SUBJECT, Subjects
from processor.engine.columns import MS_PER_S, Rules, indicator_of, is_scored_by, score_name, select
from processor.rules import RULES, Rule
from processor.rules.gateways import FLEET_SILENT, GATEWAY_RULES, GATEWAY_SILENT, MIN_PUMPS

OFFLINE_S: Final = 120.0
"""A gateway may be offline this long (therapy seconds) without an alarm: that is a restart."""
BROKER_LOST_S: Final = 30.0
"""After this many wall-clock seconds without a broker, nothing is known of any pump."""
_COUNTED: Final[dict[str, pl.DataType]] = {
    "gateway": pl.UInt32(),
    "pumps": pl.Int64(),
    "silent": pl.Int64(),
    "offline": pl.Boolean(),
    "onset": pl.Int64(),
    "time": pl.Int64(),
}
_SCORED: Final[dict[str, pl.DataType]] = {**_COUNTED, **{rule.name: pl.Float32() for rule in GATEWAY_RULES}}
_NAMES: Final = [rule.name for rule in GATEWAY_RULES]


@dataclass
class GatewayWatch:
    """Scores gateways and fleet; keeps the rows of the last scores for the evidence of their alarms.

    If other processors have other pumps of the fleet, `fleet` returns what is known of all (None: nothing yet), and
    that is scored; `counted` is what this processor contributes. By default this processor has the whole fleet.
    """

    fleet: Callable[[], FleetSilence | None] | None = None
    counted: SilenceCount = field(default_factory=SilenceCount)
    _rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_SCORED))

    @property
    def rows(self) -> pl.DataFrame:
        """Return the latest rows as `processor.alarms.evidence` reads them."""
        above_s = (pl.col("time") - pl.col("onset")) / MS_PER_S
        return self._rows.with_columns(above_s.alias("above_s"), pl.col("time").alias("now"))

    def scores(
        self,
        pumps: pl.DataFrame,
        timers: pl.DataFrame,
        subjects: Subjects,
        *,
        offline: pl.Series,
        rules: Rules = RULES,
    ) -> pl.DataFrame:
        """Return the scores (`processor.alarms.hold.SCORES`) of gateways and fleet; none while nothing is silent.

        `pumps` is the state with `age` (s, null: not monitored) and fresh scores of silence; `offline` is a Boolean per
        gateway, by number. While one of their `timers` runs, all are scored.
        """
        ages = [pl.col(score_name(rule)) for rule in rules if is_scored_by(rule, "age")]
        silent = pl.any_horizontal(pl.lit(value=False), *(score >= LIMIT for score in ages))
        heard = select(pumps, silent.alias("silent"), "age", "time").with_columns(subjects.owners.alias("gateway"))
        timed = timers["rule"].is_in(_NAMES).any()
        known = None if self.fleet is None else self.fleet()
        if not (timed or offline.any() or heard["silent"].any() or (known is not None and known.silent)):
            self.counted = SilenceCount(int(heard["age"].is_not_null().sum()), time=subjects.together)
            return no_scores()
        by_gateway = _by_gateway(heard, subjects, offline)
        self.counted = _count(by_gateway, subjects)
        fleet = _fleet(by_gateway) if self.fleet is None else _told(known)
        scores = pl.concat([_scores(by_gateway, GATEWAY_SILENT), _scores(fleet, FLEET_SILENT)])
        self._rows = _with_scores(pl.concat([by_gateway.select(fleet.columns), fleet], how="vertical_relaxed"), scores)
        return scores

    def scores_without_broker(self, subjects: Subjects) -> pl.DataFrame:
        """Return the score of the fleet while there is no broker: it is silent. Gateways are not scored.

        Of a fleet of several processors it is not, as long as others have their brokers.
        """
        now, pumps = subjects.together, subjects.pumps.len()
        self.counted = SilenceCount(pumps, pumps, subjects.gateways.len(), now, now, away=True)
        if self.fleet is None:
            row = {"gateway": None, "pumps": pumps, "silent": pumps, "offline": True, "onset": now, "time": now}
            counted = pl.DataFrame([row], _COUNTED)
        else:
            counted = _told(self.fleet())
        scores = _scores(counted, FLEET_SILENT)
        self._rows = _with_scores(counted, scores)
        return scores


def _by_gateway(pumps: pl.DataFrame, subjects: Subjects, offline: pl.Series) -> pl.DataFrame:
    """Return a row per gateway: how many pumps are monitored and how many silent, whether it is `offline`, since when.

    A gateway of fewer than `MIN_PUMPS`, or one that was heard within `OFFLINE_S`, does not count as offline.
    """
    monitored = pl.col("age").is_not_null()
    counted = pumps.group_by("gateway", maintain_order=True).agg(
        monitored.sum().alias("pumps"),
        (pl.col("silent") & monitored).sum().alias("silent"),
        pl.col("time").max().alias("heard"),
        pl.col("time").filter("silent").max().alias("last"),
    )
    away, now = offline.gather(counted["gateway"]), subjects.clocks.gather(counted["gateway"])
    quiet_s = (pl.col("time") - pl.col("heard")) / MS_PER_S
    return counted.with_columns(now.alias("time"), away.alias("away")).with_columns(
        pl.coalesce("last", "heard", "time").alias("onset"),
        (pl.col("away") & (pl.col("pumps") >= MIN_PUMPS) & (quiet_s >= OFFLINE_S))
        .fill_null(value=False)
        .alias("offline"),
    )


def _fleet(gateways: pl.DataFrame) -> pl.DataFrame:
    """Return one row with the sums over all gateways; with fewer than two silent gateways no pump counts as silent."""
    silent = pl.when("offline").then("pumps").otherwise("silent")
    several = (silent > 0).sum() >= 2
    return gateways.select(
        pl.lit(None, pl.UInt32).alias("gateway"),
        pl.col("pumps").sum(),
        pl.when(several).then(silent.sum()).otherwise(0).alias("silent"),
        pl.lit(value=False).alias("offline"),
        pl.col("onset").max(),
        pl.col("time").max(),
    )


def _count(gateways: pl.DataFrame, subjects: Subjects) -> SilenceCount:
    """Return what this processor contributes to the silence of a fleet of which others have the rest."""
    silent = pl.when("offline").then("pumps").otherwise("silent")
    pumps, quiet, crowds, onset = gateways.select(
        pl.col("pumps").sum(),
        silent.sum().alias("silent"),
        (silent > 0).sum().alias("gateways"),
        pl.col("onset").filter(silent > 0).max().fill_null(0),
    ).row(0)
    return SilenceCount(pumps, quiet, crowds, onset, subjects.together)


def _told(known: FleetSilence | None) -> pl.DataFrame:
    """Return the row of a fleet of which others have a part; none while nothing is known, so that timers stay."""
    if known is None:
        return pl.DataFrame(schema=_COUNTED)
    told = {name: getattr(known, name) for name in _COUNTED if name != "gateway"}
    return pl.DataFrame([{"gateway": None, **told}], _COUNTED)


def _with_scores(counted: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """Return the counts with each row's score under the name of its rule; gateways and fleet have one rule each."""
    columns = [scores["score"].alias(rule.name) for rule in GATEWAY_RULES]
    return counted.with_columns(columns).select(pl.col(name).cast(dtype) for name, dtype in _SCORED.items())


def _scores(counted: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    scored = counted.with_columns(
        *(pl.lit(None).alias(name) for name in SUBJECT if name != "gateway"),
        pl.lit(rule.name).alias("rule"),
        indicator_of(rule).fill_nan(0.0).fill_null(0.0).alias("score"),
    ).with_columns(pl.when(pl.col("score") >= LIMIT).then("onset").alias("onset"))
    return scored.select(pl.col(name).cast(dtype) for name, dtype in SCORES.items())
