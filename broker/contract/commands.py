"""Commands to gateways: inject and clear faults, treat pumps; and the replies of gateways."""

from __future__ import annotations

from typing import Literal

import msgspec

from broker.contract.dose_limits import MAX_SEVERITY
from broker.contract.messages import MessageError, read


class Inject(msgspec.Struct, kw_only=True, tag_field="kind", tag="inject"):
    """Inject a fault into pumps of this gateway. Times in therapy seconds; `hold_s` None is permanent."""

    id: str
    fault: str
    pumps: list[str]
    severity: float = 1.0
    ramp_s: float = 0.0
    hold_s: float | None = None
    who: str = ""


class Clear(msgspec.Struct, kw_only=True, tag_field="kind", tag="clear"):
    """Clear faults: of these pumps (None: all) and of this name (None: every fault)."""

    id: str
    pumps: list[str] | None = None
    fault: str | None = None
    who: str = ""


class Program(msgspec.Struct, kw_only=True, tag_field="kind", tag="program"):
    """Change the prescription; a field that is None stays as it is.

    `dose_ug_day` is the dose of every pump, `change` a factor on the dose of each. `steps` are pairs of seconds after
    midnight and relative rate, on the days `days` (0 is Monday; None: every day). `boluses_a_day` of `bolus_s` seconds
    make up `bolus_share` of the dose over a basal rate. `mode`: "run" or "minimum", the minimum rate.
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
    """Give a single bolus of `dose_ug` over `over_s` therapy seconds, in addition to the program."""

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
    """Empty and fill reservoirs. If `actual_...` is None, the reservoir gets what was entered.

    `entered_ml` None is a full reservoir, `entered_ug_ml` None the same concentration as before. `after` says what is
    done about the old drug in the dead space if the concentration changes: nothing, a rate of its own until it is
    delivered ("bridge"), or pushing it out within half an hour ("prime").
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
    """Interrogate pumps; also ends telemetry mode."""

    id: str
    pumps: list[str]
    who: str = ""


Treatment = Program | Bolus | Stop | Refill | Replace | Interrogate
"""Commands that a clinician sends to pumps with a programmer."""
GatewayCommand = Inject | Clear | Program | Bolus | Stop | Refill | Replace | Interrogate


class Reply(msgspec.Struct, kw_only=True):
    """Reply to a command: `pumps` is the number of pumps it changed, `time` the therapy time (ms) of the change."""

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

    The gateway checks whether a treatment is within the limits of its pumps.
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
