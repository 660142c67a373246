"""Configuration and record of notifications on the terminal, or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from broker.display import terminal
from broker.display.instants import timestamp
from pumpwatch.commands.tables import write_json

if TYPE_CHECKING:
    from broker.store.notification_files import Status
    from broker.store.notification_record import Delivery


def show_config(config: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what a configuration says, without secrets (`broker.contract.notification_config.described`)."""
    if as_json:
        write_json(config)
        return
    cells = [
        (
            route["name"],
            route["match"],
            ", ".join(route["to"]),
            ", ".join(route["when"]),
            "\n".join(route["escalation"]),
        )
        for route in config["routes"]
    ]
    columns: dict[str, dict[str, Any]] = {name: {} for name in ("route", "alarms", "to", "when", "escalation")}
    services = ", ".join(f"{each['name']} ({each['kind']})" for each in config["services"]) or "none"
    note = f"Services: {services}. Heartbeat: {'yes' if config['watchdog'] else 'no'}. The configuration is valid."
    Console().print(terminal.table("Routes", columns, cells, note=note))


def show(
    rows: Sequence[Delivery], counts: Mapping[str, int], status: Status | None, trouble: str | None, *, as_json: bool
) -> None:
    """Print deliveries, how many there are by state, and what keeps people from being notified."""
    if as_json:
        import msgspec

        write_json(
            {
                "trouble": trouble,
                "status": None if status is None else msgspec.to_builtins(status),
                "counts": dict(counts),
                "deliveries": [msgspec.to_builtins(row) for row in rows],
            }
        )
        return
    cells = (
        (
            timestamp(row.finished or row.decided),
            row.service,
            f"escalation {row.step}" if row.kind == "escalated" else row.kind,
            row.state,
            row.title,
            row.reason,
        )
        for row in rows
    )
    columns: dict[str, dict[str, Any]] = {
        name: {} for name in ("time (UTC)", "service", "about", "state", "message", "reason")
    }
    notified = ", ".join(f"{count:,} {state}" for state, count in counts.items())
    note = f"{notified}. {f'Trouble: {trouble}.' if trouble else ''}".strip()
    Console().print(terminal.table("Notifications", columns, cells, note=note))
