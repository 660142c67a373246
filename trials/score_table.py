"""This file shows a score on a terminal."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
from rich.console import Group, RenderableType
from rich.table import Table

from trials.score import BARS, Score, false_alarms, missed

LISTED: Final = 200
"""Rows of a list on a terminal; `--json` has them all."""


def tables(told: dict[str, Any]) -> RenderableType:
    """Return the faults and the rates of a report, and what a sweep found."""
    shown = [_faults(told["faults"])] if told["faults"] else []
    return Group(*shown, _rates(told), *([_sweep(told["sweep"])] if "sweep" in told else []))


def lists(score: Score) -> RenderableType:
    """Return every false alarm and every injection that was missed."""
    return Group(
        _list("False alarms", false_alarms(score)),
        _list("Missed injections", missed(score)),
    )


def _faults(faults: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="Faults: found of those injected, by severity", title_justify="left", caption_justify="left")
    table.caption = "right: by its cause; shown: not held under another alarm; h: therapy time until found"
    table.add_column("fault", no_wrap=True)
    for name in ("< 0.3", "< 0.5", "≥ 0.5", "right", "shown", "p50 h", "p95 h"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("first alarm")
    for name, fault in faults.items():
        bands = [_of(band["detected"], band["injected"]) for band in fault["by_severity"]]
        counts = (f"{fault[column]}/{fault['injected']}" for column in ("right_cause", "announced"))
        delays = (_number(fault["time_to_detect_h"][name]) for name in ("p50", "p95"))
        firsts = ", ".join(f"{rule} {count}" for rule, count in fault["first"].items())
        if fault["visible"]:
            table.add_row(name, *bands, *counts, *delays, firsts)
        else:
            table.add_row(name, *["–"] * 7, "no alarm is expected", style="dim")
    return table


def _sweep(sweep: dict[str, dict[str, float | None]]) -> Table:
    table = Table(title="Smallest severity still found, and hours until then", title_justify="left")
    table.add_column("fault", no_wrap=True)
    for name in ("severity", "p50 h", "p95 h"):
        table.add_column(name, justify="right")
    for name, least in sweep.items():
        severity = "none" if least["severity"] is None else f"{least['severity']:g}"
        table.add_row(name, severity, _number(least["p50"]), _number(least["p95"]))
    return table


def _rates(told: dict[str, Any]) -> Table:
    table = Table(title="All together", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for least in BARS:
        shares = told["recall"][f"severity_from_{least}"]
        table.add_row(f"found, severity from {least}", _percent(shares["detected"], shares["injected"]))
        table.add_row(f"right cause, severity from {least}", _percent(shares["right_cause"], shares["injected"]))
    for name, title in (("", ""), ("_announced", ", announced"), ("_high", ", high")):
        count, rate = told[f"false_alarms{name}"], told[f"false_alarms{name}_per_pump_day"]
        table.add_row(f"false alarms{title}", f"{count} ({rate:.4f} a pump-day)")
    table.add_row("secondary alarms", str(told["secondary_alarms"]))
    for priority, rate in told["alarms_per_pump_day"].items():
        table.add_row(f"alarms, {priority}", f"{rate:.4f} a pump-day")
    table.add_row("pump-days", f"{told['pump_days']:,.1f}")
    table.add_row("samples", f"{told['samples']:,}")
    table.add_row("seconds", f"{told['seconds']:,.1f}")
    return table


def _list(title: str, rows: pl.DataFrame) -> Table:
    more = rows.height - LISTED
    table = Table(title=f"{title}: {rows.height}", title_justify="left", caption_justify="left")
    if more > 0:
        table.caption = f"and {more:,} more; --json has them all"
    for name in rows.columns:
        table.add_column(name, no_wrap=True)
    for row in rows.head(LISTED).iter_rows():
        table.add_row(*("–" if value is None else str(value) for value in row))
    return table


def _of(share: float | None, count: int) -> str:
    return "–" if share is None else f"{round(share * count)}/{count}"


def _percent(share: float | None, count: int) -> str:
    return "–" if share is None else f"{share:.1%} of {count}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
