"""`pumpwatch silence`: silence notifications about alarms, list the silences, end one."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pumpwatch.commands import audit_entries, faults, options, silence_table
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.checked_values import with_checked_values
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.records import moment
from pumpwatch.commands.sign_in import SignIn, with_sign_in
from pumpwatch.settings import user_data

if TYPE_CHECKING:
    import polars as pl

    from broker.contract.alarm_matchers import AlarmMatcher
    from broker.contract.silence_requests import Request
    from broker.contract.silences import Silence

RIGHT = "acknowledge"
app = typer.Typer(
    no_args_is_help=True,
    help="Silence notifications about alarms. The alarms themselves stay on every screen.",
)


def _patterns(name: str, text: str) -> Any:
    return typer.Option(
        f"--{name}", metavar="LIST", help=f"{text}, separated by commas; * and ? are wildcards.", show_default=False
    )


Site = Annotated[str | None, _patterns("site", "Sites")]
OfGateway = Annotated[str | None, _patterns("gateway", "Gateways")]
Model = Annotated[str | None, _patterns("model", "Pump models")]
Lot = Annotated[str | None, _patterns("lot", "Lots")]
Rule = Annotated[str | None, _patterns("rule", "Rules")]
Priority = Annotated[str | None, _patterns("priority", "Priorities (high, medium, low)")]
Pumps = Annotated[str | None, _patterns("pumps", "Pumps by serial number")]


@app.command(epilog='Example: pumpwatch silence add --site Bern --priority low --for 4h --why "pump clinic"')
@with_checked_values
@with_sign_in
def add(
    *,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason.", show_default=False)],
    site: Site = None,
    gateway: OfGateway = None,
    model: Model = None,
    lot: Lot = None,
    rule: Rule = None,
    priority: Priority = None,
    pumps: Pumps = None,
    lasts: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="How long: 30m, 4h, 2d.", show_default=False)
    ] = None,
    begins: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="When it begins, with --for, in ISO 8601. Default: now.", show_default=False
        ),
    ] = None,
    until_clear: Annotated[
        bool, typer.Option("--until-clear", help="Until the alarms that match now have cleared.")
    ] = False,
    window: Annotated[
        list[str] | None,
        typer.Option("--window", metavar="DAYS TIMES", help="Every week: 'Sat,Sun 22:00-06:00'.", show_default=False),
    ] = None,
    zone: Annotated[str, typer.Option("--zone", metavar="NAME", help="Time zone of the windows.")] = "UTC",
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How many days the windows recur.")] = 90,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which open alarms match now.")] = False,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Silence notifications about alarms: for a time, until they clear, or in windows that recur every week.

    Nobody is notified about an alarm that matches every option given. If alarms of high priority could match, a silence
    lasts at most a day, and windows cover at most 50 hours a week.
    """
    from broker.contract.silence_requests import Request
    from broker.contract.silences import SilenceError
    from broker.store.silences import SilenceFileError, SilenceStore

    if ((lasts is not None) + until_clear + bool(window)) != 1:
        raise typer.BadParameter("say how long with one of --for, --until-clear and --window", param_hint="--for")
    if begins is not None and lasts is None:
        raise typer.BadParameter("goes with --for alone", param_hint="--from")
    given = {"site": site, "gateway": gateway, "model": model, "lot": lot, "rule": rule, "priority": priority}
    match = {name: _listed(text) for name, text in {**given, "pump": pumps}.items() if text is not None}
    where, now = data or user_data(), now_ms()
    span = None if lasts is None else (round(faults.duration("--for", lasts) * 1000), moment("--from", begins))
    operator = sign_in.operator(where, RIGHT, "silence alarms")
    try:
        matching = _matching(where, match, now, needed=until_clear)
        request = Request(secrets.token_hex(4), match, why.strip(), operator.name, now)
        silence = _asked(request, matching, span, window or [], zone=zone, days=days)
        if not dry_run:
            audit_entries.record(where, "silenced", silence_table.sentence(silence), operator.name)
            SilenceStore(where).add(silence)
    except (SilenceError, SilenceFileError) as error:
        raise CommandError(str(error)) from error
    silence_table.show_added(silence, matching, now, as_json=as_json, dry_run=dry_run)


@app.command("list", epilog="Example: pumpwatch silence list --json")
@with_checked_values
def list_(*, data: options.Data = None, as_json: options.AsJson = False) -> None:
    """List the silences: active, coming, and those that are over."""
    from broker.store.silences import SilenceFileError, SilenceStore

    try:
        found = SilenceStore(data or user_data()).silences()
    except SilenceFileError as error:
        raise CommandError(str(error)) from error
    silence_table.show(found, now_ms(), Console(), as_json=as_json)


@app.command(epilog="Example: pumpwatch silence end 5f0c2a91")
@with_checked_values
@with_sign_in
def end(
    name: Annotated[str, typer.Argument(metavar="ID", help="Id of the silence, as listed.", show_default=False)],
    *,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """End a silence now: people are notified again about the alarms that it covered."""
    from broker.contract.silences import SilenceError
    from broker.store.silences import SilenceFileError, SilenceStore

    where = data or user_data()
    operator = sign_in.operator(where, RIGHT, "end silences")
    store = SilenceStore(where)
    try:
        silence = store.opened(name, now_ms())
        audit_entries.record(where, "silence_ended", silence_table.sentence(silence), operator.name)
        ended = store.end(name, who=operator.name, now=now_ms())
    except (SilenceError, SilenceFileError) as error:
        raise CommandError(str(error)) from error
    silence_table.show([ended], now_ms(), Console(), as_json=as_json)


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _matching(data: Path, match: dict[str, Any], now: int, *, needed: bool) -> pl.DataFrame | None:
    """Return the open alarms that match; None if no system has run here, unless they are `needed`."""
    from broker.contract import alarm_matchers
    from broker.contract.silences import SilenceError
    from broker.store import silenced_alarms
    from broker.store.snapshot_files import read

    try:
        matcher: AlarmMatcher = alarm_matchers.read(match)
    except alarm_matchers.MatcherError as error:
        raise SilenceError(str(error)) from error
    snapshot = read(data / "snapshot")
    if not snapshot.version:
        if needed:
            raise CommandError(f"there is no snapshot in {data}, so no alarm is known; is a system running there?")
        return None
    return silenced_alarms.matching(silenced_alarms.fields(snapshot, now), matcher)


def _asked(
    request: Request,
    matching: pl.DataFrame | None,
    span: tuple[int, int | None] | None,
    windows: list[str],
    *,
    zone: str,
    days: int,
) -> Silence:
    from broker.contract import silence_requests

    if span is not None:
        return request.for_time(*span)
    if windows:
        return request.recurring([silence_requests.window(text) for text in windows], zone, days)
    return request.until_clear([] if matching is None else matching["alarm"].to_list())
