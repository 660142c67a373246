"""SECURITY.md: every attack has a test, and the tests are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MIN_ATTACKS = 30


def test_every_attack_names_tests_that_exist() -> None:
    rows = (ROOT / "SECURITY.md").read_text("utf-8").partition("## Attacks")[2].splitlines()
    attacks = [row for row in rows if row.startswith("| ") and not row.startswith(("| attack ", "| --- "))]
    assert len(attacks) >= MIN_ATTACKS
    for attack in attacks:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", attack)
        assert tests, f"no test: {attack}"
        for path, name in tests:
            assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), (
                f"{path}::{name}"
            )
