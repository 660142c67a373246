"""The log of the cluster has a limit below that of the servers' stores, and one processor knows how full it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from broker.store.snapshot import CapacityLimit
from cluster import log_retention
from cluster.log_limit import AGE_NAME, NAME, STREAM, LogLimit
from cluster.log_retention import Retention, RetentionError
from processor.service.capacity import cluster_log_problem
from processor.service.settings import Part, Settings


@dataclass
class Servers:
    """Servers with the stream of MQTT as NATS makes it; None if there is none, `error` if they do not answer."""

    config: dict[str, Any] | None = field(default_factory=lambda: {"name": STREAM, "max_bytes": -1, "discard": "old"})
    used: int = 0
    error: OSError | None = None
    refusal: str = ""
    updates: int = 0
    first_ts: str = ""

    async def request(self, subject: str, payload: bytes = b"") -> bytes:
        assert subject.endswith(STREAM)
        if self.error:
            raise self.error
        if self.config is None:
            return json.dumps({"error": {"code": 404, "description": "stream not found"}}).encode()
        if ".UPDATE." in subject:
            if self.refusal:
                return json.dumps({"error": {"code": 500, "description": self.refusal}}).encode()
            self.config, self.updates = json.loads(payload), self.updates + 1
        state = {"bytes": self.used, "messages": int(bool(self.first_ts)), "first_ts": self.first_ts}
        return json.dumps({"config": self.config, "state": state, "ts": "2026-01-05T09:00:00.000000789Z"}).encode()


async def test_the_stream_gets_a_limit_below_the_smallest_store_and_refuses_what_is_new() -> None:
    servers = Servers()
    limit = LogLimit(servers, [1000, 800, 900])
    await limit.step()
    assert servers.config == {"name": STREAM, "max_bytes": 600, "max_age": 0, "discard": "new"}
    await limit.step()
    assert servers.updates == 1
    assert limit.limits() == [CapacityLimit(NAME, 0, 600, "bytes")]


async def test_a_lower_limit_that_somebody_set_stays() -> None:
    servers = Servers({"name": STREAM, "max_bytes": 100, "discard": "new"})
    await LogLimit(servers, [1000]).step()
    assert (servers.updates, servers.config and servers.config["max_bytes"]) == (0, 100)


async def test_the_limits_that_were_chosen_are_those_of_the_stream_whatever_somebody_set(tmp_path: Path) -> None:
    servers = Servers({"name": STREAM, "max_bytes": 100, "max_age": 7, "discard": "new"})
    limit = LogLimit(servers, [10**12], partial(log_retention.read, tmp_path))
    await limit.step()
    assert servers.updates == 0
    log_retention.choose(tmp_path, Retention(size_gb=2.0), [10**12])
    log_retention.choose(tmp_path, Retention(hours=0.5), [10**12])
    await limit.step()
    assert servers.config == {"name": STREAM, "max_bytes": 2 * 10**9, "max_age": 1800 * 10**9, "discard": "new"}
    log_retention.choose(tmp_path, Retention(0.0, 0.0), [10**12])
    await limit.step()
    assert (servers.config["max_bytes"], servers.config["max_age"]) == (75 * 10**10, 0)


def test_a_log_that_the_servers_have_no_room_for_is_refused_and_nothing_is_chosen(tmp_path: Path) -> None:
    with pytest.raises(RetentionError, match=r"a log of 8 GB does not fit.*has 10 GB.*at most 7.5"):
        log_retention.choose(tmp_path, Retention(size_gb=8.0), [20 * 10**9, 10 * 10**9])
    assert log_retention.read(tmp_path) == Retention()
    (tmp_path / log_retention.FILE).write_text("damaged")
    with pytest.raises(RetentionError, match="remove it and start a node with --cluster-log-size"):
        log_retention.read(tmp_path)


async def test_each_time_that_messages_become_too_old_is_counted_and_is_no_alarm() -> None:
    servers = Servers()
    limit = LogLimit(servers, [1000], lambda: Retention(hours=1.0))
    for minutes in (0, 30, 60, 60, 10):
        servers.first_ts = (datetime(2026, 1, 5, 9, tzinfo=UTC) - timedelta(minutes=minutes)).isoformat()
        await limit.step()
    assert limit.limits()[1:] == [CapacityLimit(AGE_NAME, 600.0, 3600.0, "s", 1, when_full="oldest removed")]
    assert cluster_log_problem([CapacityLimit(AGE_NAME, 3600.0, 3600.0, "s")]) == ""


async def test_a_stream_that_the_servers_lost_gets_its_limit_again() -> None:
    servers = Servers(None)
    limit = LogLimit(servers, [1000])
    await limit.step()
    assert limit.limits() == []
    servers.config = {"name": STREAM, "max_bytes": -1, "discard": "old"}
    await limit.step()
    assert servers.config["max_bytes"] == 750


async def test_each_time_that_the_log_becomes_full_is_counted_once() -> None:
    servers = Servers()
    limit = LogLimit(servers, [1000])
    for used in (0, 750, 749, 600, 750, 0):
        servers.used = used
        await limit.step()
    assert limit.limits()[0].reached == 2


@pytest.mark.parametrize("servers", [Servers(error=OSError("no answer")), Servers(refusal="no room")])
async def test_a_limit_that_cannot_be_set_is_logged_once(servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
    limit = LogLimit(servers, [1000])
    await limit.step()
    await limit.step()
    assert len([each for each in caplog.records if "limit of the log" in each.message]) == 1
    servers.error, servers.refusal = None, ""
    await limit.step()
    assert limit.problem == ""


def test_a_log_that_is_almost_full_is_a_problem_with_its_numbers() -> None:
    assert cluster_log_problem([]) == ""
    assert cluster_log_problem([CapacityLimit(NAME, 79e6, 100e6, "bytes")]) == ""
    assert "is 80 % full (80 of 100 MB) and was full 2 times" in cluster_log_problem(
        [CapacityLimit(NAME, 80e6, 100e6, "bytes", 2)]
    )


@pytest.mark.parametrize(("number", "reports"), [(0, True), (1, False)])
def test_one_processor_reports_it_for_all(tmp_path: Path, number: int, reports: bool) -> None:
    limits = [CapacityLimit(NAME, 1, 2, "bytes")]
    part = Part(number, 2, "range", (), tmp_path, lambda: True)
    settings = Settings("mqtt://any", tmp_path, part=part, cluster_log=lambda: limits)
    assert settings.own_limits() == (limits if reports else [])
    assert Settings("mqtt://any", tmp_path, cluster_log=lambda: limits).own_limits() == []
