"""Gateways as columns: what is computed for all at once is what each one says of itself."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.ranges import EARLIEST_MS, LATEST_MS
from broker.store.snapshot import GATEWAYS_SCHEMA
from processor.intake.gateway import Gateway
from processor.intake.gateways import Gateways

NOW_MS = 1_790_000_000_000
TIMES = st.integers(EARLIEST_MS, LATEST_MS)
GATEWAYS = st.builds(
    Gateway,
    number=st.just(0),
    name=st.text("ab", min_size=1),
    shard=st.integers(0, 63),
    born=st.booleans(),
    speed=st.floats(0.001, 100_000.0),
    heard_wall=TIMES,
    heard_therapy=st.just(0) | TIMES,
    birth_wall=TIMES,
    birth_therapy=TIMES,
    delay_ms=st.none() | st.integers(-1000, 1000),
)


@settings(deadline=None)
@given(st.lists(GATEWAYS, max_size=5), TIMES)
def test_clocks_of_all_gateways_are_those_of_each(order: list[Gateway], now: int) -> None:
    clocks = Gateways(order).clocks(now)
    assert clocks.to_list() == [gateway.therapy_ms(now) for gateway in order]


@settings(deadline=None)
@given(st.lists(GATEWAYS, max_size=5), TIMES)
def test_latest_plausible_times_of_all_gateways_are_those_of_each(order: list[Gateway], now: int) -> None:
    latest = Gateways(order).latest_plausible_ms(now)
    for found, gateway in zip(latest.tolist(), order, strict=True):
        # No sample may bear a time beyond this one anyway.
        assert min(found, LATEST_MS) == min(gateway.latest_plausible_ms(now), LATEST_MS)


def test_a_new_gateway_is_named_at_once() -> None:
    gateways = Gateways()
    assert gateways.names().to_list() == []
    gateways.named("north", 1)
    assert gateways.names().to_list() == ["north"]


def test_gateways_are_shown_with_their_pumps_and_unknown_delays() -> None:
    shown = Gateways([Gateway(0, "north", 3, heard_therapy=NOW_MS), Gateway(1, "south", 4, delay_ms=-5)]).frame([2, 0])
    assert shown.schema == GATEWAYS_SCHEMA
    columns = ("gateway", "shard", "pumps", "therapy_ms", "delay_ms")
    assert shown.select(columns).rows() == [("north", 3, 2, NOW_MS, None), ("south", 4, 0, 0, -5)]
