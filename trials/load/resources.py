"""Resources that parts use while a load test runs: processor time, memory, context switches, disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import psutil

MB: Final = 1024 * 1024
REPORT_MS: Final = 1000.0
RUNNER: Final = "runner"
"""The process that reads the resources, among the parts: it shares the machine with them."""


@dataclass(frozen=True)
class Reading:
    """What a part and the processes it started have used until now, in all; `memory_mb` is now."""

    cpu_s: float
    memory_mb: float
    switches: int
    written_mb: float


@dataclass(frozen=True)
class Use:
    """Use of a part in about a second until `at` (wall ms): cores, MB, context switches and MB written a second."""

    at: float
    cores: float
    memory_mb: float
    switches_per_s: float
    written_mb_per_s: float


@dataclass
class Resources:
    """Reads the parts (name to process id) whenever asked; parts that have ended are left out. `now` is wall ms."""

    parts: Mapping[str, int]
    now: Callable[[], float]
    uses: dict[str, list[Use]] = field(default_factory=dict)
    _before: dict[str, tuple[float, Reading]] = field(default_factory=dict)

    def sample(self) -> None:
        """Add what each part used since the last call."""
        for name, pid in self.parts.items():
            now = self.now()
            reading = read(pid)
            if reading is None:
                continue
            if name in self._before:
                then, before = self._before[name]
                took = max(1e-3, (now - then) / 1000)
                self.uses.setdefault(name, []).append(
                    Use(
                        now,
                        round(max(0.0, reading.cpu_s - before.cpu_s) / took, 3),
                        round(reading.memory_mb, 1),
                        round(max(0, reading.switches - before.switches) / took, 1),
                        round(max(0.0, reading.written_mb - before.written_mb) / took, 2),
                    )
                )
            self._before[name] = now, reading

    def report(self, name: str, cpu_s: float) -> None:
        """Add what a process on another machine says that it used in all."""
        now = self.now()
        then, before = self._before.get(name, (0.0, None))
        if before is not None and now - then < REPORT_MS:
            return
        self._before[name] = now, Reading(cpu_s, 0.0, 0, 0.0)
        if before is not None:
            cores = max(0.0, cpu_s - before.cpu_s) / ((now - then) / 1000)
            self.uses.setdefault(name, []).append(Use(now, round(cores, 3), 0.0, 0.0, 0.0))

    def between(self, first_ms: float, last_ms: float) -> dict[str, dict[str, float]]:
        """Return average cores and most memory of each part, and of `all` together, from one time to another."""
        found = {name: [use for use in uses if first_ms <= use.at <= last_ms] for name, uses in self.uses.items()}
        rows = {
            name: {
                "cores": round(sum(use.cores for use in uses) / len(uses), 3),
                "memory_mb": round(max(use.memory_mb for use in uses), 1),
                "switches_per_s": round(sum(use.switches_per_s for use in uses) / len(uses), 1),
                "written_mb_per_s": round(sum(use.written_mb_per_s for use in uses) / len(uses), 2),
            }
            for name, uses in found.items()
            if uses
        }
        if rows:
            rows["all"] = {key: round(sum(row[key] for row in rows.values()), 3) for key in next(iter(rows.values()))}
        return rows


def read(pid: int) -> Reading | None:
    """Return what a process and all that it started use, None if it has ended.

    The process that asks has started the parts: of it, only its own use is meant.
    """
    try:
        parent = psutil.Process(pid)
        started = [] if pid == os.getpid() else parent.children(recursive=True)
        processes = [parent, *started]
    except psutil.NoSuchProcess:
        return None
    cpu_s = memory = written = 0.0
    switches = 0
    for process in processes:
        try:
            with process.oneshot():
                times, changes = process.cpu_times(), process.num_ctx_switches()
                cpu_s += times.user + times.system
                memory += process.memory_info().rss
                switches += changes.voluntary + changes.involuntary
                written += process.io_counters().write_bytes
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return Reading(cpu_s, memory / MB, switches, written / MB)
