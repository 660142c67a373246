"""Health monitor: wall clock, capacity limits, lag and moved files, for the system's own rules and for dashboards."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from broker.access import certificates
from broker.store import account_files, notification_files
from broker.store.snapshot import CapacityLimit, Health
from processor.engine import sequence
from processor.intake.message_queue import MessageQueue
from processor.pipeline import Pipeline
from processor.rules.certificates import SOON, URGENT
from processor.rules.cluster_log import CLUSTER_LOG
from processor.rules.notifications import NOTIFICATIONS
from processor.service import capacity
from processor.service.message_log import MessageLog
from processor.service.metering import Meter
from processor.service.store import Store
from processor.watch import readings

CHECK_INTERVAL_S: Final = 1.0
"""How often the processor checks itself."""
MAX_LAG_S: Final = 10.0
"""Time that samples may take to the dashboards. Modelling choice: ten times what is usual under full load."""
CLOCK_NOTICE_S: Final = 300.0
"""How long a clock that was set is shown as a trouble."""
NOTIFICATIONS_INTERVAL_S: Final = 5.0
"""How often the processor looks whether the notifier delivers."""
CERTIFICATES_INTERVAL_S: Final = 3_600.0
"""How often the processor looks when certificates end."""
MAX_NAMED: Final = 5


@dataclass
class HealthMonitor:
    """Checks the parts of one run, in the data directory `data`; what is wrong becomes a trouble of the meter.

    `step_ms` is by how much the wall clock was set when it was checked last, `cluster_log` how full the log of a
    cluster is, if this processor is to report it.
    """

    data: Path
    meter: Meter
    pipeline: Pipeline
    store: Store
    queue: MessageQueue
    log: MessageLog
    receive_maximum: int
    max_rows: int
    cluster_log: Callable[[], list[CapacityLimit]] = list
    step_ms: int = 0
    _checked: float = -math.inf
    _clock_set: float = 0.0
    _certificates_checked: float = -math.inf
    _notifications_checked: float = -math.inf

    def health(self, now: int, *, protocol: str, connected: bool) -> Health:
        """Return the processor's health at `now` (wall ms)."""
        return self.meter.health(now, self.pipeline, self._limits(), protocol=protocol, connected=connected)

    def readings(self, clock: float) -> pl.DataFrame | None:
        """Return what the system's rules judge, every `CHECK_INTERVAL_S` of `clock` (monotonic, s); None in between."""
        if clock - self._checked < CHECK_INTERVAL_S:
            return None
        self._checked = clock
        self.check_unreadable()
        self.check_accounts()
        self.check_cluster_log()
        registry, state = self.pipeline.registry, self.pipeline.state
        return readings.frame(
            readings.troubles(self.meter.troubles),
            readings.capacities(self._limits()),
            readings.lag(self.meter.lag_s, MAX_LAG_S),
            readings.counts(
                sequence.totals(state),
                dropped=registry.gateways.dropped,
                refused=self.pipeline.quarantine.count,
                droppers=registry.gateways.top_droppers(),
            ),
            readings.refusals(forged=self.pipeline.inbox.recorder.forgeries, claimed=registry.claims_refused),
        )

    def check_unreadable(self) -> None:
        """Report stored files that were moved aside because they could not be read, until somebody removes them."""
        aside = sorted(path.name for path in self.data.glob("*.unreadable-*"))
        if aside:
            text = f"could not be read and was moved aside in {self.data}: {', '.join(aside[:MAX_NAMED])}"
            self.meter.trouble("stored records", text)
        else:
            self.meter.recovered("stored records")

    def check_accounts(self) -> None:
        """Report accounts that cannot be read, or that are gone: then nobody can sign in to the dashboards."""
        problem = account_files.unusable(self.data)
        if problem:
            self.meter.trouble("accounts", problem)
        else:
            self.meter.recovered("accounts")

    def check_cluster_log(self) -> None:
        """Report a log of the cluster that is almost full, until it is no more."""
        problem = capacity.cluster_log_problem(self.cluster_log())
        if problem:
            self.meter.trouble(CLUSTER_LOG, problem)
        else:
            self.meter.recovered(CLUSTER_LOG)

    def check_notifications(self, now: int, clock: float) -> None:
        """Report what keeps people from being notified; `now` is wall ms, `clock` monotonic in s."""
        if clock - self._notifications_checked < NOTIFICATIONS_INTERVAL_S:
            return
        self._notifications_checked = clock
        problem = notification_files.trouble(self.data, now)
        if problem:
            self.meter.trouble(NOTIFICATIONS, problem)
        else:
            self.meter.recovered(NOTIFICATIONS)

    def check_certificates(self, now: int, clock: float) -> None:
        """Report certificates that end soon, every `CERTIFICATES_INTERVAL_S`; `now` is wall ms, `clock` monotonic in s.

        A certificate that cannot be read is none of this processor's: containers have their own.
        """
        if clock - self._certificates_checked < CERTIFICATES_INTERVAL_S:
            return
        self._certificates_checked = clock
        ending = certificates.ending(self.data, now)
        for days, part in ((certificates.SOON_DAYS, SOON), (certificates.URGENT_DAYS, URGENT)):
            if days in ending:
                self.meter.trouble(part, ending[days])
            else:
                self.meter.recovered(part)

    def check_clock(self, now: int, clock: float) -> str | None:
        """Follow a wall clock that was set, and show that for a while; return it in words, None if it was not set.

        `now` is wall ms, `clock` monotonic in s. The time for which pumps have been silent stays as it was.
        """
        self.step_ms = step_ms = self.meter.clock.step(now, clock)
        if step_ms:
            self.pipeline.shift_wall_clock(step_ms)
            self._clock_set = clock
            direction = "forward" if step_ms > 0 else "back"
            text = f"the clock of this machine was set {direction} by {abs(step_ms) / 1000:,.0f} s"
            self.meter.trouble("clock", text)
            return text
        if clock - self._clock_set >= CLOCK_NOTICE_S:
            self.meter.recovered("clock")
        return None

    def _limits(self) -> list[CapacityLimit]:
        own = capacity.limits(
            self.queue,
            self.store,
            self.pipeline,
            self.log,
            receive_maximum=self.receive_maximum,
            max_rows=self.max_rows,
        )
        return [*own, *self.cluster_log()]
