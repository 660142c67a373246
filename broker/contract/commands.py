"""This file is what people command gateways: to inject and clear faults, to treat pumps; and what those reply."""

from __future__ import annotations

from typing import Literal

import msgspec

from broker.contract.dose_limits import MAX_SEVERITY
from broker.contract.messages import MessageError, read


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


_COMMAND = msgspec.json.Decoder(GatewayCommand)
_REPLY = msgspec.json.Decoder(Reply)


def read_command(payload: bytes) -> GatewayCommand:
    """Read a command to a gateway, or raise `MessageError`: severity is 0 to 1, numbers are finite, none negative.

    Whether a treatment suits its pumps is for the gateway to say, which knows them.
    """
    command: GatewayCommand = read(_COMMAND, payload, "a command")
    if isinstance(command, Inject):
        if not 0 <= command.severity <= MAX_SEVERITY:
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


def read_reply(payload: bytes) -> Reply:
    """Read a reply, or raise `MessageError`."""
    return read(_REPLY, payload, "a reply")
