"""A lock belongs to an open file: it excludes others, and ends with the process that holds it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from broker.store import file_lock

HOLDER = """
    import sys, time
    from pathlib import Path
    from broker.store import file_lock
    with file_lock.hold(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
"""


def test_a_lock_is_held_by_one_process_and_ends_when_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not file_lock.held(path)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert file_lock.held(path)
        with pytest.raises(file_lock.LockedError), file_lock.hold(path):
            pass
        process.kill()
    assert not file_lock.held(path)
    with file_lock.hold(path):
        assert file_lock.held(path)
