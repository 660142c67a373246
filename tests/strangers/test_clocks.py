"""Whatever a clock does: a pump that is not judged has an alarm within ten minutes, and is judged again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.mqtt.link import Message
from broker.store.snapshot import Health
from processor.pipeline import Pipeline
from processor.service import recovery
from tests.strangers.stories import STORIES

START_MS = 1_790_000_000_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
SPEED = 60
YEAR_2098_MS = 4_039_374_839_932
YEAR_2000_MS = 946_684_800_000
STEP_S = 60
LIMIT_S = 600
"""No pump may be without both judgment and alarm for longer (therapy time)."""


@dataclass
class Ward:
    """Pumps behind one gateway, each sending once a therapy minute; the time in a sample is theirs to get wrong."""

    pumps: tuple[str, ...] = ("MY-1", "MY-2", "MY-3")
    born: bool = True
    now: int = START_MS
    pipeline: Pipeline = field(default_factory=Pipeline)
    seq: int = 0
    judged_s: dict[str, int] = field(default_factory=dict)
    minutes: int = 0

    def __post_init__(self) -> None:
        if self.born:
            self.birth()

    @property
    def therapy(self) -> int:
        return START_MS + (self.now - START_MS) * (SPEED if self.born else 1)

    def birth(self, *, sent: int | None = None) -> None:
        serials = Pumps(serial=list(self.pumps))
        sent = self.now if sent is None else sent
        self.take("birth", encode(Birth(gateway="mine", pumps=serials, sent=sent, time=self.therapy, speed=SPEED)))

    def take(self, leaf: str, *payloads: bytes, retained: bool = False, gateway: str = "mine") -> None:
        messages = [Message(f"itb/00/{gateway}/{leaf}", payload, 1, 1, retained) for payload in payloads]
        before = self.samples()
        self.pipeline.take(messages, self.now)
        for pump, count in self.samples().items():
            # Of a pump that is first heard of now, nothing was missed yet.
            if count > before.get(pump, 0) or pump not in before:
                self.judged_s[pump] = self.minutes * STEP_S

    def samples(self) -> dict[str, int]:
        return dict(zip(self.pipeline.registry.facts()["pump"], self.pipeline.state["samples"], strict=False))

    def minute(self, change: Callable[[str, dict], dict | None] = lambda _, sample: sample) -> None:
        """Let a therapy minute pass; `change` gives what each pump sends instead of a good sample, None for nothing."""
        self.minutes += 1
        self.seq += 1
        self.now += STEP_S * 1000 // (SPEED if self.born else 1)
        good = {"time": self.therapy, "seq": self.seq, "boot": 1, "flow_ul_h": 8.1, "commanded_ul_h": 8.1}
        sent = [change(pump, {"pump": pump, **good}) for pump in self.pumps]
        self.take("telemetry", *(msgspec.json.encode(sample) for sample in sent if sample is not None))

    def rules(self, pump: str = "MY-1") -> set[str]:
        alarms = self.pipeline.snapshot(Health(), self.now).alarms
        return {rule for about, rule in alarms.select("pump", "rule").iter_rows() if about == pump}

    def unwatched(self) -> list[str]:
        """Pumps that were not judged for ten minutes and have no alarm either, nor their gateway or fleet."""
        alarms = self.pipeline.alarms
        if alarms.filter(alarms["pump"].is_null() & alarms["other"].is_null()).height:
            return []
        names = self.pipeline.registry.facts()["pump"]
        alarmed = set(names.gather(alarms["pump"].drop_nulls()))
        late = [pump for pump, judged_s in self.judged_s.items() if self.minutes * STEP_S - judged_s > LIMIT_S]
        return [pump for pump in late if pump not in alarmed]

    @property
    def reasons(self) -> list[str]:
        return [rejection.reason for rejection in self.pipeline.quarantine.latest]


def only(concerned: str | None, **fields: object) -> Callable[[str, dict], dict | None]:
    """Change these fields of one pump's samples, or of all if it is None; a callable gets the sample's own value."""

    def change(pump: str, sample: dict) -> dict:
        if concerned not in {None, pump}:
            return sample
        new = {name: value(sample[name]) if callable(value) else value for name, value in fields.items()}
        return {name: value for name, value in {**sample, **new}.items() if value is not None}

    return change


BORN = pytest.mark.parametrize("born", [True, False], ids=["with a birth", "without a birth"])
WHOM = pytest.mark.parametrize("whom", ["MY-1", None], ids=["one pump", "all pumps"])


def play(ward: Ward, minutes: int, change: Callable[[str, dict], dict | None] = lambda _, sample: sample) -> None:
    for _ in range(minutes):
        ward.minute(change)
        assert ward.unwatched() == []


@BORN
def test_one_sample_from_2098_is_rejected_and_the_pump_is_judged_as_before(born):
    ward = Ward(born=born)
    play(ward, 20)
    play(ward, 1, only("MY-1", time=YEAR_2098_MS))
    assert "time is 2098-01-01" in ward.reasons[-1]
    assert "the clock of its gateway stands at 2026-" in ward.reasons[-1]
    play(ward, 20)
    assert ward.samples()["MY-1"] == 40
    assert ward.rules() == {"clock_implausible"}
    assert ward.rules("MY-2") == set()


@WHOM
@BORN
def test_a_pump_whose_clock_is_set_back_an_hour_is_judged_again_and_has_a_clock_alarm(born, whom):
    ward = Ward(born=born)
    play(ward, 30)
    play(ward, 30, only(whom, time=lambda time: time - HOUR_MS))
    assert ward.samples()["MY-1"] >= 55
    assert "clock_implausible" in ward.rules()


@WHOM
@BORN
def test_a_pump_whose_real_time_clock_was_reset_to_2000_is_judged_again_and_has_a_clock_alarm(born, whom):
    ward = Ward(born=born)
    play(ward, 30)
    play(ward, 30, only(whom, time=lambda time: YEAR_2000_MS + time - START_MS))
    assert ward.samples()["MY-1"] >= 55
    assert "clock_implausible" in ward.rules()


@BORN
@pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "not numbered"])
def test_a_pump_that_sends_with_a_wrong_clock_is_neither_silent_nor_are_its_alarms_years_old(born, numbered):
    ward = Ward(born=born)
    wrong = {"time": lambda time: YEAR_2000_MS + time - START_MS, **({} if numbered else {"seq": None})}
    play(ward, 30, only(None, **({} if numbered else {"seq": None})))
    play(ward, 30, only("MY-1", **wrong))
    snapshot = ward.pipeline.snapshot(Health(), ward.now)
    assert not snapshot.pumps["silent"].any()
    assert snapshot.pumps["age_s"].to_list() == pytest.approx([0, 0, 0], abs=60)
    alarms = snapshot.alarms.filter(pump="MY-1", rule="clock_implausible")
    assert alarms["age_s"].item() == pytest.approx(25 * 60, abs=7 * 60)
    play(ward, 12, lambda pump, sample: None if pump == "MY-1" else only("MY-1", **wrong)(pump, sample))
    assert ward.pipeline.snapshot(Health(), ward.now).pumps["silent"].to_list() == [True, False, False]


@BORN
def test_without_sequence_numbers_a_clock_set_back_is_told_from_a_replay_by_time(born):
    ward = Ward(born=born)
    play(ward, 30, only(None, seq=None))
    play(ward, 12, only(None, seq=None, time=lambda time: time - 8 * HOUR_MS))
    assert "pump_silent" in ward.rules()
    play(ward, 30, only(None, seq=None, time=lambda time: time - 8 * HOUR_MS))
    assert ward.samples()["MY-1"] >= 55
    assert "clock_implausible" in ward.rules()


@BORN
def test_a_pump_that_always_sends_times_of_2098_is_reported_as_silent(born):
    ward = Ward(born=born)
    play(ward, 20, only("MY-1", time=YEAR_2098_MS))
    assert "pump_silent" in ward.rules()


@BORN
def test_one_garbled_boot_number_does_not_silence_a_pump_for_ever(born):
    ward = Ward(born=born)
    play(ward, 20)
    play(ward, 1, only("MY-1", boot=2**50))
    play(ward, 40)
    assert ward.samples()["MY-1"] >= 40


def test_a_sequence_number_that_jumps_by_billions_does_not_count_as_billions_lost():
    ward = Ward()
    play(ward, 10)
    play(ward, 1, only("MY-1", seq=10**12))
    play(ward, 10)
    assert ward.pipeline.state["missed"].to_list() == [0, 0, 0]
    play(ward, 1, only("MY-1", seq=lambda seq: seq + 7))
    assert ward.pipeline.state["missed"].to_list() == [7, 0, 0]


def test_replayed_old_samples_change_nothing():
    ward = Ward()
    sent: list[bytes] = []

    def remember(_: str, sample: dict) -> dict:
        sent.append(msgspec.json.encode(sample))
        return sample

    for _ in range(40):
        ward.minute(remember)
    before = ward.samples()
    for payload in sent:
        ward.take("telemetry", payload)
    assert ward.samples() == before


def test_a_gateway_whose_own_clock_stands_at_2000_is_monitored_as_any_other():
    ward = Ward()
    ward.birth(sent=YEAR_2000_MS)
    play(ward, 20)
    assert ward.samples()["MY-1"] == 20
    assert ward.rules() == set()


def test_a_pump_silenced_before_a_restart_has_its_alarm_within_ten_minutes_after_it(tmp_path: Path):
    ward = Ward()
    play(ward, 20)
    play(ward, 5, lambda pump, sample: None if pump == "MY-1" else sample)
    recovery.save(tmp_path, ward.pipeline, ward.now)
    ward.pipeline = recovery.restore(tmp_path)
    play(ward, 5, lambda pump, sample: None if pump == "MY-1" else sample)
    assert "pump_silent" in ward.rules()


@st.composite
def behaviors(draw: st.DrawFn) -> tuple[int, bool, bool, int | None]:
    """Offset of the clock (ms), whether samples are numbered, whether any is sent, the boot."""
    offset = draw(
        st.sampled_from([0, 0, -HOUR_MS, HOUR_MS, -30 * 24 * HOUR_MS, YEAR_2000_MS - START_MS, YEAR_2098_MS - START_MS])
        | st.integers(-2 * 24 * HOUR_MS, 2 * 24 * HOUR_MS)
    )
    boot = draw(st.sampled_from([1, 1, 1, 2, None, 2**50]))
    return offset, draw(st.booleans()), draw(st.sampled_from([True, True, True, False])), boot


@STORIES
@given(st.booleans(), st.lists(st.tuples(behaviors(), behaviors(), st.integers(6, 15)), min_size=1, max_size=4))
def test_no_pump_is_ever_both_unjudged_and_without_an_alarm(born, chapters):
    ward = Ward(("MY-1", "MY-2"), born=born)
    for first, second, minutes in chapters:
        acts = dict(zip(ward.pumps, (first, second), strict=True))

        def change(pump: str, sample: dict, acts: dict = acts) -> dict | None:
            offset, numbered, sends, boot = acts[pump]
            fields = {"time": sample["time"] + offset, "boot": boot, **({} if numbered else {"seq": None})}
            return only(None, **fields)(pump, sample) if sends else None

        play(ward, minutes, change)
