"""What the notifier remembers: open alarms, groups of alarms by route, and the messages that it decides on."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from broker.display.names import PRIORITIES

ITSELF: Final = "pumpwatch/"
"""Begin of the ids of alarms that the notifier raises about Pumpwatch itself; no journal has them."""
CODES: Final = {name: code for code, name in PRIORITIES.items()}
Kind = Literal["raised", "returned", "escalated", "repeated"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an alarm, as the journal has it; `at` is wall ms, `priority` 1 high to 3 low."""

    kind: str
    alarm: str
    at: int
    subject: str = ""
    subject_kind: str = ""
    pump: str | None = None
    rule: str = ""
    title: str = ""
    priority: int = 2
    cause: str | None = None
    time: int | None = None


class Facts(msgspec.Struct, frozen=True):
    """What the snapshot knows about the subject of an alarm."""

    site: str | None = None
    gateway: str | None = None
    model: str | None = None
    lot: str | None = None


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An open alarm. `raised_at` (wall ms) is when it was annunciated last, `time` its therapy ms then.

    It waits for somebody if its condition stands and it is not acknowledged, suppressed, shelved or out of service.
    """

    alarm: str
    subject: str = ""
    subject_kind: str = ""
    pump: str | None = None
    rule: str = ""
    title: str = ""
    priority: str = "medium"
    facts: Facts = Facts()
    raised_at: int = 0
    time: int | None = None
    standing: bool = False
    acknowledged: bool = False
    suppressed: bool = False
    shelved: bool = False
    out: bool = False
    over: bool = False

    @property
    def quiet(self) -> bool:
        """Whether nobody is to be notified, whatever its condition."""
        return self.acknowledged or self.suppressed or self.shelved or self.out

    @property
    def waiting(self) -> bool:
        """Whether its condition stands and it waits for an acknowledgement."""
        return self.standing and not self.quiet

    @property
    def returned(self) -> bool:
        """Whether its condition ended before anybody acknowledged it."""
        return not self.standing and not self.quiet

    @property
    def about_itself(self) -> bool:
        """Whether the notifier raised it, about Pumpwatch itself."""
        return self.alarm.startswith(ITSELF)

    @property
    def state(self) -> str:
        """Its state by ISA-18.2."""
        for state, holds in (
            ("out_of_service", self.out),
            ("shelved", self.shelved),
            ("normal", self.over),
            ("suppressed", self.suppressed),
            ("acknowledged", self.acknowledged),
            ("unacknowledged", self.standing),
        ):
            if holds:
                return state
        return "returned"

    def fields(self, now: int) -> dict[str, Any]:
        """Return what matchers compare (`broker.contract.alarm_matchers`) at `now` (wall ms)."""
        return {
            "alarm": self.alarm,
            "subject": self.subject,
            "subject_kind": self.subject_kind,
            "pump": self.pump,
            "rule": self.rule,
            "priority": self.priority,
            "state": self.state,
            "age_s": (now - self.raised_at) / 1000,
            **msgspec.structs.asdict(self.facts),
        }


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Alarms of a route that share a message; times are wall ms.

    `since` is when something was due first, None if nothing is; `at` when the last message was. `notified` has when
    each alarm of earlier messages had been raised, `steps` that and its last step of escalation, `escalated` when each
    step was last.
    """

    route: str
    values: tuple[str, ...]
    since: int | None = None
    at: int | None = None
    notified: dict[str, int] = {}
    steps: dict[str, tuple[int, int]] = {}
    escalated: dict[int, int] = {}

    @property
    def key(self) -> str:
        """What it is known by."""
        return "\x1f".join((self.route, *self.values))


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was decided: its alarms, each with when it had been raised, and the services it goes to.

    `number` is unique and grows; `step` is the step of escalation, 0 for none; `earlier` counts alarms of the group
    of earlier messages that still wait. `over` are those of the returned ones that were over by then: nobody can
    acknowledge them any more.
    """

    number: int
    route: str
    kind: Kind
    values: tuple[tuple[str, str], ...]
    services: tuple[str, ...]
    raised: tuple[tuple[str, int], ...] = ()
    returned: tuple[tuple[str, int], ...] = ()
    over: tuple[Alarm, ...] = ()
    step: int = 0
    earlier: int = 0
    at: int = 0


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decisions are made of. `cursor` is the number of the last entry of the journal that was taken in.

    `sent` are the times (wall ms) of the messages of each route in the last hour, `number` counts messages, `limited`
    how often a rate limit put one off, `ignored` the alarms beyond the maximum.
    """

    cursor: int = 0
    alarms: dict[str, Alarm] = {}
    groups: dict[str, Group] = {}
    sent: dict[str, tuple[int, ...]] = {}
    number: int = 0
    limited: int = 0
    ignored: int = 0
