"""What `pumpwatch doctor` says about gateways: which are online, whose clock is wrong, and what to do."""

from __future__ import annotations

from typing import Any

import polars as pl

from broker.store.snapshot import GATEWAYS_SCHEMA
from pumpwatch.commands.doctor_access import Finding
from pumpwatch.commands.doctor_gateways import gateways


def findings(*rows: dict[str, Any], is_running: bool = True) -> list[Finding]:
    filled = [{**dict.fromkeys(GATEWAYS_SCHEMA), "state": "online", "waiting": 0, **row} for row in rows]
    return list(gateways(pl.DataFrame(filled, GATEWAYS_SCHEMA), is_running=is_running))


def clocks(*delays_ms: int | None, **more: Any) -> Finding:
    return findings(*({"gateway": f"gw-{n}", "delay_ms": ms, **more} for n, ms in enumerate(delays_ms)))[1]


def test_clocks_that_agree_are_fine_and_the_largest_offset_is_named() -> None:
    found = clocks(80, -40, 310)
    assert (found.what, found.state) == ("gateway clocks", "ok")
    assert found.text == "3 within 5 s of the processor's, at most 0.3 s behind"


def test_a_clock_that_is_off_is_named_with_its_direction_and_what_to_do() -> None:
    found = clocks(80, 12_400, -3_000)
    assert found.state == "note"
    assert found.text.startswith(
        "2 differ from the processor's: gw-1 12.4 s behind, gw-2 3.0 s ahead; 1 of them may refuse commands"
    )
    assert "NTP" in found.text


def test_a_clock_so_far_off_that_the_gateway_refuses_commands_is_a_failure() -> None:
    found = clocks(80, -61_000)
    assert found.state == "failed"
    assert "gw-1 61.0 s ahead; 1 of them may refuse commands, which are valid from 10 s before to 60 s" in found.text


def test_of_many_wrong_clocks_the_worst_five_are_named() -> None:
    found = clocks(*(6_000 + n for n in range(9)))
    assert "gw-8 6.0 s behind" in found.text
    assert "and 4 more" in found.text


def test_gateways_whose_samples_wait_or_that_stamp_nothing_are_not_judged() -> None:
    assert clocks(900_000, waiting=7).text.startswith("unknown; 1 not judged: samples wait there")
    assert clocks(None, 5).text.endswith("1 not judged: samples wait there, or messages bear no `sent`")


def test_gateways_of_an_earlier_run_and_those_that_are_offline_have_no_clock() -> None:
    assert findings({"gateway": "gw-1", "delay_ms": 99_000}, is_running=False) == [
        Finding("gateways", "ok", "1 of 1 online")
    ]
    assert [one.what for one in findings({"gateway": "gw-1", "state": "offline"})] == ["gateways"]
