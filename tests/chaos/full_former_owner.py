"""A processor is stopped at 1,000 random points and wakes up after its lease: nothing that it writes is read.

`FORMER_TRIES` changes how often, `FORMER_SEED` where. Prints at which kinds of points.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.former_owner import NEVER, check, play

TRIES: Final = int(os.environ.get("FORMER_TRIES", "1000"))
SEED: Final = int(os.environ.get("FORMER_SEED", "17"))
MAX_GAP: Final = 60


async def test_a_thousand_former_owners_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = (await play(tmp_path / "calm", monkeypatch, itertools.repeat(NEVER))).outcome()
    assert "anna" in expected["acknowledged"]
    assert not expected["left with the broker"]
    points: Counter[str] = Counter()
    for number in itertools.count():
        chance = random.Random(f"{SEED}/{number}")
        gaps = iter(lambda chance=chance: chance.randint(1, MAX_GAP), None)
        played = await play(tmp_path / str(number), monkeypatch, gaps)
        points.update(each.stopped for each in played.tries)
        check(played, expected, f"seed {SEED}, play {number}")
        shutil.rmtree(played.data)
        if points.total() >= TRIES:
            break
    print(f"\n{points.total():,} former owners woke up in {number + 1} plays:")
    for name, count in points.most_common():
        print(f"  {name:<32} {count:>6,}")
