"""Troubles of which nothing says when they are over."""

from processor.service.metering import Meter
from processor.service.passing_troubles import NOTICE_S, PassingTroubles


def test_what_happened_once_is_shown_for_a_while_and_longer_if_it_happens_again():
    meter = Meter(started=0, broker="mqtt://127.0.0.1:1")
    passing = PassingTroubles(meter)
    passing.show("clock", "it was set", 0.0)
    passing.show("clock", "it was set again", 10.0)
    passing.advance(NOTICE_S)
    assert meter.troubles == {"clock": "it was set again"}
    passing.advance(NOTICE_S + 10.0)
    assert meter.troubles == {}
