"""Commands of the clinician programmer: program, bolus, stop, refill, replace, interrogate."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from msgspec import Meta

from broker.contract.commands import BOLUSES, CONCENTRATION_UG_ML, DOSE_UG, FACTOR, VOLUME_ML
from pumpwatch.commands import faults, options, program_notation
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.sign_in import SignIn
from pumpwatch.settings import user_data
from pumpwatch.supervision import run_file

if TYPE_CHECKING:
    from broker.contract.commands import Treatment


def _amount(flag: str, unit: str, limits: Meta, meaning: str) -> Any:
    """Return an option for an amount within the limits that messages have for it."""
    return typer.Option(flag, metavar=unit, min=limits.ge, max=limits.le, help=meaning, show_default=False)


def program(
    *,
    pumps: faults.Which,
    dose: Annotated[
        float | None,
        _amount("--dose", "UG_DAY", DOSE_UG, "Daily dose in µg, the same for all."),
    ] = None,
    change: Annotated[
        float | None,
        _amount("--change", "FACTOR", FACTOR, "Factor on each pump's present dose, such as 1.1."),
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            "--steps",
            metavar="LIST",
            help="Relative rate by time of day: 00:00=1,06:00=1.5,22:00=0.8.",
            show_default=False,
        ),
    ] = None,
    days: Annotated[
        str | None,
        typer.Option(
            "--days",
            metavar="LIST",
            help="Days the steps apply to; 0 is Monday: 0,1,2. Default: all.",
            show_default=False,
        ),
    ] = None,
    boluses: Annotated[
        int | None,
        typer.Option(
            "--boluses",
            min=BOLUSES.ge,
            max=BOLUSES.le,
            help="Boluses per day, on top of a basal rate.",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        Literal["run", "minimum"], typer.Option("--mode", help="run: the program; minimum: the minimum rate.")
    ] = "run",
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Change the program of simulated pumps; omitted settings stay. Dose changes are limited as in titration."""
    from broker.contract.commands import Program

    day_steps, week_days = (
        None if steps is None else program_notation.steps_of(steps),
        None if days is None else program_notation.days_of(days),
    )

    def command(serials: list[str]) -> Program:
        return Program(
            id=_new_id(),
            pumps=serials,
            dose_ug_day=dose,
            change=change,
            steps=day_steps,
            days=week_days,
            boluses_a_day=boluses,
            mode=mode,
        )

    _send(command, pumps, broker, data, sign_in, as_json=as_json)


def bolus(
    *,
    pumps: faults.Which,
    dose: Annotated[
        float,
        typer.Option("--dose", metavar="UG", min=DOSE_UG.ge, max=DOSE_UG.le, help="Dose in µg.", show_default=False),
    ],
    over: Annotated[str, typer.Option("--over", metavar="TIME", help="Duration in therapy time.")] = "30m",
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Give a single bolus on top of the program."""
    from broker.contract.commands import Bolus

    over_s = faults.duration("--over", over)

    def command(serials: list[str]) -> Bolus:
        return Bolus(id=_new_id(), pumps=serials, dose_ug=dose, over_s=over_s)

    _send(command, pumps, broker, data, sign_in, as_json=as_json)


def stop(
    *,
    pumps: faults.Which,
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Stop simulated pumps until they are programmed again."""

    from broker.contract.commands import Stop

    _send(lambda serials: Stop(id=_new_id(), pumps=serials), pumps, broker, data, sign_in, as_json=as_json)


def refill(
    *,
    pumps: faults.Which,
    volume: Annotated[
        float | None,
        _amount("--volume", "ML", VOLUME_ML, "Volume entered into the pump. Default: reservoir capacity."),
    ] = None,
    concentration: Annotated[
        float | None,
        _amount("--concentration", "UG_ML", CONCENTRATION_UG_ML, "Concentration entered. Default: unchanged."),
    ] = None,
    actual_volume: Annotated[
        float | None,
        _amount("--actual-volume", "ML", VOLUME_ML, "Volume actually filled. Default: as entered."),
    ] = None,
    actual_concentration: Annotated[
        float | None,
        _amount(
            "--actual-concentration",
            "UG_ML",
            CONCENTRATION_UG_ML,
            "Concentration actually filled. Default: as entered.",
        ),
    ] = None,
    after: Annotated[
        Literal["nothing", "bridge", "prime"],
        typer.Option("--after", help="How to handle old drug in the dead space if the concentration changes."),
    ] = "nothing",
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Refill simulated pumps; the actual volume and concentration may differ from what is entered."""
    from broker.contract.commands import Refill

    def command(serials: list[str]) -> Refill:
        return Refill(
            id=_new_id(),
            pumps=serials,
            entered_ml=volume,
            entered_ug_ml=concentration,
            actual_ml=actual_volume,
            actual_ug_ml=actual_concentration,
            after=after,
        )

    _send(command, pumps, broker, data, sign_in, as_json=as_json)


def replace(
    *,
    pumps: faults.Which,
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Replace simulated pumps with new ones; the catheter stays."""

    from broker.contract.commands import Replace

    _send(lambda serials: Replace(id=_new_id(), pumps=serials), pumps, broker, data, sign_in, as_json=as_json)


def interrogate(
    *,
    pumps: faults.Which,
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Interrogate simulated pumps; also ends telemetry mode."""

    from broker.contract.commands import Interrogate

    _send(lambda serials: Interrogate(id=_new_id(), pumps=serials), pumps, broker, data, sign_in, as_json=as_json)


def _send(
    command: Callable[[list[str]], Treatment],
    pumps: str,
    broker: str | None,
    data: Path | None,
    sign_in: SignIn,
    *,
    as_json: bool,
) -> None:
    """Send a command to the gateways of the pumps, in the name of who signs in."""
    where = data or user_data()
    url = run_file.broker_of(broker, where)
    chosen = faults.choose(faults.announced(url), pumps)
    operator = sign_in.operator(where, "program", "program pumps")
    rows = [
        (shard, birth, msgspec.structs.replace(command(serials), who=operator.name, at=now_ms()))
        for shard, birth, serials in chosen
    ]
    faults.send(url, rows, operator.sign, as_json=as_json)


def _new_id() -> str:
    return secrets.token_hex(8)
