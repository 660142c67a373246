"""Alarm events for pagers and other systems: one for each change of an annunciated alarm."""

from __future__ import annotations

from typing import Literal

import msgspec

from broker.contract.evidence import Evidence
from broker.contract.subjects import SubjectKind


class AlarmEvent(msgspec.Struct, kw_only=True):
    """A change of an annunciated alarm, for pagers and other systems.

    `at` is wall ms; `time`, `onset` and `raised` are therapy ms. `subject` is what the alarm is about: a pump's serial,
    the name of a gateway or of a cohort such as "lot B07", "fleet", or a part of Pumpwatch such as "system: storage";
    `subject_kind` says which of these it is. `pump` is null unless it is a pump. `state` is that of the alarm after
    this change, "normal" when it is over. `cause` is the rule of the alarm that suppresses this one, null if none does.
    `evidence` is what supported the alarm when it was raised, null when it is over.
    """

    version: Literal[1] = 1
    kind: str
    alarm: str
    subject: str
    subject_kind: SubjectKind
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
    cause: str | None = None
    meaning: str
    action: str
    evidence: Evidence | None = None
