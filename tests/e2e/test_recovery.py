"""A part that dies comes back, and what people did and what pumps sent meanwhile is still there."""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl
import pytest

from broker.contract.actions import Acknowledge
from broker.mqtt import request_reply
from broker.store import action_key
from broker.store.journal_query import Query, entries
from broker.store.journal_verification import verify
from broker.store.segments import trend

from .conftest import System, pairs, running, warmed_up

pytestmark = [pytest.mark.broker]


def noted(system: System) -> set[tuple[str, str]]:
    """Return what the journal says became of which part."""
    return set(entries(system.data, Query()).select("kind", "title").iter_rows())


STALL = {("ITB-000000", "motor_stall")}


async def test_a_killed_processor_goes_on_where_it_was(system: System) -> None:
    system.wait_for("three pumps, known for a while", lambda now: warmed_up(now, 3))
    assert system.command("inject", "motor_stall", "--pumps", "0").returncode == 0
    raised = system.wait_for("the alarm", lambda now: pairs(now) == STALL).alarms["alarm"].to_list()
    seen = Acknowledge(id="seen", alarms=raised, who="night shift", at=time.time_ns() // 1_000_000)
    await request_reply.act(system.broker, seen, action_key.signer(system.data).sign)
    system.wait_for("the acknowledgement", lambda now: now.alarms["state"].to_list() == ["acknowledged"])
    before = system.wait_for("a checkpoint", lambda now: now.health.version > 20).health.started

    system.kill("process")
    now = system.wait_for("the processor again", lambda now: now.health.started != before and now.health.samples > 100)

    assert now.alarms["alarm"].to_list() == raised
    assert now.alarms["acknowledged_by"].to_list() == ["night shift"]
    assert now.health.lost == 0
    kept = trend(system.data, "ITB-000000", 0)
    assert kept["seq"].to_list() == list(range(1, kept.height + 1))
    assert kept["time"].diff().drop_nulls().unique().to_list() == [60_000]


def test_killed_pumps_fall_silent_and_come_back(system: System) -> None:
    system.wait_for("three pumps, known for a while", lambda now: warmed_up(now, 3))
    first = system.look().pumps["boot"].max()
    system.kill("simulate")
    now = system.wait_for(
        "other pumps",
        lambda now: now.pumps["boot"].min() != first and now.alarms.filter(pl.col("returned").is_null()).height == 0,
    )
    assert not now.pumps["silent"].any()


@pytest.mark.usefixtures("mosquitto")
def test_a_killed_broker_comes_back_and_no_sample_is_lost(tmp_path: Path, free_port: int) -> None:
    with running(tmp_path / "data", "--port", str(free_port)) as system:
        system.wait_for("three pumps", lambda now: warmed_up(now, 3, samples=20))
        heard = system.look().health.samples
        system.kill("broker")
        now = system.wait_for(
            "samples again", lambda now: now.health.reconnects == 1 and now.health.samples > heard + 150
        )
        assert now.health.lost == 0
        assert now.alarms.height == 0
        system.wait_for("the journal to say so", lambda _: ("ended", "broker") in noted(system))
        assert {("started", "dashboard"), ("connected", "broker"), ("online", "gateway gateway-00")} <= noted(system)
        assert verify(system.data)[1] is None
