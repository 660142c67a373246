"""Rule about notifications that do not reach anybody."""

from __future__ import annotations

from typing import Final

from processor.rules.indicators import FAILURES, level
from processor.rules.reading_kinds import TROUBLE
from processor.rules.rule import MINUTE, Rule

NOTIFICATIONS: Final = "notifications"
"""The trouble of a notifier that does not run, has no valid configuration, or cannot deliver."""

NOTIFICATIONS_RULE: Final = Rule(
    name="notifications_failing",
    title="Notifications not delivered",
    priority="medium",
    indicator=level(TROUBLE, NOTIFICATIONS),
    clock="wall",
    on_delay_s=MINUTE,
    off_delay_s=30.0,
    detection_target_h=0.1,
    meaning="Notifications are configured, but the notifier does not run, cannot use its configuration, or has had a "
    "message waiting for more than five minutes. Alarms appear on dashboards; pagers may stay silent.",
    action="Watch the dashboards until this is over. See the reason below, correct it, and try a service with "
    "`pumpwatch notifications test`.",
    time_to_respond="at once, unless somebody watches a dashboard",
    rationale="An alarm that nobody looks at and that reaches no pager stays without a response.",
    evidence=FAILURES,
    over_s=0.0,
)
