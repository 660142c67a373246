"""What logins, topic rights and TLS cost at the broker, per message and in memory. Prints tables; asserts no times.

Each fleet runs three times: anonymous, with logins and topic rights, and with TLS besides. `ACCESS_SECONDS` is how
long a run lasts once it is steady.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from broker.access.credentials import credentials_of
from broker.access.key_files import KeyFiles
from tests.bench.parts import Parts, measure

SECONDS: Final = float(os.environ.get("ACCESS_SECONDS", "30"))
SETTLE_S: Final = 10.0
MODES: Final = {"anonymous": ("--anonymous",), "logins": (), "logins and TLS": ("--tls",)}


@pytest.mark.parametrize(("pumps", "gateways"), [(1_000, 1_000), (100_000, 100)])
def test_access_cost_of_a_fleet(pumps: int, gateways: int, tmp_path: Path, free_port: int) -> None:
    print(f"\n{pumps:,} pumps on {gateways:,} gateways, a sample a second each, {gateways:,} messages a second")
    print(
        f"{'':>16} {'connected':>10} {'broker':>18} {'a message':>10} {'memory':>8} {'processor':>10} {'simulator':>10}"
    )
    for mode, flags in MODES.items():
        data = tmp_path / mode.replace(" ", "-")
        data.mkdir()
        credentials = credentials_of(data)
        credentials.prepare()
        KeyFiles(credentials).create(["localhost"], datetime.now(UTC))
        with Parts(data, free_port, flags) as parts:
            parts.process()
            began = time.monotonic()
            parts.simulate(pumps, gateways, "--scenario", "none")
            connected_s = time.monotonic() - began
            time.sleep(SETTLE_S)
            found = measure(parts, SECONDS)
            broker = found.cores["broker"]
            print(
                f"{mode:>16} {connected_s:>8.1f} s {100 * broker:>11.1f} % core {1e6 * broker / gateways:>7.0f} µs "
                f"{found.memory_mb['broker']:>5.0f} MB {100 * found.cores['processor']:>8.0f} % "
                f"{100 * found.cores['simulator']:>8.0f} %"
            )
            assert found.health.lost == 0
