"""`pumpwatch notify` and `pumpwatch notifications`: the notifier, and the configuration and record of its messages."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.metrics.listener import WatchError
from broker.metrics.readings import Vitals
from broker.store import notification_files
from pumpwatch.commands import notification_tables, options
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.checked_values import with_checked_values
from pumpwatch.commands.errors import CommandError, RefusalError
from pumpwatch.settings import user_data
from pumpwatch.supervision import run_file
from pumpwatch.supervision.process import play

if TYPE_CHECKING:
    from broker.contract.notification_routes import Configuration

app = typer.Typer(no_args_is_help=True, help="Check, try and show notifications of alarms.")
MAX_SHOWN = 1_000


def _command(name: str, example: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return lambda function: app.command(name, epilog=f"Example: {example}")(with_checked_values(function))


def notify(*, data: options.Data = None, metrics_port: options.MetricsPort = None, log: options.Log = "auto") -> None:
    """Run the notifier: messages about alarms, as notifications.toml in the data directory says."""
    from notifier import service, vitals

    where = data or user_data()

    def dashboard() -> str:
        running = run_file.find(where)
        return "" if running is None else running.dashboard

    settings = service.Settings(where, dashboard)
    try:
        watch = Vitals(
            "notifier",
            lambda: vitals.read(notification_files.read_status(where)),
            lambda: vitals.problems(notification_files.read_status(where)),
        )
        play(
            "notifier",
            lambda stop, ready, _: service.run(settings, stop, ready),
            watch=(watch, metrics_port),
            log_as=log,
        )
    except service.SecondNotifierError as error:
        raise RefusalError(str(error)) from error
    except (service.NotifierError, WatchError) as error:
        raise CommandError(str(error)) from error


@_command("check", "pumpwatch notifications check")
def check(*, as_json: options.AsJson = False, data: options.Data = None) -> None:
    """Check notifications.toml: fields, ranges, names, and addresses of services; nothing is sent."""
    from broker.contract.notification_config import described
    from notifier.senders import accepts

    config = _read(data or user_data())
    unusable = [service.name for service in config.services if service.url and not accepts(service.url)]
    if unusable:
        raise CommandError(
            f"apprise cannot use the address of the service {unusable[0]!r}; see its notation for that service at "
            "https://github.com/caronc/apprise"
        )
    notification_tables.show_config(described(config), as_json=as_json)


@_command("test", "pumpwatch notifications test pager")
def send_test(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="Name of a service in notifications.toml.")],
    *,
    data: options.Data = None,
) -> None:
    """Send a test message to one service now, and say whether it was accepted."""
    from broker.contract.notification_config import service_error
    from notifier.senders import Sender, SendError
    from notifier.trial import trial

    config = _read(data or user_data())
    found = config.by_name.get(service)
    if found is None:
        raise CommandError(service_error(service, config.by_name))
    sender = Sender(found, now_ms)
    try:
        asyncio.run(sender.send(trial(now_ms())))
    except SendError as error:
        raise CommandError(f"{service} did not accept the test message: {error}") from error
    finally:
        sender.close()
    typer.echo(f"{service} accepted the test message")


@_command("show", "pumpwatch notifications show --state dead")
def show(
    *,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="STATE", help="Only waiting, sending, sent, dead or cancelled ones."),
    ] = None,
    alarm: Annotated[str | None, typer.Option("--alarm", metavar="ID", help="Only those about this alarm.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=MAX_SHOWN, help="Maximum number, newest first.")] = 50,
    as_json: options.AsJson = False,
    data: options.Data = None,
) -> None:
    """Show who was notified what when, what waits, dead letters with their reasons, and how the notifier is."""
    from broker.store import notification_files, notification_record

    where = data or user_data()
    if state is not None and state not in notification_record.STATES:
        raise typer.BadParameter(
            f"{state[:40]!r} is no state; use {', '.join(notification_record.STATES)}", param_hint="--state"
        )
    try:
        rows = notification_record.deliveries(where, state=state, alarm=alarm, limit=limit)
        counts = notification_record.counts(where)
    except sqlite3.Error as error:
        raise CommandError(f"{where / notification_files.QUEUE} cannot be read: {error}") from error
    trouble = notification_files.trouble(where, now_ms())
    notification_tables.show(rows, counts, notification_files.read_status(where), trouble, as_json=as_json)


def _read(data: Path) -> Configuration:
    from broker.contract.notification_fields import ConfigError
    from broker.store import notification_files

    try:
        return notification_files.read_config(data)
    except ConfigError as error:
        raise CommandError(str(error)) from error
