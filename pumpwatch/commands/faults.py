"""`pumpwatch inject` and `clear`: inject faults into running pumps and clear them."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from broker.contract.ranges import MAX_DURATION_D, MAX_DURATION_S
from broker.display import terminal
from pumpwatch.commands import options
from pumpwatch.commands.caller import now_ms
from pumpwatch.commands.checked_values import checked
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.sign_in import SignIn
from pumpwatch.commands.tables import write_json
from pumpwatch.settings import nearest, user_data
from pumpwatch.supervision import run_file

if TYPE_CHECKING:
    from broker.contract.commands import Clear, GatewayCommand, Inject, Reply
    from broker.contract.gateway_messages import Birth
    from broker.mqtt.request_reply import AddressedCommand, Sign

BIRTHS_WAIT_S: Final = 1.0
SERIAL: Final = re.compile(r"ITB-(\d+)")
"""Serials of our own pumps; a bare number selects the pump of that number."""

Which = Annotated[
    str,
    typer.Option(
        "--pumps",
        metavar="LIST",
        help="Numbers, ranges and serials: 3,7-9,ITB-000012,MY-1; or all.",
        show_default=False,
    ),
]


def inject(
    fault: Annotated[str, typer.Argument(help="Name of the fault; `pumpwatch faults` lists them.")],
    *,
    pumps: Which,
    severity: Annotated[float, typer.Option("--severity", min=0.0, max=1.0, help="Severity, 0 to 1.")] = 1.0,
    ramp: Annotated[
        str, typer.Option("--ramp", metavar="TIME", help="Therapy time to full severity: 30m, 2h, 3d.")
    ] = "0s",
    hold: Annotated[
        str | None,
        typer.Option(
            "--hold", metavar="TIME", help="Therapy time until the fault clears. Default: never.", show_default=False
        ),
    ] = None,
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Inject a fault into running simulated pumps."""
    from broker.contract.commands import Inject

    ramp_s, hold_s = duration("--ramp", ramp), None if hold is None else duration("--hold", hold)
    where = data or user_data()
    url = run_file.broker_of(broker, where)
    found = announced(url)
    known = {name for _, birth in found for name in birth.faults}
    if fault not in known:
        raise typer.BadParameter(unknown_fault(fault, known), param_hint="FAULT")

    operator = sign_in.operator(where, "inject", "inject faults")

    def command(serials: list[str]) -> Inject:
        return Inject(
            id=_new_id(),
            fault=fault,
            pumps=serials,
            severity=severity,
            ramp_s=ramp_s,
            hold_s=hold_s,
            who=operator.name,
            at=now_ms(),
        )

    rows = [(shard, birth, command(serials)) for shard, birth, serials in choose(found, pumps)]
    send(url, rows, operator.sign, as_json=as_json)


def clear(
    fault: Annotated[
        str | None, typer.Argument(help="The fault to clear. Default: every fault.", show_default=False)
    ] = None,
    *,
    pumps: Which = "all",
    broker: options.Broker = None,
    data: options.Data = None,
    as_json: options.AsJson = False,
    sign_in: SignIn,
) -> None:
    """Clear injected faults."""
    from broker.contract.commands import Clear

    where = data or user_data()
    url = run_file.broker_of(broker, where)
    found = announced(url)
    known = {name for _, birth in found for name in birth.faults}
    if fault is not None and fault not in known:
        raise typer.BadParameter(unknown_fault(fault, known), param_hint="FAULT")

    operator = sign_in.operator(where, "inject", "clear faults")

    def command(serials: list[str]) -> Clear:
        return Clear(
            id=_new_id(), pumps=None if pumps == "all" else serials, fault=fault, who=operator.name, at=now_ms()
        )

    rows = [(shard, birth, command(serials)) for shard, birth, serials in choose(found, pumps)]
    send(url, rows, operator.sign, as_json=as_json)


def choose(births: Sequence[tuple[int, Birth]], selection: str) -> list[tuple[int, Birth, list[str]]]:
    """Return the gateways of the selected pumps, each with its shard and the selected serials.

    `selection` is `all`, or numbers, ranges and serials separated by commas. Raises a usage error that names a pump
    which no gateway speaks for.
    """
    if selection.strip() == "all":
        return [(shard, birth, birth.pumps.serial) for shard, birth in births]
    everyone = [serial for _, birth in births for serial in birth.pumps.serial]
    numbered = {int(match[1]): serial for serial in everyone if (match := SERIAL.fullmatch(serial))}
    serials: set[str] = set()
    for word in filter(None, (word.strip() for word in selection.split(","))):
        if word in everyone:
            serials.add(word)
        else:
            serials.update(_by_number(word, numbered))
    if not serials:
        raise typer.BadParameter("selects no pump; write 3,7-9, a serial, or all", param_hint="--pumps")
    chosen = ((shard, birth, [s for s in birth.pumps.serial if s in serials]) for shard, birth in births)
    return [row for row in chosen if row[2]]


def unknown_fault(name: str, known: Iterable[str]) -> str:
    """Return the error for an unknown fault: the nearest known name, and all known names."""
    names = sorted(known)
    return f"no gateway knows the fault {name!r}; {nearest(name, names)}known faults: {', '.join(names) or 'none'}"


def duration(option: str, text: str) -> float:
    """Return a duration such as 2h or 90m in seconds; raises a usage error that names the option."""
    from simulator.playback.notation import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
    if seconds > MAX_DURATION_S:
        raise typer.BadParameter(f"{text[:80]} is too long; allowed are 0s to {MAX_DURATION_D}d", param_hint=option)
    return seconds


def _by_number(word: str, numbered: dict[int, str]) -> list[str]:
    match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", word)
    if match is None:
        raise typer.BadParameter(
            f"no running gateway speaks for pump {word!r}; write a number, a range such as 7-9, a serial, or all",
            param_hint="--pumps",
        )
    first, last = int(match[1]), int(match[2] or match[1])
    found = [serial for number, serial in numbered.items() if first <= number <= last]
    if len(found) < last - first + 1:
        spread = f"{min(numbered)} to {max(numbered)}" if numbered else "none with a number"
        raise typer.BadParameter(f"not every pump of {word} is running; running pumps: {spread}", param_hint="--pumps")
    return found


def announced(url: str) -> list[tuple[int, Birth]]:
    """Return the birth message and shard of every gateway at a broker; raises `CommandError` if there is none."""
    from broker.mqtt.address import LinkError, parse_url
    from broker.mqtt.request_reply import births

    try:
        found = asyncio.run(births(url, BIRTHS_WAIT_S))
    except LinkError as error:
        raise CommandError(f"{error}; is a system running? Start one with `pumpwatch run`, or give --broker") from error
    # The embedded broker delivers each retained message more than once to a new subscriber.
    found = list({(shard, birth.gateway): (shard, birth) for shard, birth in found}.values())
    if not found:
        raise CommandError(f"no gateway is connected to {parse_url(url).url}; start one with `pumpwatch simulate`")
    return found


def send(url: str, rows: Sequence[tuple[int, Birth, GatewayCommand]], sign: Sign, *, as_json: bool) -> None:
    """Send each gateway its signed command and print the replies; raises `CommandError` if a gateway refused."""
    from broker.contract.commands import read_command
    from broker.mqtt.address import LinkError
    from broker.mqtt.request_reply import AddressedCommand, ask

    for _, _, command in rows:
        checked(command, read_command)
    orders: list[AddressedCommand] = [AddressedCommand(birth.gateway, shard, command) for shard, birth, command in rows]
    try:
        replies: list[Reply] = asyncio.run(ask(url, orders, sign))
    except LinkError as error:
        raise CommandError(str(error)) from error
    if as_json:
        write_json(replies)
    else:
        out = Console(soft_wrap=True, highlight=False)
        for reply in replies:
            if reply.pumps or not reply.ok:
                out.print(terminal.text(f"{reply.gateway}: {reply.text}"))
        if not any(reply.pumps for reply in replies):
            typer.echo("no pump affected", err=True)
    refused = sum(not reply.ok for reply in replies)
    if refused:
        raise CommandError(f"{refused} of {len(replies)} gateways refused or did not reply")


def _new_id() -> str:
    return secrets.token_hex(8)
