"""This file says what a row of the alarm list is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from broker.contract.rule_targets import RuleTargets
from processor.detectors import Detector
from processor.rules.measures import Exclusion, Measure

UNDER_DOSED_AFTER_H: Final = 5.0
"""Without delivery the effect fades with the drug's half-life of 1 to 5 h; modelling choice, no clinical figure."""
MINUTE: Final = 60.0
HOUR: Final = 3600.0


@dataclass(frozen=True, eq=False)
class Rule:
    """One row of the alarm list.

    The violation must last `on_delay_s` before the alarm is raised and be gone for `off_delay_s` before it returns
    (therapy seconds; wall seconds where `uses_wall_clock`). `detection_target_h` is the time from the fault's onset within which
    the alarm must be up, `time_to_respond` how long a person then has. While it stands, an alarm holds those it `explains` on
    the same pump under it. With `latch` it stays until a person resets it; `realarm_h` says how long after its
    acknowledgement one that stands on
    calls again (therapy hours; None: what `processor.alarms.lifecycle` says for its priority).

    `evidence` are the numbers that an alarm rests on, averaged over about `over_s`, the first of them the plainest;
    `rules_out` are causes that it may be told from. Of a pump known for less than `learns_h` hours what is usual is not
    yet sure.
    """

    name: str
    title: str
    priority: Literal["high", "medium", "low"]
    detector: Detector
    on_delay_s: float
    off_delay_s: float
    detection_target_h: float
    meaning: str
    action: str
    time_to_respond: str
    rationale: str
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

    @property
    def uses_wall_clock(self) -> bool:
        """Whether its delays run on the wall clock, because it is about machines and not about pumps."""
        return self.detector.judges == "reading"


def targets_of(rules: Iterable[Rule]) -> dict[str, RuleTargets]:
    """Return the targets of each rule by its name, without rules that target no fault."""
    return {rule.name: RuleTargets(rule.identifies, rule.detects) for rule in rules if rule.identifies or rule.detects}
