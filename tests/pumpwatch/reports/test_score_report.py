"""The HTML score report: names from scenario files and gateways are text in its tables and its charts."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.display.printable import CONTROL, printable
from pumpwatch.reports import score_report


@pytest.fixture(autouse=True)
def small_plotly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_report, "get_plotlyjs", lambda: "")


def report_on(name: str) -> dict[str, Any]:
    """Return a report whose scenario, pumps and rules have this name."""
    return {
        "scenario": name, "pumps": 1, "days": 1.0, "interval_s": 60.0, "seed": 1, "pump_days": 1.0, "samples": 1,
        "seconds": 1.0, "recall": {}, "faults": {}, "secondary_alarms": 0, "missed": [{"pump": name}],
        "false": [{"pump": name, "rule": name}],
        **{f"false_alarms{kind}{rate}": 1 for kind in ("", "_announced", "_high") for rate in ("", "_per_pump_day")},
    }  # fmt: skip


ODD = "<b>C:\\[/temp]</b>\x1b[2J\u202egnp"


def test_a_name_with_markup_and_control_characters_is_shown_as_it_is() -> None:
    html = score_report.page(report_on(ODD))
    assert "Score of &lt;b&gt;C:\\[/temp]&lt;/b&gt;\\x1b[2J\\u202egnp" in html
    labels = html.partition("figures=")[2].partition("\n")[0]
    assert "&lt;b&gt;C:" in labels, "Plotly reads some HTML in labels"
    assert "\\u003cb" not in labels


@given(st.one_of(st.just(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=30)))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_puts_a_control_character_into_the_report(name: str) -> None:
    html = score_report.page(report_on(name))
    assert not re.findall(f"[{CONTROL}]", html.replace("\n", ""))
    assert f"Score of {printable(name, keep=chr(10))}" in unescape(html)
