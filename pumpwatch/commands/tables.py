"""`pumpwatch faults`, `rules` and `signals`: the tables in the code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from rich.console import Console

from broker.display import terminal
from broker.display.printable import ascii_json, can_encode, printable_json
from pumpwatch.commands import options

FAULT_FIELDS: Final = (
    "name",
    "title",
    "stage",
    "summary",
    "signature",
    "severity",
    "origin",
    "rate_per_pump_year",
    "waits_for",
    "stays_until",
    "unseen",
)
RULE_FIELDS: Final = (
    "name",
    "title",
    "priority",
    "on_delay_s",
    "off_delay_s",
    "uses_wall_clock",
    "detection_target_h",
    "latch",
    "time_to_respond",
    "meaning",
    "action",
    "rationale",
    "identifies",
    "detects",
    "explains",
    "mdc",
)
MEASURE_FIELDS: Final = ("label", "unit")
EXCLUSION_FIELDS: Final = ("cause", "because", "unit")
SIGNAL_FIELDS: Final = ("name", "unit", "title", "low", "high", "decimals", "ucum", "mdc")


def faults(*, as_json: options.AsJson = False) -> None:
    """List the faults that can be injected."""
    rows = fault_rows()
    if as_json:
        write_json(rows)
        return
    _show("Faults", rows, ("name", "title", "stage", "summary"), "Inject one: pumpwatch inject NAME --pumps 3,7-9")


def rules(*, as_json: options.AsJson = False) -> None:
    """List the alarm rules: meaning, priority and what to do."""
    rows = rule_rows()
    if as_json:
        write_json(rows)
        return
    _show(
        "Rules",
        rows,
        ("name", "title", "priority", "meaning", "action"),
        "Delays, rationale and evidence: pumpwatch rules --json",
    )


def signals(*, as_json: options.AsJson = False) -> None:
    """List the signals of a pump with unit and plausible range."""
    rows = signal_rows()
    if as_json:
        write_json(rows)
        return
    _show(
        "Signals",
        rows,
        ("name", "unit", "title", "low", "high"),
        "A signal missing from a sample is unknown, not 0.",
        lines=False,
    )


def fault_rows() -> list[dict[str, Any]]:
    """Return every fault as a row of `FAULT_FIELDS`, with the rules it is `identified_by` and `detected_by`."""
    from simulator.faults import FAULTS

    rules = rule_rows()
    return [
        {
            **_row(fault, FAULT_FIELDS),
            "identified_by": [rule["name"] for rule in rules if fault.name in rule["identifies"]],
            "detected_by": [rule["name"] for rule in rules if fault.name in rule["detects"]],
        }
        for fault in FAULTS.values()
    ]


def rule_rows() -> list[dict[str, Any]]:
    """Return every rule as a row of `RULE_FIELDS`, with its thresholds in words, evidence and excluded causes."""
    from processor.rules import RULES
    from processor.rules.cohorts import COHORT_RULES
    from processor.rules.gateways import GATEWAY_RULES
    from processor.rules.system import SYSTEM_RULES
    from processor.rules.thresholds import thresholds

    return [
        {
            **_row(rule, RULE_FIELDS),
            "thresholds": thresholds(rule),
            "evidence": [_row(measure, MEASURE_FIELDS) for measure in rule.evidence],
            "rules_out": [_row(other, EXCLUSION_FIELDS) for other in rule.rules_out],
        }
        for rule in (*RULES, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES)
    ]


def signal_rows() -> list[dict[str, Any]]:
    """Return every signal as a row of `SIGNAL_FIELDS`."""
    from broker.contract.signals import SIGNALS

    return [_row(signal, SIGNAL_FIELDS) for signal in SIGNALS]


def write_json(rows: object) -> None:
    """Print rows to stdout as indented JSON."""
    text = printable_json(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
    sys.stdout.write((text if can_encode(text, sys.stdout.encoding) else ascii_json(text)) + "\n")


def _row(source: object, fields: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in fields}


def _show(title: str, rows: Sequence[dict[str, Any]], fields: Sequence[str], note: str, *, lines: bool = True) -> None:
    columns = {name: {**terminal.FOLD, "no_wrap": name == "name"} for name in fields}
    cells = ((f"{row[name]:g}" if isinstance(row[name], float) else row[name] for name in fields) for row in rows)
    Console().print(terminal.table(title, columns, cells, note=note, show_lines=lines))
