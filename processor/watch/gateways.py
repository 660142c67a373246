"""This file finds a gateway, or the whole fleet, that fell silent: one alarm, with its pumps' alarms held under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from broker.contract.cohorts import CROWDS
from processor.alarms.subjects import SUBJECT, Subjects
from processor.alarms.violations import OBSERVED, Violations, nothing_seen
from processor.detectors import Detector
from processor.engine.columns import MS_PER_S, Rules, score_name
from processor.rules import RULES, Rule
from processor.rules.measures import Exclusion, Measure, last

MIN_PUMPS: Final = 4
"""Fewer silent pumps than this are told one by one, whatever their gateway."""
MIN_FLEET: Final = 20
GATEWAY_SHARE: Final = CROWDS["gateway_silent"]
"""So large a part of a gateway's pumps falls silent together through the gateway."""
FLEET_SHARE: Final = CROWDS["fleet_silent"]
"""So large a part of the fleet, behind several gateways, is silent through what they share."""
OFFLINE_S: Final = 120.0
"""A gateway that said goodbye, or its will for it, may be back so soon (therapy seconds): a restart is no alarm."""
DEAF_S: Final = 30.0
"""Without a broker for so many wall seconds nothing is known of anybody."""


def _share(limit: float, least: int) -> Detector:
    """Score the share of pumps that are silent, where they are `least` or more; what is cut off is at its limit."""
    share = pl.col("silent") / pl.col("pumps") / limit
    crowd = pl.when(pl.col("silent") >= least).then(share).otherwise(0.0)
    return Detector(lambda _: pl.max_horizontal(crowd, pl.col("cut").cast(pl.Float64)), judges="age")


def _evidence(limit: float) -> tuple[Measure, ...]:
    silent = pl.when("cut").then("pumps").otherwise("silent")
    return (
        Measure("Silent pumps", "", lambda _: silent, expected=0.0, limit=lambda _: limit * pl.col("pumps")),
        Measure("Pumps that should be heard", "", last("pumps")),
    )


GONE: Final = Exclusion("Pumps silent by themselves", "the gateway itself is away", "", None, lambda _: pl.col("cut"))
DEAF: Final = Exclusion("Gateways silent", "the broker itself cannot be reached", "", None, lambda _: pl.col("cut"))
GATEWAY_SILENT: Final = Rule(
    name="gateway_silent",
    title="Gateway silent",
    priority="medium",
    detector=_share(GATEWAY_SHARE, MIN_PUMPS),
    on_delay_s=0.0,
    off_delay_s=600.0,
    identifies=("gateway_restart", "broker_outage"),
    detects=("link_corrupted", "link_late", "silent_pump"),
    detection_target_h=0.25,
    meaning="This gateway, or half of its pumps together, has fallen silent. The state of its pumps is unknown.",
    action="See whether the gateway has power and network. Its pumps go on by themselves; call the site.",
    time_to_respond="unknown: the last values are old",
    rationale="A fault of any of its pumps would not be seen; one alarm for one cause.",
    evidence=_evidence(GATEWAY_SHARE),
    rules_out=(GONE,),
    over_s=0.0,
    explains=("pump_silent",),
)
FLEET_SILENT: Final = Rule(
    name="fleet_silent",
    title="Fleet silent",
    priority="high",
    detector=_share(FLEET_SHARE, MIN_FLEET),
    on_delay_s=0.0,
    off_delay_s=600.0,
    identifies=("gateway_restart", "broker_outage"),
    detects=("link_corrupted", "link_late", "silent_pump"),
    detection_target_h=0.25,
    meaning="The broker cannot be reached, or nearly all pumps behind several gateways are silent: nobody is watched.",
    action="See to the broker and to the network between it and the gateways. Tell the sites that nobody watches.",
    time_to_respond="unknown: the last values are old",
    rationale="While it lasts no fault of any pump would be seen.",
    evidence=_evidence(FLEET_SHARE),
    rules_out=(DEAF,),
    over_s=0.0,
    explains=("gateway_silent", "pump_silent"),
)
GATEWAY_RULES: Final = (GATEWAY_SILENT, FLEET_SILENT)
"""The alarms that are about no single pump; every pump's rules are in `processor.rules`."""
_LOOKED: Final[dict[str, pl.DataType]] = {
    "gateway": pl.UInt32(),
    "pumps": pl.Int64(),
    "silent": pl.Int64(),
    "cut": pl.Boolean(),
    "onset": pl.Int64(),
    "time": pl.Int64(),
    **{rule.name: pl.Float32() for rule in GATEWAY_RULES},
}
_WELL: Final[dict[str, pl.DataType]] = {"gateway": pl.UInt32(), "rule": pl.String(), "since": pl.Int64()}


@dataclass
class GatewayWatch:
    """Watches gateways and fleet; remembers since when (therapy ms) those in alarm are well, for the off-delay."""

    well: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_WELL))
    _looked: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_LOOKED))

    def rest(self, since: Sequence[tuple[int | None, str, int]]) -> None:
        """Go on with off-delays that ran before: the rows of `well`."""
        self.well = pl.DataFrame(list(since), _WELL, orient="row")

    @property
    def looked(self) -> pl.DataFrame:
        """Return what was looked at last, as `processor.alarms.evidence` wants it."""
        above_s = (pl.col("time") - pl.col("onset")) / MS_PER_S
        return self._looked.with_columns(above_s.alias("above_s"), pl.col("time").alias("now"))

    def look(
        self,
        pumps: pl.DataFrame,
        alarms: pl.DataFrame,
        subjects: Subjects,
        *,
        offline: pl.Series,
        rules: Rules = RULES,
    ) -> Violations:
        """Return what is seen of gateways and fleet.

        `pumps` is the state with `age` (s, null: not watched) and fresh scores of silence; `offline` says of each
        gateway (Boolean, by number) whether it is away.
        """
        scores = [pl.col(score_name(rule)) for rule in rules if rule.detector.judges == "age"]
        silent = pl.any_horizontal(pl.lit(value=False), *(score >= 1.0 for score in scores))
        told = pumps.select(silent.alias("silent"), "age", "time", subjects.owners.alias("gateway"))
        here = pl.col("rule").is_in([rule.name for rule in GATEWAY_RULES])
        ours = alarms.filter(here & pl.col("returned").is_null()).select("gateway", "rule")
        if ours.is_empty() and not offline.any() and not told["silent"].any():
            return nothing_seen()
        by_gateway = _by_gateway(told, subjects, offline)
        fleet = _fleet(by_gateway)
        scored = pl.concat([_scored(by_gateway, GATEWAY_SILENT), _scored(fleet, FLEET_SILENT)])
        self._looked = _looked(pl.concat([by_gateway.select(fleet.columns), fleet], how="vertical_relaxed"), scored)
        over = scored.filter(pl.col("score") < 1.0).join(ours, on=["gateway", "rule"], how="semi", nulls_equal=True)
        return Violations(scored.filter(pl.col("score") >= 1.0), self._rested(over))

    def deaf(self, subjects: Subjects) -> Violations:
        """Return what is seen while there is no broker: the whole fleet is silent, and nothing is over."""
        now = subjects.together
        row = {**dict.fromkeys(SUBJECT), "rule": FLEET_SILENT.name, "onset": now, "time": now, "score": 1.0}
        seen = pl.DataFrame([row], OBSERVED)
        pumps = subjects.pumps.len()
        counted = {"gateway": None, "pumps": pumps, "silent": pumps, "cut": True, "onset": now, "time": now}
        self._looked = _looked(pl.DataFrame([counted], list(_LOOKED)[:6]), seen)
        return Violations(seen, pl.DataFrame(schema=OBSERVED))

    def _rested(self, over: pl.DataFrame) -> pl.DataFrame:
        """Return those that have been well for their off-delay."""
        known = over.join(self.well, on=["gateway", "rule"], how="left", maintain_order="left", nulls_equal=True)
        known = known.with_columns(pl.coalesce("since", "time").alias("since"))
        self.well = known.select(*_WELL)
        delay = {rule.name: rule.off_delay_s * MS_PER_S for rule in GATEWAY_RULES}
        waits = pl.col("rule").replace_strict(delay, return_dtype=pl.Float64)
        return known.filter(pl.col("time") - pl.col("since") >= waits).select(*OBSERVED)


def _by_gateway(pumps: pl.DataFrame, subjects: Subjects, offline: pl.Series) -> pl.DataFrame:
    """Return one row a gateway: how many `pumps` are watched and `silent`, whether it is `cut`, since when."""
    watched = pl.col("age").is_not_null()
    counted = pumps.group_by("gateway", maintain_order=True).agg(
        watched.sum().alias("pumps"),
        (pl.col("silent") & watched).sum().alias("silent"),
        pl.col("time").max().alias("heard"),
        pl.col("time").filter("silent").max().alias("last"),
    )
    away, now = offline.gather(counted["gateway"]), subjects.clocks.gather(counted["gateway"])
    quiet_s = (pl.col("time") - pl.col("heard")) / MS_PER_S
    return counted.with_columns(now.alias("time"), away.alias("away")).with_columns(
        pl.coalesce("last", "heard", "time").alias("onset"),
        (pl.col("away") & (pl.col("pumps") >= MIN_PUMPS) & (quiet_s >= OFFLINE_S)).fill_null(value=False).alias("cut"),
    )


def _fleet(gateways: pl.DataFrame) -> pl.DataFrame:
    """Return one row: the same of all gateways together; of fewer than two silent ones the fleet is not silent."""
    silent = pl.when("cut").then("pumps").otherwise("silent")
    several = (silent > 0).sum() >= 2
    return gateways.select(
        pl.lit(None, pl.UInt32).alias("gateway"),
        pl.col("pumps").sum(),
        pl.when(several).then(silent.sum()).otherwise(0).alias("silent"),
        pl.lit(value=False).alias("cut"),
        pl.col("onset").max(),
        pl.col("time").max(),
    )


def _looked(counted: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """Return what was counted with the score it led to; gateways and fleet each have one rule."""
    scores = [scored["score"].alias(rule.name) for rule in GATEWAY_RULES]
    return counted.with_columns(scores).select(pl.col(name).cast(dtype) for name, dtype in _LOOKED.items())


def _scored(told: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    score = rule.detector.score(lambda _: pl.lit(None)).fill_nan(0.0).fill_null(0.0)
    scored = told.with_columns(
        *(pl.lit(None).alias(name) for name in SUBJECT if name != "gateway"),
        pl.lit(rule.name).alias("rule"),
        score.alias("score"),
    )
    return scored.select(pl.col(name).cast(dtype) for name, dtype in OBSERVED.items())
