"""Kill and suspend the parts of a cluster under load, and watch how long samples wait to be judged."""

from __future__ import annotations

import contextlib
import math
import random
import signal
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import polars as pl

from broker.mqtt.endpoint import free_port
from tests.cluster.whole_cluster import Cluster

from .telemetry_feed import Run, command_line, done_file

SHARES: Final = 2
"""Processes with gateways."""
LOOK_S: Final = 0.5
CAUGHT_UP_S: Final = 5.0
"""A system is calm again when no sample waits for longer than this."""
PATIENCE_S: Final = 180.0
BLOWS: Final = (
    *(("node", "killed"), ("node", "suspended")) * 3,
    *(("server", "killed"), ("server", "suspended")) * 2,
    *(("gateway", "killed"), ("gateway", "suspended")) * 2,
    *(("dashboard", "killed"), ("dashboard", "suspended")),
)
"""What is hit, and how, by how often; each comes once before any comes again."""


@dataclass
class BlownCluster:
    """A cluster with nodes, a dashboard, and gateways in `SHARES` processes that send `run`.

    `longest_s` is, for each kind of blow, how long a sample waited to be judged at most.
    """

    system: Cluster
    nodes: tuple[str, ...]
    run: Run
    chance: random.Random
    port: int = field(default_factory=free_port)
    done: Counter[str] = field(default_factory=Counter)
    longest_s: dict[str, float] = field(default_factory=dict)
    _newest: dict[str, int] = field(default_factory=dict)
    _waits_s: float = math.inf
    _deck: list[tuple[str, str]] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        """What each of the processes with gateways sends."""
        return [replace(self.run, share=share, shares=SHARES) for share in range(SHARES)]

    def start(self, name: str) -> None:
        """Start a part."""
        if name == "dashboard":
            self.system.start("dashboard", "dashboard", "--data", str(self.system.data), "--port", str(self.port))
        elif name == "nats":
            self.system.start_nats()
        elif name in self.nodes:
            self.system.start_node(name)
        else:
            run = self.runs[int(name.removeprefix("gateways-"))]
            with (self.system.folder / f"{name}.log").open("ab") as log:
                line = command_line(run, self.system.servers.url(""))
                self.system.processes[name] = subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)

    def start_all(self) -> None:
        """Start the parts beside the server; gateways last, once the nodes have all ranges."""
        for name in self.nodes:
            self.start(name)
        self.system.wait_for("all nodes", lambda: all("READY" in self.system.log(name) for name in self.nodes))
        self.start("dashboard")
        self.run = replace(self.run, folder=str(self.system.folder / "spool"), began=time.time() + 3.0)
        Path(self.run.folder).mkdir()
        for share in range(SHARES):
            self.start(f"gateways-{share}")

    def waits_s(self) -> float:
        """Return for how long the oldest sample that is not judged yet has been waiting (s).

        A sample is taken for judged when a snapshot shows it or a newer one of its pump.
        """
        for number in range(self.system.ranges):
            # A range without a snapshot has not judged anything since the last look.
            with contextlib.suppress(OSError, ValueError):
                pumps = self.system.snapshot(number).pumps
                self._newest.update(zip(pumps["pump"].to_list(), (seq or 0 for seq in pumps["seq"]), strict=True))
        judged = min(self._newest.values()) if len(self._newest) == self.run.pumps else 0
        if judged >= self.run.ticks:
            return 0.0
        return max(0.0, time.time() - (self.run.began + (judged + 1) * self.run.period_s))

    @contextlib.contextmanager
    def watched(self, kind: str) -> Iterator[None]:
        """Measure how long samples wait at most until the context ends."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(LOOK_S):
                self._waits_s = waits_s = self.waits_s()
                self.longest_s[kind] = max(self.longest_s.get(kind, 0.0), waits_s)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def blow(self) -> str:
        """Kill or suspend a part, wait until all samples are judged again, and return what was done."""
        if not self._deck:
            self._deck = self.chance.sample(BLOWS, len(BLOWS))
        kind, how = self._deck.pop()
        name = {
            "node": self.chance.choice(self.nodes),
            "gateway": f"gateways-{self.chance.randrange(SHARES)}",
            "server": "nats",
        }.get(kind, kind)
        what, act = f"{kind} {how}", self._kill if how == "killed" else self._suspend
        self.done[what] += 1
        with self.watched(what):
            text = act(name)
            self._waits_s = math.inf
            self.system.wait_for(f"calm after: {what}", lambda: self._waits_s < CAUGHT_UP_S, PATIENCE_S)
        return f"{name} {text}"

    def _kill(self, name: str) -> str:
        process, pause_s = self.system.processes[name], self.chance.uniform(0, 3)
        self._signal(name, signal.SIGKILL)
        process.wait(30)
        time.sleep(pause_s)
        self.start(name)
        return f"killed, started {pause_s:.1f} s later"

    def _suspend(self, name: str) -> str:
        for_s = self.chance.uniform(1, 12)
        self._signal(name, signal.SIGSTOP)
        time.sleep(for_s)
        self._signal(name, signal.SIGCONT)
        return f"suspended for {for_s:.1f} s"

    def _signal(self, name: str, number: int) -> None:
        """Signal a part; of the server, the program itself, which our process then finds dead."""
        process = self.system.processes[name]
        if name != "nats":
            process.send_signal(number)
            return
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        subprocess.run(["kill", f"-{number}", *children], check=True)

    def until_all_confirmed(self) -> None:
        """Wait until the gateways were told that all their samples are durable, and snapshots show them."""
        left_s = max(0.0, self.run.began + self.run.ticks * self.run.period_s - time.time())
        self.system.wait_for(
            "all confirmed", lambda: all(done_file(run).exists() for run in self.runs), left_s + PATIENCE_S
        )
        self.system.wait_for("all shown", lambda: self.waits_s() == 0.0, PATIENCE_S)

    def end_nodes(self) -> None:
        """Let the nodes finish, so that everything is on disk."""
        self.system.wait_for("all alarms merged", self._merged, PATIENCE_S)
        for name in self.nodes:
            self.system.processes[name].terminate()
        for name in self.nodes:
            self.system.processes[name].wait(60)

    def _merged(self) -> bool:
        """Return whether the merged snapshot shows the alarms of all ranges, and who acknowledged them."""

        def shown(alarms: pl.DataFrame) -> set[tuple[str, str | None]]:
            return set(alarms.select("alarm", "acknowledged_by").iter_rows())

        ranges = [self.system.snapshot(number).alarms for number in range(self.system.ranges)]
        return set().union(*map(shown, ranges)) <= shown(self.system.merged().alarms)

    def dashboard_answers(self) -> bool:
        """Return whether the dashboard is alive."""
        url = f"http://127.0.0.1:{self.port}/healthz"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
        return False
