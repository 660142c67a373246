"""Load profiles: stages of pumps, disturbances and thresholds, read from TOML files."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, structs

from simulator.faults import FAULTS
from simulator.playback.notation import ScenarioError, known
from simulator.playback.tables import Layout, Table, read
from trials.load.metrics import METRICS, known_metric

FOLDER: Final = Path(__file__).parent / "profiles"
MAX_PUMPS: Final = 1_000_000
"""A hard cap: more is a matter of several machines."""
MAX_SESSIONS: Final = 20_000
MAX_STAGE_S: Final = 24 * 3600.0
MAX_TOTAL_S: Final = 48 * 3600.0
MAX_STAGES: Final = 100
PUMPS_PER_GATEWAY: Final = 1_000

Seconds = Annotated[float, Meta(ge=0.0, le=MAX_STAGE_S)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Stage(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """`[[stage]]`: raise the fleet to `pumps` within `ramp`, then keep it there for `hold`; only that is judged.

    A share `faulty` of the pumps that join gets faults, of `faults` in turn.
    """

    pumps: Annotated[int, Meta(ge=1, le=MAX_PUMPS)]
    ramp: Seconds = 5.0
    hold: Annotated[float, Meta(ge=1.0, le=MAX_STAGE_S)] = 30.0
    name: Annotated[str, Meta(max_length=40, description="a name of up to 40 characters")] = ""


class Disturbance(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """`[[disturbance]]`: what happens `at` so many seconds after the start, for how long, to which share of gateways.

    `reconnect` drops the connections of gateways once, `cut` keeps them away from the broker for `hold`; `pause` stops
    a part, as a machine that hangs does. `slow_consumer` is a subscriber to all telemetry that reads a twentieth of
    the time, for `hold`.
    """

    kind: Literal["reconnect", "cut", "pause", "slow_consumer"]
    at: Seconds
    hold: Seconds = 0.0
    share: Share = 1.0
    part: Literal["broker", "processor", "dashboard"] = "processor"


class Threshold(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """`[[threshold]]`: a figure of every stage that may not exceed a limit (in s for latencies, else a number)."""

    metric: Annotated[str, Meta(max_length=80, description='a metric such as "latency.shown.p99"')]
    below: Annotated[float, Meta(ge=0.0, le=1e12)]

    def __post_init__(self) -> None:
        """Check the metric."""
        if not known_metric(self.metric):
            known("metric", self.metric, METRICS, "metric")


class Profile(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A whole profile. Durations are in seconds, wall-clock time.

    `interval` is between two samples of a pump, `speed` how fast therapy time runs. `payload` is arrow (one message for
    all pumps of a gateway), ndjson (likewise), or json (one message for each sample). With `sessions` each pump has an
    MQTT session of its own, else up to `pumps_per_gateway` share one. A share `faulty` of the pumps gets the `faults`.
    """

    title: Annotated[str, Meta(max_length=200, description="a text of up to 200 characters")] = ""
    interval: Annotated[float, Meta(ge=0.1, le=3600.0)] = 1.0
    speed: Annotated[float, Meta(ge=0.1, le=3600.0)] = 60.0
    payload: Literal["arrow", "ndjson", "json"] = "arrow"
    sessions: bool = False
    pumps_per_gateway: Annotated[int, Meta(ge=1, le=100_000)] = PUMPS_PER_GATEWAY
    generators: Annotated[int, Meta(ge=1, le=16)] = 1
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 1
    faulty: Share = 0.001
    faults: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(min_length=1, max_length=40)] = (
        "catheter_occlusion",
        "motor_stall",
    )
    stage: Annotated[tuple[Stage, ...], Meta(max_length=MAX_STAGES)] = ()
    disturbance: Annotated[tuple[Disturbance, ...], Meta(max_length=MAX_STAGES)] = ()
    threshold: Annotated[tuple[Threshold, ...], Meta(max_length=MAX_STAGES)] = ()

    def __post_init__(self) -> None:
        """Check what concerns several keys."""
        for name in self.faults:
            known("fault", name, FAULTS, "faults")

    @property
    def pumps(self) -> int:
        """The most pumps of any stage."""
        return max(stage.pumps for stage in self.stage)

    @property
    def per_gateway(self) -> int:
        """Pumps that share an MQTT session."""
        return 1 if self.sessions else self.pumps_per_gateway

    @property
    def seconds(self) -> float:
        """How long all stages take together."""
        return sum(stage.ramp + stage.hold for stage in self.stage)


LAYOUT: Final = Layout(
    Profile,
    {
        "stage": Table(Stage, "it needs pumps = …"),
        "disturbance": Table(Disturbance, "it needs kind = … and at = …"),
        "threshold": Table(Threshold, "it needs metric = … and below = …"),
    },
    frozenset({"interval", "ramp", "hold", "at", "below"}),
)


def load(path_or_name: str) -> Profile:
    """Read a profile from a file, or a packaged one by its name; raises `ScenarioError` with line and range."""
    path = next((each for each in (Path(path_or_name), FOLDER / f"{path_or_name}.toml") if each.is_file()), None)
    if path is None:
        raise ScenarioError(
            f"no load profile {path_or_name[:80]!r}: it is neither a file nor a packaged profile, which are "
            f"{', '.join(packaged())}"
        )
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} is not TOML: {error}") from error
    except OSError as error:
        raise ScenarioError(f"cannot read {path}: {error.strerror}") from error
    return checked(read(tables, LAYOUT, str(path), text), str(path))


def packaged() -> list[str]:
    """Return the names of the profiles that come with Pumpwatch."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def checked(profile: Profile, source: str) -> Profile:
    """Return a profile that can be run; raises `ScenarioError` if its stages are missing, too large or too long."""
    if not profile.stage:
        raise ScenarioError(f"{source}: a profile needs at least one stage; write [[stage]] with pumps = …")
    if profile.seconds > MAX_TOTAL_S:
        raise ScenarioError(
            f"{source}: the stages take {profile.seconds / 3600:.1f} h; allowed are {MAX_TOTAL_S / 3600:g} h"
        )
    gateways = -(-profile.pumps // profile.per_gateway)
    if gateways > MAX_SESSIONS:
        raise ScenarioError(
            f"{source}: {profile.pumps:,} pumps need {gateways:,} MQTT sessions; allowed are {MAX_SESSIONS:,}: leave "
            "out sessions, or raise pumps_per_gateway"
        )
    for before, after in itertools.pairwise(profile.stage):
        if after.pumps < before.pumps:
            raise ScenarioError(
                f"{source}: a stage of {after.pumps:,} pumps follows one of {before.pumps:,}; stages may only grow, "
                "because a fleet that shrinks raises alarms of silent pumps"
            )
    return profile


def single(pumps: int, *, base: Profile, ramp_s: float, hold_s: float) -> Profile:
    """Return a profile like `base` with one stage."""
    return structs.replace(base, stage=(Stage(pumps=pumps, ramp=ramp_s, hold=hold_s),))
