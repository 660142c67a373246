"""docs/load.md names every hop, metric and packaged profile, with the words of the tables in the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from trials.load.metrics import ALARM, COUNTS, HOPS
from trials.load.profile import packaged

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "load.md").read_text()


@pytest.mark.parametrize("hop", [*HOPS, ALARM], ids=lambda hop: hop.name)
def test_every_hop_is_documented_as_it_is_defined(hop):
    assert f"| `{hop.name}` | {hop.meaning} |" in PAGE


@pytest.mark.parametrize(("metric", "meaning"), COUNTS.items())
def test_every_count_is_documented_as_it_is_defined(metric, meaning):
    assert f"| `{metric}` | {meaning} |" in PAGE


@pytest.mark.parametrize("name", packaged())
def test_every_packaged_profile_is_named(name):
    assert f"`{name}`" in PAGE
