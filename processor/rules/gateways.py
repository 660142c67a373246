"""Rules about silent gateways and a silent fleet. They suppress the alarms of the pumps concerned.

Indicators read one row per gateway, or one of the fleet, with the columns `pumps`, `silent` and `offline`
(`processor.watch.gateways`).
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
        Measure("Pumps expected to report", "", last("pumps")),
    )


GATEWAY_OFFLINE: Final = Exclusion(
    "Individual pumps silent", "the gateway itself is offline", "", None, lambda _: pl.col("offline")
)
BROKER_UNREACHABLE: Final = Exclusion(
    "Individual gateways silent", "the broker itself is unreachable", "", None, lambda _: pl.col("offline")
)
GATEWAY_SILENT: Final = Rule(
    name="gateway_silent",
    title="Gateway silent",
    priority="medium",
    mdc="MDC_EVT_COMM_STATUS_CHANGE",
    indicator=_silent_share(GATEWAY_SHARE, MIN_PUMPS),
    deadband=NO_DEADBAND,
    on_delay_s=0.0,
    off_delay_s=600.0,
    identifies=("gateway_restart", "broker_outage"),
    detects=("link_corrupted", "link_late", "silent_pump"),
    detection_target_h=0.25,
    meaning="This gateway, or at least half of its pumps at once, has gone silent. The state of its pumps is unknown.",
    action="Check the gateway's power and network. Its pumps keep running on their own; call the site.",
    time_to_respond="unknown: the last values are outdated",
    rationale="A fault of any of its pumps would go unnoticed; one cause, one alarm.",
    evidence=_evidence(GATEWAY_SHARE),
    rules_out=(GATEWAY_OFFLINE,),
    over_s=0.0,
    explains=("pump_silent",),
)
FLEET_SILENT: Final = Rule(
    name="fleet_silent",
    title="Fleet silent",
    priority="high",
    mdc="MDC_EVT_COMM_STATUS_CHANGE",
    indicator=_silent_share(FLEET_SHARE, MIN_FLEET),
    deadband=NO_DEADBAND,
    on_delay_s=0.0,
    off_delay_s=600.0,
    identifies=("gateway_restart", "broker_outage"),
    detects=("link_corrupted", "link_late", "silent_pump"),
    detection_target_h=0.25,
    meaning="The broker is unreachable, or nearly all pumps behind several gateways are silent: no pump is monitored.",
    action="Check the broker and the network between it and the gateways. Tell the sites that monitoring is down.",
    time_to_respond="unknown: the last values are outdated",
    rationale="As long as this lasts, no pump fault would be noticed.",
    evidence=_evidence(FLEET_SHARE),
    rules_out=(BROKER_UNREACHABLE,),
    over_s=0.0,
    explains=("gateway_silent", "pump_silent"),
)
GATEWAY_RULES: Final = (GATEWAY_SILENT, FLEET_SILENT)
"""Rules about a gateway or the whole fleet."""
