"""The `pumpwatch` command."""

from __future__ import annotations

import contextlib
import errno
import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from broker.display import terminal
from broker.store.secret_files import SecretsError
from pumpwatch.commands import (
    alarm_database,
    alarms,
    api_keys,
    backup,
    broker,
    doctor,
    faults,
    fhir,
    gateways,
    journal,
    keys,
    load,
    load_options,
    notifications,
    options,
    parts,
    pcd04,
    programmer,
    pumps,
    records,
    restore,
    run,
    score,
    silences,
    tables,
    users,
)
from pumpwatch.commands.broker_options import with_broker_options
from pumpwatch.commands.checked_values import with_checked_values
from pumpwatch.commands.data_directory import complete, keep_private, with_private_data
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.sign_in import with_sign_in
from pumpwatch.settings import (
    PREFIX,
    SettingsError,
    defaults_for,
    keep_memory,
    read_file,
    return_memory,
    share_cores,
    widen_narrow_terminal,
)
from pumpwatch.supervision import streams
from pumpwatch.supervision.process import end_as_first_process

app = typer.Typer(
    name="pumpwatch",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Start with: pumpwatch run",
)


@app.callback()
def settings(
    ctx: typer.Context,
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            envvar=f"{PREFIX}SETTINGS",
            metavar="FILE",
            callback=options.path,
            help="Settings file in TOML. Default: pumpwatch.toml in the working directory, if it exists.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Live monitoring for a fleet of simulated implanted baclofen pumps.

    All telemetry is simulated; this is no medical device.

    Options are read from the command line, then from PUMPWATCH_ environment variables, then from the settings file.
    """
    commands, groups = settings_of(ctx.command), groups_of(ctx.command)
    try:
        values = read_file(file)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--settings") from error
    # A group may have options of its own, which hold without one of its commands.
    own = defaults_for(commands, values)
    of_groups = {name: defaults_for(settings_of(group), values) for name, group in groups.items()}
    ctx.default_map = {**own, **{name: {**own.get(name, {}), **given} for name, given in of_groups.items()}}


def groups_of(command: Any) -> dict[str, Any]:
    """Return, by name, the commands that are groups of commands, such as `user`."""
    return {name: each for name, each in command.commands.items() if hasattr(each, "commands")}


def settings_of(group: Any) -> dict[str, list[str]]:
    """Return, by command, the names of the options that the environment and the settings file may set."""
    return {
        name: [param.name for param in command.params if str(getattr(param, "envvar", None)).startswith(PREFIX)]
        for name, command in group.commands.items()
    }


def version() -> None:
    """Print the version."""
    try:
        typer.echo(f"pumpwatch {importlib.metadata.version('pumpwatch')}")
    except importlib.metadata.PackageNotFoundError:
        raise CommandError(
            "pumpwatch is not installed, so its version is unknown; install it with: pip install -e ."
        ) from None


EXAMPLES: dict[Callable[..., None], str] = {
    run.run: "pumpwatch run --pumps 1000 --speed 60",
    parts.simulate: "pumpwatch simulate --pumps 500 --scenario demo --broker mqtt://127.0.0.1:1883",
    parts.process: "pumpwatch process --broker mqtt://127.0.0.1:1883 --data /var/lib/pumpwatch",
    parts.dashboard: "pumpwatch dashboard --port 8050 --data /var/lib/pumpwatch",
    notifications.notify: "pumpwatch notify --data /var/lib/pumpwatch",
    broker.broker: "pumpwatch broker --kind mosquitto --port 1883",
    faults.inject: "pumpwatch inject catheter_occlusion --pumps 3,7-9 --severity 0.6 --ramp 2h --hold 6h",
    faults.clear: "pumpwatch clear catheter_occlusion --pumps 3",
    programmer.program: "pumpwatch program --pumps 3 --change 1.1 --steps 00:00=1,06:00=1.5,22:00=0.8",
    programmer.bolus: "pumpwatch bolus --pumps 3 --dose 25 --over 30m",
    programmer.stop: "pumpwatch stop --pumps 3",
    programmer.refill: "pumpwatch refill --pumps 3,7-9 --volume 18 --actual-volume 12",
    programmer.replace: "pumpwatch replace --pumps 3",
    programmer.interrogate: "pumpwatch interrogate --pumps 3,7-9",
    load.load: "pumpwatch load smoke --html load.html",
    score.score: "pumpwatch score lively-month --json score.json",
    alarms.alarm: 'pumpwatch alarm shelve --about ITB-000003 --for 2h --why "known since Monday"',
    alarms.service: 'pumpwatch service out --about ITB-000003 --for 8h --why "new gateway"',
    pumps.pump: 'pumpwatch pump retire --pumps ITB-000003 --why "explanted"',
    tables.faults: "pumpwatch faults --json",
    tables.rules: "pumpwatch rules --json",
    tables.signals: "pumpwatch signals --json",
    records.export: "pumpwatch export --pumps 3,7-9 --from 2026-01-01 --to 2026-01-08 --out week.csv",
    backup.backup: "pumpwatch backup ward.backup --data /var/lib/pumpwatch",
    restore.restore: "pumpwatch restore ward.backup --data /var/lib/pumpwatch-2",
    journal.journal: "pumpwatch journal --who vera --kind denied --from 2026-01-01T00:00:00Z",
    doctor.doctor: "pumpwatch doctor --json",
    version: "pumpwatch version",
}

for command, example in EXAMPLES.items():
    complete_command = with_private_data(with_broker_options(with_sign_in(command)))
    kind = load_options.LoadCommand if command is load.load else None
    app.command(cls=kind, epilog=f"Example: {example}")(with_checked_values(complete_command))
alarm_database.app.command("pcd04", epilog="Example: pumpwatch alarms pcd04 ITB-000003/motor_stall/1")(
    with_checked_values(pcd04.pcd04)
)
app.add_typer(complete(alarm_database.app), name="alarms")
app.add_typer(complete(fhir.app), name="fhir")
app.add_typer(complete(users.app), name="user")
app.add_typer(complete(api_keys.app), name="apikey")
app.add_typer(complete(gateways.app), name="gateway")
app.add_typer(complete(keys.app), name="keys")
app.add_typer(complete(notifications.app), name="notifications")
app.add_typer(complete(silences.app), name="silence")


OUTPUT_ERRORS: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}
"""What the system says if the output of a command cannot be written."""


def main() -> None:
    """Run the command line; expected failures end with one sentence and exit code 1, without a traceback."""
    keep_private()
    streams.prepare()
    end_as_first_process()
    keep_memory()
    return_memory()
    share_cores()
    widen_narrow_terminal()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except (CommandError, SettingsError, SecretsError) as failure:
        _fail(str(failure), getattr(failure, "code", 1))
    except BrokenPipeError:
        # Whoever read our output has had enough of it, as `head` has.
        streams.discard_output()
        sys.exit(1)
    except OSError as error:
        streams.discard_output()
        what = "cannot write the output" if error.errno in OUTPUT_ERRORS else "unexpected error of the system"
        _fail(f"{error.filename or what}: {error.strerror or error}", 1)


def _fail(sentence: str, code: int) -> None:
    """Print a sentence to stderr, if that is possible, and exit."""
    with contextlib.suppress(OSError):
        Console(stderr=True, soft_wrap=True, highlight=False).print(terminal.text(f"pumpwatch: {sentence}"))
    streams.discard_output()
    sys.exit(code)


if __name__ == "__main__":
    main()
