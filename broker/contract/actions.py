"""This file is what people do with alarms, and with whom alarms are about; and what the processor answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from broker.contract.messages import MessageError, read

MAX_SHELF_H: Final = {"high": 4.0, "medium": 24.0, "low": 72.0}
"""Therapy hours. A modelling choice: a high one comes back before a missed dose is felt, all within three days."""
MAX_ALARMS: Final = 20_000
MAX_WHY: Final = 500
MAX_WHO: Final = 80


class _Deed(msgspec.Struct, kw_only=True, tag_field="kind"):
    """What a person does with alarms. `at` is wall time in ms, `why` their reason or note.

    `id` makes it one and the same deed, however often it arrives.
    """

    id: str
    alarms: list[str]
    who: str
    at: int
    why: str = ""


class Acknowledge(_Deed, tag="acknowledge"):
    """A person has seen these alarms."""


class Unacknowledge(_Deed, tag="unacknowledge"):
    """Nobody is to count as having seen these alarms."""


class Note(_Deed, tag="note"):
    """A person writes something beside these alarms: `why`."""


class Shelve(_Deed, tag="shelve"):
    """These alarms are to call nobody for `for_s` therapy seconds, at most `MAX_SHELF_H` of their priority."""

    for_s: float


class Unshelve(_Deed, tag="unshelve"):
    """Shelved alarms are to call again."""


class OutOfService(_Deed, tag="out_of_service"):
    """These alarms say nothing while something is repaired; they neither call nor explain others."""


class InService(_Deed, tag="in_service"):
    """These alarms are to be trusted again."""


class Reset(_Deed, tag="reset"):
    """Latched alarms that are over and acknowledged may go."""


class _Service(msgspec.Struct, kw_only=True, tag_field="kind"):
    """What a person does with whole pumps, gateways or other subjects of alarms, by their names, before they alarm.

    `rule` None is every rule. `at` is wall time in ms; `id` makes it one and the same deed, however often it arrives.
    """

    id: str
    subjects: list[str]
    who: str
    at: int
    rule: str | None = None
    why: str = ""


class TakeOut(_Service, tag="take_out"):
    """Alarms of these pumps, gateways or other subjects are out of service as soon as they would be raised.

    For `for_s` therapy seconds; None: until `put_back`.
    """

    for_s: float | None = None


class PutBack(_Service, tag="put_back"):
    """What `take_out` said of these subjects, and of the same rule or all, is over."""


AlarmAction = Acknowledge | Unacknowledge | Note | Shelve | Unshelve | OutOfService | InService | Reset
ServiceAction = TakeOut | PutBack
Action = AlarmAction | ServiceAction
"""What the processor does for people."""


class Outcome(msgspec.Struct, kw_only=True):
    """What became of an action on alarms: of how many it was done, of how many not, and why not, in words."""

    id: str
    done: int
    refused: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether it was done at all."""
        return self.done > 0


_ACTION: msgspec.json.Decoder[Action] = msgspec.json.Decoder(Action)
_OUTCOME = msgspec.json.Decoder(Outcome)


def read_action(payload: bytes) -> Action:
    """Read a person's action, or raise `MessageError`: lists and texts are bounded, a time is above 0."""
    action = read(_ACTION, payload, "an action")
    named = "subjects" if isinstance(action, ServiceAction) else "alarms"
    for name, length, most in (
        (named, len(getattr(action, named)), MAX_ALARMS),
        ("why", len(action.why), MAX_WHY),
        ("who", len(action.who), MAX_WHO),
        ("id", len(action.id), MAX_WHO),
    ):
        if length > most:
            raise MessageError(f"{name} is {length:,} long; allowed are {most:,}")
    for_s = action.for_s if isinstance(action, Shelve | TakeOut) else None
    if for_s is not None and not 0 < for_s < float("inf"):
        raise MessageError(f"for_s is {for_s:g}; it must be above 0")
    return action


def make_action(
    kind: str, name: str, *, alarms: Sequence[str], who: str, at: int, why: str = "", for_s: float | None = None
) -> AlarmAction:
    """Return the action of that kind with the id `name`, or raise `MessageError` where it does not fit."""
    about = {"kind": kind, "id": name, "alarms": list(alarms), "who": who, "at": at, "why": why}
    try:
        return msgspec.convert(about if for_s is None else {**about, "for_s": for_s}, AlarmAction)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise MessageError(f"not an action: {error}") from error


def read_outcome(payload: bytes) -> Outcome:
    """Read what became of an action, or raise `MessageError`."""
    return read(_OUTCOME, payload, "an outcome")
