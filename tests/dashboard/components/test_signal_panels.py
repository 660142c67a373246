"""A pump's chart draws every signal."""

from __future__ import annotations

import pytest

from broker.contract.signals import SIGNAL_NAMES
from dashboard.components.signal_panels import PANELS


def test_every_signal_is_drawn_once_and_the_panels_fill_the_chart():
    assert sorted(line.signal for panel in PANELS for line in panel.lines) == sorted(SIGNAL_NAMES)
    assert sum(panel.share for panel in PANELS) == pytest.approx(1.0)
