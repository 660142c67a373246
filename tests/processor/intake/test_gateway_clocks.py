"""Clock of a gateway: follows the majority of its pumps, whatever a single message contains."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.codec import encode_arrow, encode_json
from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.signals import SAMPLE_SCHEMA
from processor.intake.registry import Registry

START_MS = 1_767_225_600_000
MINUTE = 60_000
PUMPS = [f"P{number:02d}" for number in range(12)]
AHEAD_MS = 30 * MINUTE


def frame(readings: Iterable[tuple[str, int]]) -> pl.DataFrame:
    """Return healthy samples of these pumps, taken at these therapy times."""
    pumps, times = zip(*readings, strict=True)
    empty = {name: [None] * len(pumps) for name in SAMPLE_SCHEMA}
    values = {"pump": pumps, "time": times, "battery_v": np.full(len(pumps), 3.0)}
    return pl.DataFrame({**empty, **values}, SAMPLE_SCHEMA)


class Ward:
    """A gateway of a dozen pumps that send once per therapy minute, which is a second of wall-clock time.

    It sends all samples of a minute in one message, or each in its own, which are processed together or one by one.
    """

    def __init__(self, watch, form: str, *, born: bool = True) -> None:
        self.watch, self.form = watch, form
        if born:
            watch.birth(*PUMPS)

    def minute(self, *readings: tuple[str, int]) -> None:
        """Let a minute pass, at the end of which these samples arrive, and judge silence."""
        self.watch.wait_s(1)
        samples = frame(readings)
        if self.form == "frames":
            self.watch.deliver(encode_arrow(samples))
        else:
            each = [self.watch.message(encode_json(sample)) for sample in samples.iter_slices(1)]
            for messages in [each] if self.form == "samples together" else [[one] for one in each]:
                self.watch.take(messages)
        self.watch.take([])

    def healthy(self, minutes: int, pumps: Iterable[str] = PUMPS, ahead: Iterable[str] = ()) -> None:
        for _ in range(minutes):
            now, fast = self.watch.now_therapy + MINUTE, set(ahead)
            self.minute(*((pump, now + (AHEAD_MS if pump in fast else 0)) for pump in pumps))

    @property
    def clock_off_min(self) -> float:
        clock = self.watch.pipeline.registry.gateways.order[0].therapy_ms(self.watch.now)
        return (clock - self.watch.now_therapy) / MINUTE

    @property
    def raised(self) -> list[str]:
        """Silence rules that raised an alarm, without duplicates."""
        raised = self.watch.journal().filter(pl.col("kind") == "raised")["rule"]
        return sorted({rule for rule in raised if rule.endswith("_silent")})


each_form = pytest.mark.parametrize("form", ["frames", "samples together"])


@each_form
def test_pumps_whose_clocks_run_ahead_raise_no_silence_alarm_on_others_even_if_few_others_send(watch, form):
    ward = Ward(watch, form)
    fast = PUMPS[:4]
    ward.healthy(4)
    ward.healthy(3, ahead=fast)
    ward.healthy(1, fast, ahead=fast)
    assert abs(ward.clock_off_min) <= 1
    ward.healthy(1, [*fast, *PUMPS[4:7]], ahead=fast)
    assert abs(ward.clock_off_min) <= 1
    ward.healthy(3, ahead=fast)
    assert ward.raised == []


def test_a_single_sample_of_a_pump_whose_clock_runs_ahead_does_not_advance_the_clock(watch):
    ward = Ward(watch, "samples together")
    ward.healthy(4)
    ward.form = "samples one by one"
    ward.healthy(1, ahead=PUMPS[:1])
    ward.healthy(1, PUMPS[:1], ahead=PUMPS[:1])
    assert abs(ward.clock_off_min) <= 1
    assert ward.raised == []


@each_form
def test_samples_that_a_pump_buffered_for_hours_do_not_set_the_clock_back(watch, form):
    ward = Ward(watch, form)
    ward.healthy(5)
    now = watch.now_therapy + MINUTE
    buffered = [("P00", now - back * MINUTE) for back in range(120, 0, -1)]
    ward.minute(*((pump, now) for pump in PUMPS[1:4]), *buffered)
    assert abs(ward.clock_off_min) <= 1
    assert ward.raised == []


@each_form
@pytest.mark.parametrize("born", [True, False])
def test_if_half_of_the_pumps_fall_silent_the_alarm_is_not_delayed(watch, form, born):
    ward = Ward(watch, form, born=born)
    ward.healthy(6, ahead=PUMPS[:3])
    ward.healthy(6, PUMPS[:6], ahead=PUMPS[:3])
    assert ward.raised == []
    ward.healthy(3, PUMPS[:6], ahead=PUMPS[:3])
    assert ward.raised == ["gateway_silent", "pump_silent"]


@each_form
def test_while_a_gateway_sends_what_it_buffered_in_an_outage_its_clock_lags_and_then_catches_up(watch, form):
    ward = Ward(watch, form)
    ward.healthy(5)
    outage = watch.now_therapy
    watch.wait_s(3 * 60)
    watch.birth(*PUMPS)
    for hour in range(3):
        # An hour in a second: processed minute by minute, checked at the end.
        times = [outage + (hour * 60 + minute) * MINUTE for minute in range(1, 61)]
        ward.minute(*((pump, time) for time in times for pump in PUMPS))
        late_min = (watch.now_therapy - times[-1]) / MINUTE
        assert ward.clock_off_min == pytest.approx(-late_min, abs=1)
    ward.healthy(5)
    assert abs(ward.clock_off_min) <= 1


@each_form
def test_a_gateway_of_one_pump_follows_the_clock_of_that_pump(watch, form):
    watch.birth("P00")
    ward = Ward(watch, form, born=False)
    ward.healthy(5, PUMPS[:1])
    assert ward.clock_off_min == 0
    ward.healthy(2, PUMPS[:1], ahead=PUMPS[:1])
    assert ward.clock_off_min == AHEAD_MS / MINUTE


def born(speed: float = 1.0, *, time: int = START_MS, wall: int = START_MS) -> Registry:
    """Return a registry with the birth of a gateway with a dozen pumps."""
    registry = Registry()
    apply_birth(registry, speed, time=time, wall=wall)
    return registry


def apply_birth(registry: Registry, speed: float, *, time: int, wall: int) -> None:
    birth = Birth(gateway="ward", pumps=Pumps(serial=PUMPS), sent=wall, time=time, speed=speed)
    registry.apply_birth(birth, 0, wall)


def hear(registry: Registry, pumps: Iterable[int], times: Iterable[int], wall: int) -> int:
    """Record samples of these pumps; return the time of the gateway clock afterward."""
    registry.hear(pl.Series(pumps, dtype=pl.UInt32), pl.Series(times, dtype=pl.Int64), wall)
    return registry.gateways.order[0].therapy_ms(wall)


def test_a_gateway_that_restarts_at_another_time_sets_its_clock_and_so_does_its_first_pump():
    registry, later, before = born(), START_MS + MINUTE, START_MS - 1000 * MINUTE
    assert hear(registry, range(12), [later] * 12, later) == later
    apply_birth(registry, 1.0, time=before, wall=later + 1)
    assert registry.gateways.order[0].therapy_ms(later + 1) == before
    assert hear(registry, [3], [before + 1], later + 2) == before + 1


def test_setting_the_wall_clock_does_not_cost_any_pump_its_vote():
    registry, later, step_ms = born(), START_MS + MINUTE, 7_200_000
    hear(registry, range(12), [later] * 12, later)
    registry.shift_wall_clock(step_ms)
    assert hear(registry, [0], [later + AHEAD_MS], later + 9 + step_ms) == later + 9


@settings(max_examples=30, deadline=None)
@given(
    errors_min=st.lists(st.integers(-600, 600), min_size=0, max_size=5),
    speed=st.sampled_from([0.5, 1.0, 60.0, 3_600.0]),
    chance=st.randoms(use_true_random=False),
)
def test_fewer_than_half_of_the_pumps_cannot_move_the_clock_however_the_samples_are_split(errors_min, speed, chance):
    registry, pumps = born(speed), len(PUMPS)
    off = [minutes * MINUTE for minutes in errors_min] + [0] * (pumps - len(errors_min))
    for tick in range(1, 5):
        wall = START_MS + round(tick * MINUTE / speed)
        order = chance.sample(range(pumps), pumps)
        cut = chance.randrange(pumps)
        for part in (order[:cut], order[cut:]):
            times = [START_MS + tick * MINUTE + off[pump] for pump in part]
            clock = hear(registry, part, times, wall)
            assert abs(clock - (START_MS + tick * MINUTE)) <= max(2.0, 2 * speed)


def test_each_gateway_follows_its_own_pumps_and_a_message_of_one_leaves_the_others_unchanged():
    registry = Registry()
    for name, ahead in (("one", 0), ("two", MINUTE)):
        serials = [f"{name}-{number}" for number in range(3)]
        registry.apply_birth(
            Birth(gateway=name, pumps=Pumps(serial=serials), sent=START_MS, time=START_MS + ahead), 0, START_MS
        )
    later = START_MS + 10_000
    pumps, times = pl.Series(range(6), dtype=pl.UInt32), [later, later, later + 99, later + 1, later + 2, later + 9_999]
    registry.hear(pumps, pl.Series(times), later)
    assert [gateway.therapy_ms(later) for gateway in registry.gateways.order] == [later, later + 2]
    registry.hear(pumps[:2], pl.Series([later + 5, later + 5]), later + 5)
    assert [gateway.heard_wall for gateway in registry.gateways.order] == [later + 5, later]
    assert registry.clocks(later + 5).to_list() == [later + 5] * 3 + [later + 7] * 3
