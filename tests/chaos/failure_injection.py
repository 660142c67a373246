"""Failure injection: kill and stop the components of a system by a plan, and check what must hold afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from broker.contract.actions import Acknowledge
from broker.mqtt import request_reply
from broker.mqtt.address import LinkError
from broker.mqtt.endpoint import free_port
from broker.mqtt.mosquitto_config import LIMITS as BROKER_LIMITS
from broker.mqtt.mosquitto_config import anonymous, configuration, find, started_by_us
from broker.store import action_key, snapshot_files

from .proxy import Proxy
from .telemetry_feed import Run, command_line, done_file
from .verdict import WHO

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("broker", "processor", "gateway", "dashboard")
DEADLINE_S = 300.0
STOPPED_S = 1.0


@dataclass
class SystemUnderTest:
    """The components of a system in one folder; gateways reach the broker through `proxy`."""

    folder: Path
    run: Run
    proxy: Proxy
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.proxy.target}"

    def start(self, part: str) -> None:
        """Start a component; its output goes into a log file of its name."""
        python = [sys.executable, "-m", "pumpwatch"]
        common = ["--broker", self.url, "--data", str(self.data)]
        line = {
            "broker": [str(find(os.environ.get("PATH"))), "-c", str(self._broker_configuration())],
            "processor": [*python, "process", *common],
            "dashboard": [*python, "dashboard", *common, "--port", str(free_port())],
            "gateway": command_line(self.run, f"mqtt://127.0.0.1:{self.proxy.port}"),
        }[part]
        with (self.folder / f"{part}.log").open("ab") as log:
            self.processes[part] = subprocess.Popen(
                line, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _broker_configuration(self) -> Path:
        place = self.folder / "mosquitto"
        place.mkdir(parents=True, exist_ok=True)
        own = (*anonymous("127.0.0.1", self.proxy.target), *started_by_us(place, as_root=os.geteuid() == 0))
        path = place / "mosquitto.conf"
        # Once: a broker that starts just now must not find it half written.
        if not path.exists():
            path.write_text(configuration((*own, *BROKER_LIMITS), "For the chaos tests."))
        return path

    def signal(self, part: str, number: int) -> None:
        process = self.processes[part]
        if process.poll() is None:
            process.send_signal(number)

    def kill(self, part: str) -> None:
        self.signal(part, signal.SIGKILL)
        self.processes[part].wait(30)

    def end(self) -> None:
        """Stop all components, each by its own process id; the processor may finish its batch."""
        for part in reversed([part for part in PARTS if part in self.processes]):
            self.signal(part, signal.SIGCONT)
            self.signal(part, signal.SIGTERM)
        for part, process in self.processes.items():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)
                self.done[f"{part} did not end"] += 1

    def log_tails(self) -> str:
        """Return the last lines of every log."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {log.stem}\n" + "\n".join(log.read_text().splitlines()[-12:]) for log in logs)

    async def inject(self, what: str, part: str, pause_s: float) -> None:
        """Inject one failure of the plan, and recover from it `pause_s` later."""
        self.done[f"{what} {part}"] += 1
        match what:
            case "kill":
                await asyncio.to_thread(self.kill, part)
                await asyncio.sleep(pause_s)
                self.start(part)
            case "stop":
                self.signal(part, signal.SIGSTOP)
                await asyncio.sleep(STOPPED_S)
                self.signal(part, signal.SIGCONT)
            case "kill both":
                # Only the gateways still have what the broker acknowledged while the processor was stopped.
                self.signal("processor", signal.SIGSTOP)
                await asyncio.sleep(STOPPED_S)
                for each in ("broker", "processor"):
                    await asyncio.to_thread(self.kill, each)
                await asyncio.sleep(pause_s)
                for each in ("broker", "processor"):
                    self.start(each)
            case "cut":
                self.proxy.cut()
            case "silence":
                self.proxy.silent = True
                await asyncio.sleep(2 * pause_s)
                self.proxy.restore()
            case "throttle":
                self.proxy.latency_s, self.proxy.bytes_a_s = 0.05, 200_000.0
                await asyncio.sleep(3 * pause_s)
                self.proxy.restore()
            case _:
                raise ValueError(what)

    async def until_done(self) -> None:
        """Wait until the processor has confirmed all that the gateways sent, and all is in the snapshot."""
        until = time.monotonic() + DEADLINE_S
        while not done_file(self.run).exists():
            if time.monotonic() > until:
                raise AssertionError(f"not all was confirmed within {DEADLINE_S:g} s\n{self.log_tails()}")
            for part, process in self.processes.items():
                if process.poll() is not None:
                    raise AssertionError(
                        f"{part} exited unexpectedly with code {process.returncode}\n{self.log_tails()}"
                    )
            await asyncio.sleep(0.2)


async def operate(url: str, data: Path, acknowledged: dict[str, str]) -> None:
    """Acknowledge stalls one by one, and note those that were answered; act again if the outcome never arrived."""
    while True:
        seen = snapshot_files.read(data / "snapshot").alarms
        waiting = seen.filter((pl.col("rule") == "motor_stall") & pl.col("acknowledged_wall").is_null())
        for alarm in [alarm for alarm in waiting["alarm"] if alarm not in acknowledged][:1]:
            while alarm not in acknowledged:
                # Anew each time: a signature is valid for a minute.
                action = Acknowledge(id=uuid.uuid4().hex, alarms=[alarm], who=WHO, at=time.time_ns() // 1_000_000)
                with contextlib.suppress(LinkError, OSError, ValueError):
                    sign = action_key.signer(data).sign
                    outcome = await request_reply.act(url, action, sign, timeout_s=4.0)
                    if outcome.done or "already" in outcome.text:
                        acknowledged[alarm] = action.id
                await asyncio.sleep(0.2)
        await asyncio.sleep(0.3)


def plan(count: int, seed: int, pace_s: tuple[float, float]) -> Iterator[tuple[float, str, str, float]]:
    """Yield `count` failures: seconds before it, its kind, the component, and seconds until recovery."""
    chance = random.Random(seed)
    kinds = [("kill", part) for part in PARTS for _ in range(3)] + [("stop", part) for part in PARTS]
    kinds += [
        ("kill both", "broker and processor"),
        ("cut", "network"),
        ("silence", "network"),
        ("throttle", "network"),
    ]
    for _ in range(count):
        what, part = chance.choice(kinds)
        yield chance.uniform(*pace_s), what, part, chance.uniform(0.1, 1.0)


async def inject_failures(
    folder: Path,
    run: Run,
    failures: list[tuple[float, str, str, float]],
    *,
    dashboard: bool = True,
    acknowledging: bool = True,
) -> SystemUnderTest:
    """Run a system through all failures until every sample is confirmed; return it, stopped.

    Without `acknowledging` nobody acts on alarms.
    """
    chance = random.Random(run.seed)
    proxy = Proxy(free_port(), chance)
    await proxy.start()
    system = SystemUnderTest(folder, replace(run, folder=str(folder / "spool"), began=time.time() + 3.0), proxy)
    Path(system.run.folder).mkdir(parents=True)
    try:
        for part in PARTS:
            if dashboard or part != "dashboard":
                system.start(part)
        operator = asyncio.create_task(
            operate(system.url, system.data, system.acknowledged) if acknowledging else asyncio.sleep(0)
        )
        for wait_s, what, part, pause_s in failures:
            await asyncio.sleep(wait_s)
            await system.inject(what, part, pause_s)
        proxy.restore()
        await system.until_done()
        if acknowledging:
            await wait_for_acknowledgments(system)
        operator.cancel()
        await asyncio.gather(operator, return_exceptions=True)
    finally:
        await asyncio.to_thread(system.end)
        await proxy.close()
    return system


async def wait_for_acknowledgments(system: SystemUnderTest) -> None:
    """Wait until a stall was acknowledged, if the run is long enough to have one."""
    until = time.monotonic() + DEADLINE_S
    while not system.acknowledged and system.run.ticks > 60 and time.monotonic() < until:
        await asyncio.sleep(0.1)
