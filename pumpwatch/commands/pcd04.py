"""`pumpwatch alarms pcd04`: an open alarm as HL7 text."""

from __future__ import annotations

import secrets
import sys
from typing import Annotated, Literal

import typer

from pumpwatch.commands import options
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import user_data


def pcd04(
    alarm: Annotated[str, typer.Argument(metavar="ALARM_ID", help="The alarm, as `pumpwatch alarms --json` names it.")],
    *,
    ends: Annotated[
        Literal["line", "segment"],
        typer.Option("--ends", help="How segments end. line: a line feed; segment: a carriage return, as HL7 demands."),
    ] = "line",
    data: options.Data = None,
) -> None:
    """Print an open alarm as the text of IHE PCD-04: HL7 version 2.6, ORU^R40, with IEEE 11073 codes.

    Marked as simulated (MSH-11 T, MSH-4 SIMULATED); there is no patient in it. It leans on the profile ACM and is no
    certified implementation.
    """
    from broker.interop.pcd04 import message
    from broker.interop.stored import rule_terms
    from broker.store.snapshot_files import read

    where = data or user_data()
    snapshot = read(where / "snapshot")
    if not snapshot.version:
        raise CommandError(f"there is no snapshot in {where}; is a system running there?")
    row = next((one for one in snapshot.alarms.iter_rows(named=True) if one["alarm"] == alarm), None)
    if row is None:
        raise CommandError(
            f"no alarm {alarm[:200]!r} is open; `pumpwatch alarms --json` lists the ids of those that are"
        )
    text = message(row, rule_terms(snapshot).get(row["rule"]), at=now_ms(), number=secrets.token_hex(10))
    sys.stdout.buffer.write((text.replace("\r", "\n") if ends == "line" else text).encode())
