"""Alarm rule: detector, delays, priority and the texts that people read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from broker.contract.rule_targets import RuleTargets
from processor.detectors import Detector
from processor.rules.measures import Exclusion, Measure

UNDER_DOSED_AFTER_H: Final = 5.0
"""Hours without delivery after which a patient counts as under-dosed. The effect fades with the drug's half-life of
1 to 5 h; a modeling choice, not a clinical figure."""
MINUTE: Final = 60.0
HOUR: Final = 3600.0
DEADBAND: Final = 0.8
"""A condition clears only below this share of its limit, so that a score that hovers there is one alarm, not many; a
modeling choice."""
NO_DEADBAND: Final = 1.0
"""For scores that cannot hover, such as those of silence."""


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule: when an alarm is raised, how urgent it is, and what it says.

    A rule about pumps has a `detector`; a rule about gateways, cohorts or Pumpwatch itself has an `indicator`, an
    expression over the table of its watcher (`processor.watch`). Both score 1.0 at the limit.

    The score must be at its limit for `on_delay_s` before the alarm is raised; the alarm returns to normal when the
    score has been below the limit for `off_delay_s` and is below `deadband`; with `deadband_restarts_off_delay` it must
    have been below the deadband for that long. Delays run on therapy time, or on
    wall-clock time for what concerns machines (`clock`). `detection_target_h` is the time from the onset of a fault
    within which the alarm must be raised, `time_to_respond` how long a person then has. While it stands, an alarm
    suppresses those of the rules that it `explains` on the same pump. With `latch` it stays until a person resets it;
    `realarm_h` is the therapy time after which an acknowledged alarm that still stands is annunciated again (None: as
    `processor.alarms.lifecycle` has it for the priority).

    `title`, `meaning`, `action`, `time_to_respond` and `rationale` are what people read. `evidence` lists the
    measurements that support the alarm, averaged over about `over_s` seconds, the most telling first; `rules_out` lists
    causes that the numbers may exclude. The baseline of a pump is uncertain until `learns_h` hours after its first
    sample. `harm_after_h` is the time without treatment after which the patient counts as under-dosed (None: not at
    risk by this alarm alone). `mdc` is the reference id of the closest event in the nomenclature IEEE 11073
    (`broker.contract.mdc`), empty if there is none.
    """

    name: str
    title: str
    priority: Literal["high", "medium", "low"]
    on_delay_s: float
    off_delay_s: float
    detection_target_h: float
    meaning: str
    action: str
    time_to_respond: str
    rationale: str
    detector: Detector | None = None
    indicator: pl.Expr | None = None
    clock: Literal["therapy", "wall"] = "therapy"
    deadband: float = DEADBAND
    deadband_restarts_off_delay: bool = False
    evidence: tuple[Measure, ...] = ()
    rules_out: tuple[Exclusion, ...] = ()
    over_s: float = 300.0
    learns_h: float = 0.0
    identifies: tuple[str, ...] = ()
    detects: tuple[str, ...] = ()
    explains: tuple[str, ...] = ()
    harm_after_h: float | None = None
    latch: bool = False
    realarm_h: float | None = None
    mdc: str = ""

    @property
    def uses_wall_clock(self) -> bool:
        """Whether its delays run on wall-clock time."""
        return self.clock == "wall"


def targets_of(rules: Iterable[Rule]) -> dict[str, RuleTargets]:
    """Return the targets of each rule by its name, without rules that target no fault."""
    return {rule.name: RuleTargets(rule.identifies, rule.detects) for rule in rules if rule.identifies or rule.detects}
