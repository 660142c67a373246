"""Messages between gateways and the processor other than samples: birth, status, confirmation."""

from __future__ import annotations

from typing import Literal

import msgspec

from broker.contract.messages import MessageError, read
from broker.contract.topics import NAME, name_rule


class Pumps(msgspec.Struct, kw_only=True):
    """The pumps of a birth, column by column, all of one length, in the order of the gateway's frames.

    `program` is the prescription as people read it; `dose_ug_day` is its dose, null if it has none or none is known. A
    column that is not given is unknown of all pumps.
    """

    serial: list[str]
    model: list[str] = []
    lot: list[str] = []
    site: list[str] = []
    group: list[str] = []
    reservoir_ml: list[float] = []
    concentration_ug_ml: list[float] = []
    program: list[str] = []
    dose_ug_day: list[float | None] = []


class Birth(msgspec.Struct, kw_only=True):
    """Introduction of a gateway: the pumps it speaks for, how its time runs, the faults it can play.

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
    """Whether a gateway is online, how many samples it has not sent yet, and how many it dropped since it started."""

    gateway: str
    state: Literal["online", "offline"]
    sent: int
    waiting: int = 0
    dropped: int = 0


class Confirmation(msgspec.Struct, kw_only=True):
    """Confirms that the message a gateway stamped with `sent`, and all before it, are durable with the processor."""

    sent: int


_BIRTH = msgspec.json.Decoder(Birth)
_STATUS = msgspec.json.Decoder(Status)
_CONFIRMATION = msgspec.json.Decoder(Confirmation)


def read_birth(payload: bytes) -> Birth:
    """Read a birth, or raise `MessageError`: its columns must be of one length, its names and numbers allowed."""
    birth = read(_BIRTH, payload, "a birth")
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
    dose = next((dose for dose in birth.pumps.dose_ug_day if dose is not None and dose < 0), None)
    if dose is not None:
        raise MessageError(f"dose_ug_day is {dose:g}; it cannot be negative")
    if not 0 < birth.speed <= 1e6:
        raise MessageError(f"speed is {birth.speed:g}; allowed is above 0 and up to 1,000,000")
    if not 0 < birth.interval_s <= 86_400 * 31:
        raise MessageError(f"interval_s is {birth.interval_s:g}; allowed is above 0 and up to 31 days")
    return birth


def read_status(payload: bytes) -> Status:
    """Read a status, or raise `MessageError`."""
    return read(_STATUS, payload, "a status")


def read_confirmation(payload: bytes) -> Confirmation:
    """Read a confirmation, or raise `MessageError`."""
    return read(_CONFIRMATION, payload, "a confirmation")
