"""What births report about pumps, gathered until it is put into their rows."""

from __future__ import annotations

import numpy as np
import pytest

from broker.contract.gateway_messages import Pumps
from processor.intake import reports
from processor.intake.reports import Reports


@pytest.mark.parametrize("gathered", [1, 1_000])
def test_what_a_birth_reports_of_the_pumps_of_others_is_ignored_and_moves_no_other_value(
    gathered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "GATHERED", gathered)
    news = Reports()
    news.add(np.array([0, 1]), Pumps(serial=["A", "B"], site=["North", "South"]), np.array([False, True]))
    news.add(np.array([2]), Pumps(serial=["C"], model=["B"]))
    numbers, values = news.take()
    assert numbers.tolist() == [1, 2]
    assert values.select("site", "model").rows() == [("South", None), (None, "B")]
    assert len(news.take()[0]) == 0
