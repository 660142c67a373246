"""Commands to gateways: inject and clear faults, treat pumps, play scenarios; and the replies of gateways.

Every command says who gave it (`who`) and when (`at`, wall ms), and is signed (`broker.contract.signed`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from broker.contract.dose_limits import MAX_SEVERITY
from broker.contract.messages import read
from broker.contract.ranges import MAX_PUMPS, DurationS, Label, Labels, Share, Speed, Text, TimeMsOrZero

# Wide, against nonsense: the gateway checks a treatment against the limits of its pumps.
DOSE_UG: Final = Meta(ge=0.0, le=100_000.0)
VOLUME_ML: Final = Meta(ge=0.0, le=1_000.0)
CONCENTRATION_UG_ML: Final = Meta(ge=0.0, le=100_000.0)
FACTOR: Final = Meta(ge=0.0, le=1_000.0)
BOLUSES: Final = Meta(ge=0, le=1_000)
MAX_STEPS: Final = 100
DoseUg = Annotated[float, DOSE_UG]
VolumeMl = Annotated[float, VOLUME_ML]
ConcentrationUgMl = Annotated[float, CONCENTRATION_UG_ML]
Factor = Annotated[float, FACTOR]
SecondOfDay = Annotated[float, Meta(ge=0.0, le=86_400.0)]
Weekday = Annotated[int, Meta(ge=0, le=6)]


class Inject(msgspec.Struct, kw_only=True, tag_field="kind", tag="inject"):
    """Inject a fault into pumps of this gateway. Times in therapy seconds; `hold_s` None is permanent."""

    id: Label
    fault: Label
    pumps: Labels
    severity: Annotated[float, Meta(ge=0.0, le=MAX_SEVERITY)] = 1.0
    ramp_s: DurationS = 0.0
    hold_s: DurationS | None = None
    who: Label = ""
    at: TimeMsOrZero = 0


class Clear(msgspec.Struct, kw_only=True, tag_field="kind", tag="clear"):
    """Clear faults: of these pumps (None: all) and of this name (None: every fault)."""

    id: Label
    pumps: Labels | None = None
    fault: Label | None = None
    who: Label = ""
    at: TimeMsOrZero = 0


class Program(msgspec.Struct, kw_only=True, tag_field="kind", tag="program"):
    """Change the prescription; a field that is None stays as it is.

    `dose_ug_day` is the dose of every pump, `change` a factor on the dose of each. `steps` are pairs of seconds after
    midnight and relative rate, on the days `days` (0 is Monday; None: every day). `boluses_a_day` of `bolus_s` seconds
    make up `bolus_share` of the dose over a basal rate. `mode`: "run" or "minimum", the minimum rate.
    """

    id: Label
    pumps: Labels
    dose_ug_day: DoseUg | None = None
    change: Factor | None = None
    steps: Annotated[list[tuple[SecondOfDay, Factor]], Meta(max_length=MAX_STEPS)] | None = None
    days: Annotated[list[Weekday], Meta(max_length=7)] | None = None
    boluses_a_day: Annotated[int, BOLUSES] | None = None
    bolus_share: Share = 0.5
    bolus_s: DurationS = 3600.0
    mode: Literal["run", "minimum"] = "run"
    who: Label = ""
    at: TimeMsOrZero = 0


class Bolus(msgspec.Struct, kw_only=True, tag_field="kind", tag="bolus"):
    """Give a single bolus of `dose_ug` over `over_s` therapy seconds, in addition to the program."""

    id: Label
    pumps: Labels
    dose_ug: DoseUg
    over_s: DurationS = 1800.0
    who: Label = ""
    at: TimeMsOrZero = 0


class Stop(msgspec.Struct, kw_only=True, tag_field="kind", tag="stop"):
    """Stop pumps until the next `Program`."""

    id: Label
    pumps: Labels
    who: Label = ""
    at: TimeMsOrZero = 0


class Refill(msgspec.Struct, kw_only=True, tag_field="kind", tag="refill"):
    """Empty and fill reservoirs. If `actual_...` is None, the reservoir gets what was entered.

    `entered_ml` None is a full reservoir, `entered_ug_ml` None the same concentration as before. `after` says what is
    done about the old drug in the dead space if the concentration changes: nothing, a rate of its own until it is
    delivered ("bridge"), or pushing it out within half an hour ("prime").
    """

    id: Label
    pumps: Labels
    entered_ml: VolumeMl | None = None
    entered_ug_ml: ConcentrationUgMl | None = None
    actual_ml: VolumeMl | None = None
    actual_ug_ml: ConcentrationUgMl | None = None
    after: Literal["nothing", "bridge", "prime"] = "nothing"
    who: Label = ""
    at: TimeMsOrZero = 0


class Replace(msgspec.Struct, kw_only=True, tag_field="kind", tag="replace"):
    """Replace pumps by new ones of the same kind and program; the catheter stays."""

    id: Label
    pumps: Labels
    who: Label = ""
    at: TimeMsOrZero = 0


class Interrogate(msgspec.Struct, kw_only=True, tag_field="kind", tag="interrogate"):
    """Interrogate pumps; also ends telemetry mode."""

    id: Label
    pumps: Labels
    who: Label = ""
    at: TimeMsOrZero = 0


MAX_SCENARIO_CHARS: Final = 64_000
"""Length of an uploaded scenario file: about a thousand entries."""


class Playback(msgspec.Struct, kw_only=True, tag_field="kind", tag="playback"):
    """Control the scenario that the simulator of this gateway plays on all its pumps; of no use to real gateways.

    "start" plays the scenario `name` from its beginning, "speed" sets therapy seconds per wall second, "add" keeps the
    file `toml` under `name`, and "check" only validates it; "remove" forgets an added one.
    """

    id: Label
    action: Literal["start", "pause", "resume", "stop", "speed", "check", "add", "remove"]
    name: Label = ""
    toml: Annotated[str, Meta(max_length=MAX_SCENARIO_CHARS)] = ""
    speed: Speed | None = None
    pumps: Labels = []
    who: Label = ""
    at: TimeMsOrZero = 0


Treatment = Program | Bolus | Stop | Refill | Replace | Interrogate
"""Commands that a clinician sends to pumps with a programmer."""
GatewayCommand = Inject | Clear | Program | Bolus | Stop | Refill | Replace | Interrogate | Playback


class Reply(msgspec.Struct, kw_only=True):
    """Reply to a command: `pumps` is the number of pumps it changed, `time` the therapy time (ms) of the change."""

    id: Label
    gateway: Label
    ok: bool
    text: Text
    pumps: Annotated[int, Meta(ge=0, le=MAX_PUMPS)] = 0
    time: TimeMsOrZero = 0


_COMMAND: msgspec.json.Decoder[GatewayCommand] = msgspec.json.Decoder(GatewayCommand)
_REPLY = msgspec.json.Decoder(Reply)


def read_command(payload: bytes) -> GatewayCommand:
    """Read a command to a gateway, or raise `MessageError`.

    The gateway checks whether a treatment is within the limits of its pumps.
    """
    return read(_COMMAND, payload, "a command")


def read_reply(payload: bytes) -> Reply:
    """Read a reply, or raise `MessageError`."""
    return read(_REPLY, payload, "a reply")
