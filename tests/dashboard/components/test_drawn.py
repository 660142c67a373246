"""Still parts of a page that our own script draws."""

from __future__ import annotations

from typing import Any

import pytest
from dash import dcc, html

from dashboard.components import drawn, elements


def test_a_component_becomes_its_tag_attributes_and_nodes() -> None:
    cell = html.Td(["1 ", html.B(2), None], colSpan=2, **{"data-label": "Count"})
    assert drawn.nodes(cell) == [["td", {"colspan": "2", "data-label": "Count"}, ["1 ", ["b", {}, ["2"]]]]]
    assert drawn.nodes([html.P("a"), "b"]) == [["p", {}, ["a"]], "b"]
    assert drawn.nodes(html.Div(hidden=True)) == [["div", {"hidden": ""}, []]]
    assert drawn.nodes(html.Div(hidden=False)) == [["div", {}, []]]
    assert drawn.nodes(None) == []


def test_markup_in_a_text_stays_text() -> None:
    assert drawn.nodes(html.P("<img src=x onerror=alert(1)>")) == [["p", {}, ["<img src=x onerror=alert(1)>"]]]


def test_a_link_to_a_pump_changes_the_page_as_elsewhere() -> None:
    [[tag, attributes, nodes]] = drawn.nodes(elements.pump_link("ITB-000007"))
    assert (tag, nodes) == ("a", ["ITB-000007"])
    assert attributes == {"href": "/pump/ITB-000007", "class": "pump-link", "data-go": ""}


@pytest.mark.parametrize(
    ("component", "reason"),
    [
        (dcc.Input(), "Input cannot be drawn"),
        (html.Div(id="known"), "Div with id cannot be drawn"),
        (html.Div(html.Button(n_clicks=0)), "Button with n_clicks cannot be drawn"),
        (html.Div(style={"color": "red"}), "Div with style cannot be drawn"),
    ],
)
def test_what_a_callback_may_know_is_not_drawn(component: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        drawn.nodes(component)
