"""Gateways that send the same samples for the same seed, however often they are killed.

Run as a process. Pumps keep running while their gateway is down: after a restart the fleet is advanced to where it was,
and what was not yet on the gateway's disk is sent. The file `done` is written when the processor has confirmed it all.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from broker.contract.codec import encode_arrow
from broker.contract.commands import Reply
from broker.contract.gateway_messages import Birth
from broker.contract.signed import Verifier
from broker.mqtt.address import parse_url
from simulator.gateway.outbox import Outbox, Parcel
from simulator.gateway.session import Session
from simulator.gateway.spool import Spool
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

START_MS = 1_767_225_600_000
SENT_MS = 1_790_000_000_000
"""The stamp of tick 0: stamps count ticks here, so that a run is the same to the last bit."""
INTERVAL_S = 60
MAX_SAMPLES = 50_000_000
FAULTS = {
    30: ("motor_stall", 10, 3),
    45: ("battery_depletion", 10, 6),
    **{tick: ("motor_stall", 100, 10 * n % 100 + 1) for n, tick in enumerate(range(100, 3000, 100))},
}
"""At this tick this fault begins on one pump in so many, the first being the last number."""


@dataclass(frozen=True)
class Run:
    """A run: `ticks` samples of each of `pumps` through `gateways`, `period_s` wall seconds apart from `began` on.

    One of `shares` processes, number `share`, has every so-many-th gateway.
    """

    pumps: int
    gateways: int
    ticks: int
    period_s: float
    seed: int
    folder: str
    began: float = 0.0
    share: int = 0
    shares: int = 1

    @property
    def speed(self) -> float:
        return INTERVAL_S / self.period_s

    def parts(self) -> list[tuple[str, range]]:
        edges = np.linspace(0, self.pumps, self.gateways + 1).astype(int).tolist()
        return [(f"gate-{n}", range(edges[n], edges[n + 1])) for n in range(self.gateways)]


def done_file(run: Run) -> Path:
    """Return the file that a process writes when all its samples are confirmed: what its outboxes dropped."""
    return Path(run.folder) / ("done" if run.shares == 1 else f"done-{run.share}")


def simulation(run: Run) -> Simulation:
    return Simulation(default(pumps=run.pumps, interval_s=INTERVAL_S, seed=run.seed), start_ms=START_MS, boot=1)


def frames(run: Run, fleet: Simulation) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield every tick and its samples."""
    for tick in range(1, run.ticks + 1):
        if tick in FAULTS:
            fault, one_in, first = FAULTS[tick]
            fleet.inject(fault, np.arange(first, run.pumps, one_in), severity=1.0)
        stamp = pl.lit(SENT_MS + tick, pl.Int64).alias("sent")
        yield tick, fleet.tick().drop("index").with_columns(stamp)


class Gateways:
    """All gateways of a run."""

    def __init__(self, run: Run, url: str) -> None:
        self.run_, self.fleet, address = run, simulation(run), parse_url(url)
        self.sessions = [
            Session(
                name,
                own,
                self._outbox(name),
                address,
                birth=self._birth,
                execute=_refuse,
                wall_ms=_wall_ms,
                verifier=Verifier(),
            )
            for name, own in run.parts()[run.share :: run.shares]
        ]

    def _outbox(self, name: str) -> Outbox:
        return Outbox(2**50, MAX_SAMPLES, Spool(Path(self.run_.folder) / name), patient=True)

    def _birth(self, session: Session) -> Birth:
        return Birth(
            gateway=session.name,
            pumps=self.fleet.describe(session.own),
            sent=_wall_ms(),
            time=self.fleet.time_ms,
            speed=self.run_.speed,
            interval_s=INTERVAL_S,
        )

    async def send(self) -> None:
        progress = {session.name: self._progress(session) for session in self.sessions}
        for tick, samples in frames(self.run_, self.fleet):
            if tick > min(progress.values()):
                await asyncio.sleep(max(0.0, self.run_.began + tick * self.run_.period_s - time.time()))
            for session in self.sessions:
                if tick > progress[session.name]:
                    part = samples[session.own.start : session.own.stop]
                    session.put(Parcel(encode_arrow(part), part.height, SENT_MS + tick))
                    self._note(session, tick)
        while any(session.outbox.samples for session in self.sessions):
            await asyncio.sleep(0.05)
        counts = {
            name: sum(getattr(s.outbox, name) for s in self.sessions) for name in ("dropped", "unsure", "refused")
        }
        done_file(self.run_).write_bytes(msgspec.json.encode(counts))
        await asyncio.Event().wait()

    def _progress(self, session: Session) -> int:
        path = Path(self.run_.folder) / f"{session.name}.progress"
        noted = len(path.read_bytes()) if path.exists() else 0
        return max(noted, session.outbox.last_stamp - SENT_MS)

    def _note(self, session: Session, tick: int) -> None:
        """Make the file one byte a tick long: it cannot be half written."""
        path = Path(self.run_.folder) / f"{session.name}.progress"
        with path.open("ab") as file:
            file.truncate(tick)

    async def serve(self) -> None:
        keeping = [asyncio.create_task(each.run(print, random.Random(each.name))) for each in self.sessions]
        await asyncio.gather(self.send(), *keeping)


async def _refuse(session: Session, command: object) -> Reply:
    return Reply(
        id=getattr(command, "id", ""), gateway=session.name, ok=False, text="these gateways accept no commands"
    )


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def command_line(run: Run, url: str) -> list[str]:
    """Return the command that runs these gateways."""
    return [sys.executable, str(Path(__file__)), msgspec.json.encode(asdict(run)).decode(), url]


if __name__ == "__main__":
    asyncio.run(Gateways(msgspec.json.decode(sys.argv[1], type=Run), sys.argv[2]).serve())
