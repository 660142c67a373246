"""`pumpwatch pump`: retire pumps that send no more, monitor them again, and transfer them to another gateway."""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import Annotated, Any

import typer

from pumpwatch.commands import alarms, options
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.sign_in import SignIn
from pumpwatch.settings import user_data
from pumpwatch.supervision import run_file


class PumpAction(StrEnum):
    """What can be done with pumps."""

    RETIRE = "retire"
    REINSTATE = "reinstate"
    TRANSFER = "transfer"


def pump(
    action: Annotated[PumpAction, typer.Argument(help="What to do.", show_default=False)],
    serial: Annotated[str | None, typer.Argument(help="For transfer: the pump.", show_default=False)] = None,
    gateway: Annotated[str | None, typer.Argument(help="For transfer: its new gateway.", show_default=False)] = None,
    *,
    serials: Annotated[
        str | None,
        typer.Option("--pumps", metavar="SERIALS", help="Serial numbers, separated by commas.", show_default=False),
    ] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason.", show_default=False)] = "",
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Retire pumps that are explanted or unplugged for good, monitor them again, or move one to another gateway.

    A retired pump has no alarms, not even for silence, and the page Pumps lists it as retired. If it sends again, or a
    birth of its gateway names it, it is monitored again by itself. No gateway takes a pump that another one delivers;
    `pumpwatch pump transfer SERIAL GATEWAY` moves it.
    """
    from broker.contract.actions import Reinstate, Retire, Transfer

    transfers = action is PumpAction.TRANSFER
    if transfers and (serial is None or gateway is None or serials is not None):
        raise typer.BadParameter("give the pump and its new gateway: pumpwatch pump transfer SERIAL GATEWAY")
    if not transfers and (serials is None or serial is not None):
        raise typer.BadParameter("select pumps with --pumps", param_hint="--pumps")
    chosen = alarms.names_of((serial if transfers else serials) or "", "SERIAL" if transfers else "--pumps")
    where = data or user_data()
    operator = sign_in.operator(where, "service", f"{action.value} pumps")
    about: dict[str, Any] = {
        "id": secrets.token_hex(8),
        "pumps": chosen,
        "who": operator.name,
        "at": now_ms(),
        "why": why,
    }
    order: Retire | Reinstate | Transfer
    if gateway is not None and transfers:
        order = Transfer(**about, gateway=gateway)
    else:
        order = (Retire if action is PumpAction.RETIRE else Reinstate)(**about)
    alarms.report(alarms.act_on(run_file.broker_of(broker, where), order, operator.sign), as_json=as_json)
