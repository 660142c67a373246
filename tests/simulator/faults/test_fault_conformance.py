"""Properties that every fault must have, checked on every module of the folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from broker.contract.codec import decode, encode_arrow, plausible
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES
from simulator import faults
from simulator.faults import FAULTS, FaultError
from simulator.fleet.state import ARRAYS, CONDITIONS
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation
from tests.simulator.conftest import Run

EVERY = pytest.mark.parametrize("fault", FAULTS)
EACH = 20
"""Pumps with the same fault in one fleet."""
NOT_RESTORED = ("reservoir_ml", "computed_ml", "battery_v")


def same_truth(one, other, pumps) -> bool:
    return all(np.array_equal(getattr(one, name)[pumps], getattr(other, name)[pumps]) for name in ARRAYS)


def disturbance(faulty, healthy) -> float:
    """Return how much a run differs from the healthy one, per sample.

    Deviations of signals count in standard deviations and those of time in steps of ten minutes, up to ten each and ten
    for each of them in a lost sample; a repeated or reordered sample counts one; the change of concentration in the
    reservoir, which no signal shows, counts by its logarithm.
    """
    first = faulty.samples.unique(["index", "seq"], keep="first", maintain_order=True)
    both = healthy.samples.join(first, on=("index", "seq"), how="left", suffix="_faulty")
    spread = {name: max(float(healthy.samples[name].std()), 1e-6) for name in SIGNAL_NAMES} | {"time": 600_000}
    changes = {name: (pl.col(f"{name}_faulty") - pl.col(name)).abs() / spread[name] for name in spread}
    apart = [change.clip(0, 10).fill_null(10).sum() for change in changes.values()]
    of_samples = float(both.select(pl.sum_horizontal(apart)).item()) + faulty.samples.height - first.height
    reordered = faulty.samples.select((pl.col("seq") < pl.col("seq").cum_max().over("index")).sum()).item()
    return (
        of_samples + reordered + float(np.abs(np.log(faulty.concentration / healthy.concentration)).sum())
    ) / healthy.samples.height


def test_the_folder_is_the_list_of_faults():
    files = {path.stem for path in Path(faults.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == set(FAULTS)
    assert {"catheter_occlusion", "motor_stall", "silent_pump"} <= files


@EVERY
def test_a_fault_describes_its_origin_signature_and_severity(fault):
    description = FAULTS[fault]
    assert description.name == fault
    assert description.title[0].isupper()
    assert min(map(len, (description.summary, description.origin, description.signature, description.severity))) > 20


def silent_shares(severities: list[tuple[str, float]], start_ms: int) -> list[float]:
    """Return for each fault and severity, on ten pumps of one fleet, how much of six hours a pump had been silent for
    eight minutes.
    """
    pumps, minutes = 10, 360
    simulation = Simulation(default(pumps=pumps * len(severities), interval_s=60.0, seed=42), start_ms=start_ms)
    for place, (fault, severity) in enumerate(severities):
        simulation.inject(fault, np.arange(pumps) + pumps * place, severity=severity)
    silent_min, silent = np.zeros(pumps * len(severities)), np.zeros(pumps * len(severities))
    for _ in range(minutes):
        samples, _ = plausible(simulation.tick())
        silent_min += 1
        silent_min[samples["index"]] = 0
        silent += silent_min >= 8
    return (silent.reshape(len(severities), pumps).mean(axis=1) / minutes).tolist()


def test_a_fault_is_silent_half_of_the_time_at_the_severity_that_it_declares(start_ms):
    declared = {name: fault.silent_from for name, fault in FAULTS.items() if fault.silent_from}
    assert len(declared) >= 3
    tried = [(name, share * severity) for name, severity in declared.items() for share in (1.0, 0.5)]
    shares = dict(zip(tried, silent_shares(tried, start_ms), strict=True))
    for name, severity in declared.items():
        assert 0.35 <= shares[name, severity] <= 0.65, name
        assert shares[name, 0.5 * severity] <= 0.15, name


@EVERY
def test_severity_zero_changes_nothing_bit_for_bit(play, fault):
    healthy, faulty = play(refill_at=5), play(fault, 0.0, refill_at=5)
    assert faulty.samples.equals(healthy.samples)
    assert same_truth(faulty.simulation.fleet, healthy.simulation.fleet, slice(None))


@pytest.fixture(scope="module")
def side_by_side(play_many) -> dict[float, Run]:
    """One fleet in which each fault has twenty pumps of its own, played at each severity.

    Some of so many pumps need little: their refill is weak, for a flow that can be programmed.
    """
    options = {"minutes": 60, "refill_at": 5, "refill_ug_ml": 500.0}
    return {severity: play_many(FAULTS, severity, EACH, **options) for severity in (0.0, 0.3, 0.6, 1.0)}


@EVERY
def test_the_effect_of_a_fault_grows_with_its_severity(side_by_side, fault):
    first = EACH * list(FAULTS).index(fault)
    healthy, *faulty = (run.part(range(first, first + EACH)) for run in side_by_side.values())
    effects = [0.0, *(disturbance(run, healthy) for run in faulty)]
    assert effects == sorted(effects)
    assert effects[3] > effects[2] > effects[1] > 0


@EVERY
def test_clearing_a_fault_restores_everything_but_used_drug_and_charge(play, fault):
    healthy, faulty = play(minutes=180).simulation, play(fault, 0.9, minutes=60).simulation
    assert faulty.clear() == 1
    for _ in range(119):
        faulty.tick()
    assert set(faulty.tick()["seq"]) <= set(range(60, 181))
    for name, nominal in CONDITIONS.items():
        assert np.all(getattr(faulty.fleet, name) == nominal)
    cleared, expected = faulty.tick(), healthy.tick()
    assert cleared["index"].to_list() == [0, 1, 2, 3]
    for name in set(SIGNAL_NAMES) - set(NOT_RESTORED):
        assert cleared[name].to_numpy() == pytest.approx(expected[name].to_numpy(), abs=0.11), name


@EVERY
def test_a_run_with_a_fault_is_reproducible(play, fault):
    assert play(fault, 0.5).samples.equals(play(fault, 0.5).samples)


@EVERY
def test_a_fault_affects_only_its_pumps(play, fault):
    healthy, faulty = play(refill_at=5), play(fault, 1.0, on=(1, 3), refill_at=5)
    others = pl.col("index").is_in([0, 2])
    assert faulty.samples.filter(others).equals(healthy.samples.filter(others))
    assert same_truth(faulty.simulation.fleet, healthy.simulation.fleet, [0, 2])
    assert disturbance(faulty, healthy) > 0


@EVERY
def test_a_fault_acts_only_at_its_stage(play, fault):
    healthy, faulty = play(), play(fault, 0.5)
    if FAULTS[fault].stage == "physics":
        fleet = healthy.simulation.fleet
        changed = set()
        for hour in range(48):  # some faults are intermittent
            touched = fleet[np.arange(4, dtype=np.uint32)]
            touched.now_s, touched.age_s = 1_767_225_600 + 1800.0 * hour, np.full(4, 3600.0, np.float32)
            FAULTS[fault].function(touched, np.full(4, 0.5, np.float32))
            changed |= {name for name in ARRAYS if not np.array_equal(getattr(touched, name), getattr(fleet, name))}
        assert changed
        assert changed <= set(CONDITIONS)
    else:
        assert same_truth(faulty.simulation.fleet, healthy.simulation.fleet, slice(None))
    if FAULTS[fault].stage == "link":
        assert set(faulty.samples.select("index", "seq").rows()) <= set(healthy.samples.select("index", "seq").rows())
    else:
        expected = healthy.samples.join(faulty.samples, on=["index", "seq"], how="semi", maintain_order="left")
        assert expected.height == healthy.samples.height or FAULTS[fault].stage == "physics"
        affected = {"boot", "program", "time"} if FAULTS[fault].stage == "physics" else set()
        unaffected = [name for name in SAMPLE_SCHEMA if name not in {*SIGNAL_NAMES, "flags", *affected}]
        assert faulty.samples.select(unaffected).equals(expected.select(unaffected))


@pytest.fixture(scope="module")
def ten_hours(play_many) -> Run:
    """Ten hours of one fleet in which each fault has four pumps of its own."""
    return play_many(FAULTS, 1.0, 4, minutes=600, interval_s=300)


@EVERY
def test_only_corrupted_samples_are_rejected_by_the_contract(ten_hours, fault):
    first = 4 * list(FAULTS).index(fault)
    samples = ten_hours.part(range(first, first + 4)).samples.drop("index")
    rejected = decode(encode_arrow(samples)).rejected if samples.height else ()
    assert bool(rejected) == (fault == "link_corrupted")


def test_two_faults_act_together_on_one_pump(play):
    both = play("catheter_occlusion", minutes=1).simulation
    both.inject("sensor_stuck", np.array([1]), severity=1)
    both.inject("battery_depletion", np.array([1]), severity=1)
    samples = pl.concat([both.tick() for _ in range(60)]).filter(pl.col("index") == 1)
    assert samples["pulse_mmhg"].max() < 0.6
    assert samples["flow_ul_h"].n_unique() == 1
    assert samples["battery_v"][-1] < samples["battery_v"][0]


@pytest.mark.parametrize(
    ("doc", "functions", "complaint"),
    [
        ("Title: it.\n\nOrigin: a.\nSignature: b.\nSeverity: c.", (), "it has 0"),
        ("Title: it.\n\nOrigin: a.\nSignature: b.\nSeverity: c.", ("physics", "link"), "it has 2"),
        ("Just a sentence.", ("physics",), "docstring of fault broken"),
    ],
)
def test_an_invalid_fault_module_is_refused_with_what_it_lacks(doc, functions, complaint):
    module = ModuleType("broken", doc)
    for name in functions:
        setattr(module, name, print)
    with pytest.raises(FaultError, match=complaint):
        faults.read("broken", module)


@EVERY
def test_a_new_pump_has_only_the_faults_that_survive_replacement(fault: str) -> None:
    simulation = Simulation(default(pumps=2), start_ms=0)
    simulation.inject(fault, np.array([0, 1]), severity=0.5)

    simulation.replace(np.array([1]))

    with_fault = simulation.active().filter(pl.col("fault") == fault)["pump"].to_list()
    assert with_fault == simulation.serials.to_list()[: 2 if FAULTS[fault].survives_replacement else 1]


@pytest.mark.parametrize(
    ("action", "act"),
    [
        ("interrogation", lambda simulation, pumps: simulation.interrogate(pumps)),
        ("new program", lambda simulation, pumps: simulation.prescribe(pumps)),
    ],
)
def test_an_interrogation_and_a_new_program_end_exactly_the_faults_that_say_so(action: str, act: Callable) -> None:
    simulation = Simulation(default(pumps=2), start_ms=0)
    for fault in FAULTS:
        simulation.inject(fault, np.array([0, 1]), severity=0.5)

    act(simulation, np.array([1]))

    remaining = simulation.active().filter(pl.col("pump") == simulation.serials[1])["fault"].to_list()
    assert remaining == sorted(name for name, fault in FAULTS.items() if fault.ended_by != action)
    assert simulation.active().filter(pl.col("pump") == simulation.serials[0]).height == len(FAULTS)
