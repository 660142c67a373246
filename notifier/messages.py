"""Messages as people read them, and as JSON for webhooks. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from broker.contract.message_templates import filled
from broker.contract.notification_routes import Service
from broker.display.instants import timestamp
from broker.display.names import ALARM_STATES, PRIORITIES
from broker.display.printable import printable
from notifier.state import Alarm, Message

MAX_LINES: Final = 10
"""Alarms that a message for people describes; the rest is counted."""
MAX_LISTED: Final = 100
"""Alarms that a message to a webhook lists; the rest is counted."""
MAX_TITLE: Final = 120
SIMULATION: Final = "All telemetry is simulated; Pumpwatch is no medical device."
VERSION: Final = 1


class RuleTexts(msgspec.Struct, frozen=True):
    """What a rule says to people."""

    meaning: str = ""
    action: str = ""
    time_to_respond: str = ""


class Text(msgspec.Struct, frozen=True):
    """A message for people."""

    title: str
    body: str


def text(
    message: Message,
    raised: Sequence[Alarm],
    returned: Sequence[Alarm],
    *,
    rules: Mapping[str, RuleTexts],
    dashboard: str,
) -> Text:
    """Return a message for people about alarms, the worst first; `dashboard` is where links lead, empty for none."""
    parts = [f"{_about(message)}."] if _about(message) else []
    parts += [_alarm(alarm, rules, dashboard) for alarm in raised[:MAX_LINES]]
    parts += [_more(len(raised) - MAX_LINES)] if len(raised) > MAX_LINES else []
    if returned:
        named = ", ".join(f"{alarm.title} ({alarm.subject})" for alarm in returned[:MAX_LINES])
        rest = f", {_more(len(returned) - MAX_LINES)}" if len(returned) > MAX_LINES else ""
        parts.append(f"Returned to normal, unacknowledged: {named}{rest}")
    if message.earlier:
        parts.append(f"Notified earlier and still unacknowledged: {message.earlier:,}")
    parts += [f"Acknowledge on the dashboard, after signing in: {dashboard}/alarms"] if dashboard else []
    parts.append(SIMULATION)
    return Text(title(message, raised, returned), printable_lines("\n\n".join(parts)))


def templated(
    service: Service,
    found: Text,
    message: Message,
    alarms: Sequence[Alarm],
    *,
    rules: Mapping[str, RuleTexts],
    dashboard: str,
) -> Text:
    """Return a message by the templates of a service, `found` without them; that all is simulated, it says always."""
    if not (service.title or service.body):
        return found
    worst = alarms[0]
    rule = rules.get(worst.rule, RuleTexts())
    values = {
        "headline": found.title,
        "text": found.body.removesuffix(SIMULATION).rstrip(),
        "kind": message.kind,
        "count": f"{len(alarms):,}",
        "priority": worst.priority,
        "alarm": worst.title,
        "subject": worst.subject,
        "site": worst.facts.site or "",
        "gateway": worst.facts.gateway or "",
        "state": ALARM_STATES.get(worst.state, worst.state),
        "raised": timestamp(worst.raised_at),
        "meaning": rule.meaning,
        "action": rule.action,
        "time_to_respond": rule.time_to_respond,
        "link": link(worst, dashboard) or "",
        "route": message.route,
        "step": str(message.step),
    }
    head = printable(filled(service.title, values))[:MAX_TITLE] if service.title else found.title
    if not service.body:
        return Text(head, found.body)
    return Text(head, printable_lines(f"{filled(service.body, values)}\n\n{SIMULATION}"))


def title(message: Message, raised: Sequence[Alarm], returned: Sequence[Alarm]) -> str:
    """Return one line: what is worst, how many there are, and where."""
    alarms = raised or returned
    where = ", ".join(value for _, value in message.values if value)
    if len(alarms) == 1:
        what = f"{alarms[0].title}: {alarms[0].subject}"
    else:
        counted = Counter(alarm.priority for alarm in alarms)
        split = ", ".join(f"{counted[name]:,} {name}" for name in PRIORITIES.values() if counted[name])
        what = f"{len(alarms):,} alarms ({split}), first {alarms[0].title}: {alarms[0].subject}"
    lead = {
        "raised": alarms[0].priority.upper(),
        "returned": "Returned",
        "escalated": f"ESCALATION {message.step}, {alarms[0].priority.upper()}",
        "repeated": f"Still {alarms[0].priority.upper()}",
    }
    kind = message.kind if raised else "returned"
    place = f" [{where}]" if where and where not in what else ""
    return printable(f"{lead[kind]}: {what}{place}")[:MAX_TITLE]


def event(
    message: Message,
    key: str,
    raised: Sequence[Alarm],
    returned: Sequence[Alarm],
    *,
    rules: Mapping[str, RuleTexts],
    dashboard: str,
    now: int,
) -> dict[str, Any]:
    """Return the JSON of a message to a webhook (`VERSION`); `now` is wall ms."""
    listed = [*raised, *returned]
    return {
        "version": VERSION,
        "key": key,
        "simulated": True,
        "kind": message.kind,
        "step": message.step,
        "route": message.route,
        "group": dict(message.values),
        "decided": message.at,
        "title": title(message, raised, returned),
        "count": len(listed),
        "earlier": message.earlier,
        "alarms": [
            {
                "alarm": alarm.alarm,
                "state": alarm.state,
                "priority": alarm.priority,
                "rule": alarm.rule,
                "title": alarm.title,
                "subject": alarm.subject,
                "subject_kind": alarm.subject_kind,
                "pump": alarm.pump,
                **msgspec.structs.asdict(alarm.facts),
                "raised": alarm.raised_at,
                "age_s": round((now - alarm.raised_at) / 1000),
                **msgspec.structs.asdict(rules.get(alarm.rule, RuleTexts())),
                "url": link(alarm, dashboard),
            }
            for alarm in listed[:MAX_LISTED]
        ],
    }


def link(alarm: Alarm, dashboard: str) -> str | None:
    """Return the address of an alarm on the dashboard, which asks for sign-in; None if the address is unknown."""
    if not dashboard or alarm.about_itself:
        return None
    return f"{dashboard}/alarms?search={quote(alarm.subject[:MAX_LISTED], safe='')}"


def printable_lines(text: str) -> str:
    """Return a text whose lines have no control characters: names of pumps and sites come from outside."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _about(message: Message) -> str:
    if message.kind == "escalated":
        return f"Nobody has acknowledged this; escalation step {message.step} of the route {message.route}"
    return "Still unacknowledged" if message.kind == "repeated" else ""


def _alarm(alarm: Alarm, rules: Mapping[str, RuleTexts], dashboard: str) -> str:
    """Return the lines of one alarm."""
    facts, rule = alarm.facts, rules.get(alarm.rule, RuleTexts())
    places = ", ".join(f"{name} {value}" for name, value in (("site", facts.site), ("gateway", facts.gateway)) if value)
    state = ALARM_STATES.get(alarm.state, alarm.state)
    lines = [
        f"{alarm.priority.upper()}  {alarm.title}: {alarm.subject}{f' ({places})' if places else ''}",
        f"{state}, raised {timestamp(alarm.raised_at)} UTC",
        rule.meaning,
        f"Recommended action: {rule.action}" if rule.action else "",
        f"Time to respond: {rule.time_to_respond}" if rule.time_to_respond else "",
        link(alarm, dashboard) or "",
    ]
    return "\n".join(line for line in lines if line)


def _more(count: int) -> str:
    return f"and {count:,} more, see the dashboard"
