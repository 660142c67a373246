"""Table of metrics: every metric that a part serves at /metrics, with its meaning.

Names follow the conventions of Prometheus: base units, `_total` for counters. No label is a pump, a gateway, a person
or a text from outside, so that the number of series does not depend on the fleet. In a cluster, the metrics of
processors have the label `range` besides (`Reading.range`), of which there are 64 at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]
PROCESSOR: Final = "processor"
DASHBOARD: Final = "dashboard"
SIMULATOR: Final = "simulator"
NOTIFIER: Final = "notifier"
BROKER: Final = "broker"
PARTS: Final = (PROCESSOR, DASHBOARD, SIMULATOR, NOTIFIER, BROKER)
"""The parts that serve metrics, in the order of their ports."""


@dataclass(frozen=True)
class Metric:
    """A metric: its name as it is served, kind, meaning, the parts that serve it, and the names of its labels."""

    name: str
    kind: Kind
    text: str
    parts: tuple[str, ...]
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """Names of the series that a query may ask for."""
        return (
            tuple(self.name + end for end in ("_bucket", "_count", "_sum"))
            if self.kind == "histogram"
            else (self.name,)
        )


def _rows(part: str, rows: tuple[tuple[str, Kind, str] | tuple[str, Kind, str, tuple[str, ...]], ...]) -> list[Metric]:
    return [Metric(name, kind, text, (part,), *rest) for name, kind, text, *rest in rows]


_COMMON: Final = [
    Metric("pumpwatch_build_info", "gauge", "Always 1; the labels name the part and its version.", PARTS,
           ("part", "version")),
    Metric("pumpwatch_ready", "gauge", "1 while readyz answers 200, else 0.", PARTS, ("part",)),
    Metric("process_cpu_seconds_total", "counter", "CPU time of the process, user and system.", PARTS),
    Metric("process_resident_memory_bytes", "gauge", "Memory of the process that is in RAM.", PARTS),
    Metric("process_virtual_memory_bytes", "gauge", "Virtual memory of the process.", PARTS),
    Metric("process_start_time_seconds", "gauge", "When the process started, as Unix time.", PARTS),
    Metric("process_open_fds", "gauge", "Open files and connections of the process.", PARTS),
    Metric("process_max_fds", "gauge", "Limit of open files and connections of the process.", PARTS),
]  # fmt: skip

_PROCESSOR: Final = _rows(PROCESSOR, (
    ("pumpwatch_samples_total", "counter", "Samples taken in since the start."),
    ("pumpwatch_messages_total", "counter", "Messages taken in since the start."),
    ("pumpwatch_messages_rejected_total", "counter", "Messages that went into the quarantine, by reason.", ("reason",)),
    ("pumpwatch_samples_lost", "gauge", ("Samples permanently lost as far as is known: gaps in the sequence numbers of "
     "all pumps. A late sample closes its gap, so the value can fall.")),
    ("pumpwatch_samples_late_total", "counter", "Samples that arrived after a newer one of their pump."),
    ("pumpwatch_samples_duplicate_total", "counter", "Samples that arrived once more, and were ignored."),
    ("pumpwatch_batch_duration_seconds", "histogram", "Time to judge one batch of messages."),
    ("pumpwatch_end_to_end_latency_seconds", "histogram", ("Time from the gateway's publish to the snapshot that the "
     "dashboard reads, of an even selection of samples.")),
    ("pumpwatch_commit_duration_seconds", "histogram", ("Time to write to disk, by what: message log and "
     "acknowledgement, samples and journal, or checkpoint."), ("work",)),
    ("pumpwatch_buffer_used", "gauge", "How much of a buffer or limit is used, in its own unit.", ("buffer", "unit")),
    ("pumpwatch_buffer_limit", "gauge", "Limit of a buffer, in its own unit.", ("buffer", "unit")),
    ("pumpwatch_buffer_full_total", "counter", ("How often a buffer was full, or how much was removed or refused "
     "because it was."), ("buffer",)),
    ("pumpwatch_alarms_open", "gauge", "Open alarms, by priority and state of ISA-18.2.", ("priority", "state")),
    ("pumpwatch_pumps", "gauge", "Pumps known."),
    ("pumpwatch_gateways", "gauge", "Gateways known, by state.", ("state",)),
    ("pumpwatch_broker_connected", "gauge", "1 while connected to the broker, else 0."),
    ("pumpwatch_broker_reconnects_total", "counter", "Connections to the broker after the first."),
    ("pumpwatch_snapshot_timestamp_seconds", "gauge", "When the latest snapshot was written, as Unix time."),
    ("pumpwatch_snapshot_version", "gauge", "Number of the latest snapshot since the start."),
    ("pumpwatch_checkpoint_timestamp_seconds", "gauge", "When the latest checkpoint was written, as Unix time."),
    ("pumpwatch_journal_entries", "gauge", "Entries in the journal."),
    ("pumpwatch_journal_size_bytes", "gauge", "Size of the journal on disk."),
    ("pumpwatch_disk_free_bytes", "gauge", "Free space of the disk with the data directory."),
    ("pumpwatch_disk_size_bytes", "gauge", "Usable space of the disk with the data directory."),
    ("pumpwatch_trouble", "gauge", "1 for each thing that fails now, by name.", ("what",)),
    ("pumpwatch_clock_steps_total", "counter", "How often the clock of the machine was set."),
    ("pumpwatch_processing_errors_total", "counter", "Unforeseen errors while judging."),
))  # fmt: skip

_CLUSTER: Final = _rows(PROCESSOR, (
    ("pumpwatch_node_info", "gauge", ("Always 1; the label names the node, which has a new name after each start. No "
     "other metric has it: join on `instance`."), ("node",)),
    ("pumpwatch_node_nodes", "gauge", "Live nodes of the cluster, as this one sees them."),
    ("pumpwatch_node_leases_held", "gauge", "Leases on ranges that this node holds."),
    ("pumpwatch_node_leases_lost_total", "counter", "Leases that this node could not renew in time."),
    ("pumpwatch_node_takeovers_total", "counter", "Leases that this node took over from a silent owner."),
    ("pumpwatch_node_restarts_total", "counter", "How often a service of this node failed and was started again."),
    ("pumpwatch_node_servers_reachable", "gauge", "1 while the servers that keep the leases answer, else 0."),
    ("pumpwatch_node_lease_epoch", "gauge", "Epoch of the lease on each range that this node holds."),
    ("pumpwatch_node_lease_since_timestamp_seconds", "gauge", "Since when this node holds it, as Unix time."),
    ("pumpwatch_merger_active", "gauge", "1 on the node that merges the ranges, else 0."),
    ("pumpwatch_merger_snapshots_total", "counter", "Merged snapshots written since this node became the merger."),
    ("pumpwatch_merger_failures_total", "counter", "Steps of the merger that failed, and were tried again."),
    ("pumpwatch_merger_step_duration_seconds", "histogram", "Time to merge all ranges once."),
    ("pumpwatch_merger_journal_entries_total", "counter", "Journal entries copied from ranges."),
    ("pumpwatch_merger_range_unchanged_seconds", "gauge", "For how long each range has shown nothing new."),
    ("pumpwatch_merger_ranges_not_judged", "gauge", "Ranges on which no processor works."),
    ("pumpwatch_merger_nodes_silent", "gauge", "Nodes that stopped reporting without having left."),
    ("pumpwatch_merger_servers_down", "gauge", "NATS servers that do not answer, or say that they are not healthy."),
))  # fmt: skip

_DASHBOARD: Final = _rows(DASHBOARD, (
    ("pumpwatch_dashboard_request_duration_seconds", "histogram", "Time to answer a request."),
    ("pumpwatch_dashboard_responses_total", "counter", "Answers, by class of their status (2xx, 4xx, …).", ("status",)),
    ("pumpwatch_dashboard_refused_total", "counter", "Connections, requests and messages refused by a limit.",
     ("reason",)),
    ("pumpwatch_dashboard_connections", "gauge", "Open connections of browsers."),
    ("pumpwatch_dashboard_websockets", "gauge", "Open WebSockets, one for each page that is open."),
    ("pumpwatch_dashboard_snapshots_total", "counter", "Snapshots read since the start."),
    ("pumpwatch_dashboard_snapshot_age_seconds", "gauge", "Age of the snapshot that pages show."),
))  # fmt: skip

_SIMULATOR: Final = _rows(SIMULATOR, (
    ("pumpwatch_simulator_samples_sent_total", "counter", "Samples handed to gateways for sending."),
    ("pumpwatch_simulator_samples_waiting", "gauge", "Samples that gateways keep because they are not confirmed."),
    ("pumpwatch_simulator_outbox_size_bytes", "gauge", "Payload that gateways keep because it is not confirmed."),
    ("pumpwatch_simulator_samples_dropped_total", "counter", "Samples dropped because an outbox was full."),
    ("pumpwatch_simulator_broker_losses_total", "counter",
     "Times that a gateway sent again because the broker had lost messages after confirming them."),
    ("pumpwatch_simulator_gateways", "gauge", "Simulated gateways, connected or not.", ("state",)),
    ("pumpwatch_simulator_pumps", "gauge", "Simulated pumps."),
    ("pumpwatch_simulator_behind_seconds", "gauge", "How late the latest tick began."),
))  # fmt: skip

_NOTIFIER: Final = _rows(NOTIFIER, (
    ("pumpwatch_notifications_waiting", "gauge", "Messages that wait to be sent."),
    ("pumpwatch_notifications_total", "counter", ("Messages of all time, by what became of them: sent, dead (given "
     "up), cancelled or limited."), ("outcome",)),
    ("pumpwatch_notification_services_failing", "gauge", "Services to which nothing can be sent now."),
    ("pumpwatch_notification_oldest_timestamp_seconds", "gauge", ("When the message was decided that waits longest, as "
     "Unix time; absent if none waits.")),
    ("pumpwatch_watchdog_heartbeat_timestamp_seconds", "gauge", "When the last heartbeat was accepted, as Unix time."),
))  # fmt: skip

_BROKER: Final = _rows(BROKER, (
    ("pumpwatch_broker_clients_connected", "gauge", "Clients that are connected to Mosquitto."),
    ("pumpwatch_broker_messages_stored", "gauge", "Messages that Mosquitto keeps: retained, and for absent clients."),
    ("pumpwatch_broker_messages_stored_bytes", "gauge", "Size of the payloads that Mosquitto keeps."),
    ("pumpwatch_broker_messages_dropped_total", "counter", "Messages that Mosquitto dropped; must stay 0."),
    ("pumpwatch_broker_messages_received_total", "counter", "Messages that clients published."),
    ("pumpwatch_broker_messages_sent_total", "counter", "Messages that Mosquitto sent to clients."),
    ("pumpwatch_broker_received_bytes_total", "counter", "Bytes that Mosquitto received."),
    ("pumpwatch_broker_sent_bytes_total", "counter", "Bytes that Mosquitto sent."),
))  # fmt: skip

METRICS: Final = (*_COMMON, *_PROCESSOR, *_CLUSTER, *_DASHBOARD, *_SIMULATOR, *_NOTIFIER, *_BROKER)
"""Every metric, by name unique; a new metric is one row."""

BY_NAME: Final = {metric.name: metric for metric in METRICS}
