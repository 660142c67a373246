"""Reference of alarms: states, lifecycle, operator actions, and the events that other systems receive."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Final, get_args

import msgspec

from broker.contract import topics
from broker.contract.actions import MAX_SHELF_H, AlarmAction, PumpAction, ServiceAction
from broker.contract.alarm_events import AlarmEvent
from broker.store import journal
from processor.alarms.lifecycle import REALARM_H
from processor.alarms.states import STATES
from processor.rules.rule import DEADBAND
from pumpwatch.documentation.markdown import code, duration, page, table

HEADS: Final = ("kind", "meaning")
SECONDS_PER_H: Final = 3600


def alarms_page() -> str:
    """Return the reference of alarms."""
    return page(
        "Alarms",
        "An alarm is about a pump, a gateway, a cohort, the fleet, or a part of Pumpwatch (`system: ` and the part). "
        "Its id consists of subject, rule and onset. Its state follows ISA-18.2 and is derived from its timestamps.",
        *_states(),
        *_lifecycle(),
        *_actions(),
        *_events(),
    )


def alarm_event_schema() -> str:
    """Return the JSON schema of the events that other systems receive."""
    schema = msgspec.json.schema(AlarmEvent)
    for definition in schema["$defs"].values():
        if "description" in definition:  # only Python 3.13 and newer drop the indentation of docstrings
            definition["description"] = inspect.cleandoc(definition["description"])
    named = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Pumpwatch alarm event", **schema}
    return msgspec.json.format(msgspec.json.encode(named), indent=2).decode() + "\n"


def _states() -> Iterator[str]:
    yield "## States"
    yield table(("state", "meaning"), ((code(name), meaning) for name, meaning in STATES.items()))
    yield (
        "An alarm is *annunciated* when people are notified of it: it is on the alarm summary as open, and its changes "
        "are published to other systems. In the states `suppressed`, `shelved` and `out_of_service` an alarm is not "
        "annunciated, but it is still evaluated, recorded in the journal, and shown when these states are selected."
    )


def _lifecycle() -> Iterator[str]:
    yield "## Lifecycle"
    yield (
        "An alarm is raised when the score of its rule has been at 1.0 or above for the on-delay, and returns to "
        f"normal when the score has been below {DEADBAND:g} for the off-delay; silence has no such deadband. An "
        "alarm that has returned and is acknowledged is cleared; a latching one must also be reset. An acknowledged "
        f"alarm that still stands is annunciated again after {_per_priority(REALARM_H)}, in therapy time, unless its "
        "rule sets another time. Each step is an entry of the journal:"
    )
    yield table(HEADS, ((code(kind), meaning) for kind, meaning in journal.KINDS.items()))


def _actions() -> Iterator[str]:
    yield "## Operator actions"
    yield (
        f"An operator action is JSON on `{topics.COMMAND}`: `kind`, `id`, `alarms` (their ids), `who`, `at` "
        "(wall-clock time in ms) and `why`. An action that arrives more than once with the same `id` is applied once. "
        f"`shelve` also needs `for_s`, the time in therapy seconds: at most {_per_priority(MAX_SHELF_H)}. "
        "`take_out` and `put_back` have `subjects` (serials, gateways, `fleet`, or a part such as `system: storage`) "
        "instead of `alarms`, and optionally `rule`; without it they apply to all rules. "
        "`retire`, `reinstate` and `transfer` have `pumps`, their serials, instead of `alarms`; `transfer` also has "
        "`gateway`. Actions are [signed](../ingest.md#signed-commands-and-actions): the dashboard and the command line "
        "do it, after a sign-in."
    )
    kinds = (*get_args(AlarmAction), *get_args(ServiceAction), *get_args(PumpAction))
    yield table(HEADS, ((code(str(kind.__struct_config__.tag)), inspect.getdoc(kind) or "") for kind in kinds))
    yield (
        f"The processor publishes the outcome on `{topics.OUTCOME}`: `id`, `done` (to how many alarms or subjects the "
        "action was applied), `refused` (for how many it was refused) and `text`."
    )


def _events() -> Iterator[str]:
    yield "## Events for other systems"
    yield (
        "The processor publishes an event on `pumpwatch/alarms/{priority}` (QoS 1, not retained) for each change of an "
        "annunciated alarm. While an alarm is suppressed, shelved or out of service, it publishes none. "
        "[alarm-event.schema.json](alarm-event.schema.json) describes the events of version 1; later releases may add "
        "fields to this version, but do not remove any."
    )
    yield (
        "The user `_monitor` may read them; its password is in the data directory (`DATA`):\n\n```sh\nmosquitto_sub "
        "-p PORT -u _monitor -P \"$(cat DATA/secrets/broker/monitor.password)\" -q 1 -t 'pumpwatch/alarms/high'\n```"
    )


def _per_priority(hours: Mapping[str, float]) -> str:
    return ", ".join(f"{duration(value * SECONDS_PER_H)} for {name} priority" for name, value in hours.items())
