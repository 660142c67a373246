"""Notification routes as they are configured: services, rotas, routes with escalation steps, and the watchdog.

`broker.contract.notification_config` reads them from TOML. Durations are wall seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from broker.contract.alarm_matchers import AlarmMatcher

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
GROUP_FIELDS: Final = ("site", "gateway", "model", "lot", "rule", "priority", "pump", "subject", "alarm")
"""What alarms can be grouped by."""
When = Literal["raised", "escalated", "returned"]
InDoubt = Literal["resend", "drop"]
WATCHDOG: Final = "watchdog"
"""Name of the route of messages about Pumpwatch itself; no configured route may have it."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A way to reach somebody: a URL of apprise, or a webhook that gets signed JSON.

    `in_doubt` decides about a delivery during which the notifier was killed: nobody knows whether it arrived. Webhooks
    are always sent it again, with the same idempotency key. `timeout_s` limits one attempt; after `give_up_s` of
    failing attempts a message becomes a dead letter. `title` and `body` are templates of messages for people
    (`broker.contract.message_templates`), empty for our own.
    """

    name: str
    url: str = ""
    webhook: str = ""
    secret: str = ""
    in_doubt: InDoubt = "resend"
    timeout_s: float = 20.0
    give_up_s: float = 4 * 3600.0
    title: str = ""
    body: str = ""

    def __repr__(self) -> str:
        return f"Service({self.name!r})"

    @property
    def kind(self) -> str:
        """What it is, without secrets: "webhook", or the scheme of its URL such as "ntfys"."""
        return "webhook" if self.webhook else self.url.partition(":")[0]


class Hours(msgspec.Struct, frozen=True):
    """A time of day on some weekdays in a zone, from `start` to `end`; an end before the start is on the next day.

    Equal start and end are the whole day.
    """

    days: tuple[str, ...]
    start: time
    end: time
    zone: str

    def includes(self, now: int) -> bool:
        """Return whether it is that time at `now` (wall ms)."""
        local = datetime.fromtimestamp(now / 1000, tz=UTC).astimezone(ZoneInfo(self.zone))
        today, before = DAYS[local.weekday()], DAYS[(local - timedelta(days=1)).weekday()]
        at = local.time()
        if self.start < self.end:
            return today in self.days and self.start <= at < self.end
        return (today in self.days and at >= self.start) or (before in self.days and at < self.end)


class Shift(msgspec.Struct, frozen=True):
    """Who is on duty during some hours of the week."""

    hours: Hours
    services: tuple[str, ...]


class Rota(msgspec.Struct, frozen=True):
    """Who is on duty when; outside all shifts it is `otherwise`."""

    name: str
    shifts: tuple[Shift, ...]
    otherwise: tuple[str, ...]

    def on_duty(self, now: int) -> tuple[str, ...]:
        """Return the services of all shifts at `now` (wall ms)."""
        found = [name for shift in self.shifts if shift.hours.includes(now) for name in shift.services]
        return tuple(dict.fromkeys(found)) or self.otherwise


class Target(msgspec.Struct, frozen=True):
    """Recipients: services, and rotas, which name the service on duty."""

    services: tuple[str, ...] = ()
    rotas: tuple[str, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """A step of escalation: who is notified about an alarm that nobody acknowledged for `after_s`."""

    after_s: float
    to: Target


class Quiet(msgspec.Struct, frozen=True):
    """Quiet hours: messages about alarms of these priorities wait until they are over."""

    hours: Hours
    priorities: tuple[str, ...] = ("low",)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Who is notified of which alarms, when and how grouped; `repeat_interval_s` None is never."""

    name: str
    match: AlarmMatcher
    to: Target
    when: tuple[When, ...] = ("raised", "escalated")
    group_by: tuple[str, ...] = ("site",)
    group_wait_s: float = 30.0
    group_interval_s: float = 300.0
    repeat_interval_s: float | None = 4 * 3600.0
    quiet: Quiet | None = None
    max_per_hour: int = 60
    steps: tuple[Step, ...] = ()


class Watchdog(msgspec.Struct, frozen=True):
    """The heartbeat to an outside URL, empty for none, and who is notified if Pumpwatch itself fails."""

    url: str = ""
    interval_s: float = 60.0
    to: Target = Target()

    def __repr__(self) -> str:
        return "Watchdog()"


class Configuration(msgspec.Struct, frozen=True, dict=True):
    """Everything that the file says. `dashboard_url` is where links lead, empty for the address of the system."""

    services: tuple[Service, ...] = ()
    rotas: tuple[Rota, ...] = ()
    routes: tuple[Route, ...] = ()
    watchdog: Watchdog = Watchdog()
    dashboard_url: str = ""

    @cached_property
    def by_name(self) -> dict[str, Service]:
        """The services by name."""
        return {service.name: service for service in self.services}

    @cached_property
    def _rotas(self) -> dict[str, Rota]:
        return {rota.name: rota for rota in self.rotas}

    def reached(self, target: Target, now: int) -> tuple[str, ...]:
        """Return the names of the services that a message to a target goes to at `now` (wall ms)."""
        on_duty = [name for rota in target.rotas for name in self._rotas[rota].on_duty(now)]
        return tuple(dict.fromkeys([*target.services, *on_duty]))

    @cached_property
    def about_itself(self) -> Route:
        """The route of messages about Pumpwatch itself; by default to all services and rotas of the first targets."""
        named = [route.to for route in self.routes]
        every = Target(
            tuple(dict.fromkeys(name for to in named for name in to.services)),
            tuple(dict.fromkeys(name for to in named for name in to.rotas)),
        )
        to = self.watchdog.to
        return Route(
            name=WATCHDOG,
            match=AlarmMatcher(),
            to=to if to.services or to.rotas else every,
            when=("raised", "returned"),
            group_by=(),
            group_wait_s=0.0,
            group_interval_s=30.0,
            repeat_interval_s=3600.0,
        )
