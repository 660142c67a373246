"""The whole table of strangers' payloads through a real Mosquitto to a real processor, which must outlive it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
import pytest

from broker.store import snapshot_files

from .payloads import PAYLOADS
from .rows import sample

pytestmark = [pytest.mark.broker]
ROOT = Path(__file__).resolve().parents[2]
TOPIC = "itb/00/strangers/telemetry"
LAST = "THE-LAST"
PATIENCE_S = 30.0


@contextmanager
def processor(broker: str, data: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `pumpwatch process`; it must end by itself, without an error, when it is asked to."""
    line = [sys.executable, "-m", "pumpwatch", "process", "--broker", broker, "--data", str(data)]
    with (data / "log").open("w") as log:
        process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("READY"), (data / "log").read_text()
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
            process.stdout.close()


def seen(data: Path, pump: str, samples: int) -> int:
    """Wait for the snapshot that has a pump and so many samples of all; return how many it has.

    Times are the same again and again: what is not newer is counted as repeated.
    """
    until = time.monotonic() + PATIENCE_S
    taken = 0
    while time.monotonic() < until:
        pumps = snapshot_files.read(data / "snapshot").pumps
        taken = sum(pumps.select(samples="samples", repeated="repeated", late="late").sum().row(0))
        if pump in pumps["pump"] and taken >= samples:
            break
        time.sleep(0.05)
    return taken


async def test_a_running_processor_takes_what_can_be_read_quarantines_the_rest_and_lives(mosquitto, tmp_path):
    played = [payload for payload in PAYLOADS if payload.of_now]
    with processor(mosquitto, tmp_path) as process:
        address = urlsplit(mosquitto)
        async with aiomqtt.Client(address.hostname, address.port) as stranger:
            for payload in played:
                await stranger.publish(TOPIC, payload.data, qos=1)
            await stranger.publish(TOPIC, sample(pump=LAST).encode(), qos=1)
        taken = seen(tmp_path, LAST, 1 + sum(payload.accepted for payload in played))
        assert process.poll() is None
    assert process.returncode == 0
    assert "Traceback" not in (tmp_path / "log").read_text()

    assert taken == 1 + sum(payload.accepted for payload in played)
    quarantine = [json.loads(line) for line in (tmp_path / "quarantine.jsonl").read_text().splitlines()]
    reasons = [entry["reason"] for entry in quarantine if entry["topic"] == TOPIC]
    expected = [words for payload in played for words in payload.rejected]
    assert len(reasons) == len(expected)
    assert [words for words, reason in zip(expected, reasons, strict=True) if words not in reason] == []
