"""Settings of the processor service, and the error that says why it cannot run with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from broker.contract.topics import COMMAND, PART
from broker.store.history import DEFAULT_MAX_BYTES
from broker.store.snapshot import CapacityLimit
from processor.intake.rates import RateLimits


class ProcessorError(Exception):
    """The processor cannot run; the text says why and what to do."""


class SecondProcessorError(ProcessorError):
    """Another processor uses the same broker; trying again does not help before that one is stopped."""


@dataclass(frozen=True)
class Part:
    """The part of a fleet that one of several processors has: `filters` are its topics, `keys` the directory of all.

    There are `parts` of them. `still_mine` says whether nobody else can have it yet; it is asked after what was taken
    in is on disk, before that is confirmed. `name` is for people, `number` for topics; `epoch` counts the owners. For
    `redelivery_s` after a session has begun, the broker may deliver what the former session left unacknowledged after
    newer messages; what is missing then it has lost.
    """

    number: int
    parts: int
    name: str
    filters: tuple[str, ...]
    keys: Path
    still_mine: Callable[[], bool]
    redelivery_s: float = 0.0
    epoch: int = 0

    @property
    def topics(self) -> tuple[str, ...]:
        """What it subscribes to: notices of parts concern no gateway, so the first one records them for all."""
        return (*self.filters, COMMAND, *((PART,) if self.number == 0 else ()))


@dataclass(frozen=True)
class Settings:
    """How the processor runs: `tick_s` wall seconds or `batch_bytes` of payload make a batch, whichever comes first.

    The broker is asked to leave no more than `receive_maximum` messages unacknowledged (Mosquitto 2.0 may send more
    when it catches up; 65,535 is the most that MQTT allows), and none are read while `waiting_bytes` wait: they limit
    the memory, and what is processed twice after a crash. At most `max_rows` samples wait to be written.
    What exceeds the `rates` is refused. `anchor_url` gets the end of the journal, if it is not empty
    (`processor.service.anchor_webhook`). With `trace`, it publishes when it handled each message
    (`broker.contract.trace`). Spans of batches are sent to `otlp_endpoint`, if it is not empty. `part` is None if it is
    the only processor of the fleet; otherwise samples are also published in the Delta table `history_table` (URL or
    path), if it is not empty. `cluster_log` says how full the log of a cluster is, which the first part reports for
    all.
    """

    broker: str
    data: Path
    tick_s: float = 0.25
    batch_bytes: int = 8 * 1024 * 1024
    waiting_bytes: int = 256 * 1024 * 1024
    max_rows: int = 2_000_000
    receive_maximum: int = 65_535
    history_bytes: int = DEFAULT_MAX_BYTES
    history_days: int = 0
    history_table: str = ""
    rates: RateLimits = field(default_factory=RateLimits)
    anchor_url: str = field(default="", repr=False)
    trace: bool = False
    otlp_endpoint: str = field(default="", repr=False)
    part: Part | None = None
    cluster_log: Callable[[], list[CapacityLimit]] = list

    @property
    def own_limits(self) -> Callable[[], list[CapacityLimit]]:
        """Capacity limits outside of the processor that this one is to report."""
        return self.cluster_log if self.part is not None and self.part.number == 0 else list
