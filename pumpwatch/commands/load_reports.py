"""Reports of a load test: on the terminal, as JSON, JUnit XML and an HTML page; medians of repeated runs, changes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import msgspec
from rich.console import Console

from broker.display.terminal import KEPT, NUMBER, table
from pumpwatch.commands.errors import CommandError
from pumpwatch.reports import load_report
from trials.load.metrics import ALARM, HOPS, METRICS, PERCENTILES
from trials.load.result import Result

NOISE: Final = 3.0
"""A change counts when it is larger than so many times the spread of the repeated runs."""


def median(results: Sequence[Result]) -> Result:
    """Return the run whose slowest stage is in the middle of the repeated runs: figures that belong together."""
    ordered = sorted(results, key=_slowest)
    return ordered[(len(ordered) - 1) // 2]


def _slowest(result: Result) -> float:
    return max((stage.value("latency.shown.p99") or float("inf") for stage in result.stages), default=float("inf"))


def write(
    result: Result, results: Sequence[Result], *, json: Path | None, html: Path | None, junit: Path | None
) -> None:
    """Write the files that were asked for; raises `CommandError`."""
    files: dict[Path | None, Callable[[], bytes]] = {
        json: lambda: msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n",
        html: lambda: load_report.page(result).encode(),
        junit: lambda: junit_xml(result, results),
    }
    for path, content_of in files.items():
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content_of())
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}") from error


def junit_xml(result: Result, results: Sequence[Result]) -> bytes:
    """Return the thresholds of every stage as JUnit XML: one test case each, void stages as errors."""
    suites = ET.Element("testsuites", name="pumpwatch load")
    for stage in result.stages:
        suite = ET.SubElement(suites, "testsuite", name=stage.name, tests=str(len(stage.checks) + 1))
        case = ET.SubElement(suite, "testcase", classname=result.profile, name="generator keeps its schedule")
        if stage.void:
            ET.SubElement(case, "error", message="; ".join(stage.void))
        for text in stage.failures:
            case = ET.SubElement(suite, "testcase", classname=result.profile, name=text)
            ET.SubElement(case, "failure", message=text)
        for check in stage.checks:
            name = f"{check.metric} at most {check.below:g}"
            case = ET.SubElement(suite, "testcase", classname=result.profile, name=name)
            if not check.kept:
                measured = "not measured" if check.measured is None else f"{check.measured:g}"
                ET.SubElement(case, "failure", message=f"{check.metric} is {measured}, allowed {check.below:g}")
    suites.set("runs", str(len(results)))
    return bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True))


def show(result: Result, console: Console) -> None:
    """Print what a person wants to know first: each stage by hop, broken thresholds, and what gave way."""
    for stage in result.stages:
        title = f"{stage.name}: {stage.offered_per_s:,.0f} samples/s offered, {stage.shown_per_s:,.0f} shown"
        rows = [
            (hop.name, *(_seconds(stage.latency[hop.name].get(name)) for name in PERCENTILES))
            for hop in (*HOPS, ALARM)
            if any(value is not None for value in stage.latency.get(hop.name, {}).values())
        ]
        console.print(table(title, {"hop": KEPT, **dict.fromkeys(PERCENTILES, NUMBER)}, rows))
        parts = ", ".join(
            f"{name} {100 * row['cores']:.0f} % {row['memory_mb']:,.0f} MB" for name, row in stage.resources.items()
        )
        lost = stage.lost.get("shown", 0)
        console.print(
            f"lost {lost:,}, duplicates {stage.duplicates:,}, out of order {stage.disorder:,}; alarms: "
            f"{stage.alarms['seen']:g} of {stage.alarms['expected']:g} expected\n{parts}",
            highlight=False,
        )
        for text in (*(f"VOID: {text}" for text in stage.void), *stage.failures):
            console.print(text, style="bold red", highlight=False)
        for check in stage.checks:
            measured = "not measured" if check.measured is None else f"{check.measured:g}"
            mark = "kept  " if check.kept else "BROKEN"
            console.print(f"{mark} {check.metric} = {measured}, at most {check.below:g}", highlight=False)
    if result.blame:
        console.print(f"gave way: {result.blame['part']}: {'; '.join(result.blame['evidence'])}", highlight=False)
    if result.knee:
        knee = result.knee
        found = "none of the loads was carried" if knee["load"] is None else f"{knee['load']:,} {knee['unit']}"
        console.print(f"knee: {found}{'; ' + knee['ceiling'] if knee['ceiling'] else ''}", highlight=False)
        if len(loads := knee.get("loads", [])) > 1:
            spread = 100 * (max(loads) - min(loads)) / max(1, *loads)
            each = ", ".join(f"{load:,}" for load in loads)
            console.print(f"knees of {len(loads)} searches: {each}; they lie within {spread:.1f} %", highlight=False)
        if knee["blame"]:
            blame = knee["blame"]
            console.print(f"beyond it gives way: {blame['part']}: {'; '.join(blame['evidence'])}", highlight=False)
    if result.capacity:
        grows = ", ".join(f"{name} grow as samples/s to the {value:.2f}" for name, value in result.capacity.items())
        console.print(f"capacity: {grows}", highlight=False)
    for name, clock in result.clock_offsets.items():
        console.print(
            f"clock of {name}: {clock['ahead_ms']:+.2f} ms ahead (corrected), give or take "
            f"{clock['uncertainty_ms']:.2f} ms",
            highlight=False,
        )
    for text in result.void_reasons:
        console.print(f"VOID: {text}", style="bold red", highlight=False)
    for text in result.notes:
        console.print(text, style="dim", highlight=False)
    if result.interrupted:
        console.print("interrupted: the figures are of the time until then", style="bold", highlight=False)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f} s"


def show_changes(earlier: Result, results: Sequence[Result], console: Console) -> None:
    """Print how every figure changed against an earlier result, and whether that is more than noise."""
    columns = {"stage": KEPT, "metric": KEPT, "before": NUMBER, "now": NUMBER, "change": NUMBER, "": KEPT}
    console.print(table(f"against {earlier.began}", columns, changes(earlier, results)))


def changes(earlier: Result, results: Sequence[Result]) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield for each stage and metric that both have: before, now (median), the change, and what it is worth.

    With repeated runs a change is noise unless it is more than `NOISE` times their spread (median of the deviations);
    with one run nobody can tell.
    """
    before = {stage.name: stage for stage in earlier.stages}
    for place, stage in enumerate(results[0].stages):
        if stage.name not in before:
            continue
        for metric in METRICS:
            old = before[stage.name].value(metric)
            values = [
                value
                for result in results
                if place < len(result.stages) and (value := result.stages[place].value(metric)) is not None
            ]
            if old is None or not values or (old == 0 and not any(values)):
                continue
            now = statistics.median(values)
            spread = statistics.median(abs(value - now) for value in values)
            worth = "one run: may be noise" if len(values) == 1 else ""
            if len(values) > 1:
                worth = "noise" if abs(now - old) <= NOISE * spread else "changed"
            share = f"{100 * (now - old) / old:+.0f} %" if old else ""
            yield stage.name, metric, f"{old:g}", f"{now:g}", share, worth
