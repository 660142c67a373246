"""Terminal tables of a score."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
from rich.console import Group, RenderableType
from rich.table import Table

from broker.display import terminal
from trials.score import RECALL_SEVERITIES, Score, false_alarms, missed
from trials.score_titles import with_titles

MAX_LISTED: Final = 200
"""Rows of a list on a terminal; `--json` has all of them."""


def tables(report: dict[str, Any]) -> RenderableType:
    """Return the tables of a report: faults, rates and, for a sweep, the smallest severities detected."""
    faults = [_faults(report["faults"])] if report["faults"] else []
    sweep = [_sweep(report["sweep"])] if "sweep" in report else []
    return Group(*faults, _rates(report), *sweep)


def lists(score: Score) -> RenderableType:
    """Return the lists of false alarms and missed injections."""
    return Group(
        _list("False alarms", with_titles(false_alarms(score))),
        _list("Missed injections", with_titles(missed(score))),
    )


def _faults(faults: dict[str, dict[str, Any]]) -> Table:
    names = ("< 0.3", "0.3–0.5", "≥ 0.5", "correct\ncause", "announced", "time to\ndetect p50", "time to\ndetect p95")
    table = terminal.table(
        "Detection rate by severity (detected / injected)",
        {"fault": terminal.KEPT, **dict.fromkeys(names, terminal.NUMBER), "first alarm": {}},
        note="announced: by an alarm that no other alarm suppressed; time to detect in therapy hours",
    )
    for name, fault in faults.items():
        rates = [_fraction(band["detected"], band["injected"]) for band in fault["by_severity"]]
        counts = (f"{fault[column]}/{fault['injected']}" for column in ("right_cause", "announced"))
        hours = (_number(fault["time_to_detect_h"][name]) for name in ("p50", "p95"))
        firsts = ", ".join(f"{rule} {count}" for rule, count in fault["first"].items())
        if fault["visible"]:
            terminal.add(table, (name, *rates, *counts, *hours, firsts))
        else:
            terminal.add(table, (name, *["–"] * 7, "no alarm is expected"), style="dim")
    return table


def _sweep(sweep: dict[str, dict[str, float | None]]) -> Table:
    numbers = ("severity", "time to detect p50", "time to detect p95")
    rows = []
    for name, smallest in sweep.items():
        severity = "none" if smallest["severity"] is None else f"{smallest['severity']:g}"
        rows.append((name, severity, _number(smallest["p50"]), _number(smallest["p95"])))
    columns = {"fault": terminal.KEPT, **dict.fromkeys(numbers, terminal.NUMBER)}
    return terminal.table("Smallest severity detected, with time to detect (h)", columns, rows)


def _rates(report: dict[str, Any]) -> Table:
    table = terminal.table("All faults", {"rate": {}, "value": {"justify": "right"}}, show_header=False)
    for severity in RECALL_SEVERITIES:
        rates = report["recall"][f"severity_from_{severity}"]
        terminal.add(
            table, (f"detection rate, severity from {severity}", _percent(rates["detected"], rates["injected"]))
        )
        terminal.add(
            table, (f"correct cause, severity from {severity}", _percent(rates["right_cause"], rates["injected"]))
        )
    for name, title in (("", ""), ("_announced", ", announced"), ("_high", ", high priority")):
        count, rate = report[f"false_alarms{name}"], report[f"false_alarms{name}_per_pump_day"]
        terminal.add(table, (f"false alarms per pump-day{title}", f"{rate:.4f} ({count:,} alarms)"))
    terminal.add(table, ("secondary alarms", str(report["secondary_alarms"])))
    for priority, rate in report["alarms_per_pump_day"].items():
        terminal.add(table, (f"alarms per pump-day, {priority} priority", f"{rate:.4f}"))
    terminal.add(table, ("pump-days", f"{report['pump_days']:,.1f}"))
    terminal.add(table, ("samples", f"{report['samples']:,}"))
    terminal.add(table, ("run time (s)", f"{report['seconds']:,.1f}"))
    return table


def _list(title: str, rows: pl.DataFrame) -> Table:
    omitted = rows.height - MAX_LISTED
    note = f"and {omitted:,} more; --json has all of them" if omitted > 0 else None
    columns = dict.fromkeys(rows.columns, terminal.KEPT)
    cells = (("–" if value is None else value for value in row) for row in rows.head(MAX_LISTED).iter_rows())
    return terminal.table(f"{title}: {rows.height}", columns, cells, note=note)


def _fraction(share: float | None, count: int) -> str:
    return "–" if share is None else f"{round(share * count)}/{count}"


def _percent(share: float | None, count: int) -> str:
    return "–" if share is None else f"{share:.1%} of {count}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
