"""The history table of a cluster: every sample once, after kills and suspensions of nodes; on disk and in S3."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

import polars as pl
import pytest

from broker.store import history_table, segments
from broker.store.delta_log import Log
from broker.store.history import History
from broker.store.table_writer import SupersededError, TableWriter
from broker.store.unpublished import Unpublished
from cluster import layout
from tests.broker.store.test_history_of_ranges import samples
from tests.cluster.whole_cluster import ROOT, Cluster, cluster

pytest.importorskip("deltalake", reason="deltalake is not installed (pumpwatch[cluster])")

PUMPS: Final = 12
RANGES: Final = 4
NODES: Final = ("one", "two")
BLOWS: Final = int(os.environ.get("DELTA_BLOWS", "4"))
PATIENCE_S: Final = 240.0
"""The server that stands for an object store runs in this process."""
SPEED: Final = 120
SUSPENDED_S: Final = 12.0
NOW_MS: Final = 1_700_000_000_000
KEY: Final = ("pump", "time", "boot", "seq")


def test_every_sample_is_in_the_table_once_after_kills(tmp_path: Path) -> None:
    place = tmp_path / "samples"
    with cluster(tmp_path, RANGES) as system:
        for name in NODES:
            system.start_node(name, "--history-table", str(place))
        system.wait_for("all ranges", lambda: all("READY" in system.log(name) for name in NODES))
        fleet = ("--pumps", str(PUMPS), "--scenario", "none", "--interval", "60s")
        system.start_simulator(*fleet, "--gateways", str(PUMPS), "--speed", str(SPEED))
        system.wait_for("samples of all pumps in the table", lambda: published(place) == PUMPS)
        for blow in range(BLOWS):
            name = NODES[blow % 2]
            if blow % 4 < 2:
                system.processes[name].kill()
                system.processes[name].wait()
                system.start_node(name)
            else:
                system.processes[name].send_signal(signal.SIGSTOP)
                time.sleep(SUSPENDED_S)
                system.processes[name].send_signal(signal.SIGCONT)
            before = height(place)
            system.wait_for("more samples in the table", lambda before=before: height(place) > before + 50 * PUMPS)
            print(f"{blow + 1}: node {name}; epochs {system.epochs()}; {height(place):,} samples", flush=True)
        end(system)
        everything_once(place, system)


def everything_once(place: Path, system: Cluster) -> None:
    """Check that polars and DuckDB read every sample of the history on disk once."""
    found = pl.scan_delta(str(place)).sort(KEY).collect()
    for pump in range(PUMPS):
        own = found.filter(pl.col("pump") == f"ITB-{pump:06d}")
        assert own["seq"].to_list() == list(range(1, own.height + 1)), pump
        assert own.drop("date").equals(system.samples(f"ITB-{pump:06d}")), pump
    assert by_duckdb(place) == found.height
    print(f"{found.height:,} samples in {files(place)} files and {versions(place)} commits", flush=True)


def end(system: Cluster) -> None:
    """Stop the fleet and then the nodes in order: what they had is published."""
    for name in ("simulator", *NODES):
        system.processes[name].terminate()
        system.processes[name].wait(60)


def by_duckdb(place: Path) -> int:
    """Return the number of samples that DuckDB finds."""
    from importlib.metadata import files as files_of

    import duckdb

    listed = files_of("duckdb-ext-delta") or []
    extension = next(each.locate() for each in listed if each.name.endswith(".duckdb_extension"))
    with duckdb.connect() as database:
        database.execute(f"LOAD '{extension}'")
        row = database.execute(f"SELECT count(*) FROM delta_scan('{place}')").fetchone()
    return int(row[0]) if row else 0


def published(place: Path) -> int:
    """Return of how many pumps there are samples in the table."""
    from deltalake import DeltaTable

    if not DeltaTable.is_deltatable(str(place)):
        return 0
    return int(pl.scan_delta(str(place)).select(pl.col("pump").n_unique()).collect().item())


def height(place: Path | str) -> int:
    """Return the number of samples in the table."""
    return int(pl.scan_delta(str(place)).select(pl.len()).collect().item())


def files(place: Path | str) -> int:
    from deltalake import DeltaTable

    return len(DeltaTable(str(place)).file_uris())


def versions(place: Path | str) -> int:
    from deltalake import DeltaTable

    return DeltaTable(str(place)).version()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a server that speaks S3 on this machine."""
    server_of = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer
    server = server_of("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    for name, value in {**keys, "AWS_ALLOW_HTTP": "true", "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
        monkeypatch.setenv(name, value)
    urlopen(Request(f"http://{host}:{port}/pumps", method="PUT")).close()
    yield "s3://pumps/samples"
    server.stop()


def test_in_an_object_store_a_former_owner_is_refused_and_trends_and_exports_read_it(
    bucket: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    assert history_table.choose(data, bucket) == bucket
    history = publish(data, 0, [1, 2, 1_441], bucket)
    publish(data, 1, [2_000], bucket, pump="B")
    successor = TableWriter(Log(bucket), 0, 2, Unpublished(tmp_path, 10**9))
    history.append(samples([1_441, 1_442]), NOW_MS, successor.unpublished.keep)
    successor.publish(NOW_MS)
    assert successor.published == 1
    with pytest.raises(SupersededError):
        publish(data, 0, [3], bucket)
    assert height(bucket) == 5

    for range_history in (history, History(layout.epoch_directory(data, 1, 1))):
        for day in range_history.data.glob("history/date=*"):
            range_history.record.before = lambda place, of=range_history: history_table.note_removed(of.data, place)
            range_history.record.remove(day, "old", lambda _: None)
    assert segments.trend(data, "A", 0)["seq"].to_list() == [1, 2, 1_441, 1_442]
    out = tmp_path / "out.csv"
    line = [sys.executable, "-m", "pumpwatch", "export", "--data", str(data), "--out", str(out)]
    subprocess.run(line, cwd=ROOT, check=True, capture_output=True)
    assert pl.read_csv(out).select("pump", "seq").rows() == [
        ("A", 1), ("A", 2), ("A", 1_441), ("A", 1_442), ("B", 2_000),
    ]  # fmt: skip


def test_a_cluster_with_its_table_in_an_object_store_has_every_sample_there_once_after_a_kill(
    bucket: str, tmp_path: Path
) -> None:
    with cluster(tmp_path, RANGES) as system:
        for name in NODES:
            system.start_node(name, "--history-table", bucket)
        system.wait_for("all ranges", lambda: all("READY" in system.log(name) for name in NODES))
        fleet = ("--pumps", str(PUMPS), "--scenario", "none", "--interval", "60s")
        system.start_simulator(*fleet, "--gateways", str(PUMPS), "--speed", str(SPEED))
        system.wait_for("samples in the table", lambda: height(bucket) > 10 * PUMPS, patience_s=PATIENCE_S)
        system.processes["one"].kill()
        before = height(bucket)
        system.wait_for(
            "more samples in the table", lambda: height(bucket) > before + 20 * PUMPS, patience_s=PATIENCE_S
        )
        end(system)
        found = pl.scan_delta(bucket).sort(KEY).collect()
        for pump in range(PUMPS):
            own = found.filter(pl.col("pump") == f"ITB-{pump:06d}")
            assert own["seq"].to_list() == list(range(1, own.height + 1)), pump
            assert own.drop("date").equals(system.samples(f"ITB-{pump:06d}")), pump
        print(f"{found.height:,} samples in {files(bucket)} files and {versions(bucket)} commits in S3", flush=True)


def publish(data: Path, number: int, seq: list[int], place: str, pump: str = "A") -> History:
    """Publish samples of a range as its first owner; return its history."""
    if not layout.epochs(data, number):
        layout.take_over(data, number, 1)
    directory = layout.epoch_directory(data, number, 1)
    history, waiting = History(directory), Unpublished(directory, 10**9)
    history.append(samples(seq, pump), NOW_MS, waiting.keep)
    while TableWriter(Log(place), number, 1, waiting).publish(NOW_MS):
        pass
    return history
