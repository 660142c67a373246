"""`pumpwatch alarms`, `alarm` and `service`: list open alarms and act on them."""

from __future__ import annotations

import asyncio
import secrets
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from broker.display.printable import printable
from pumpwatch.commands import alarm_table, faults, options
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.checked_values import checked
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.sign_in import SignIn
from pumpwatch.commands.tables import write_json
from pumpwatch.settings import user_data
from pumpwatch.supervision import run_file

if TYPE_CHECKING:
    import polars as pl

    from broker.contract.actions import Action as OperatorAction
    from broker.contract.actions import Outcome
    from broker.mqtt.request_reply import Sign


class Action(StrEnum):
    """Operator actions on open alarms."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    NOTE = "note"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"
    RESET = "reset"


Which = Annotated[
    str | None,
    typer.Option("--alarms", metavar="LIST", help="Alarm ids, separated by commas, or all.", show_default=False),
]
About = Annotated[
    str | None,
    typer.Option(
        "--about", metavar="LIST", help="Alarms of these pumps or gateways, separated by commas.", show_default=False
    ),
]
OfRule = Annotated[
    str | None, typer.Option("--rule", metavar="NAME", help="Only alarms of this rule.", show_default=False)
]


def alarms(
    *, about: About = None, rule: OfRule = None, data: options.Data = None, as_json: options.AsJson = False
) -> None:
    """List the open alarms of the running system, most urgent first."""
    found = chosen(open_alarms(data or user_data()), "all", about, rule)
    if as_json:
        write_json(found.to_dicts())
        return
    alarm_table.show(found, Console())


def alarm(
    action: Annotated[Action, typer.Argument(help="The action.", show_default=False)],
    *,
    which: Which = None,
    about: About = None,
    rule: OfRule = None,
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="The reason, or the text of the note.", show_default=False)
    ] = "",
    shelf: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="How long to shelve, in therapy time: 30m, 4h.", show_default=False),
    ] = None,
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Act on open alarms: acknowledge, note, shelve, take out of service, reset, or undo one of these.

    Select alarms with --alarms, --about or --rule. Invalid actions are refused with the reason.
    """
    from broker.contract.actions import make_action
    from broker.contract.messages import MessageError
    from dashboard.data.alarm_actions import ALARM_ACTIONS

    if which is None and about is None and rule is None:
        raise typer.BadParameter("select alarms with --alarms, --about or --rule", param_hint="--alarms")
    if (shelf is not None) != (action is Action.SHELVE):
        raise typer.BadParameter("required to shelve, not allowed otherwise", param_hint="--for")
    where = data or user_data()
    ids = chosen(open_alarms(where), "all" if which is None else which, about, rule)["alarm"].to_list()
    if not ids:
        raise CommandError("no open alarm matches; `pumpwatch alarms` lists them")
    for_s = None if shelf is None else faults.duration("--for", shelf)
    operator = sign_in.operator(where, ALARM_ACTIONS[action.value].right, f"{action.value.replace('_', ' ')} alarms")
    try:
        operator_action = make_action(
            action.value,
            secrets.token_hex(8),
            alarms=ids,
            who=operator.name,
            at=now_ms(),
            why=why,
            for_s=for_s,
        )
    except MessageError as error:
        raise CommandError(str(error)) from error
    report(act_on(run_file.broker_of(broker, where), operator_action, operator.sign), as_json=as_json)


class Service(StrEnum):
    """Directions of `pumpwatch service`."""

    OUT = "out"
    BACK = "back"


def service(
    action: Annotated[
        Service, typer.Argument(help="out: take out of service; back: return to service.", show_default=False)
    ],
    *,
    about: Annotated[
        str,
        typer.Option(
            "--about",
            metavar="LIST",
            help="Pumps, gateways or components (`system: storage`), separated by commas.",
            show_default=False,
        ),
    ],
    rule: Annotated[
        str | None, typer.Option("--rule", metavar="NAME", help="Only alarms of this rule.", show_default=False)
    ] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason.", show_default=False)] = "",
    lasts: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="TIME",
            help="How long, in therapy time: 30m, 4h. Default: until returned to service.",
            show_default=False,
        ),
    ] = None,
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Take pumps, gateways or components out of service, or return them to service.

    Their alarms are still raised, but not annunciated, and they suppress no others.
    """
    from broker.contract.actions import PutBack, TakeOut

    if lasts is not None and action is Service.BACK:
        raise typer.BadParameter("allowed only with `out`", param_hint="--for")
    where, subjects = data or user_data(), names_of(about, "--about")
    for_s = None if lasts is None else faults.duration("--for", lasts)
    operator = sign_in.operator(where, "service", "take out of service or return to service")
    fields: dict[str, Any] = {
        "id": secrets.token_hex(8),
        "subjects": subjects,
        "who": operator.name,
        "at": now_ms(),
        "rule": rule,
        "why": why,
    }
    operator_action = TakeOut(**fields, for_s=for_s) if action is Service.OUT else PutBack(**fields)
    report(act_on(run_file.broker_of(broker, where), operator_action, operator.sign), as_json=as_json)


def report(outcome: Outcome, *, as_json: bool) -> None:
    """Print the outcome; raise `CommandError` if nothing was done."""
    if as_json:
        write_json(outcome)
    else:
        typer.echo(printable(outcome.text))
    if not outcome.ok:
        raise CommandError("nothing was done")


def open_alarms(data: Path) -> pl.DataFrame:
    """Return the open alarms of the snapshot in a data directory, most urgent first."""
    from broker.store.snapshot_files import read
    from dashboard.data.queries import ordered

    snapshot = read(data / "snapshot")
    if not snapshot.version:
        raise CommandError(f"there is no snapshot in {data}; is a system running there?")
    return ordered(snapshot.alarms)


def chosen(found: pl.DataFrame, which: str, about: str | None, rule: str | None) -> pl.DataFrame:
    """Return the selected open alarms; raises a usage error that names an id which is not open."""
    import polars as pl

    if which.strip() != "all":
        ids = names_of(which, "--alarms")
        missing = sorted(set(ids) - set(found["alarm"]))
        if missing:
            raise typer.BadParameter(f"no alarm {missing[0]!r} is open", param_hint="--alarms")
        found = found.filter(pl.col("alarm").is_in(ids))
    conditions: dict[str, Any] = {
        "subject": None if about is None else names_of(about, "--about"),
        "rule": None if rule is None else names_of(rule, "--rule"),
    }
    for name, values in conditions.items():
        if values is not None:
            found = found.filter(pl.col(name).is_in(values))
    return found


def names_of(text: str, option: str) -> list[str]:
    """Return the names in a list; an empty one, as from an unset shell variable, must not select everything."""
    names = [word.strip() for word in text.split(",") if word.strip()]
    if not names:
        raise typer.BadParameter("is empty; name at least one, or leave the option out", param_hint=option)
    return names


def act_on(url: str, action: OperatorAction, sign: Sign) -> Outcome:
    """Send a signed operator action by the broker at `url`; return its outcome, or raise `CommandError`."""
    from broker.contract.actions import read_action
    from broker.mqtt.address import LinkError
    from broker.mqtt.request_reply import act

    checked(action, read_action)
    try:
        return asyncio.run(act(url, action, sign))
    except LinkError as error:
        raise CommandError(f"{error}; is a system running? Start one with `pumpwatch run`, or give --broker") from error
