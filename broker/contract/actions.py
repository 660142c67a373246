"""Operator actions on alarms and on their subjects, and the outcome that the processor replies with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from broker.contract.messages import MessageError, read
from broker.contract.ranges import MAX_DURATION_S, MAX_PUMPS, Label, Text, TimeMs, out_of_range

MAX_SHELF_H: Final = {"high": 4.0, "medium": 24.0, "low": 72.0}
"""Therapy hours. Modelling choice: a high alarm returns before a missed dose is felt, every alarm within three days."""
MAX_ALARMS: Final = 20_000
MAX_WHY: Final = 500
MAX_WHO: Final = 80
MAX_PARTS: Final = 64
"""Processors that may have a fleet between them."""

Id = Annotated[str, Meta(max_length=MAX_WHO)]
Names = Annotated[list[Label], Meta(max_length=MAX_ALARMS)]
Who = Annotated[str, Meta(max_length=MAX_WHO)]
Why = Annotated[str, Meta(max_length=MAX_WHY)]
ForS = Annotated[float, Meta(ge=1.0, le=MAX_DURATION_S)]
Affected = Annotated[int, Meta(ge=0, le=MAX_PUMPS)]


class _AlarmAction(msgspec.Struct, kw_only=True, tag_field="kind"):
    """An operator action on alarms. `at` is wall time in ms, `why` the reason or note.

    `id` identifies the action: it is applied once, however often it arrives.
    """

    id: Id
    alarms: Names
    who: Who
    at: TimeMs
    why: Why = ""


class Acknowledge(_AlarmAction, tag="acknowledge"):
    """Acknowledge these alarms."""


class Unacknowledge(_AlarmAction, tag="unacknowledge"):
    """Withdraw the acknowledgement of these alarms."""


class Note(_AlarmAction, tag="note"):
    """Attach a note to these alarms: `why`."""


class Shelve(_AlarmAction, tag="shelve"):
    """Shelve these alarms for `for_s` therapy seconds, up to the limit of their priority."""

    for_s: ForS


class Unshelve(_AlarmAction, tag="unshelve"):
    """Annunciate shelved alarms again."""


class OutOfService(_AlarmAction, tag="out_of_service"):
    """Take these alarms out of service during a repair: they are not annunciated and suppress no others."""


class InService(_AlarmAction, tag="in_service"):
    """Put these alarms back into service."""


class Reset(_AlarmAction, tag="reset"):
    """Reset latched alarms whose condition has ended and that are acknowledged."""


class _SubjectAction(msgspec.Struct, kw_only=True, tag_field="kind"):
    """An operator action on pumps, gateways or other subjects of alarms, by their names, before they alarm.

    `rule` None is every rule. `at` is wall time in ms; `id` identifies the action: it is applied once, however often it
    arrives.
    """

    id: Id
    subjects: Names
    who: Who
    at: TimeMs
    rule: Label | None = None
    why: Why = ""


class TakeOut(_SubjectAction, tag="take_out"):
    """Take pumps, gateways or other subjects out of service: their alarms are raised, but not annunciated.

    For `for_s` therapy seconds; None: until `put_back`.
    """

    for_s: ForS | None = None


class PutBack(_SubjectAction, tag="put_back"):
    """Put subjects back into service, for the same rule as `take_out` or for all."""


class _PumpAction(msgspec.Struct, kw_only=True, tag_field="kind"):
    """An operator action on pumps, by their serials. `at` is wall time in ms; `id` identifies the action."""

    id: Id
    pumps: Names
    who: Who
    at: TimeMs
    why: Why = ""


class Retire(_PumpAction, tag="retire"):
    """Retire pumps that send no more; needs a reason.

    They are monitored no longer, until they send again, a birth names them or they are reinstated.
    """


class Reinstate(_PumpAction, tag="reinstate"):
    """Monitor retired pumps again."""


class Transfer(_PumpAction, tag="transfer"):
    """Let pumps belong to another gateway, which may deliver them from now on, while their own still does."""

    gateway: Label


AlarmAction = Acknowledge | Unacknowledge | Note | Shelve | Unshelve | OutOfService | InService | Reset
ServiceAction = TakeOut | PutBack
Monitoring = Retire | Reinstate
PumpAction = Monitoring | Transfer
Action = AlarmAction | ServiceAction | PumpAction
"""Any operator action."""


class Outcome(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Outcome of an action: to how many alarms or subjects it was applied, for how many refused, and why, as text.

    If several processors have a fleet between them, each of these `parts` answers about what it knows; `part` is its
    number.
    """

    id: Id
    done: Affected
    refused: Affected
    text: Text
    part: Annotated[int, Meta(ge=0, le=MAX_PARTS - 1)] = 0
    parts: Annotated[int, Meta(ge=1, le=MAX_PARTS)] = 1

    @property
    def ok(self) -> bool:
        """Whether the action was applied at all."""
        return self.done > 0


_ACTION: msgspec.json.Decoder[Action] = msgspec.json.Decoder(Action)
_OUTCOME = msgspec.json.Decoder(Outcome)


def read_action(payload: bytes) -> Action:
    """Read an operator action, or raise `MessageError`."""
    return read(_ACTION, payload, "an action")


def make_action(
    kind: str, name: str, *, alarms: Sequence[str], who: str, at: int, why: str = "", for_s: float | None = None
) -> AlarmAction:
    """Return the action of that kind with the id `name`, or raise `MessageError` if its fields do not fit the kind."""
    fields: dict[str, Any] = {"kind": kind, "id": name, "alarms": list(alarms), "who": who, "at": at, "why": why}
    if for_s is not None:
        fields["for_s"] = for_s
    try:
        return msgspec.convert(fields, AlarmAction)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        sentence = out_of_range(error, msgspec.json.encode(fields), AlarmAction)
        raise MessageError(sentence or f"not an action: {error}") from error


def read_outcome(payload: bytes) -> Outcome:
    """Read the outcome of an action, or raise `MessageError`."""
    return read(_OUTCOME, payload, "an outcome")
