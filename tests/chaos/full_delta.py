"""The history table of a cluster: every sample once, after kills and suspensions of nodes; on disk and in S3."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from tests.cluster.whole_cluster import Cluster, cluster

pytest.importorskip("deltalake", reason="deltalake is not installed (pumpwatch[cluster])")

PUMPS: Final = 12
RANGES: Final = 4
NODES: Final = ("one", "two")
BLOWS: Final = int(os.environ.get("DELTA_BLOWS", "4"))
SPEED: Final = 120
SUSPENDED_S: Final = 12.0
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
    if not (place / "_delta_log").exists():
        return 0
    return int(pl.scan_delta(str(place)).select(pl.col("pump").n_unique()).collect().item())


def height(place: Path) -> int:
    return int(pl.scan_delta(str(place)).select(pl.len()).collect().item())


def files(place: Path) -> int:
    from deltalake import DeltaTable

    return len(DeltaTable(str(place)).file_uris())


def versions(place: Path) -> int:
    from deltalake import DeltaTable

    return DeltaTable(str(place)).version()
