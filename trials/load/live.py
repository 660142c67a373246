"""State of a load test while it runs, for a terminal or a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trials.load.accounting import Account
from trials.load.generators import Generates, summed


@dataclass
class Live:
    """What a terminal or a page shows while a test runs."""

    stage: str
    pumps: int
    second: float
    seconds: float
    offered_per_s: float
    made_per_s: float
    connected: int
    sessions: int
    latency: dict[str, float | None]
    cores: dict[str, float]


def live_of(
    account: Account,
    rates: Sequence[tuple[float, int, int]],
    generators: Sequence[Generates],
    latency: dict[str, float | None],
    cores: Mapping[str, float],
) -> Live:
    """Return the state from `rates`: wall ms, samples that were due and samples that were made, in all."""
    window = account.windows[-1] if account.windows else None
    (then, offered, made), (now, offered_now, made_now) = rates[-min(6, len(rates))], rates[-1]
    took = max(1e-3, (now - then) / 1000)
    return Live(
        window.name if window else "joining",
        window.stage.pumps if window else account.profile.stage[0].pumps,
        round((now - account.begin_ms) / 1000, 1),
        account.profile.seconds,
        (offered_now - offered) / took,
        (made_now - made) / took,
        summed(generators, "connected"),
        summed(generators, "sessions"),
        latency,
        dict(cores),
    )
