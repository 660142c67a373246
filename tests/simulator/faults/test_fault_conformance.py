"""Every fault of the folder keeps the promises that all faults make."""

from __future__ import annotations

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

EVERY = pytest.mark.parametrize("fault", FAULTS)
USED_UP = ("reservoir_ml", "computed_ml", "battery_v")


def same_truth(one, other, pumps) -> bool:
    return all(np.array_equal(getattr(one, name)[pumps], getattr(other, name)[pumps]) for name in ARRAYS)


def disturbance(ill, well) -> float:
    """How far a run is from the healthy one.

    Up to ten spreads of each signal, ten-minute steps of its time, as much as that for each sample lost, one for each
    repeated or overtaken, and the change of concentration in the reservoir, which no signal tells.
    """
    first = ill.samples.unique(["index", "seq"], keep="first", maintain_order=True)
    both = well.samples.join(first, on=("index", "seq"), how="left", suffix="_ill")
    spread = {name: max(float(well.samples[name].std()), 1e-6) for name in SIGNAL_NAMES} | {"time": 600_000}
    changes = {name: (pl.col(f"{name}_ill") - pl.col(name)).abs() / spread[name] for name in spread}
    apart = [change.clip(0, 10).fill_null(10).sum() for change in changes.values()]
    of_line = float(both.select(pl.sum_horizontal(apart)).item()) + ill.samples.height - first.height
    overtaken = ill.samples.select((pl.col("seq") < pl.col("seq").cum_max().over("index")).sum()).item()
    return (of_line + overtaken + float(np.abs(np.log(ill.strength / well.strength)).sum())) / well.samples.height


def test_the_folder_is_the_list_of_faults():
    files = {path.stem for path in Path(faults.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == set(FAULTS)
    assert {"catheter_occlusion", "motor_stall", "silent_pump"} <= files


@EVERY
def test_a_fault_tells_what_it_is_where_from_and_how_it_shows(fault):
    told = FAULTS[fault]
    assert told.name == fault
    assert told.title[0].isupper()
    assert min(map(len, (told.summary, told.origin, told.signature, told.severity))) > 20


def silent_share(fault: str, severity: float, start_ms: int) -> float:
    """For what share of six hours nothing had been heard of a pump for eight minutes, in which it is missed."""
    pumps, minutes = 10, 360
    simulation = Simulation(default(pumps=pumps, interval_s=60.0, seed=42), start_ms=start_ms)
    simulation.inject(fault, np.arange(pumps), severity=severity)
    waited_min, silent = np.zeros(pumps), 0
    for _ in range(minutes):
        heard, _ = plausible(simulation.tick())
        waited_min += 1
        waited_min[heard["index"]] = 0
        silent += int((waited_min >= 8).sum())
    return silent / (pumps * minutes)


def test_a_fault_that_counts_as_silence_of_a_gateway_says_from_which_severity_it_is_silent_half_of_the_time(start_ms):
    counted = {name: fault.silent_from for name, fault in FAULTS.items() if fault.silent_from}
    assert len(counted) >= 3
    for name, least in counted.items():
        assert 0.35 <= silent_share(name, least, start_ms) <= 0.65, name
        assert silent_share(name, 0.5 * least, start_ms) <= 0.15, name


@EVERY
def test_a_fault_of_severity_zero_changes_nothing_bit_for_bit(play, fault):
    well, ill = play(refill_at=5), play(fault, 0.0, refill_at=5)
    assert ill.samples.equals(well.samples)
    assert same_truth(ill.simulation.fleet, well.simulation.fleet, slice(None))


@EVERY
def test_a_faults_effect_grows_with_its_severity(play, fault):
    everyone = {"pumps": 20, "minutes": 60, "refill_at": 5}
    well = play(**everyone)
    effects = [disturbance(play(fault, severity, on=range(20), **everyone), well) for severity in (0.0, 0.3, 0.6, 1.0)]
    assert effects[0] == 0
    assert effects == sorted(effects)
    assert effects[3] > effects[2] > effects[1] > 0


@EVERY
def test_clearing_a_fault_restores_all_but_what_was_used_up(play, fault):
    well, ill = play(minutes=180).simulation, play(fault, 0.9, minutes=60).simulation
    assert ill.clear() == 1
    for _ in range(119):
        ill.tick()
    assert set(ill.tick()["seq"]) <= set(range(60, 181))
    for name, nominal in CONDITIONS.items():
        assert np.all(getattr(ill.fleet, name) == nominal)
    ours, theirs = ill.tick(), well.tick()
    assert ours["index"].to_list() == [0, 1, 2, 3]
    for name in set(SIGNAL_NAMES) - set(USED_UP):
        assert ours[name].to_numpy() == pytest.approx(theirs[name].to_numpy(), abs=0.11), name


@EVERY
def test_the_same_seed_gives_the_same_run_with_a_fault(play, fault):
    assert play(fault, 0.5).samples.equals(play(fault, 0.5).samples)


@EVERY
def test_a_fault_touches_only_its_pumps(play, fault):
    well, ill = play(refill_at=5), play(fault, 1.0, on=(1, 3), refill_at=5)
    others = pl.col("index").is_in([0, 2])
    assert ill.samples.filter(others).equals(well.samples.filter(others))
    assert same_truth(ill.simulation.fleet, well.simulation.fleet, [0, 2])
    assert disturbance(ill, well) > 0


@EVERY
def test_a_fault_acts_only_at_its_stage(play, fault):
    well, ill = play(), play(fault, 0.5)
    if FAULTS[fault].stage == "physics":
        fleet = well.simulation.fleet
        changed = set()
        for hour in range(48):  # some faults come and go
            touched = fleet[np.arange(4, dtype=np.uint32)]
            touched.now_s, touched.age_s = 1_767_225_600 + 1800.0 * hour, np.full(4, 3600.0, np.float32)
            FAULTS[fault].function(touched, np.full(4, 0.5, np.float32))
            changed |= {name for name in ARRAYS if not np.array_equal(getattr(touched, name), getattr(fleet, name))}
        assert changed
        assert changed <= set(CONDITIONS)
    else:
        assert same_truth(ill.simulation.fleet, well.simulation.fleet, slice(None))
    if FAULTS[fault].stage == "link":
        assert set(ill.samples.select("index", "seq").rows()) <= set(well.samples.select("index", "seq").rows())
    else:
        well_heard = well.samples.join(ill.samples, on=["index", "seq"], how="semi", maintain_order="left")
        assert well_heard.height == well.samples.height or FAULTS[fault].stage == "physics"
        counted = {"boot", "program", "time"} if FAULTS[fault].stage == "physics" else set()
        about = [name for name in SAMPLE_SCHEMA if name not in {*SIGNAL_NAMES, "flags", *counted}]
        assert ill.samples.select(about).equals(well_heard.select(about))


@EVERY
def test_a_pump_with_a_fault_says_nothing_that_the_wire_refuses_unless_it_is_corrupted_there(play, fault):
    samples = play(fault, 1.0, on=range(4), minutes=600, interval_s=300).samples.drop("index")
    refused = decode(encode_arrow(samples)).rejected if samples.height else ()
    assert bool(refused) == (fault == "link_corrupted")


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
def test_a_file_that_is_no_fault_is_told_what_it_lacks(doc, functions, complaint):
    module = ModuleType("broken", doc)
    for name in functions:
        setattr(module, name, print)
    with pytest.raises(FaultError, match=complaint):
        faults.read("broken", module)
