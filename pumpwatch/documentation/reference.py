"""Reference pages, generated from the program's own tables: `python -m pumpwatch.documentation.reference`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pumpwatch.commands.tables import fault_rows, rule_rows
from pumpwatch.documentation.access_pages import broker_access_page
from pumpwatch.documentation.alarm_pages import alarm_event_schema, alarms_page
from pumpwatch.documentation.api_pages import http_api_page, openapi_document
from pumpwatch.documentation.asyncapi import asyncapi_document
from pumpwatch.documentation.cli_page import cli_page
from pumpwatch.documentation.interop_page import codes_page
from pumpwatch.documentation.markdown import code, duration, page, sentence, table
from pumpwatch.documentation.metrics_page import metrics_page
from pumpwatch.documentation.settings_page import settings_page
from pumpwatch.documentation.telemetry_pages import signals_page, topics_page

ROOT: Final = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    """Write all stale pages; with `--check` only list them, and return 1 if there are any."""
    stale = stale_pages(ROOT)
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"{path} is out of date; run: make docs\n")
        return 1 if stale else 0
    for path in stale:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(PAGES[path](), encoding="utf-8")
        sys.stderr.write(f"wrote {path}\n")
    return 0


def stale_pages(root: Path) -> list[str]:
    """Return the pages below `root` that are missing or out of date."""
    return [name for name, write in PAGES.items() if _text(root / name) != write()]


def faults_page() -> str:
    """Return the reference of faults."""
    sections = (
        f"## {row['title']} (`{row['name']}`)\n\n{sentence(row['summary'])}\n\n"
        + table(
            ("", ""),
            (
                ("stage", row["stage"]),
                *((name, row[name]) for name in ("signature", "severity", "origin")),
                *_judged(row),
            ),
        )
        + f"\n\n![One pump before, during and after: {row['title']}](../faults/{row['name']}.svg)"
        for row in fault_rows()
    )
    return page(
        "Faults",
        "Faults that can be injected into a simulated pump: with `pumpwatch inject`, on the Faults page, or in a "
        "scenario. Severity 0 has no effect. The stage is where the fault acts: on the physics of the pump, on its "
        "sensors, or on the link of its gateway. The figures are simulated by `python -m "
        "pumpwatch.documentation.pictures`. [Scorecard](../scorecard.md) explains which alarms count as detections.",
        *sections,
    )


def _judged(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the rules that identify or detect a fault, or why no signal shows it."""
    rules = (("identified by", row["identified_by"]), ("also detected by", row["detected_by"]))
    yield from ((relation, ", ".join(map(code, names))) for relation, names in rules if names)
    if row["unseen"]:
        yield "no alarm, because", row["unseen"]


def rules_page() -> str:
    """Return the reference of rules."""
    sections = (
        f"## {row['title']} (`{row['name']}`)\n\n{row['meaning']}\n\n"
        + table(
            ("", ""),
            (
                ("priority", row["priority"]),
                ("action", row["action"]),
                ("time to respond", row["time_to_respond"]),
                ("threshold", "; ".join(row["thresholds"]) or "no fixed number"),
                ("on-delay", _delay(row, "on_delay_s")),
                ("off-delay", _delay(row, "off_delay_s")),
                ("latching", "yes, until a person resets it" if row["latch"] else "no"),
                ("detection target", f"{row['detection_target_h']:g} h from the onset of the fault"),
                ("rationale", row["rationale"]),
                ("evidence", "; ".join(map(_measured, row["evidence"]))),
                ("excludes", "; ".join(f"{one['cause']}: {one['because']}" for one in row["rules_out"]) or "nothing"),
                ("identifies", ", ".join(map(code, row["identifies"])) or "no single fault"),
                ("also detects", ", ".join(map(code, row["detects"])) or "nothing else"),
                ("suppresses", ", ".join(map(code, row["explains"])) or "nothing"),
            ),
        )
        for row in rule_rows()
    )
    return page(
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
    if not row[name]:
        return "none"
    return duration(row[name]) + (", wall-clock time" if row["uses_wall_clock"] else "")


def _measured(measure: dict[str, str]) -> str:
    return f"{measure['label']} ({measure['unit']})" if measure["unit"] else measure["label"]


PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/reference/signals.md": signals_page,
    "docs/reference/topics.md": topics_page,
    "docs/reference/asyncapi.json": asyncapi_document,
    "docs/reference/broker-access.md": broker_access_page,
    "docs/reference/faults.md": faults_page,
    "docs/reference/rules.md": rules_page,
    "docs/reference/alarms.md": alarms_page,
    "docs/reference/alarm-event.schema.json": alarm_event_schema,
    "docs/reference/codes.md": codes_page,
    "docs/reference/metrics.md": metrics_page,
    "docs/reference/cli.md": cli_page,
    "docs/reference/http-api.md": http_api_page,
    "docs/reference/openapi.json": openapi_document,
    "docs/reference/settings.md": settings_page,
}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
