"""Table of the expected alarms: which rules should respond to which fault, and within what time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import polars as pl

from broker.contract.cohorts import CROWDS
from broker.contract.rule_targets import RuleTargets
from broker.truth.ground_truth import FaultFacts

EXPECTED: Final[dict[str, pl.DataType]] = {
    "fault": pl.String(),
    "rule": pl.String(),
    "identifies": pl.Boolean(),
    "detection_target_h": pl.Float64(),
    "min_severity": pl.Float32(),
}
"""Expected rules per fault: whether the rule identifies the cause or only detects the fault, within how many hours it
must raise its alarm, and from which severity it is expected."""


def expectations(
    targets: Mapping[str, RuleTargets], detection_target_h: Mapping[str, float], faults: Iterable[FaultFacts] = ()
) -> pl.DataFrame:
    """Return the expected rules per fault (`EXPECTED`) from the rules' targets and detection targets.

    `faults` gives the severity from which a fault counts for alarms of silent gateways.
    """
    silent_from = {facts.fault: facts.silent_from for facts in faults}
    rows = [
        (fault, rule, identifies, detection_target_h[rule], silent_from.get(fault, 0.0) if rule in CROWDS else 0.0)
        for rule, target in targets.items()
        for names, identifies in ((target.identifies, True), (target.detects, False))
        for fault in names
    ]
    return pl.DataFrame(rows, EXPECTED, orient="row")
