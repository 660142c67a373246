"""What browsers hear of new alarms: each once, in the order of their coming, however many snapshots they skip."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from dashboard.data.attention import MAX_RECENT, Attention
from tests.conftest import ROOT

ASSETS = ROOT / "dashboard" / "assets"


def test_what_waits_is_counted_by_priority_and_the_newest_are_named(fleet: Any) -> None:
    heard = Attention(7).after(fleet(100, alarms=40).alarms).payload()
    assert heard["epoch"] == 7
    assert heard["waiting"] == heard["totals"] == [11, 10, 9]
    assert [len([one for one in heard["recent"] if one["priority"] == code]) for code in (1, 2, 3)] == [MAX_RECENT] * 3
    assert {"alarm", "priority", "subject", "title", "number"} == set(heard["recent"][0])


def test_an_alarm_is_new_once_and_again_only_after_it_was_acknowledged(fleet: Any) -> None:
    first = fleet(10, alarms=1).alarms
    acknowledged = first.with_columns(pl.lit("acknowledged").alias("state"))
    waiting = Attention(7).after(first)
    assert waiting.after(first) is waiting
    seen = waiting.after(acknowledged)
    assert (seen.payload()["waiting"], seen.totals, seen.payload()["recent"]) == ([0, 0, 0], (1, 0, 0), [])
    assert seen.after(first).totals == (2, 0, 0)


def test_alarms_that_a_browser_skipped_are_in_the_total(fleet: Any) -> None:
    waiting = Attention(7)
    for alarms in (1, 4, 8):
        waiting = waiting.after(fleet(10, alarms=alarms).alarms)
    assert waiting.totals == (2, 3, 1)
    assert max(one["number"] for one in waiting.payload()["recent"]) == 3


def test_names_of_strangers_arrive_without_control_characters(fleet: Any) -> None:
    alarms = fleet(10, alarms=1).alarms.with_columns(pl.lit("a\x1b[2Jb").alias("title"))
    assert "\x1b" not in Attention(7).after(alarms).payload()["recent"][0]["title"]


def test_marks_flash_as_iec_60601_1_8_has_it_and_not_under_reduced_motion() -> None:
    style = "\n".join(path.read_text("utf-8") for path in sorted(ASSETS.glob("*.css")))
    script = (ASSETS / "flash.js").read_text("utf-8")
    half_ms = {name: float(ms) for name, ms in re.findall(r"\b(high|medium): (\d+)", script)}
    assert 1.4 <= 500 / half_ms["high"] <= 2.8
    assert 0.4 <= 500 / half_ms["medium"] <= 0.8
    assert "prefers-reduced-motion: reduce" in script
    assert re.search(
        r"@media not \(prefers-reduced-motion: reduce\) \{\s+html\[data-flash-high\] \.mark\.high\.waiting", style
    )
