"""What somebody who watches a part gets at its port of this machine."""

from __future__ import annotations

import asyncio
import http.client
import re
from collections.abc import Iterator

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from broker.metrics.exposition import Exposition
from broker.metrics.listener import MAX_CONNECTIONS, WatchError, watched
from broker.metrics.readings import LIVES, Distribution, Reading, Rising, Vitals
from broker.metrics.table import BY_NAME, METRICS

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def readings() -> Iterator[Reading]:
    durations = Distribution()
    durations.add(0.02, 0.3, 400.0)
    for metric in METRICS:
        if metric.name.startswith("pumpwatch_") and metric.name not in {"pumpwatch_build_info", "pumpwatch_ready"}:
            yield Reading(
                metric.name, durations if metric.kind == "histogram" else 7.0, tuple("x" for _ in metric.labels)
            )


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read().decode()


async def test_every_metric_of_the_table_can_be_served_and_read_as_openmetrics() -> None:
    vitals = Vitals("processor", readings, list)
    async with watched(vitals, 0) as port:
        status, text = await asyncio.to_thread(ask, port, "/metrics", Accept=OPEN_METRICS)
    assert status == 200
    served = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    assert {name for metric in METRICS for name in metric.series} <= served


def test_names_keep_to_the_conventions_of_prometheus() -> None:
    assert len(BY_NAME) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"(pumpwatch|process)_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.kind != "histogram" or metric.name.endswith("_seconds")
        assert not {"pump", "gateway", "serial", "user", "topic"} & set(metric.labels)
        assert metric.text.endswith(".")


async def test_a_part_is_ready_once_it_says_so_and_the_answer_names_what_is_wrong() -> None:
    vitals = Vitals("processor")
    async with watched(vitals, 0) as port:
        assert await asyncio.to_thread(ask, port, "/readyz") == (503, "starting\n")
        vitals.problems = lambda: ["broker_away", "disk_full"]
        assert await asyncio.to_thread(ask, port, "/readyz") == (503, "broker_away\ndisk_full\n")
        assert await asyncio.to_thread(ask, port, "/healthz") == (200, "ok\n")
        vitals.problems = list
        assert await asyncio.to_thread(ask, port, "/readyz") == (200, "ok\n")


async def test_a_part_whose_loop_stands_still_is_not_alive() -> None:
    vitals = Vitals("processor", beat=asyncio.get_running_loop().time() - LIVES - 1)
    async with watched(vitals, 0) as port:
        assert await asyncio.to_thread(ask, port, "/healthz") == (503, "stands_still\n")


async def test_what_is_no_request_for_this_machine_gets_nothing() -> None:
    async with watched(Vitals("processor"), 0) as port:
        assert (await asyncio.to_thread(ask, port, "/metrics", Host="evil.example"))[0] == 421
        assert (await asyncio.to_thread(ask, port, "/metrics", "POST"))[0] == 405
        assert (await asyncio.to_thread(ask, port, "/etc/passwd"))[0] == 404
        for rubbish in (b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 9_000, b"\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(rubbish)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        assert (await asyncio.to_thread(ask, port, "/healthz"))[0] == 200


async def test_connections_that_ask_nothing_do_not_keep_others_from_asking_for_long() -> None:
    async with watched(Vitals("processor"), 0) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]
        reader, late = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        for writer in (late, *(one for _, one in idle)):
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.05)
        assert (await asyncio.to_thread(ask, port, "/healthz"))[0] == 200


async def test_a_port_in_use_is_refused_in_a_sentence() -> None:
    async with watched(Vitals("processor"), 0) as port:
        with pytest.raises(WatchError, match=rf"127.0.0.1:{port}: .*; choose another --metrics-port"):
            async with watched(Vitals("dashboard"), port):
                pass


def test_a_distribution_counts_up_to_and_including_each_bound() -> None:
    durations = Distribution((0.1, 1.0))
    durations.add_all(np.array([0.1, 0.5, 1.0, 2.0]))
    assert durations.buckets() == [("0.1", 1.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert durations.total == pytest.approx(3.6)


def test_a_counter_from_a_number_that_falls_does_not_fall_and_does_not_start_over() -> None:
    rising = Rising()
    assert [rising.after(number) for number in (100, 103, 90, 92)] == [0, 3, 3, 5]


def test_a_metric_that_is_not_in_the_table_cannot_be_served() -> None:
    with pytest.raises(KeyError):
        Exposition(Vitals("processor", lambda: [Reading("pumpwatch_secret", 1)], list)).text("")
