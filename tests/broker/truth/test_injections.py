"""Injections that wait for a refill, and effects that last until one."""

from __future__ import annotations

import polars as pl

from broker.truth.injections import INJECTIONS, MS_PER_H, extend_to_refill, start_at_refill


def ms(hours: float) -> int:
    return round(hours * MS_PER_H)


def injections(*rows: tuple[str, str, float, float | None]) -> pl.DataFrame:
    """Return injections from pump, fault, onset and end in hours."""
    cases = [(pump, fault, 0.5, ms(onset), None if end is None else ms(end)) for pump, fault, onset, end in rows]
    return pl.DataFrame(cases, INJECTIONS, orient="row")


def test_a_fault_that_waits_for_a_refill_starts_with_it_and_ends_with_the_refill_after_its_own_end():
    refills = pl.DataFrame({"pump": ["A", "A", "A", "B"], "time": [ms(12), ms(15), ms(40), ms(70)]})
    waiting = injections(
        ("A", "stall", 10, 20), ("B", "stall", 10, 20), ("B", "clot", 60, None), ("C", "stall", 1, None)
    )
    started = start_at_refill(waiting, refills)
    assert started.select("pump", "fault", "onset").rows() == [("A", "stall", ms(12)), ("B", "clot", ms(70))]
    extended = extend_to_refill(started, refills).sort("pump")
    assert extended.select("onset", "end").rows() == [(ms(12), ms(40)), (ms(70), None)]
