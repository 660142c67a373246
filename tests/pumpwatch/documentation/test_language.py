"""Language check: retired terms are found in docs, page texts and module docstrings."""

from __future__ import annotations

from pathlib import Path

import pytest

from pumpwatch.documentation.language import ROOT, findings, in_module, in_page_texts, retired_terms


def test_all_texts_of_the_project_pass() -> None:
    assert [f"{found.path}:{found.line}: {found.text}" for found in findings(ROOT)] == []


@pytest.mark.parametrize(
    ("source", "finds"),
    [
        ('"""This file reads scenarios."""', True),
        ('"""Reads scenarios."""', False),
        ("MOST_PUMPS = 3", True),
        ("_LEAST_S: int = 3", True),
        ("MAX_PUMPS = 3", False),
    ],
)
def test_module_docstrings_and_names_of_limits_are_checked(source: str, finds: bool) -> None:
    assert bool(list(in_module("a.py", source))) is finds


def test_a_retired_term_is_reported_with_its_line_and_replacement() -> None:
    (found,) = retired_terms("README.md", 1, "One.\nTwo.\nNothing was lost for good.")
    assert (found.path, found.line) == ("README.md", 3)
    assert "permanently lost" in found.text


def test_page_texts_are_checked_but_docstrings_of_pages_are_not() -> None:
    source = 'def page():\n    """Show the tank."""\n    return "Size of the tank"'
    assert [found.line for found in in_page_texts("page.py", source)] == [3]


def test_a_retired_term_planted_in_each_kind_of_text_is_found(tmp_path: Path) -> None:
    texts = {
        "README.md": "a siege",
        "docs/adr/0001-x.md": "a siege",
        "dashboard/pages/alarms.py": 'TITLE = "siege"',
        "broker/store/journal.py": '"""This file is a book."""',
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert {found.path for found in findings(tmp_path)} == set(texts)
