"""This file is what pagers and other systems hear: an event for each change of an alarm that calls people."""

from __future__ import annotations

from typing import Literal

import msgspec

from broker.contract.evidence import Evidence


class AlarmEvent(msgspec.Struct, kw_only=True):
    """A change of an alarm that people are called by, for pagers and other systems.

    `at` is wall ms; `time`, `onset` and `raised` are therapy ms. `subject` is a pump's serial, a gateway's name, a
    cohort's such as "lot B07", the name of something else, or "fleet"; `pump` is null where it is no pump. `state` is
    the alarm's after this change, "normal" once it is over. `evidence` is what it rested on when it was raised, null
    once it is over.
    """

    version: Literal[1] = 1
    kind: str
    alarm: str
    subject: str
    pump: str | None
    gateway: str | None
    site: str | None
    rule: str
    title: str
    priority: Literal["high", "medium", "low"]
    state: Literal[
        "normal", "unacknowledged", "acknowledged", "returned", "latched", "shelved", "suppressed", "out_of_service"
    ]
    at: int
    time: int
    onset: int | None
    raised: int | None
    who: str | None
    text: str | None
    meaning: str
    action: str
    evidence: Evidence | None = None
