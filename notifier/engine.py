"""Decides which messages are due: by routes, groups, intervals, escalation steps, quiet hours and rate limits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from broker.contract.notification_routes import WATCHDOG, Configuration, Route
from notifier.lifecycle import follow
from notifier.state import CODES, Alarm, Event, Facts, Group, Kind, Message, State

HOUR_MS: Final = 3_600_000
Silenced = Callable[[Alarm], bool]
"""Whether a silence covers an alarm now."""


def take(state: State, events: Iterable[Event], facts: Mapping[str, Facts], cursor: int) -> State:
    """Return the state after events of the journal up to the entry `cursor`."""
    alarms, ignored = follow(state.alarms, events, facts)
    return msgspec.structs.replace(state, alarms=alarms, cursor=cursor, ignored=state.ignored + ignored)


def decide(
    state: State, config: Configuration, now: int, silenced: Silenced = lambda _: False
) -> tuple[State, list[Message]]:
    """Return the messages that are due at `now` (wall ms), and the state in which they count as notified."""
    groups: dict[str, Group] = {}
    messages: list[Message] = []
    # A silenced alarm counts as not notified: when the silence ends and it still waits, somebody must know.
    hushed = {name for name, alarm in state.alarms.items() if not alarm.quiet and silenced(alarm)}
    audible = {name: alarm for name, alarm in state.alarms.items() if name not in hushed} if hushed else state.alarms
    sent, number, limited = dict(state.sent), state.number, state.limited
    for route in (*config.routes, config.about_itself):
        times = tuple(at for at in sent.get(route.name, ()) if now - HOUR_MS < at <= now)
        audience = _Audience(route, config, now)
        for group, members in _grouped(state.groups, audible, route, now):
            free = route.max_per_hour - len(times)
            found = _flush(group, members, audible, audience, limited=free <= 0)
            limited += found.limited
            for message in found.messages:
                number += 1
                messages.append(msgspec.structs.replace(message, number=number))
                if message.kind != "escalated":
                    times = (*times, now)[-route.max_per_hour :]
            if found.group is not None:
                groups[group.key] = found.group
        sent[route.name] = times
    known = {route.name for route in config.routes} | {WATCHDOG}
    alarms = _still_needed(state.alarms, groups)
    after = msgspec.structs.replace(
        state,
        alarms=alarms,
        groups=groups,
        sent={name: times for name, times in sent.items() if times and name in known},
        number=number,
        limited=limited,
    )
    return after, messages


def wanted(message: Message, alarms: Mapping[str, Alarm], silenced: Silenced) -> tuple[list[Alarm], list[Alarm]]:
    """Return which alarms of a message are still to be sent, raised and returned ones, the worst first.

    Whatever was acknowledged, shelved, suppressed, taken out of service or silenced since it was decided is not, nor is
    what returned or was raised again: another message is about that.
    """
    raised = [alarms[name] for name, at in message.raised if name in alarms and alarms[name].raised_at == at]
    back = [alarms[name] for name, at in message.returned if name in alarms and alarms[name].raised_at == at]
    back += [alarm for alarm in message.over if alarm.alarm not in alarms]
    return (
        worst_first(alarm for alarm in raised if alarm.waiting and not silenced(alarm)),
        worst_first(alarm for alarm in back if alarm.returned and not silenced(alarm)),
    )


def worst_first(alarms: Iterable[Alarm]) -> list[Alarm]:
    """Return alarms by priority, then the oldest first."""
    return sorted(alarms, key=lambda alarm: (CODES[alarm.priority], alarm.raised_at, alarm.alarm))


@dataclass(frozen=True)
class _Audience:
    """A route and the moment of a decision."""

    route: Route
    config: Configuration
    now: int

    def message(self, group: Group, kind: Kind, alarms: Iterable[Alarm], **fields: object) -> Message:
        step = fields.get("step", 0)
        to = self.route.steps[step - 1].to if isinstance(step, int) and step else self.route.to
        listed = tuple((alarm.alarm, alarm.raised_at) for alarm in worst_first(alarms))
        whole = {
            "number": 0,
            "route": self.route.name,
            "kind": kind,
            "values": tuple(zip(self.route.group_by, group.values, strict=True)),
            "services": self.config.reached(to, self.now),
            "raised": listed,
            "at": self.now,
            **fields,
        }
        return msgspec.convert(whole, Message)


@dataclass(frozen=True)
class _Flush:
    """What became of a group: the group, None if there is nothing left to remember, and its messages."""

    group: Group | None
    messages: list[Message]
    limited: int = 0


def _grouped(
    groups: Mapping[str, Group], alarms: Mapping[str, Alarm], route: Route, now: int
) -> Iterable[tuple[Group, list[Alarm]]]:
    """Return the groups of a route, each with the alarms that wait and whose message may go out now."""
    members: dict[str, tuple[Group, list[Alarm]]] = {
        key: (group, [])
        for key, group in groups.items()
        if group.route == route.name and len(group.values) == len(route.group_by)
    }
    resting = route.quiet is not None and route.quiet.hours.includes(now)
    for alarm in alarms.values():
        if not alarm.waiting or alarm.about_itself != (route.name == WATCHDOG):
            continue
        if resting and route.quiet is not None and alarm.priority in route.quiet.priorities:
            continue
        fields = alarm.fields(now)
        if not route.match.matches(fields):
            continue
        group = Group(route=route.name, values=tuple(str(fields[name] or "") for name in route.group_by))
        members.setdefault(group.key, (group, []))[1].append(alarm)
    return members.values()


def _flush(
    group: Group, members: list[Alarm], alarms: Mapping[str, Alarm], audience: _Audience, *, limited: bool
) -> _Flush:
    """Decide about one group."""
    route, now = audience.route, audience.now
    group = _forgotten(group, alarms, reports_return="returned" in route.when)
    fresh = (
        [each for each in members if group.notified.get(each.alarm) != each.raised_at] if "raised" in route.when else []
    )
    back = [
        alarms[name] for name, at in group.notified.items() if alarms[name].returned and alarms[name].raised_at == at
    ]
    back = back if "returned" in route.when else []
    standing = [each for each in members if group.notified.get(each.alarm) == each.raised_at]
    since = group.since if fresh or back else None
    since = now if since is None and (fresh or back) else since
    group = msgspec.structs.replace(group, since=since)
    messages: list[Message] = []
    put_off = 0
    again = route.repeat_interval_s is not None and group.at is not None and bool(standing)
    repeat = again and now - (group.at or 0) >= 1000 * (route.repeat_interval_s or 0)
    if (since is not None and now >= _due(group, route, since)) or (repeat and "raised" in route.when):
        if limited:
            put_off = 1
        else:
            kind: Kind = "raised" if fresh else "returned" if back else "repeated"
            listed = fresh or ([] if back else standing)
            returned = tuple((each.alarm, each.raised_at) for each in worst_first(back))
            over = tuple(each for each in worst_first(back) if each.over)
            earlier = len(standing) if fresh or back else 0
            messages.append(audience.message(group, kind, listed, returned=returned, over=over, earlier=earlier))
            notified = {name: at for name, at in group.notified.items() if name not in {each.alarm for each in back}}
            notified |= {each.alarm: each.raised_at for each in fresh}
            group = msgspec.structs.replace(group, since=None, at=now, notified=notified)
    group, escalated = _escalate(group, members, audience)
    alive = members or group.notified or group.since or (group.at or 0) + 1000 * route.group_interval_s > now
    return _Flush(group if alive else None, [*messages, *escalated], put_off)


def _due(group: Group, route: Route, since: int) -> float:
    """Return when a message about what is new in a group is due (wall ms)."""
    if group.at is None:
        return since + 1000 * route.group_wait_s
    return max(since + 1000 * route.group_wait_s, group.at + 1000 * route.group_interval_s)


def _forgotten(group: Group, alarms: Mapping[str, Alarm], *, reports_return: bool) -> Group:
    """Return the group without alarms that are gone or that nobody has to be notified about any more."""

    def needed(alarm: Alarm | None) -> bool:
        return alarm is not None and not alarm.quiet and (alarm.standing or reports_return)

    notified = {name: at for name, at in group.notified.items() if needed(alarms.get(name))}
    steps = {
        name: (at, step)
        for name, (at, step) in group.steps.items()
        if name in alarms and alarms[name].waiting and alarms[name].raised_at == at
    }
    if notified == group.notified and steps == group.steps:
        return group
    return msgspec.structs.replace(group, notified=notified, steps=steps)


def _escalate(group: Group, members: list[Alarm], audience: _Audience) -> tuple[Group, list[Message]]:
    """Notify the next step of alarms that waited too long; each step at most once in a group interval."""
    route, now, messages = audience.route, audience.now, []
    steps, escalated, notified = dict(group.steps), dict(group.escalated), dict(group.notified)
    for number, step in enumerate(route.steps, 1):
        due = [
            each
            for each in members
            if steps.get(each.alarm, (0, 0))[1] == number - 1 and now - each.raised_at >= 1000 * step.after_s
        ]
        waited = number not in escalated or now - escalated[number] >= 1000 * route.group_interval_s
        if due and waited:
            messages.append(audience.message(group, "escalated", due, step=number))
            steps |= {each.alarm: (each.raised_at, number) for each in due}
            escalated[number] = now
            if "raised" not in route.when:
                notified |= {each.alarm: each.raised_at for each in due}
    if not messages:
        return group, []
    return msgspec.structs.replace(group, steps=steps, escalated=escalated, notified=notified), messages


def _still_needed(alarms: Mapping[str, Alarm], groups: Mapping[str, Group]) -> dict[str, Alarm]:
    """Return the alarms without those that are over and that nobody has to be notified about."""
    notified = {name for group in groups.values() for name in group.notified}
    return {name: alarm for name, alarm in alarms.items() if not alarm.over or (name in notified and alarm.returned)}
