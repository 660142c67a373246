"""`pumpwatch alarms export-database`, `import-database` and `kpi`: the master alarm database, and alarm figures."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer
from rich.console import Console

from broker.display import terminal
from broker.display.printable import printable
from pumpwatch.commands import alarms, audit_entries, options
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.checked_values import with_checked_values
from pumpwatch.commands.data_directory import with_private_data
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.sign_in import SignIn, with_sign_in
from pumpwatch.commands.tables import write_json
from pumpwatch.settings import user_data

if TYPE_CHECKING:
    import polars as pl

    from broker.store.alarm_database import Change

RIGHT: Final = "admin"
COLUMNS: Final = dict.fromkeys(("rule", "field", "now", "new"), terminal.FOLD)
FIGURES: Final = dict.fromkeys(("figure", "value", "target", "verdict"), terminal.FOLD)


def or_list(command: Callable[..., None]) -> Callable[..., None]:
    """Return the callback of a group: what runs without one of its commands is `command`."""
    listing = with_checked_values(with_private_data(command))

    @functools.wraps(listing)
    def wrapped(ctx: typer.Context, **values: Any) -> None:
        if ctx.invoked_subcommand is None:
            listing(**values)

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    given = inspect.signature(listing).parameters.values()
    wrapped.__annotations__ = {"ctx": typer.Context, **get_type_hints(listing, include_extras=True)}
    vars(wrapped)["__signature__"] = inspect.Signature([context, *given])
    return wrapped


app = typer.Typer()
app.callback(invoke_without_command=True, epilog="Example: pumpwatch alarms --rule motor_stall --json")(
    or_list(alarms.alarms)
)


@app.command("export-database", epilog="Example: pumpwatch alarms export-database > alarms.csv")
@with_checked_values
def export_database(*, data: options.Data = None, as_json: options.AsJson = False) -> None:
    """Print the master alarm database as CSV: each rule with cause, consequence, time to respond, class and approver.

    Edit consequence, time_to_respond, class, approver and notes in a spreadsheet, and import it again.
    """
    from broker.store import alarm_database, alarm_database_csv

    rows = alarm_database.rows(_rules(), _database(data or user_data()))
    if as_json:
        write_json(rows)
    else:
        sys.stdout.buffer.write(alarm_database_csv.text_of(rows).encode())


@app.command("import-database", epilog="Example: pumpwatch alarms import-database alarms.csv")
@with_checked_values
@with_sign_in
def import_database(
    file: Annotated[Path, typer.Argument(callback=options.path, help="CSV file, as exported.", show_default=False)],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Make the changes without asking.")] = False,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Show what a CSV file changes in the master alarm database, ask, and make the changes.

    Nothing is changed if anything in the file is wrong; what is wrong is named by line and column.
    """
    from broker.store import alarm_database

    where, rules = data or user_data(), _rules()
    operator = sign_in.operator(where, RIGHT, "change the master alarm database")
    changes = _differences(where, rules, file, operator.name)
    if as_json:
        write_json(changes)
    elif not changes:
        typer.echo("The file changes nothing.")
    else:
        cells = ((one.rule, one.field, one.old or "(as the rule)", one.new or "(as the rule)") for one in changes)
        Console().print(terminal.table(f"{len(changes):,} changes", COLUMNS, cells))
    if not changes:
        return
    if not yes and not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask whether to make these changes; give --yes")
    if not yes and not typer.confirm("Make these changes?", err=True):
        raise CommandError("nothing was changed")
    text = f"{len(changes):,} changes from {file.name}: {_listed(changes)}"
    audit_entries.record(where, "alarm_database_changed", text, operator.name)
    try:
        alarm_database.apply(where, changes, known=rules["rule"].to_list())
    except alarm_database.AlarmDatabaseError as error:
        raise CommandError(str(error)) from error
    typer.echo(f"Changed {len(changes):,} fields.", err=True)


@app.command(epilog="Example: pumpwatch alarms kpi --operators 2 --csv")
@with_checked_values
def kpi(
    *,
    operators: Annotated[int, typer.Option("--operators", min=1, max=1000, help="People who respond to alarms.")] = 1,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    data: options.Data = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure the alarm load against the targets of ISA-18.2 and EEMUA 191, over the last 30 days of therapy."""
    from broker.store import journal_query
    from broker.store.snapshot_files import read
    from dashboard.data import alarm_kpi

    where = data or user_data()
    report = alarm_kpi.measured(
        journal_query.events(where, limit=alarm_kpi.MAX_EVENTS), read(where / "snapshot"), operators
    )
    if as_json:
        write_json(alarm_kpi.summary(report, operators))
    elif as_csv:
        sys.stdout.buffer.write(alarm_kpi.csv_text(report).encode())
    else:
        verdicts = {True: "within target", False: "outside target", None: "too little data"}
        cells = (
            (row["name"], _value(row), row["target"], verdicts[row["within_target"]]) for row in alarm_kpi.rows(report)
        )
        Console().print(terminal.table("Alarm load against targets", FIGURES, cells))


def _rules() -> pl.DataFrame:
    """Return what every rule of this version says (`RULES_SCHEMA`)."""
    from processor.rules import RULES
    from processor.rules.cohorts import COHORT_RULES
    from processor.rules.gateways import GATEWAY_RULES
    from processor.rules.system import SYSTEM_RULES
    from processor.view.rule_table import rule_table

    return rule_table((*RULES, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES))


def _database(data: Path) -> Any:
    from broker.store import alarm_database

    try:
        return alarm_database.read(data)
    except alarm_database.AlarmDatabaseError as error:
        raise CommandError(str(error)) from error


def _differences(data: Path, rules: pl.DataFrame, file: Path, who: str) -> list[Change]:
    from broker.store import alarm_database, alarm_database_csv

    database = _database(data)
    try:
        with file.open("rb") as opened:
            content = opened.read(alarm_database_csv.MAX_BYTES + 1)
        found = alarm_database_csv.read(alarm_database_csv.decoded(content), alarm_database.rows(rules, database))
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror or error}") from error
    except alarm_database_csv.CsvError as error:
        raise CommandError(f"{file}: {error}") from error
    for text in (*found.problems, *found.ignored):
        typer.echo(printable(text), err=True)
    if found.problems:
        raise CommandError(f"nothing was changed: {file} has {len(found.problems)} problems")
    return alarm_database.differences(rules, database, found.rows, who=who, at=now_ms())


def _value(row: dict[str, Any]) -> str:
    return "unknown" if row["value"] is None else f"{row['value']:g} {row['unit']}".rstrip()


def _listed(changes: Sequence[Change]) -> str:
    shown = [f"{one.rule} {one.field}" for one in changes[:5]]
    return ", ".join([*shown, *([f"and {len(changes) - 5:,} more"] if len(changes) > 5 else [])])
