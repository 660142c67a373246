"""Every view is a link: what an address asks for is shown, and what no page can show is said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dash import Dash, html

from dashboard.components import address
from dashboard.components.address import Control


@pytest.fixture(autouse=True)
def page() -> Iterator[None]:
    """A page at /wards/<name> with one control of every kind."""
    before = dict(address._PAGES)
    controls: dict[str, Control | tuple[str, str]] = {
        "search": ("ward-search", "value"),
        "state": address.choice("ward-state", ("", "high", "low")),
        "rule": address.choices("ward-rules", ("leak", "silent")),
        "people": address.whole("ward-people", 1, 9, default=3),
        "all": address.flag("ward-all"),
        "sort": address.sorting("ward-grid", ("pump", "age")),
    }
    address.bind(Dash(__name__), "/wards/<name>", controls)
    yield
    address._PAGES.clear()
    address._PAGES.update(before)


def test_an_address_restores_every_kind_of_control() -> None:
    values, note = address.asked(
        "/wards/north", "?search=lot%20B07&state=high&rule=leak&rule=silent&people=7&all=1&sort=age.desc,pump"
    )
    assert note == ""
    assert values.pop("sort") == [
        {"colId": "age", "sort": "desc", "sortIndex": 0},
        {"colId": "pump", "sort": "asc", "sortIndex": 1},
    ]
    assert values == {"search": "lot B07", "state": "high", "rule": ["leak", "silent"], "people": 7, "all": True}


@pytest.mark.parametrize(
    ("search", "note"),
    [
        ("state=purple", "The address asks for state “purple”: allowed are high and low. The default is shown."),
        ("rule=leak&rule=x", "The address asks for rule “leak” and “x”: allowed are leak and silent."),
        ("people=0", "allowed are whole numbers from 1 to 9"),
        ("people=many", "allowed are whole numbers from 1 to 9"),
        ("people=" + "9" * 5000, "allowed are whole numbers from 1 to 9"),
        ("all=maybe", "allowed are 0 and 1"),
        ("sort=password", "allowed are pump and age"),
        ("search=" + "x" * 101, "at most 100 characters are allowed"),
    ],
)
def test_a_value_that_no_page_can_show_is_the_default_and_a_note_says_so(search: str, note: str) -> None:
    values, said = address.asked("/wards/north", f"?{search}")
    assert values == {}
    assert note in said


def test_other_names_in_a_query_are_left_alone() -> None:
    assert address.asked("/wards/north", "?pumps=3&&=&%ff=%fe") == ({}, "")
    assert address.asked("/elsewhere", "?state=purple") == ({}, "")


def test_a_page_opens_with_what_its_address_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[Any] = []
    monkeypatch.setattr(address, "set_props", lambda name, props: notes.append((name, props)))
    layout = html.Div([html.Div(id="ward-search"), html.Section(html.Div(id="ward-people"))])
    children: Any = address.opened(layout, "/wards/north", "?search=3&people=4&state=low").children
    assert (children[0].value, children[1].children.value) == ("3", 4)
    assert notes == [(address.NOTE, {"children": ""})]


def test_the_browser_knows_each_control_its_page_and_the_default_that_it_omits() -> None:
    table = address._table()
    assert table["ward-people.value"] == {
        "name": "people",
        "path": "^/wards/[^/]+$",
        "default": ["3"],
        "step": False,
    }
    assert table["ward-grid.columnState"]["default"] == [""]
    assert table["ward-all.checked"]["default"] == ["0"]
