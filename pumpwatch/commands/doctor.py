"""`pumpwatch doctor`: checks of the installation, the data directory and the running system."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from broker.display import terminal
from pumpwatch.commands import options
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.doctor_access import Finding, endings, permissions
from pumpwatch.commands.doctor_gateways import gateways
from pumpwatch.commands.doctor_journal import clock, journal
from pumpwatch.commands.doctor_machine import (
    backups,
    broker_settings,
    format_of_data,
    kernel_clock,
    open_files,
    routes,
    synchronization,
    time_zones,
)
from pumpwatch.commands.tables import write_json
from pumpwatch.settings import environment, user_data
from pumpwatch.supervision import run_file

MIN_FREE_BYTES: Final = 1_000_000_000
CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")
STALE_S: Final = 15.0
COLORS: Final = {"ok": "green", "note": "yellow", "failed": "red"}


def doctor(
    *,
    broker: options.Broker = None,
    data: options.Data = None,
    port: options.Port = options.DASHBOARD_PORT,
    mosquitto_config: Annotated[
        Path | None,
        typer.Option(
            "--mosquitto-config",
            metavar="FILE",
            callback=options.path,
            help="Configuration of your own Mosquitto, to be checked for settings that lose data.",
            show_default=False,
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Check this machine and the running system; exit code 1 if a required check fails."""
    where = data or user_data()
    findings = [
        *packages(),
        *programs(environment().get("PATH", os.defpath)),
        *open_files(),
        *synchronization(kernel_clock()),
        *time_zones(),
        *storage(where),
        *format_of_data(where),
        *permissions(where),
        *endings(where, now_ms()),
        *records(where),
        *sign_in(where),
        *clock(where),
        *backups(where, now_ms()),
        *routes(where, now_ms()),
        *broker_settings(where, mosquitto_config),
        *running(where, broker, port),
    ]
    if as_json:
        write_json(findings)
    else:
        _show(findings)
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(1)


def packages() -> Iterator[Finding]:
    """Check Python and the installed dependencies."""
    version = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info >= (3, 11)
    yield Finding("Python", "ok" if fine else "failed", version if fine else f"{version}; 3.11 or newer is needed")
    try:
        yield Finding("pumpwatch", "ok", importlib.metadata.version("pumpwatch"))
        needed = importlib.metadata.requires("pumpwatch") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("pumpwatch", "note", "runs from source, not installed; dependencies were not checked")
        return
    for line in needed:
        if "extra ==" in line:
            continue
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        try:
            yield Finding(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "failed", f"missing; install with: {sys.executable} -m pip install '{line}'")


def programs(path: str) -> Iterator[Finding]:
    """Check programs that are not Python packages."""
    from broker.mqtt.mosquitto_config import find

    mosquitto = find(path)
    if mosquitto is None:
        yield Finding("mosquitto", "note", "not found; the embedded broker is used, for evaluation only")
    else:
        yield Finding("mosquitto", "ok", str(mosquitto))
    chromium = next(filter(None, (shutil.which(name, path=path) for name in CHROMIUM)), None)
    if chromium is None:
        yield Finding("chromium", "note", "not found; only the browser tests need it")
    else:
        yield Finding("chromium", "ok", chromium)


def storage(data: Path) -> Iterator[Finding]:
    """Check the data directory: writable, with enough free space."""
    existing = next(path for path in (data, *data.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        yield Finding("data directory", "failed", f"{existing} is not writable; choose another with --data")
        return
    free = shutil.disk_usage(existing).free
    text = f"{data}, {free / 1e9:.1f} GB free"
    if free < MIN_FREE_BYTES:
        yield Finding("data directory", "failed", f"{text}; at least {MIN_FREE_BYTES / 1e9:.0f} GB is required")
    else:
        yield Finding("data directory", "ok", text)


def sign_in(data: Path) -> Iterator[Finding]:
    """Check that the accounts can be read, if there were any."""
    from dashboard.access.accounts import problem, read_accounts

    text = problem(data)
    if text:
        yield Finding("accounts", "failed", text)
    elif count := len(read_accounts(data)):
        yield Finding("accounts", "ok", f"{count:,} account{'s' * (count != 1)}")
    else:
        yield Finding("accounts", "note", "none; the shared key opens the dashboard, on this machine only")


def records(data: Path) -> Iterator[Finding]:
    """Check the journal's hash chain, the history, and files that were moved aside as unreadable."""
    from polars.exceptions import PolarsError

    from broker.store.segments import kept

    yield from journal(data)
    try:
        samples, files, size = kept(data)
    except (OSError, PolarsError) as error:
        yield Finding("history", "failed", f"cannot be read: {error}")
    else:
        density = f", {size / samples:.1f} bytes per sample" if samples else ""
        yield Finding("history", "ok", f"{samples:,} samples in {files:,} files{density}")
    for path in sorted(path for path in data.glob("*.unreadable-*") if not path.name.endswith(("-wal", "-shm"))):
        text = f"{path.name} could not be read and was moved aside; delete it when it is no longer needed"
        yield Finding("moved aside", "note", text)


def running(data: Path, broker: str | None, port: int) -> Iterator[Finding]:
    """Check the system running on this data directory, or whether one could start."""
    found = run_file.find(data)
    if found is None:
        yield Finding("system", "note", f"none is running on {data}")
        if run_file.is_free(options.LOOPBACK, port):
            yield Finding("dashboard port", "ok", f"{port} is free")
        else:
            yield Finding("dashboard port", "note", f"{port} is in use; `pumpwatch run` uses the next free one")
    else:
        yield Finding("system", "ok", f"process {found.pid}, {found.dashboard}")
        if found.gateways:
            yield Finding("address for gateways", "ok", found.gateways)
    # A given broker means that a system is expected to run there, as in containers.
    expected = broker is not None or found is not None
    if expected:
        yield _reach(run_file.broker_of(broker, data))
    yield from _health(data, expected=expected)


def _reach(url: str) -> Finding:
    from broker.mqtt.address import LinkError, parse_url
    from broker.mqtt.link import learn_protocol

    try:
        address = parse_url(url)
        asyncio.run(learn_protocol(address))
    except LinkError as error:
        return Finding("broker", "failed", str(error))
    return Finding("broker", "ok", f"{address.url} answers, {address.protocol_name}")


def _health(data: Path, *, expected: bool) -> Iterator[Finding]:
    from broker.store import snapshot_files

    manifest = data / "snapshot" / snapshot_files.MANIFEST
    if not manifest.exists():
        if expected:
            yield Finding("snapshot", "failed", f"the processor has not written one to {manifest.parent}")
        return
    now = snapshot_files.read(manifest.parent)
    health = now.health
    # Compares two file times, so this module needs no clock.
    probe = data / ".doctor"
    probe.touch()
    age_s = probe.stat().st_mtime - manifest.stat().st_mtime
    probe.unlink()
    text = f"version {health.version}, {age_s:.0f} s old"
    if expected:
        yield Finding("snapshot", "failed" if age_s > STALE_S else "ok", text)
        yield Finding("processor link", "ok" if health.connected else "failed", health.broker or "unknown")
    else:
        yield Finding("snapshot", "note", f"{text}, from an earlier run")
    yield from gateways(now.gateways, is_running=expected)
    counts = f"{health.samples:,} samples, {health.lost:,} lost, {health.refused:,} messages rejected"
    yield Finding("samples", "note" if health.lost or health.refused else "ok", counts)


def _show(findings: list[Finding]) -> None:
    columns = dict.fromkeys(("what", "", "found"), terminal.FOLD)
    rows = ((finding.what, Text(finding.state, COLORS[finding.state]), finding.text) for finding in findings)
    Console(highlight=False).print(terminal.table("pumpwatch doctor", columns, rows))
