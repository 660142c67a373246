"""Profiles: those that come with Pumpwatch can be run, and a bad one says where and what is allowed."""

from __future__ import annotations

import pytest

from simulator.playback.notation import ScenarioError
from trials.load import profile
from trials.load.metrics import limit
from trials.load.profile import load


@pytest.mark.parametrize("name", profile.packaged())
def test_every_packaged_profile_can_be_run(name):
    found = load(name)
    assert found.title
    assert found.threshold
    assert found.seconds <= profile.MAX_TOTAL_S


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('payload = "xml"\n[[stage]]\npumps = 10', "line 1: payload is 'xml'; allowed is arrow, json, ndjson"),
        ("[[stage]]\npumps = 2000000", "line 2, [[stage]] number 1: pumps is 2000000; allowed is 1 to 1,000,000"),
        (
            '[[stage]]\npumps = 10\nhold = "soon"',
            "line 3, [[stage]] number 1: hold is 'soon'; write a duration such as",
        ),
        ("[[stage]]\npumps = 10\ncolour = 1", "line 3, [[stage]] number 1: no key 'colour'"),
        ("[[stage]]\nramp = 3", "line 1, [[stage]] number 1: it needs pumps"),
        (
            '[[stage]]\npumps = 1\n[[threshold]]\nmetric = "latency.shwon.p99"\nbelow = 1',
            "did you mean latency.shown.p99",
        ),
        ('faults = ["catheter_oclusion"]\n[[stage]]\npumps = 1', "did you mean catheter_occlusion"),
        (
            '[[stage]]\npumps = 1\n[[disturbance]]\nkind = "fire"\nat = 1',
            "kind is 'fire'; allowed is cut, pause, reconnect",
        ),
        ("title = 'nothing'", "a profile needs at least one stage"),
        ("[[stage]]\npumps = 20\n[[stage]]\npumps = 10", "stages may only grow"),
        ("sessions = true\n[[stage]]\npumps = 30000", "30,000 MQTT sessions; allowed are 20,000"),
        ('[[stage]]\npumps = 1\nhold = "20h"\n' * 3, "the stages take 60.0 h; allowed are 48 h"),
        ("[[stage]", "is not TOML"),
    ],
)
def test_a_bad_profile_names_the_line_and_what_is_allowed(tmp_path, text, said):
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(ScenarioError) as refused:
        load(str(file))
    assert said in str(refused.value)
    assert "bad.toml" in str(refused.value)


def test_a_profile_that_does_not_exist_lists_those_that_do():
    with pytest.raises(ScenarioError, match="packaged profile, which are breakpoint, capacity, city, clinic, million"):
        load("smok")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("p99=1s", ("latency.shown.p99", 1.0)),
        ("latency.alarm.p99 = 1500 ms", ("latency.alarm.p99", 1.5)),
        ("loss=0", ("loss", 0.0)),
        ("cpu=90%", ("cpu", 0.9)),
        ("memory.all=4000MB", ("memory.all", 4000.0)),
        ("p99=1 week", None),
        ("p99=-1", None),
        ("p99", None),
    ],
)
def test_a_limit_is_written_as_people_say_it(text, meant):
    assert limit(text) == meant
