"""`pumpwatch pump`: retire pumps that send no more, and monitor them again."""

from __future__ import annotations

import secrets
import time
from enum import StrEnum
from typing import Annotated

import typer

from pumpwatch.commands import alarms, options
from pumpwatch.settings import user_data
from pumpwatch.supervision import run_file


class Monitoring(StrEnum):
    """What can be done with the monitoring of pumps."""

    RETIRE = "retire"
    REINSTATE = "reinstate"


def pump(
    action: Annotated[Monitoring, typer.Argument(help="What to do.", show_default=False)],
    *,
    serials: Annotated[str, typer.Option("--pumps", metavar="SERIALS", help="Serial numbers, separated by commas.")],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason.", show_default=False)] = "",
    who: Annotated[str, typer.Option("--who", metavar="NAME", help="Who acts, for the journal.")] = "command line",
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
) -> None:
    """Retire pumps that are explanted or unplugged for good, or monitor them again.

    A retired pump has no alarms, not even for silence, and the page Pumps lists it as retired. If it sends again, or a
    birth of its gateway names it, it is monitored again by itself.
    """
    from broker.contract.actions import Reinstate, Retire

    kind = Retire if action is Monitoring.RETIRE else Reinstate
    order = kind(
        id=secrets.token_hex(8),
        pumps=alarms.names_of(serials, "--pumps"),
        who=who,
        at=time.time_ns() // 1_000_000,
        why=why,
    )
    alarms.report(alarms.act_on(run_file.broker_of(broker, data or user_data()), order), as_json=as_json)
