"""Documentation: reference pages, links, dependencies and fault pictures are complete and up to date."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree as ET

from pumpwatch.documentation import pictures, reference
from simulator.faults import FAULTS

ROOT = Path(__file__).resolve().parents[3]


def test_the_reference_is_up_to_date() -> None:
    assert reference.stale_pages(ROOT) == [], "run: make docs"


def test_stale_and_missing_pages_are_found(tmp_path: Path) -> None:
    for name, write in reference.PAGES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(write(), encoding="utf-8")
    (tmp_path / "docs/reference/rules.md").write_text("old")
    (tmp_path / "docs/reference/topics.md").unlink()
    assert reference.stale_pages(tmp_path) == ["docs/reference/topics.md", "docs/reference/rules.md"]


def test_every_dependency_is_listed_with_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in needed}
    documented = set(re.findall(r"^\| `([\w.-]+)`", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE))
    assert documented == names


def test_every_fault_has_a_picture_that_is_small_enough_for_a_page() -> None:
    drawn = {path.stem: path.stat().st_size for path in (ROOT / "docs/faults").glob("*.svg")}
    assert set(drawn) == set(FAULTS), "run: make docs"
    assert max(drawn.values()) < 60_000


def test_a_picture_shows_the_pump_with_and_without_the_fault_and_is_marked_as_simulated() -> None:
    drawn = ET.fromstring(pictures.picture(FAULTS["catheter_disconnection"]))
    texts = " ".join(element.text or "" for element in drawn.iter() if element.tag.endswith("text"))
    assert "simulated pump, no medical device" in texts
    lines = [element.get("points", "") for element in drawn.iter() if element.tag.endswith("polyline")]
    assert len(lines) == 2 * len(pictures.PANELS)
    healthy, faulty = lines[6:8]
    assert healthy.split()[:30] == faulty.split()[:30]
    assert healthy != faulty
