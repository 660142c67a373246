"""A worker of a load test that is heard of no more makes the run void, with the evidence."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from trials.load.workers import SILENT_S, RemoteGenerator, WorkerLostError


def ordered(*, heard_s_ago: float, alive: bool = True) -> RemoteGenerator:
    link: Any = SimpleNamespace(alive=alive)
    worker = RemoteGenerator("here", link, time.time)
    worker._ordered, worker.heard = True, time.monotonic() - heard_s_ago
    return worker


def test_a_silent_worker_is_lost() -> None:
    with pytest.raises(WorkerLostError, match="worker here was lost: heard nothing of it for 10 s; it had made no"):
        ordered(heard_s_ago=SILENT_S + 1).check()
    ordered(heard_s_ago=SILENT_S - 5).check()


def test_the_runners_own_connection_is_not_blamed_on_the_worker() -> None:
    with pytest.raises(WorkerLostError, match="the runner's own connection to the broker was lost"):
        ordered(heard_s_ago=0, alive=False).check()
