"""The frame says what its visitor may do, so that nothing is offered that the server refuses."""

from __future__ import annotations

import json

import plotly.utils
import pytest

from dashboard.access.accounts import ROLES, Visitor
from dashboard.components import frame

RIGHTS = {"viewer": "", "operator": "acknowledge"}


@pytest.mark.parametrize("role", ROLES)
def test_the_frame_names_the_rights_of_its_visitor_and_no_others(role: str) -> None:
    shown = json.dumps(frame.layout((), Visitor("vera", role)), cls=plotly.utils.PlotlyJSONEncoder)
    (rights,) = [part.split('"')[0] for part in shown.split('"data-rights": "')[1:]]
    assert all(Visitor("vera", role).may(right) for right in rights.split())
    assert rights == RIGHTS.get(role, rights)
    assert ("inject" in rights) == Visitor("vera", role).may("inject")
