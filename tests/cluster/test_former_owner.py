"""A processor that was stopped and wakes up after its lease writes nothing that anybody reads.

The long form, 1,000 points, is `tests/chaos/full_former_owner.py`.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.cluster.former_owner import check, play
from tests.processor.service.test_crash import MINUTES_A_BATCH, SERIALS

GAP = 31
STEPS = 2
"""A birth and one batch."""


async def test_a_former_owner_that_wakes_up_anywhere_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = await play(tmp_path, monkeypatch, itertools.repeat(GAP), STEPS)
    assert len(played.tries) >= 2
    check(played, {"left with the broker": []}, f"gap {GAP}")
    for samples in played.outcome()["samples"]:
        assert [row[3] for row in samples] == list(range(1, MINUTES_A_BATCH + 1))
    assert len(played.outcome()["samples"]) == len(SERIALS)
