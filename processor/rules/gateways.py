"""Rules about silent gateways and a silent fleet. They suppress the alarms of the pumps concerned.

Indicators read a row per gateway, or one of the fleet, with `pumps`, `silent` and `offline` (`processor.watch.gateways`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.contract.cohorts import CROWDS
from processor.rules.measures import Exclusion, Measure, last
from processor.rules.rule import NO_DEADBAND, Rule

MIN_PUMPS: Final = 4
"""Fewer silent pumps than this have alarms of their own, whatever their gateway."""
MIN_FLEET: Final = 20
GATEWAY_SHARE: Final = CROWDS["gateway_silent"]
"""If this share of its pumps is silent, the gateway is."""
FLEET_SHARE: Final = CROWDS["fleet_silent"]
"""If this share of the fleet is silent, behind several gateways, what they share is at fault."""


def _silent_share(limit: float, least: int) -> pl.Expr:
    """Return the score of the share of silent pumps if there are `least` or more; offline is at the limit."""
    share = pl.col("silent") / pl.col("pumps") / limit
    crowd = pl.when(pl.col("silent") >= least).then(share).otherwise(0.0)
    return pl.max_horizontal(crowd, pl.col("offline").cast(pl.Float64))


def _evidence(limit: float) -> tuple[Measure, ...]:
    silent = pl.when("offline").then("pumps").otherwise("silent")
    return (
        Measure("Silent pumps", "", lambda _: silent, expected=0.0, limit=lambda _: limit * pl.col("pumps")),
        Measure("Pumps that should be heard", "", last("pumps")),
    )


GONE: Final = Exclusion(
    "Pumps silent by themselves", "the gateway itself is away", "", None, lambda _: pl.col("offline")
)
DEAF: Final = Exclusion("Gateways silent", "the broker itself cannot be reached", "", None, lambda _: pl.col("offline"))
GATEWAY_SILENT: Final = Rule(
    name="gateway_silent",
    title="Gateway silent",
    priority="medium",
    indicator=_silent_share(GATEWAY_SHARE, MIN_PUMPS),
    deadband=NO_DEADBAND,
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
    indicator=_silent_share(FLEET_SHARE, MIN_FLEET),
    deadband=NO_DEADBAND,
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
"""Rules about a gateway or the whole fleet."""
