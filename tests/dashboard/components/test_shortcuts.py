"""Shortcuts: a letter of its own for each page."""

from __future__ import annotations

from dashboard.components.shortcuts import shortcuts


def test_each_page_has_the_first_of_its_letters_that_is_free() -> None:
    assert shortcuts(["Overview", "Alarms", "Pumps", "Alarm health", "Pipeline"]) == {
        "Overview": "o",
        "Alarms": "a",
        "Pumps": "p",
        "Alarm health": "l",
        "Pipeline": "i",
    }


def test_a_page_whose_letters_are_taken_has_another_and_only_the_27th_has_none() -> None:
    names = ["a" * (1 + number) for number in range(27)]
    letters = list(shortcuts(names).values())
    assert letters[:3] == ["a", "b", "c"]
    assert len(set(letters[:26])) == 26
    assert letters[26] == ""
