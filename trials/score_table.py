"""Terminal tables of a score."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
from rich.console import Group, RenderableType
from rich.table import Table

from trials.score import RECALL_SEVERITIES, Score, false_alarms, missed

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
        _list("False alarms", false_alarms(score)),
        _list("Missed injections", missed(score)),
    )


def _faults(faults: dict[str, dict[str, Any]]) -> Table:
    table = Table(
        title="Detection rate by severity (detected / injected)", title_justify="left", caption_justify="left"
    )
    table.caption = "announced: by an alarm that no other alarm suppressed; time to detect in therapy hours"
    table.add_column("fault", no_wrap=True)
    for name in (
        "< 0.3",
        "0.3–0.5",
        "≥ 0.5",
        "correct\ncause",
        "announced",
        "time to\ndetect p50",
        "time to\ndetect p95",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("first alarm")
    for name, fault in faults.items():
        rates = [_fraction(band["detected"], band["injected"]) for band in fault["by_severity"]]
        counts = (f"{fault[column]}/{fault['injected']}" for column in ("right_cause", "announced"))
        hours = (_number(fault["time_to_detect_h"][name]) for name in ("p50", "p95"))
        firsts = ", ".join(f"{rule} {count}" for rule, count in fault["first"].items())
        if fault["visible"]:
            table.add_row(name, *rates, *counts, *hours, firsts)
        else:
            table.add_row(name, *["–"] * 7, "no alarm is expected", style="dim")
    return table


def _sweep(sweep: dict[str, dict[str, float | None]]) -> Table:
    table = Table(title="Smallest severity detected, with time to detect (h)", title_justify="left")
    table.add_column("fault", no_wrap=True)
    for name in ("severity", "time to detect p50", "time to detect p95"):
        table.add_column(name, justify="right")
    for name, smallest in sweep.items():
        severity = "none" if smallest["severity"] is None else f"{smallest['severity']:g}"
        table.add_row(name, severity, _number(smallest["p50"]), _number(smallest["p95"]))
    return table


def _rates(report: dict[str, Any]) -> Table:
    table = Table(title="All faults", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for severity in RECALL_SEVERITIES:
        rates = report["recall"][f"severity_from_{severity}"]
        table.add_row(f"detection rate, severity from {severity}", _percent(rates["detected"], rates["injected"]))
        table.add_row(f"correct cause, severity from {severity}", _percent(rates["right_cause"], rates["injected"]))
    for name, title in (("", ""), ("_announced", ", announced"), ("_high", ", high priority")):
        count, rate = report[f"false_alarms{name}"], report[f"false_alarms{name}_per_pump_day"]
        table.add_row(f"false alarms per pump-day{title}", f"{rate:.4f} ({count:,} alarms)")
    table.add_row("secondary alarms", str(report["secondary_alarms"]))
    for priority, rate in report["alarms_per_pump_day"].items():
        table.add_row(f"alarms per pump-day, {priority} priority", f"{rate:.4f}")
    table.add_row("pump-days", f"{report['pump_days']:,.1f}")
    table.add_row("samples", f"{report['samples']:,}")
    table.add_row("run time (s)", f"{report['seconds']:,.1f}")
    return table


def _list(title: str, rows: pl.DataFrame) -> Table:
    omitted = rows.height - MAX_LISTED
    table = Table(title=f"{title}: {rows.height}", title_justify="left", caption_justify="left")
    if omitted > 0:
        table.caption = f"and {omitted:,} more; --json has all of them"
    for name in rows.columns:
        table.add_column(name, no_wrap=True)
    for row in rows.head(MAX_LISTED).iter_rows():
        table.add_row(*("–" if value is None else str(value) for value in row))
    return table


def _fraction(share: float | None, count: int) -> str:
    return "–" if share is None else f"{round(share * count)}/{count}"


def _percent(share: float | None, count: int) -> str:
    return "–" if share is None else f"{share:.1%} of {count}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
