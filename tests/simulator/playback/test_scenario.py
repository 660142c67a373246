"""Scenario files: what they mean, and the line, key, value and range that an error names."""

from __future__ import annotations

import dataclasses

import pytest

from simulator.faults import FAULTS
from simulator.playback.notation import ScenarioError, parse_duration, parse_pumps
from simulator.playback.scenario import Scenario, default, load, selected_pumps
from simulator.playback.scenario_format import EventTable, FaultTable, RandomTable, ScenarioTable
from simulator.playback.simulation import Simulation


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2d 03:00", 183_600),
        ("2h", 7200),
        ("90s", 90),
        ("40m", 2400),
        ("4h30m", 16_200),
        ("1d 2h 3m 4s", 93_784),
        ("1.5h", 5400),
        ("03:00", 10_800),
        ("00:01:30", 90),
        ("90", 90),
        (90, 90),
        (0.5, 0.5),
        ("0", 0),
    ],
)
def test_a_duration_is_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "2x", "-3h", "3h 4h", "2h 03:75", "h", True, float("nan"), float("inf"), -1]
)
def test_an_invalid_duration_is_refused_with_examples_of_valid_ones(text):
    with pytest.raises(ScenarioError, match="is not a duration such as"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "pumps"),
    [
        ("3", [3]),
        ("3,7-9", [3, 7, 8, 9]),
        ("ITB-000003", [3]),
        ("9, 7-8, 8", [7, 8, 9]),
        ("ITB-000001-ITB-000003", [1, 2, 3]),
    ],
)
def test_pumps_are_selected_by_index_and_serial(text, pumps):
    assert parse_pumps(text, 10).tolist() == pumps


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "write indices and serials"),
        ("3,,4", "write indices and serials"),
        ("x", "'x' is invalid"),
        ("10", "pumps '10' are not in the fleet, whose pumps are 0 to 9"),
        ("5-3", "pumps '5-3' are not in the fleet"),
    ],
)
def test_an_invalid_selection_of_pumps_is_refused(text, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        parse_pumps(text, 10)


GOOD = """
pumps = 20
days = 14
interval = "2m"
seed = 7
[[fault]]
name = "motor_stall"
pumps = "0-2"
at = "2d 03:00"
ramp = "2h"
hold = "12h"
severity = 0.8
[[fault]]
name = "silent_pump"
fraction = 0.25
at = 60
"""


def test_a_scenario_file_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    scenario = load(str(path))
    assert (scenario.pumps, scenario.days, scenario.interval_s, scenario.seed) == (20, 14, 120, 7)
    stall, silent = scenario.faults
    assert (stall.name, stall.at_s, stall.ramp_s, stall.hold_s, stall.severity) == (
        "motor_stall",
        183_600,
        7200,
        43_200,
        (0.8,),
    )
    assert (silent.ramp_s, silent.hold_s, silent.severity) == (0, None, (1,))
    assert selected_pumps(scenario, 0).tolist() == [0, 1, 2]
    assert len(selected_pumps(scenario, 1)) == 5
    assert selected_pumps(scenario, 1).tolist() == selected_pumps(scenario, 1).tolist()


def test_built_in_scenarios_are_found_by_name():
    assert load("quiet-week").faults == ()
    assert [fault.name for fault in load("demo").faults][:2] == ["catheter_occlusion", "motor_stall"]


def test_an_empty_file_is_the_default_scenario(tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert load(str(path)) == Scenario() == default()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("pumps = 3\nseed = x", "is not TOML: .*line 2"),
        ("pumps = 0", "pumps is 0; allowed is 1 to 10,000,000"),
        ("pumps = 1.5", "pumps is 1.5; it is a whole number"),
        ("pumps = true", "pumps is True"),
        ("seed = -1", "seed is -1"),
        ("days = 0", "days is 0"),
        ('interval = "0s"', "interval is '0s'; allowed is 1 to 86,400 seconds"),
        ('interval = "fast"', "interval is 'fast'; write a duration such as"),
        ('"my.fault[0]" = 3', r"line 1: no key 'my.fault\[0\]' \(did you mean fault\?\); the keys are pumps"),
        (GOOD + '"a.b" = 3', r"line 17, \[\[fault\]\] number 2: no key 'a.b'; the keys are name, pumps"),
        (
            GOOD.replace("0.8", "99999999999999999999"),
            "line 12, .*: severity is 99999999999999999999; allowed is 0 to 1",
        ),
        (GOOD.replace('"0-2"', "99999999999999999999"), "line 8, .*: pumps is '99999999999999999999'"),
        ("pump = 3", r"no key 'pump' \(did you mean pumps\?\); the keys are pumps, days"),
        ('[[event]]\nname = "refill"', r"mine.toml, line 1, \[\[event\]\] number 1: it needs a name and the time"),
        ('\n[[event]]\nname="party"\nat=0\npumps="1"', r"line 3, .* no event 'party'; the events are refill, program"),
        ('[[event]]\nname="program"\nat=0\npumps="1"\nchange=3', "change is 3; allowed is 0.85 to 1.15"),
        ('[[event]]\nname="bolus"\nat=0\npumps="1"\ndose_ug=300', "dose_ug is 300; allowed is 0 to 100"),
        (
            'seed = 3\nstart = "soon"',
            "line 2: start is 'soon'; write a time with its zone such as 2026-01-05T00:00:00Z",
        ),
        ("pumps = 3\nrandom = 7", r"line 2: random is 7; write it as a table of its own, \[random\]"),
        ("\n[random]\nrate_factor = -1", r"line 3: rate_factor is -1; allowed is 0 to 1,000,000"),
        ("seed = 4\n\ndays = 0", "mine.toml, line 3: days is 0"),
        ("fault = 3", r"fault is 3; write each as a table of its own, \[\[fault\]\]"),
        (GOOD + "[[fault]]\nname='x'", r"mine.toml, line 17, \[\[fault\]\] number 3: it needs a name and the time"),
        (
            GOOD.replace("silent_pump", "silent"),
            r"mine.toml, line 14, \[\[fault\]\] number 2: no fault 'silent' \(did you mean silent_pump",
        ),
        (GOOD.replace("0-2", "0-20"), r"line 8, \[\[fault\]\] number 1: pumps '0-20' are not in the fleet"),
        (GOOD.replace("0.25", "2"), r"\[\[fault\]\] number 2: fraction is 2; allowed is 0 to 1"),
        (GOOD.replace("0.8", "'much'"), r"line 12, \[\[fault\]\] number 1: severity is 'much'; allowed is 0 to 1"),
        (GOOD.replace("fraction = 0.25", ""), r"number 2: it needs either pumps = .* or fraction"),
        (GOOD.replace("seed = 7", "seed = 7\nspeed = 2"), "line 6: no key 'speed'"),
        ("fault = [1]", r"fault is \[1\]; write each as a table of its own, \[\[fault\]\]"),
        (GOOD.replace('"motor_stall"', "[3]"), r"line 7, \[\[fault\]\] number 1: name is \[3\]; write a name such as"),
        (GOOD.replace('"0-2"', "[0, 2]"), r"line 8, .*: pumps is \[0, 2\]; write indices and serials such as"),
        (GOOD.replace("0.8", "[0.2, 1.5]"), r"line 12, .*: severity is 1.5; allowed is 0 to 1"),
        (GOOD.replace("0.8", "[]"), r"line 12, .*: severity is \[\]; allowed is 0 to 1"),
        (GOOD.replace('"12h"', '"40000d"'), "line 11, .*: hold is '40000d'; allowed is 0 to 3,153,600,000 seconds"),
        (GOOD + "until = 3", r"line 17, \[\[fault\]\] number 2: no key 'until'"),
        (GOOD + 'apart = "6m"', r'line 17, \[\[fault\]\] number 2: apart is only for name = "other"'),
        (GOOD.replace("silent_pump", "other"), r'line 14, .*: name = "other" needs pumps'),
        (GOOD.replace("motor_stall", "other"), rf"line 8, .*: pumps selects 3; at least {len(FAULTS) - 1} are needed"),
        (GOOD.replace('"2h"', "[2]"), r"number 1: ramp is \[2\]; write a duration such as"),
    ],
)
def test_an_invalid_scenario_is_refused_with_its_file_line_value_and_range(tmp_path, text, complaint):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=complaint) as error:
        load(str(path))
    assert str(path) in str(error.value)


KEYS = [
    ("", ScenarioTable),
    ("[random]", RandomTable),
    ('[[fault]]\nname = "motor_stall"\nat = 0\npumps = "1"', FaultTable),
    ('[[event]]\nname = "refill"\nat = 0\npumps = "1"', EventTable),
]


@pytest.mark.parametrize(("table", "key"), [(table, key) for table, fields in KEYS for key in fields.__struct_fields__])
def test_every_key_of_every_table_refuses_a_value_of_a_wrong_type_with_what_is_allowed(tmp_path, table, key):
    path = tmp_path / "mine.toml"
    lines = [line for line in table.splitlines() if not line.startswith(f"{key} =")]
    path.write_text("\n".join([*lines, f"{key} = 07:30:00"]))
    with pytest.raises(ScenarioError, match=rf"line {len(lines) + 1}.*: {key} is '07:30:00'; (write|allowed|it is) "):
        load(str(path))


@pytest.mark.parametrize("name", ["nowhere", "", "nowhere.toml", "../scenario", "x\0y"])
def test_an_unknown_scenario_is_refused_with_the_built_in_ones(name):
    with pytest.raises(
        ScenarioError, match=r"no scenario .* a built-in scenario, which are bars, broker-outage, clinic-refill-day"
    ):
        load(name)


def test_a_fleet_that_is_smaller_than_the_scenario_needs_is_refused(start_ms):
    with pytest.raises(ScenarioError, match="pumps '123' are not in the fleet, whose pumps are 0 to 9"):
        Simulation(dataclasses.replace(load("demo"), pumps=10), start_ms=start_ms)


@pytest.mark.parametrize(("fraction", "count"), [(0.1, 3), (0.001, 1), (0, 0), (1, 30)])
def test_a_fraction_selects_its_share_of_pumps_rounded_up(tmp_path, fraction, count):
    path = tmp_path / "mine.toml"
    path.write_text(f'pumps = 30\n[[fault]]\nname = "silent_pump"\nat = 0\nfraction = {fraction}')
    assert Simulation(load(str(path)), start_ms=0).tick().height == 30 - count


def test_a_fault_may_affect_a_lot_or_a_fraction_of_it(tmp_path):
    path = tmp_path / "lot.toml"
    table = '[[fault]]\nname = "over_infusion"\nlot = "B07"\nat = "1h"\n'
    path.write_text(f"pumps = 400\nseed = 3\n{table}{table}fraction = 0.5\n")
    scenario = load(str(path))
    whole, half = selected_pumps(scenario, 0), selected_pumps(scenario, 1)
    pumps = Simulation(scenario, start_ms=0).describe()
    assert whole.tolist() == [pump for pump, lot in enumerate(pumps.lot) if lot == "B07"]
    assert set(half) < set(whole)
    assert len(half) == pytest.approx(len(whole) / 2, abs=0.5)
    path.write_text(table.replace("B07", "B7"))
    with pytest.raises(ScenarioError, match=r"line 3.*no lot 'B7' .did you mean B07"):
        load(str(path))


def test_a_lot_has_one_revision_of_hardware_and_its_pumps_are_the_same_in_a_larger_fleet():
    few, many = (Simulation(default(pumps=pumps, seed=4), start_ms=0).describe() for pumps in (60, 300))
    assert few.lot == many.lot[:60]
    assert all(model.endswith(lot[0]) for model, lot in zip(many.model, many.lot, strict=True))
    assert len(set(many.lot)) == 20


def test_other_is_each_fault_that_the_scenario_does_not_name_on_pumps_of_its_own_one_after_the_other(tmp_path):
    named = sorted(FAULTS)[2:]
    rows = [f'[[fault]]\nname = "{name}"\nat = 0\npumps = "0"' for name in named]
    other = '[[fault]]\nname = "other"\nat = "1h"\napart = "6m"\npumps = "3-8"\nseverity = [0.2, 0.8]'
    path = tmp_path / "mine.toml"
    path.write_text("\n".join([other, *rows]))

    scenario = load(str(path))

    assert [fault.name for fault in scenario.faults] == sorted(FAULTS)[:2] + named
    assert [fault.at_s for fault in scenario.faults[:2]] == [3600.0, 3960.0]
    assert [selected_pumps(scenario, place).tolist() for place in (0, 1)] == [[3, 4], [5, 6]]
    assert {fault.severity for fault in scenario.faults[:2]} == {(0.2, 0.8)}
