"""This file is what the parts say to each other beside samples: births, statuses, commands, replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeVar

import msgspec

from broker.bounds import MOST_SEVERITY
from broker.evidence import Evidence
from broker.topics import NAME, name_rule


class MessageError(ValueError):
    """A message that is not of its form; the text says what is wrong and what is allowed."""


class Pumps(msgspec.Struct, kw_only=True):
    """The pumps of a birth, column by column, all of one length, in the order of the gateway's frames."""

    serial: list[str]
    model: list[str] = []
    lot: list[str] = []
    site: list[str] = []
    group: list[str] = []
    reservoir_ml: list[float] = []
    concentration_ug_ml: list[float] = []
    program: list[str] = []


class Birth(msgspec.Struct, kw_only=True):
    """A gateway begins: whom it speaks for, how its time runs, which faults it can play.

    `speed` is therapy seconds per wall second; at wall time `sent` (ms) the therapy clock stood at `time` (ms).
    `interval_s` is therapy seconds between two samples of a pump.
    """

    gateway: str
    pumps: Pumps
    sent: int
    time: int
    speed: float = 1.0
    interval_s: float = 60.0
    faults: list[str] = []


class Status(msgspec.Struct, kw_only=True):
    """Whether a gateway is there, and what it had to let go of (`dropped` samples since it started)."""

    gateway: str
    state: Literal["online", "offline"]
    sent: int
    waiting: int = 0
    dropped: int = 0


class Inject(msgspec.Struct, kw_only=True, tag_field="kind", tag="inject"):
    """Make pumps of this gateway fail in a known way. Times in therapy seconds; `hold_s` None is for good."""

    id: str
    fault: str
    pumps: list[str]
    severity: float = 1.0
    ramp_s: float = 0.0
    hold_s: float | None = None
    who: str = ""


class Clear(msgspec.Struct, kw_only=True, tag_field="kind", tag="clear"):
    """End faults: of these pumps (None: of all) and of this name (None: every fault)."""

    id: str
    pumps: list[str] | None = None
    fault: str | None = None
    who: str = ""


class Program(msgspec.Struct, kw_only=True, tag_field="kind", tag="program"):
    """Change the prescription; what is None stays.

    `dose_ug_day` is for all pumps alike, `change` a factor on each pump's own dose. `steps` are pairs of seconds after
    midnight and relative rate, on the days `days` (0 is Monday; None: every day). `boluses_a_day` of `bolus_s` seconds
    make up `bolus_share` of the dose over a basal rate. `mode`: "run" or "minimum", the least rate.
    """

    id: str
    pumps: list[str]
    dose_ug_day: float | None = None
    change: float | None = None
    steps: list[tuple[float, float]] | None = None
    days: list[int] | None = None
    boluses_a_day: int | None = None
    bolus_share: float = 0.5
    bolus_s: float = 3600.0
    mode: Literal["run", "minimum"] = "run"
    who: str = ""


class Bolus(msgspec.Struct, kw_only=True, tag_field="kind", tag="bolus"):
    """Give a single bolus of `dose_ug` over `over_s` therapy seconds, beside the program."""

    id: str
    pumps: list[str]
    dose_ug: float
    over_s: float = 1800.0
    who: str = ""


class Stop(msgspec.Struct, kw_only=True, tag_field="kind", tag="stop"):
    """Stop pumps until the next `Program`."""

    id: str
    pumps: list[str]
    who: str = ""


class Refill(msgspec.Struct, kw_only=True, tag_field="kind", tag="refill"):
    """Empty and fill reservoirs. What is really filled in is what was entered where `actual_...` is None.

    `entered_ml` None is a full reservoir, `entered_ug_ml` None the concentration as before. `after` says how old drug
    in the dead space is dealt with at another concentration: not at all, by its own rate until it is gone ("bridge"),
    or by pushing it out within half an hour ("prime").
    """

    id: str
    pumps: list[str]
    entered_ml: float | None = None
    entered_ug_ml: float | None = None
    actual_ml: float | None = None
    actual_ug_ml: float | None = None
    after: Literal["nothing", "bridge", "prime"] = "nothing"
    who: str = ""


class Replace(msgspec.Struct, kw_only=True, tag_field="kind", tag="replace"):
    """Replace pumps by new ones of the same kind and program; the catheter stays."""

    id: str
    pumps: list[str]
    who: str = ""


class Interrogate(msgspec.Struct, kw_only=True, tag_field="kind", tag="interrogate"):
    """Ask pumps how they are; that also brings them back from telemetry mode."""

    id: str
    pumps: list[str]
    who: str = ""


Treatment = Program | Bolus | Stop | Refill | Replace | Interrogate
"""What people do to pumps with a programmer."""
GatewayCommand = Inject | Clear | Program | Bolus | Stop | Refill | Replace | Interrogate


class Reply(msgspec.Struct, kw_only=True):
    """What became of a command; `pumps` counts those it touched, `time` is the therapy time (ms) it took hold."""

    id: str
    gateway: str
    ok: bool
    text: str
    pumps: int = 0
    time: int = 0


class Notice(msgspec.Struct, kw_only=True):
    """A part of the system (a process) started or ended, at this wall time (ms)."""

    part: str
    state: Literal["started", "ended"]
    text: str
    at: int


class Confirmation(msgspec.Struct, kw_only=True):
    """The processor's word that what a gateway stamped with `sent`, and sent before, is durable with it."""

    sent: int


class Wrong(msgspec.Struct, kw_only=True):
    """A fault that began on a pump, or ended: `since` and `time` are therapy ms, `severity` is that after the ramp."""

    kind: Literal["begun", "ended"]
    pump: str
    fault: str
    severity: float
    since: int
    time: int


class Truth(msgspec.Struct, kw_only=True):
    """What is really wrong since the last such message: for engineers and for judging, never for the processor."""

    sent: int
    changes: list[Wrong]


class Expected(msgspec.Struct, kw_only=True):
    """By which rules a fault counts as found: those that name its cause, and those that notice it.

    One that `waits_for` a refill shows nothing before the next one. Toward an alarm of many silent pumps it counts
    from the severity `silent_from` on.
    """

    fault: str
    right: list[str] = []
    accepted: list[str] = []
    waits_for: str = ""
    silent_from: float = 0.0


class Story(msgspec.Struct, kw_only=True):
    """What a simulator begins with: its therapy time (ms), how many pumps it plays, and how it is to be judged."""

    kind: Literal["story"] = "story"
    time: int
    pumps: int
    expected: list[Expected] = []


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
    """These alarms are to call nobody for `for_s` therapy seconds, at most `LONGEST_SHELF_H` of their priority."""

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
LONGEST_SHELF_H: Final = {"high": 4.0, "medium": 24.0, "low": 72.0}
"""Therapy hours. A modelling choice: a high one comes back before a missed dose is felt, all within three days."""
MOST_ALARMS: Final = 20_000
MOST_WHY: Final = 500
MOST_WHO: Final = 80


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


_BIRTH = msgspec.json.Decoder(Birth)
_STATUS = msgspec.json.Decoder(Status)
_TRUTH = msgspec.json.Decoder(Truth)
_NOTICE = msgspec.json.Decoder(Notice)
_CONFIRMATION = msgspec.json.Decoder(Confirmation)
_REPLY = msgspec.json.Decoder(Reply)
_COMMAND = msgspec.json.Decoder(GatewayCommand)
_ACTION: msgspec.json.Decoder[Action] = msgspec.json.Decoder(Action)
_OUTCOME = msgspec.json.Decoder(Outcome)


def encode(message: msgspec.Struct) -> bytes:
    """Write any of this file's messages as JSON."""
    return msgspec.json.encode(message)


def read_birth(payload: bytes) -> Birth:
    """Read a birth, or raise `MessageError`: its columns must be of one length and its names allowed."""
    birth = _read(_BIRTH, payload, "a birth")
    count = len(birth.pumps.serial)
    for column in msgspec.structs.fields(Pumps):
        length = len(getattr(birth.pumps, column.name))
        if length not in {0, count}:
            raise MessageError(f"the birth names {count} pumps but has {length} of {column.name}")
    bad = next((name for name in (birth.gateway, *birth.pumps.serial) if not NAME.fullmatch(name)), None)
    if bad is not None:
        raise MessageError(f"{bad[:80]!r} cannot be a name: {name_rule()}")
    if len(set(birth.pumps.serial)) != count:
        raise MessageError("the birth names a pump twice")
    if not 0 < birth.speed <= 1e6:
        raise MessageError(f"speed is {birth.speed:g}; allowed is above 0 and up to 1,000,000")
    if not 0 < birth.interval_s <= 86_400 * 31:
        raise MessageError(f"interval_s is {birth.interval_s:g}; allowed is above 0 and up to 31 days")
    return birth


def read_status(payload: bytes) -> Status:
    """Read a status, or raise `MessageError`."""
    return _read(_STATUS, payload, "a status")


def read_notice(payload: bytes) -> Notice:
    """Read a notice of a part, or raise `MessageError`."""
    return _read(_NOTICE, payload, "a notice of a part")


def read_confirmation(payload: bytes) -> Confirmation:
    """Read a confirmation, or raise `MessageError`."""
    return _read(_CONFIRMATION, payload, "a confirmation")


def read_reply(payload: bytes) -> Reply:
    """Read a reply, or raise `MessageError`."""
    return _read(_REPLY, payload, "a reply")


def read_truth(payload: bytes) -> Truth:
    """Read a truth, or raise `MessageError`."""
    return _read(_TRUTH, payload, "a truth")


def read_command(payload: bytes) -> GatewayCommand:
    """Read a command to a gateway, or raise `MessageError`: severity is 0 to 1, numbers are finite, none negative.

    Whether a treatment suits its pumps is for the gateway to say, which knows them.
    """
    command: GatewayCommand = _read(_COMMAND, payload, "a command")
    if isinstance(command, Inject):
        if not 0 <= command.severity <= MOST_SEVERITY:
            raise MessageError(f"severity is {command.severity:g}; allowed is 0 to 1")
        for name, value in (("ramp_s", command.ramp_s), ("hold_s", command.hold_s or 0.0)):
            if not 0 <= value < float("inf"):
                raise MessageError(f"{name} is {value:g}; it cannot be negative")
        return command
    for name in command.__struct_fields__:
        value = getattr(command, name)
        if isinstance(value, float) and not 0 <= value < float("inf"):
            raise MessageError(f"{name} is {value:g}; it cannot be negative")
    return command


def read_action(payload: bytes) -> Action:
    """Read a person's action, or raise `MessageError`: lists and texts are bounded, a time is above 0."""
    action = _read(_ACTION, payload, "an action")
    named = "subjects" if isinstance(action, ServiceAction) else "alarms"
    for name, length, most in (
        (named, len(getattr(action, named)), MOST_ALARMS),
        ("why", len(action.why), MOST_WHY),
        ("who", len(action.who), MOST_WHO),
        ("id", len(action.id), MOST_WHO),
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
    return _read(_OUTCOME, payload, "an outcome")


Message = TypeVar("Message")


def _read(decoder: msgspec.json.Decoder[Message], payload: bytes, what: str) -> Message:
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"not {what}: {error}") from error
