"""`pumpwatch fhir`: what the system knows as FHIR resources."""

from __future__ import annotations

import importlib.metadata
import sqlite3
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from broker.display.instants import timestamp
from pumpwatch.commands import audit_entries, options
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.checked_values import with_checked_values
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.records import Since, Until, moment, serials_of
from pumpwatch.settings import user_data

if TYPE_CHECKING:
    from broker.interop.coding import Resource
    from broker.interop.stored import Source

app = typer.Typer(no_args_is_help=True)


class Kind(StrEnum):
    """Types of resources."""

    DEVICE = "Device"
    DEVICE_METRIC = "DeviceMetric"
    OBSERVATION = "Observation"
    AUDIT_EVENT = "AuditEvent"
    DEVICE_ALERT = "DeviceAlert"


DEFAULT: Final = [Kind.DEVICE, Kind.DEVICE_METRIC, Kind.OBSERVATION]
MAX_QUOTED: Final = 200


@app.callback()
def group() -> None:
    """Export what the system knows as FHIR R4 resources."""


@app.command(epilog="Example: pumpwatch fhir export --resource Observation --pumps 3 --from 2026-01-01 > bundle.json")
@with_checked_values
def export(
    *,
    resource: Annotated[
        list[Kind] | None,
        typer.Option(
            "--resource",
            help="Type of resource; repeatable. Default: Device, DeviceMetric and Observation.",
            show_default=False,
        ),
    ] = None,
    pumps: Annotated[
        str, typer.Option("--pumps", metavar="LIST", help="Numbers, ranges and serials: 3,7-9,MY-1; or all.")
    ] = "all",
    since: Since = None,
    until: Until = None,
    changed_since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Only alarms, samples and entries that changed after this time of the wall clock.",
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        Literal["bundle", "ndjson"],
        typer.Option("--format", help="bundle: one collection; ndjson: one resource a line, as FHIR Bulk Data has it."),
    ] = "bundle",
    data: options.Data = None,
) -> None:
    """Print FHIR R4 resources as JSON: pumps and gateways, metrics, samples and alarms, the audit trail.

    Observation has the open alarms, and the alarms that are over and the samples between --from and --to (therapy time;
    all without them); AuditEvent has what people did in that period (wall-clock time). DeviceAlert has the alarms as
    FHIR R6 drafts them, a preview that is exported alone. --since means what _since means for FHIR Bulk Data. Every
    resource is marked as simulated test data; none has a patient.
    """
    from broker.interop.bundles import collection_text, ndjson_text

    kinds = list(dict.fromkeys(resource or DEFAULT))
    if Kind.DEVICE_ALERT in kinds and len(kinds) > 1:
        raise typer.BadParameter(
            "DeviceAlert is of FHIR R6, the others are of R4; export it alone", param_hint="--resource"
        )
    where = data or user_data()
    times = (moment("--from", since), moment("--to", until), moment("--since", changed_since))
    source = _source(where, pumps, times, with_alarms=bool({Kind.OBSERVATION, Kind.DEVICE_ALERT} & {*kinds}))
    words = {"from": since, "to": until, "changed since": changed_since}
    period = " ".join(f"{word} {time}" for word, time in words.items() if time)
    text = f"FHIR {', '.join(kinds)} of pumps {pumps[:MAX_QUOTED]} {period} as {format_}"
    audit_entries.record(where, "exported", " ".join(text.split()))
    counted = _Counted(_resources(source, kinds))
    try:
        for piece in collection_text(counted, now_ms()) if format_ == "bundle" else ndjson_text(counted):
            sys.stdout.buffer.write(piece.encode())
    except BrokenPipeError:
        raise CommandError("the reader of the output closed it before the export was complete") from None
    except (OSError, sqlite3.Error) as error:
        raise CommandError(f"cannot export: {error}") from error
    typer.echo(f"{counted.number:,} resources", err=True)
    if not counted.number:
        raise CommandError("nothing matches; check --resource, --pumps, --from and --to")


class _Counted:
    """Counts resources as they pass."""

    def __init__(self, resources: Iterator[Resource]) -> None:
        self.number = 0
        self._resources = resources

    def __iter__(self) -> Iterator[Resource]:
        for one in self._resources:
            self.number += 1
            yield one


def _source(data: Path, pumps: str, times: tuple[int | None, int | None, int | None], *, with_alarms: bool) -> Source:
    from broker.interop.stored import Source
    from broker.store.snapshot_files import read
    from dashboard.data.occurrences import Occurrences

    snapshot = read(data / "snapshot")
    if not snapshot.version:
        raise CommandError(f"there is no snapshot in {data}; is a system running there?")
    known = frozenset(snapshot.table.facts["pump"])
    serials = serials_of(pumps, known.__contains__)
    occurred = None
    if with_alarms:
        try:
            course = Occurrences(data).known()
        except sqlite3.Error as error:
            raise CommandError(f"cannot read the journal: {error}") from error
        occurred = course.found
        if not course.complete and course.since is not None:
            typer.echo(f"alarms that were over before {timestamp(course.since)} are left out", err=True)
    since, until, changed_since = times
    version = importlib.metadata.version("pumpwatch")
    return Source(data, snapshot, serials, since, until, version, changed_since, occurred)


def _resources(source: Source, kinds: list[Kind]) -> Iterator[Resource]:
    from broker.interop.stored import KINDS

    for kind in kinds:
        yield from KINDS[kind](source)
