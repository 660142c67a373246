"""Commands of the clinician programmer: program, bolus, stop, refill, replace, interrogate."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from broker.contract.commands import BOLUSES, CONCENTRATION_UG_ML, DOSE_UG, FACTOR, MAX_STEPS, VOLUME_ML
from pumpwatch.commands import faults, options
from pumpwatch.settings import user_data
from pumpwatch.supervision import run_file

if TYPE_CHECKING:
    from broker.contract.commands import GatewayCommand

WHO = "command line"
DAY_S: Final = 86_400.0
DAYS_A_WEEK: Final = 7


def program(
    *,
    pumps: faults.Which,
    dose: Annotated[
        float | None,
        typer.Option(
            "--dose",
            metavar="UG_DAY",
            min=DOSE_UG.ge,
            max=DOSE_UG.le,
            help="Daily dose in µg, the same for all.",
            show_default=False,
        ),
    ] = None,
    change: Annotated[
        float | None,
        typer.Option(
            "--change",
            metavar="FACTOR",
            min=FACTOR.ge,
            max=FACTOR.le,
            help="Factor on each pump's present dose, such as 1.1.",
            show_default=False,
        ),
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
) -> None:
    """Change the program of simulated pumps; omitted settings stay. Dose changes are limited as in titration."""
    from broker.contract.commands import Program

    day_steps, week_days = None if steps is None else _steps(steps), None if days is None else _days(days)

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
            who=WHO,
        )

    _send(command, pumps, broker, data, as_json=as_json)


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
) -> None:
    """Give a single bolus on top of the program."""
    from broker.contract.commands import Bolus

    over_s = faults.duration("--over", over)

    def command(serials: list[str]) -> Bolus:
        return Bolus(id=_new_id(), pumps=serials, dose_ug=dose, over_s=over_s, who=WHO)

    _send(command, pumps, broker, data, as_json=as_json)


def stop(
    *,
    pumps: faults.Which,
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
) -> None:
    """Stop simulated pumps until they are programmed again."""

    from broker.contract.commands import Stop

    _send(lambda serials: Stop(id=_new_id(), pumps=serials, who=WHO), pumps, broker, data, as_json=as_json)


def refill(
    *,
    pumps: faults.Which,
    volume: Annotated[
        float | None,
        typer.Option(
            "--volume",
            metavar="ML",
            min=VOLUME_ML.ge,
            max=VOLUME_ML.le,
            help="Volume entered into the pump. Default: reservoir capacity.",
            show_default=False,
        ),
    ] = None,
    concentration: Annotated[
        float | None,
        typer.Option(
            "--concentration",
            metavar="UG_ML",
            min=CONCENTRATION_UG_ML.ge,
            max=CONCENTRATION_UG_ML.le,
            help="Concentration entered. Default: unchanged.",
            show_default=False,
        ),
    ] = None,
    actual_volume: Annotated[
        float | None,
        typer.Option(
            "--actual-volume",
            metavar="ML",
            min=VOLUME_ML.ge,
            max=VOLUME_ML.le,
            help="Volume actually filled. Default: as entered.",
            show_default=False,
        ),
    ] = None,
    actual_concentration: Annotated[
        float | None,
        typer.Option(
            "--actual-concentration",
            metavar="UG_ML",
            min=CONCENTRATION_UG_ML.ge,
            max=CONCENTRATION_UG_ML.le,
            help="Concentration actually filled. Default: as entered.",
            show_default=False,
        ),
    ] = None,
    after: Annotated[
        Literal["nothing", "bridge", "prime"],
        typer.Option("--after", help="How to handle old drug in the dead space if the concentration changes."),
    ] = "nothing",
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
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
            who=WHO,
        )

    _send(command, pumps, broker, data, as_json=as_json)


def replace(
    *,
    pumps: faults.Which,
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
) -> None:
    """Replace simulated pumps with new ones; the catheter stays."""

    from broker.contract.commands import Replace

    _send(lambda serials: Replace(id=_new_id(), pumps=serials, who=WHO), pumps, broker, data, as_json=as_json)


def interrogate(
    *,
    pumps: faults.Which,
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
) -> None:
    """Interrogate simulated pumps; also ends telemetry mode."""

    from broker.contract.commands import Interrogate

    _send(lambda serials: Interrogate(id=_new_id(), pumps=serials, who=WHO), pumps, broker, data, as_json=as_json)


def _send(
    command: Callable[[list[str]], GatewayCommand],
    pumps: str,
    broker: str | None,
    data: Path | None,
    *,
    as_json: bool,
) -> None:
    url = run_file.broker_of(broker, data or user_data())
    chosen = faults.choose(faults.announced(url), pumps)
    faults.send(url, [(shard, birth, command(serials)) for shard, birth, serials in chosen], as_json=as_json)


def _steps(text: str) -> list[tuple[float, float]]:
    parts = text.split(",")
    if len(parts) > MAX_STEPS:
        raise typer.BadParameter(f"{len(parts):,} steps; allowed are up to {MAX_STEPS}", param_hint="--steps")
    return [_step(part) for part in parts]


def _step(text: str) -> tuple[float, float]:
    begins, _, rate = text.partition("=")
    begins_s = faults.duration("--steps", begins)
    try:
        factor = float(rate)
    except ValueError:
        factor = math.nan
    if not (begins_s <= DAY_S and 0 <= factor <= (FACTOR.le or 0)):
        raise typer.BadParameter(
            f"{text[:80]!r} is not a step such as 06:00=1.5: a time of day, and a rate from 0 to {FACTOR.le:,.0f}",
            param_hint="--steps",
        )
    return begins_s, factor


def _days(text: str) -> list[int]:
    days = text.split(",")
    if not all(re.fullmatch("[0-6]", day.strip()) for day in days) or len(days) > DAYS_A_WEEK:
        raise typer.BadParameter(
            f"{text[:80]!r} is not a list of days, 0 (Monday) to 6, such as 0,1,2", param_hint="--days"
        )
    return [int(day) for day in days]


def _new_id() -> str:
    return secrets.token_hex(8)
