"""The system of `pumpwatch run` while it runs: supervised parts, notices of them, and what people see at the start."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from rich.align import Align
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from broker.mqtt.topic_access import OPERATOR, SUPERVISOR
from broker.store import notification_files
from pumpwatch.commands.broker_password import with_variable
from pumpwatch.commands.run_parts import RunConfig, command, parts_of
from pumpwatch.settings import environment
from pumpwatch.supervision import run_file
from pumpwatch.supervision.part_notices import Notices
from pumpwatch.supervision.part_process import Part
from pumpwatch.supervision.part_status import PartStatus
from pumpwatch.supervision.process import stop_on_signals
from pumpwatch.supervision.service_manager import ServiceManager, status_of
from pumpwatch.supervision.supervisor import PartError, Supervisor, Trouble

CONFIGURED_INTERVAL_S = 2.0
"""How often `run` looks whether notifications are configured."""


def say(part: str, text: str) -> None:
    """Log one line in the name of a part."""
    logging.getLogger("pumpwatch").info("%s", text, extra={"part": part})


async def notify_when_configured(
    supervisor: Supervisor, data: Path, stop: asyncio.Event, flags: tuple[str, ...] = ()
) -> None:
    """Run the notifier as soon as there is a configuration of notifications: most small fleets have none."""
    # A file tells nobody that it was written.
    while not notification_files.configured(data):  # noqa: ASYNC110
        await asyncio.sleep(CONFIGURED_INTERVAL_S)
    try:
        await supervisor.adopt(Part("notifier", command("notify", "--data", str(data), *flags)), stop)
    except PartError as failure:
        say("pumpwatch", f"the notifier cannot be started, nobody is notified of alarms: {failure}")


async def run_system(config: RunConfig) -> None:
    """Run all parts until a signal; raises `PartError` if one fails to start."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    notices = Notices(with_variable(config.url(SUPERVISOR)))
    variables, part_status = environment(), PartStatus(config.data)
    systemd = ServiceManager.of(variables, os.getpid())

    def report(troubles: Mapping[str, Trouble]) -> None:
        part_status.write(troubles)
        systemd.status(status_of(troubles))

    supervisor = Supervisor(parts_of(config), say, variables, notices.put, report)
    publishing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    notifying: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    living = asyncio.ensure_future(systemd.live())
    try:
        addresses = await supervisor.start(stop)
        if addresses is not None:
            # Only now does the processor listen; earlier notices would be lost.
            publishing = asyncio.ensure_future(notices.publish_forever())
            flags = (*config.log, *config.metrics_flags("notifier"))
            notifying = asyncio.ensure_future(notify_when_configured(supervisor, config.data, stop, flags))
            address = addresses["dashboard"]
            # Commands of people log in at a broker of its own data directory by the files there, a cluster's has none.
            gateways = "" if config.own is None or config.nodes else config.own.gateway_address
            shown = run_file.without_key(address)
            run_file.write(config.data, run_file.Running(config.url(OPERATOR), shown, os.getpid(), gateways))
            _show(address, config)
            systemd.ready(f"all parts are running; dashboard at {shown}")
            await supervisor.watch(stop)
    finally:
        systemd.stopping()
        say("pumpwatch", "stopping")
        for task in (publishing, notifying, living):
            task.cancel()
        await asyncio.gather(publishing, notifying, living, return_exceptions=True)
        await supervisor.stop()


def _show(address: str, config: RunConfig) -> None:
    fleet = config.fleet
    speed = f"a day in {86_400 / config.speed / 60:.3g} minutes" if config.speed > 1 else "in real time"
    lines = Text.assemble(
        ("Open  ", "bold"),
        (address, "bold underline"),
        f"\n\n{fleet.pumps:,} simulated pumps, {speed}; data directory {config.data}",
        f"\n{config.nodes} nodes; docs/cluster.md says how to add one" if config.nodes else "",
        ""
        if config.nodes or not config.own
        else f"\nGateways: {config.own.gateway_address}; add one with: pumpwatch gateway add NAME",
        "\nA simulation and no medical device. Ctrl-C stops it.",
    )
    console = Console()
    widest = max(len(line) for line in lines.plain.splitlines()) + 6
    frame = Panel(Align.left(lines), title="Pumpwatch", expand=False, padding=(1, 2))
    Console(width=max(console.width, widest)).print(frame)
