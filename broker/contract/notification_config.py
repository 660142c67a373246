"""Reads the configuration of notifications from TOML; each error names line, field, value and what is allowed."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from broker.contract import alarm_matchers, message_templates, notification_fields
from broker.contract.notification_fields import ConfigError, Table
from broker.contract.notification_routes import (
    GROUP_FIELDS,
    WATCHDOG,
    Configuration,
    Quiet,
    Rota,
    Route,
    Service,
    Shift,
    Step,
    Target,
    Watchdog,
)

MAX_BYTES: Final = 512 * 1024
MAX_SERVICES: Final = 200
MAX_ROTAS: Final = 50
MAX_ROUTES: Final = 100
MAX_SHIFTS: Final = 50
MAX_STEPS: Final = 10
MIN_SECRET: Final = 16
MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0
TOP: Final = ("service", "rota", "route", "watchdog", "dashboard_url")
_NUMBERED: Final = re.compile(r"(.+)\[(\d+)\]")


def parse(text: str) -> Configuration:
    """Return the configuration in a TOML text; raises `ConfigError`."""
    if len(text.encode()) > MAX_BYTES:
        raise ConfigError(f"it has {len(text.encode()):,} bytes; allowed are up to {MAX_BYTES:,}")
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"it is not valid TOML: {error}") from error
    try:
        return _configuration(Table(tables, ""))
    except ConfigError as error:
        line = line_of(text, error.table, error.field)
        raise ConfigError(f"line {line}: {error}" if line else str(error)) from error


def line_of(text: str, table: str, field: str) -> int | None:
    """Return the number of the line of a field in a table such as `route[1].escalation[0]`, None if unknown.

    If the table has no line for the field, it is the line of the table.
    """
    lines, at = text.splitlines(), 0
    for step in filter(None, table.split(".")):
        numbered = _NUMBERED.fullmatch(step)
        name, count = (numbered[1], int(numbered[2])) if numbered else (step, 0)
        header = re.compile(rf"\s*\[+\s*(?:[\w-]+\s*\.\s*)*{re.escape(name)}\s*\]")
        found = [number for number, line in enumerate(lines[at:], at + 1) if header.match(line)]
        if count >= len(found):
            break
        at = found[count]
    own = re.compile(rf"\s*{re.escape(field)}\s*=")
    for number, line in enumerate(lines[at:], at + 1):
        if line.lstrip().startswith("["):
            break
        if own.match(line):
            return number
    return at or None


def _configuration(top: Table) -> Configuration:
    top.allow(*TOP)
    services = tuple(map(_service, top.tables("service", MAX_SERVICES)))
    names = _unique(services, "service")
    rotas = tuple(_rota(table, names) for table in top.tables("rota", MAX_ROTAS))
    rota_names = _unique(rotas, "rota")
    routes = tuple(_route(table, names, rota_names) for table in top.tables("route", MAX_ROUTES))
    if WATCHDOG in _unique(routes, "route"):
        raise ConfigError(f"a route has the name {WATCHDOG!r}, which stands for messages about Pumpwatch itself")
    link = top.text("dashboard_url", default="")
    if link and urlsplit(link).scheme not in {"http", "https"}:
        raise top.error("dashboard_url", link, "an address such as 'https://ward.example/'")
    watchdog = _watchdog(top.table("watchdog"), names, rota_names)
    return Configuration(services, rotas, routes, watchdog, link.rstrip("/"))


def _service(table: Table) -> Service:
    table.allow("name", "url", "webhook", "secret", "in_doubt", "timeout", "give_up", "title", "body")
    url, webhook, secret = table.secret("url"), table.secret("webhook"), table.secret("secret")
    if bool(url) == bool(webhook):
        raise table.wrong("url", "needs either url, an address of apprise, or webhook with secret, and not both")
    if webhook:
        _check_address(table, "webhook", webhook)
        if len(secret) < MIN_SECRET:
            raise table.wrong(
                "secret", f"has {len(secret)} characters; a webhook needs a secret of {MIN_SECRET} or more"
            )
    elif secret:
        raise table.wrong("secret", "belongs to a webhook; with url leave it out")
    elif "://" not in url:
        raise table.wrong("url", "is no address of apprise, such as 'mailtos://…', 'ntfys://…' or 'slack://…'")
    return Service(
        name=table.name(),
        url=url,
        webhook=webhook,
        secret=secret,
        in_doubt=table.choice("in_doubt", ("resend", "drop"), "resend"),  # type: ignore[arg-type]
        timeout_s=table.duration("timeout", 20.0, 1.0, 120.0),
        give_up_s=table.duration("give_up", 4 * HOUR, MINUTE, 7 * DAY),
        title=_template(table, "title", webhook),
        body=_template(table, "body", webhook),
    )


def _template(table: Table, field: str, webhook: str) -> str:
    template = table.value(field, "")
    if not isinstance(template, str) or not all(line.isprintable() for line in template.split("\n")):
        raise table.error(field, template, "a text of printable lines")
    if template and webhook:
        raise table.wrong(field, "is a template for people; a webhook gets the same JSON always, so leave it out")
    if problem := message_templates.problem(template):
        raise table.wrong(field, problem)
    return template


def _rota(table: Table, services: set[str]) -> Rota:
    table.allow("name", "time_zone", "shift", "otherwise")
    zone = table.zone("time_zone")
    shifts = []
    for shift in table.tables("shift", MAX_SHIFTS):
        shift.allow("days", "from", "to", "services")
        shifts.append(Shift(shift.hours(zone), shift.names("services", services, needed=True)))
    return Rota(table.name(), tuple(shifts), table.names("otherwise", services, needed=True))


def _route(table: Table, services: set[str], rotas: set[str]) -> Route:
    table.allow(
        *("name", "match", "services", "rotas", "when", "group_by", "group_wait", "group_interval"),
        *("repeat_interval", "quiet_hours", "max_per_hour", "escalation"),
    )
    try:
        match = alarm_matchers.read(table.value("match", {}), "match")
    except alarm_matchers.MatcherError as error:
        raise table.problem("match", str(error)) from error
    steps = tuple(_step(step, services, rotas) for step in table.tables("escalation", MAX_STEPS))
    if any(one.after_s >= other.after_s for one, other in itertools.pairwise(steps)):
        raise table.wrong("escalation", "has a step that is not after the one before it; put them in order of after")
    when = table.choices("when", ("raised", "escalated", "returned"), ("raised", "escalated"))
    if "escalated" in table.value("when", ()) and not steps:
        raise table.wrong("when", "names escalated, but there is no step; add a [[route.escalation]]")
    return Route(
        name=table.name(),
        match=match,
        to=_target(table, services, rotas, needed="raised" in when or "returned" in when),
        when=when,  # type: ignore[arg-type]
        group_by=table.choices("group_by", GROUP_FIELDS, ("site",), empty=True),
        group_wait_s=table.duration("group_wait", 30.0, 0.0, HOUR),
        group_interval_s=table.duration("group_interval", 5 * MINUTE, 1.0, DAY),
        repeat_interval_s=table.duration_or_never("repeat_interval", 4 * HOUR, MINUTE, 30 * DAY),
        quiet=_quiet(table.table("quiet_hours")) if table.value("quiet_hours", None) is not None else None,
        max_per_hour=table.integer("max_per_hour", 60, 1, 3600),
        steps=steps if "escalated" in when else (),
    )


def _step(table: Table, services: set[str], rotas: set[str]) -> Step:
    table.allow("after", "services", "rotas")
    if table.value("after", None) is None:
        raise table.wrong("after", "is missing; write how long nobody acknowledged, such as after = '10m'")
    return Step(table.duration("after", 0.0, 1.0, 7 * DAY), _target(table, services, rotas, needed=True))


def _quiet(table: Table) -> Quiet:
    table.allow("days", "from", "to", "time_zone", "priorities")
    return Quiet(table.hours(table.zone("time_zone")), table.choices("priorities", alarm_matchers.PRIORITIES, ("low",)))


def _watchdog(table: Table, services: set[str], rotas: set[str]) -> Watchdog:
    table.allow("url", "interval", "services", "rotas")
    url = table.secret("url")
    if url:
        _check_address(table, "url", url)
    interval_s = table.duration("interval", MINUTE, 5.0, HOUR)
    return Watchdog(url, interval_s, _target(table, services, rotas, needed=False))


def _target(table: Table, services: set[str], rotas: set[str], *, needed: bool) -> Target:
    target = Target(table.names("services", services), table.names("rotas", rotas))
    if needed and not (target.services or target.rotas):
        raise table.wrong("services", "is missing, so nobody would be notified; name services or rotas")
    return target


def _check_address(table: Table, field: str, url: str) -> None:
    problem = notification_fields.address_problem(url)
    if problem:
        raise table.wrong(field, problem)


def _unique(found: Iterable[Service | Rota | Route], kind: str) -> set[str]:
    names: Sequence[str] = [each.name for each in found]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise ConfigError(f"two {kind}s have the name {twice!r}; give each its own", f"{kind}[{names.index(twice)}]")
    return set(names)


def service_error(name: str, known: Iterable[str]) -> str:
    """Return the sentence about a service that is not configured."""
    return f"there is no service {name[:40]!r}; the file has {', '.join(known) or 'none'}"


def described(configuration: Configuration) -> dict[str, Any]:
    """Return the configuration as JSON values without secrets, for people who may see it."""
    return {
        "services": [{"name": each.name, "kind": each.kind} for each in configuration.services],
        "rotas": [
            {"name": each.name, "shifts": [_shift_text(shift) for shift in each.shifts], "otherwise": each.otherwise}
            for each in configuration.rotas
        ],
        "routes": [
            {
                "name": each.name,
                "match": each.match.text(),
                "to": (*each.to.services, *(f"{name} (rota)" for name in each.to.rotas)),
                "when": each.when,
                "group_by": each.group_by,
                "escalation": [
                    f"after {notification_fields.duration_text(step.after_s)}: "
                    + ", ".join((*step.to.services, *(f"{name} (rota)" for name in step.to.rotas)))
                    for step in each.steps
                ],
            }
            for each in configuration.routes
        ],
        "watchdog": bool(configuration.watchdog.url),
    }


def _shift_text(shift: Shift) -> str:
    hours = shift.hours
    return f"{', '.join(hours.days)} {hours.start:%H:%M}–{hours.end:%H:%M} {hours.zone}: {', '.join(shift.services)}"
