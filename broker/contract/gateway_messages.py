"""Messages between gateways and the processor other than samples: birth, status, confirmation."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from broker.contract.messages import MessageError, read
from broker.contract.ranges import MAX_PUMPS, Count, Label, Labels, Speed, TimeMs
from broker.contract.topics import NAME, name_rule

MAX_FAULTS = 1_000
"""Names of faults in one birth."""

Millilitres = Annotated[list[Annotated[float, Meta(ge=0.0, le=1_000.0)]], Meta(max_length=MAX_PUMPS)]
Concentrations = Annotated[list[Annotated[float, Meta(ge=0.0, le=100_000.0)]], Meta(max_length=MAX_PUMPS)]
Doses = Annotated[list[Annotated[float, Meta(ge=0.0, le=100_000.0)] | None], Meta(max_length=MAX_PUMPS)]


class Pumps(msgspec.Struct, kw_only=True):
    """The pumps of a birth, column by column, all of one length, in the order of the gateway's frames.

    `program` is the prescription as people read it; `dose_ug_day` is its dose, null if it has none or none is known. A
    column that is not given is unknown of all pumps.
    """

    serial: Labels
    model: Labels = []
    lot: Labels = []
    site: Labels = []
    group: Labels = []
    reservoir_ml: Millilitres = []
    concentration_ug_ml: Concentrations = []
    program: Annotated[list[Annotated[str, Meta(max_length=500)]], Meta(max_length=MAX_PUMPS)] = []
    dose_ug_day: Doses = []


class Birth(msgspec.Struct, kw_only=True):
    """Introduction of a gateway: the pumps it speaks for, how its time runs, the faults it can play.

    `speed` is therapy seconds per wall second; at wall time `sent` (ms) the therapy clock stood at `time` (ms).
    `interval_s` is therapy seconds between two samples of a pump. `fault_titles` are what people call the faults.
    """

    gateway: Label
    pumps: Pumps
    sent: TimeMs
    time: TimeMs
    speed: Speed = 1.0
    interval_s: Annotated[float, Meta(ge=0.001, le=31 * 86_400.0)] = 60.0
    faults: Annotated[list[Label], Meta(max_length=MAX_FAULTS)] = []
    fault_titles: Annotated[dict[Label, Label], Meta(max_length=MAX_FAULTS)] = {}


class Status(msgspec.Struct, kw_only=True):
    """Whether a gateway is online, how many samples it has not sent yet, and how many it dropped since it started."""

    gateway: Label
    state: Literal["online", "offline"]
    sent: TimeMs
    waiting: Count = 0
    dropped: Count = 0


class Confirmation(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Confirms that the message a gateway stamped with `sent`, and all before it, are durable with the processor.

    `total` is how many of its messages the processor has taken, each once, up to the newest: a gateway that holds more
    of them than it grew by since an earlier confirmation learns that the broker lost some, and sends them again.
    `newest` is the stamp of the newest if that is not `sent`, as after a redelivery.
    """

    sent: TimeMs
    total: Count | None = None
    newest: TimeMs | None = None


_BIRTH = msgspec.json.Decoder(Birth)
_STATUS = msgspec.json.Decoder(Status)
_CONFIRMATION = msgspec.json.Decoder(Confirmation)


def read_birth(payload: bytes) -> Birth:
    """Read a birth, or raise `MessageError`: its columns must be of one length, its names allowed and unique."""
    birth = read(_BIRTH, payload, "a birth")
    count = len(birth.pumps.serial)
    for column in Pumps.__struct_fields__:
        length = len(getattr(birth.pumps, column))
        if length not in {0, count}:
            raise MessageError(f"the birth names {count} pumps but has {length} of {column}")
    bad = next((name for name in (birth.gateway, *birth.pumps.serial) if not NAME.fullmatch(name)), None)
    if bad is not None:
        raise MessageError(f"{bad[:80]!r} cannot be a name: {name_rule()}")
    if len(set(birth.pumps.serial)) != count:
        raise MessageError("the birth names a pump twice")
    return birth


def read_status(payload: bytes) -> Status:
    """Read a status, or raise `MessageError`."""
    return read(_STATUS, payload, "a status")


def read_confirmation(payload: bytes) -> Confirmation:
    """Read a confirmation, or raise `MessageError`."""
    return read(_CONFIRMATION, payload, "a confirmation")
