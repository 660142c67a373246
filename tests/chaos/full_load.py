"""`pumpwatch load` that is interrupted; part of `make chaos`, because it starts a whole system for one sentence."""

from __future__ import annotations

import json
import signal
import time

from tests.pumpwatch.commands.test_load import start


def test_a_run_that_is_interrupted_still_writes_its_report_marked_as_such(tmp_path):
    file = tmp_path / "run.json"
    process = start("smoke", "--pumps", "20", "--hold", "10m", f"--json={file}")
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "stage 1 of 1" in line:
                break
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert json.loads(file.read_text())["interrupted"] is True
