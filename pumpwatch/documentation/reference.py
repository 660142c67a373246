"""This file writes the reference from the tables that the program itself runs on: `python -m pumpwatch.documentation.reference`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import typer

from broker.contract import signals, topics
from broker.contract.actions import MAX_SHELF_H, AlarmAction, ServiceAction
from broker.contract.alarm_events import AlarmEvent
from broker.contract.dose_limits import SESSION_S
from broker.mqtt import mosquitto_config
from broker.store import journal, snapshot
from processor.alarms.lifecycle import REALARM_H
from processor.alarms.states import STATES
from processor.rules.rule import DEADBAND
from pumpwatch.commands.tables import fault_rows, rule_rows, signal_rows

ROOT: Final = Path(__file__).resolve().parents[2]
MARK: Final = "<!-- Written by `make docs` from the program's own tables; change those instead. -->"


def main(arguments: Sequence[str]) -> int:
    """Write all pages; with `--check` write nothing and return 1 if one is not as it would be written."""
    stale = stale_pages(ROOT)
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"{path} is not up to date; run: make docs\n")
        return 1 if stale else 0
    for path in stale:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(PAGES[path](), encoding="utf-8")
        sys.stderr.write(f"wrote {path}\n")
    return 0


def stale_pages(root: Path) -> list[str]:
    """Return the pages below `root` that are missing or differ from what would be written."""
    return [name for name, write in PAGES.items() if _text(root / name) != write()]


def signals_page() -> str:
    """Return the reference of signals and flags."""
    rows = ((_code(r["name"]), r["unit"], r["title"], f"{r['low']:g}", f"{r['high']:g}") for r in signal_rows())
    flags = ((_code(flag.name), str(flag.bit), flag.title) for flag in signals.FLAGS)
    types = ((_code(name), str(dtype)) for name, dtype in signals.SAMPLE_SCHEMA.items())
    return _page(
        "Signals",
        "What a simulated pump says. A sample is all signals of one pump at one time; one that is left out is unknown, "
        "never zero. A value outside its range is refused as malformed.",
        _table(("signal", "unit", "title", "lowest", "highest"), rows),
        "## Flags\n\nWhat the pump itself reports, as the sum of bits in `flags`. A pump that numbers its programs "
        f"(`program`) sets `programmed` for {SESSION_S / 60:.0f} minutes after a programmer wrote one: another number "
        "without that is an alarm. `refill` is set in one sample.",
        _table(("flag", "bit", "title"), flags),
        "## The frame\n\n`pump` and `time` (therapy time, UTC) must be there. Times are milliseconds since 1970; JSON "
        "may also have ISO 8601. `sent` is wall time. `seq` counts a pump's samples within one `boot`, so that what is "
        "lost shows as a gap.",
        _table(("column", "type"), types),
    )


def topics_page() -> str:
    """Return the reference of the topic tree."""
    leaves = (
        (
            _code(f"itb/{{shard}}/{{gateway}}/{leaf.name}"),
            leaf.direction,
            "yes" if leaf.retained else "no",
            leaf.meaning,
        )
        for leaf in topics.LEAVES
    )
    ours = (
        *(
            (_code(topics.alarm_topic(priority)), f"each change of an alarm of {priority} priority")
            for priority in snapshot.PRIORITIES
        ),
        (_code(topics.TRUTH), "what is really wrong with which simulated pump; the processor never reads it"),
        (_code(topics.COMMAND), "what people do with alarms; the processor reads it"),
        (_code(topics.PART), "which part of the system started or ended, for the journal"),
        (_code(topics.confirmed_topic("GATEWAY")), "up to which `sent` a gateway's samples are durable (retained)"),
        (_code(topics.RESEND), "all gateways are to send again what was not confirmed so; the broker has forgotten it"),
        (_code(topics.OUTCOME), "what became of it"),
        (_code(topics.health_topic("PART")), "how a part is (retained)"),
    )
    return _page(
        "Topics",
        f"`SHARD` is 00 to {topics.SHARDS - 1}: our gateways use CRC-32 of their name modulo {topics.SHARDS}; a "
        f"stranger may use any and keeps it. Names of gateways and pumps are {topics.name_rule()}. All messages have "
        "QoS 1.",
        _table(("topic", "direction", "retained", "meaning"), leaves),
        _table(("topic", "meaning"), ours),
        "## With anyone's client",
        "```sh\nmosquitto_pub -q 1 -t itb/00/mine/telemetry \\\n"
        '  -m \'{"pump":"MY-1","time":"2026-01-01T00:00:00Z","seq":1,"flow_ul_h":8.1}\'\n'
        "mosquitto_sub -v -t 'itb/#'\n```",
    )


def faults_page() -> str:
    """Return the reference of faults."""
    sections = (
        f"## {row['title']} (`{row['name']}`)\n\n{_sentence(row['summary'])}\n\n"
        + _table(
            ("", ""),
            (
                ("bites at", row["stage"]),
                *((name, row[name]) for name in ("signature", "severity", "origin")),
                *_judged(row),
            ),
        )
        + f"\n\n![One pump before, during and after: {row['title']}](../faults/{row['name']}.svg)"
        for row in fault_rows()
    )
    return _page(
        "Faults",
        "The ways in which a simulated pump can fail: by `pumpwatch inject`, on the page of the same name, or in a "
        "scenario. Severity 0 changes nothing. The pictures are drawn from the simulator by `python -m "
        "pumpwatch.documentation.pictures`. By which alarms a fault counts as found is told in [scorecard](../scorecard.md).",
        *sections,
    )


def _judged(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the rules that identify or detect a fault, or why no signal shows it."""
    rules = (("identified by", row["identified_by"]), ("also detected by", row["detected_by"]))
    yield from ((relation, ", ".join(map(_code, names))) for relation, names in rules if names)
    if row["unseen"]:
        yield "no alarm, because", row["unseen"]


def rules_page() -> str:
    """Return the reference of rules."""
    sections = (
        f"## {row['title']} (`{row['name']}`)\n\n{row['meaning']}\n\n"
        + _table(
            ("", ""),
            (
                ("priority", row["priority"]),
                ("action", row["action"]),
                ("time to respond", row["time_to_respond"]),
                ("on-delay", _delay(row, "on_delay_s")),
                ("off-delay", _delay(row, "off_delay_s")),
                ("latching", "yes, until a person resets it" if row["latch"] else "no"),
                ("detection target", f"{row['detection_target_h']:g} h from the onset of the fault"),
                ("rationale", row["rationale"]),
                ("evidence", "; ".join(map(_measured, row["evidence"]))),
                ("excludes", "; ".join(f"{one['cause']}: {one['because']}" for one in row["rules_out"]) or "nothing"),
                ("identifies", ", ".join(map(_code, row["identifies"])) or "no single fault"),
                ("also detects", ", ".join(map(_code, row["detects"])) or "nothing else"),
                ("suppresses", ", ".join(map(_code, row["explains"])) or "nothing"),
            ),
        )
        for row in rule_rows()
    )
    return _page(
        "Rules",
        "All alarm rules. Priorities follow IEC 60601-1-8, alarm states ISA-18.2. Times are therapy time unless "
        "wall-clock time is stated. The last rules are about Pumpwatch itself. This is a simulation; nothing here is "
        "clinical advice.",
        "Each alarm records its evidence: these measurements as they were when it was raised, with expected values and "
        "limits; the score; the causes excluded by the measurements; and a confidence. Confidence starts at high and "
        "drops one level for each doubt: a score only just above the limit, lost samples, or a pump monitored for too "
        "short a time to know its baseline.",
        *sections,
    )


def _delay(row: dict[str, Any], name: str) -> str:
    return _time(row[name]) + (", wall-clock time" if row["uses_wall_clock"] else "")


def _measured(measure: dict[str, str]) -> str:
    return f"{measure['label']} ({measure['unit']})" if measure["unit"] else measure["label"]


def alarms_page() -> str:
    """Return the reference of alarms: their states, what happens to them, what people do, what other systems hear."""
    shelf = ", ".join(f"{hours:g} h for {name}" for name, hours in MAX_SHELF_H.items())
    realarm = ", ".join(f"{hours:g} h for {name}" for name, hours in REALARM_H.items())
    actions = (
        (_code(str(kind.__struct_config__.tag)), (kind.__doc__ or "").strip().replace("`", ""))
        for kind in (*get_args(AlarmAction), *get_args(ServiceAction))
    )
    return _page(
        "Alarms",
        "An alarm is about a pump, a gateway, the fleet, or Pumpwatch itself (`system: ` and the part). Its state is "
        "read from its times, never stored; its id is made of subject, rule and onset.",
        _table(("state", "meaning"), ((_code(name), meaning) for name, meaning in STATES.items())),
        f"A condition clears only below {DEADBAND:g} of its limit, except for silence. An acknowledged alarm that "
        f"still stands is annunciated again after {realarm} priority, in therapy time, unless its rule says otherwise. "
        f"It may be shelved for at most {shelf}.",
        "## What happens to an alarm\n\nEach is an entry of the journal.",
        _table(("kind", "meaning"), ((_code(kind), meaning) for kind, meaning in journal.KINDS.items())),
        f"## What people do\n\nAs JSON to `{topics.COMMAND}`: `kind`, `id` (one and the same deed however often it "
        "arrives), `alarms` (their ids), `who`, `at` (wall ms), `why`; to shelve also `for_s` (therapy seconds). "
        "`take_out` and `put_back` have `subjects` (serials, gateways, `fleet`, or as `system: storage`) instead of "
        "`alarms`, and `rule` where not all rules are meant. What "
        f"became of it is said on `{topics.OUTCOME}`: `id`, `done`, `refused`, `text`.",
        _table(("kind", "meaning"), actions),
        "## What other systems hear\n\nOn `pumpwatch/alarms/{priority}`, QoS 1, not retained: an event for each change "
        "that calls people. What another alarm explains, or what is shelved or out of service, calls nobody and is not "
        "announced. The form is that of [alarm-event.schema.json](alarm-event.schema.json); a version 1 may get more "
        "fields, but none is taken away.",
        "```sh\nmosquitto_sub -q 1 -t 'pumpwatch/alarms/high'\n```",
    )


def alarm_event_schema() -> str:
    """Return the JSON schema of the events that other systems hear."""
    schema = msgspec.json.schema(AlarmEvent)
    schema["$defs"]["AlarmEvent"]["description"] = inspect.getdoc(AlarmEvent)
    named = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Pumpwatch alarm event", **schema}
    return msgspec.json.format(msgspec.json.encode(named), indent=2).decode() + "\n"


def cli_page() -> str:
    """Return the reference of the command line."""
    from pumpwatch.__main__ import app

    group: Any = typer.main.get_command(app)
    return _page(
        "Command line",
        "An option is taken from the command line, else from its variable of the environment, else from "
        "`pumpwatch.toml` in the working directory (or `--settings FILE`; names as the options', without dashes in "
        "front), else its default. Data goes to stdout, everything else to stderr. Exit code 0: done; 1: failed; "
        "2: wrongly asked.",
        *_commands(group, "pumpwatch"),
    )


def mosquitto_conf() -> str:
    """Return the configuration for a Mosquitto of your own."""
    return mosquitto_config.configuration(
        (*mosquitto_config.OWN_SERVER, *mosquitto_config.LIMITS),
        "Mosquitto for Pumpwatch. Written by `make docs` from broker/mqtt/mosquitto_config.py; change that instead.",
    )


PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/reference/signals.md": signals_page,
    "docs/reference/topics.md": topics_page,
    "docs/reference/faults.md": faults_page,
    "docs/reference/rules.md": rules_page,
    "docs/reference/alarms.md": alarms_page,
    "docs/reference/alarm-event.schema.json": alarm_event_schema,
    "docs/reference/cli.md": cli_page,
    "mosquitto.conf": mosquitto_conf,
}


def _commands(group: Any, front: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{front} {name}")
            continue
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        words = " ".join(p.name.upper() if p.required else f"[{p.name.upper()}]" for p in arguments)
        text = f"## {front} {name}\n\n{command.help}\n\n{command.epilog.replace('Example: ', '```sh')}"
        text = text.replace("```sh", "```sh\n") + "\n```\n"
        rows = [
            *((_code(p.name.upper()), p.help or "", "", "") for p in arguments),
            *((_code(p.opts[0]), p.help or "", _code(p.envvar or ""), _default(p)) for p in options),
        ]
        usage = f"\nUsage: `{' '.join(filter(None, (front, name, words)))}`\n"
        yield text + usage + (f"\n{_table(('option', 'meaning', 'variable', 'default'), rows)}" if rows else "")


def _default(param: Any) -> str:
    if param.required:
        return "needed"
    shown = param.show_default and param.default not in (None, "", False)
    return _code(str(param.default)) if shown else ""


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((f"# {title}", MARK, *(part.strip() for part in parts))) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _time(seconds: float) -> str:
    if seconds >= 60 or seconds == 0:
        return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min"
    return f"{seconds:g} s"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
