"""Rates of arrival: a real fleet starts at once and catches up, and what is made up in masses is refused."""

from __future__ import annotations

import time

import numpy as np
import pytest

from broker.contract.gateway_messages import Birth, Pumps
from broker.store.snapshot import CapacityLimit
from processor.intake.gateways import Gateways
from processor.intake.rates import Admission, Budget, GatewayRates, OverRateError, RateLimits, RefusedBirths
from processor.intake.registry import Registry
from tests.processor.notation import START_MS

FEW = RateLimits(gateway_messages=2, gateway_births=3, new_gateways=2, new_pumps=4)


@pytest.fixture
def limited(watch):
    """A processor with very low limits, ten minutes after its start."""
    watch.pipeline.limit_rates(FEW)
    watch.take([])
    watch.wait_s(660)
    watch.take([])
    return watch


def sample(watch, pump: str, number: int = 0) -> str:
    return f'{{"pump":"{pump}","time":{watch.now},"seq":{number}}}'


def birth(name: str, *serials: str) -> Birth:
    return Birth(gateway=name, pumps=Pumps(serial=list(serials)), sent=START_MS, time=START_MS)


def test_made_up_gateways_beyond_the_limit_are_refused_until_time_has_passed(limited):
    found = limited.take([limited.message(sample(limited, f"P{n}"), gateway=f"g{n}") for n in range(20)])
    assert found["pump"].to_list() == ["P0", "P1"]
    assert limited.reasons[-1] == (
        "gateway g19 rejected: more than 2 new gateways within a minute; if they are yours, raise --new-gateways"
    )
    assert limited.pipeline.registry.gateways.budget.exceeded == 18
    limited.wait_s(30)
    assert limited.deliver(sample(limited, "P3"), gateway="g3").height == 1


def test_made_up_pumps_beyond_the_limit_are_refused_and_those_that_are_known_go_on(limited):
    limited.birth(speed=1.0)
    assert limited.take([limited.message(sample(limited, f"P{n}"), gateway="mine") for n in range(20)]).height == 4
    assert "too many new pumps within a minute; if they are yours, raise --new-pumps" in limited.reasons[-1]
    assert limited.deliver(sample(limited, "P0", 1), gateway="mine").height == 1


def test_a_birth_with_more_new_pumps_than_may_appear_is_refused_as_a_whole(limited):
    limited.birth(*"ABCDE")
    [reason] = limited.reasons
    assert reason.startswith("the birth of ward names 5 new pumps, more than may appear now (4 a minute)")
    assert limited.snapshot().pumps.height == 0


def test_a_gateway_known_for_a_minute_may_name_ten_times_as_many(limited):
    limited.birth("A")
    limited.wait_s(61)
    limited.birth("A", *(f"N{n}" for n in range(40)))
    assert limited.snapshot().pumps.height == 41


def test_messages_of_a_gateway_beyond_its_burst_are_refused_and_those_of_others_are_not(limited, monkeypatch):
    limited.birth("A", speed=1.0)
    limited.birth("B", gateway="other", speed=1.0)
    monkeypatch.setattr("processor.intake.rates.CATCH_UP_S", 5)
    limited.pipeline.inbox.rates = GatewayRates(FEW)
    flood = [limited.message(sample(limited, "A", n)) for n in range(50)]
    flood.insert(40, limited.message(sample(limited, "B"), gateway="other"))
    accepted = limited.take(flood)["pump"].to_list()
    assert (accepted.count("A"), accepted.count("B")) == (10, 1)
    assert limited.reasons[-1].startswith("40 messages beyond the limit of 2 a second")
    assert limited.pipeline.quarantine.count == 40
    limited.wait_s(1)
    assert limited.take([limited.message(sample(limited, "A", 50 + n)) for n in range(9)]).height == 2


def test_commands_of_people_do_not_use_up_what_a_gateway_may_send(limited, monkeypatch):
    monkeypatch.setattr("processor.intake.rates.CATCH_UP_S", 1)
    limited.birth("A", speed=1.0)
    limited.pipeline.inbox.rates = GatewayRates(FEW)
    limited.take([limited.message(b"{}", "command")] * 50)
    assert limited.deliver(sample(limited, "A")).height == 1


def test_births_of_a_gateway_beyond_its_limit_are_refused(limited):
    for _ in range(5):
        limited.birth("A")
    assert limited.reasons == ["more than 3 births of ward within a minute; if they are right, raise --gateway-births"]
    assert limited.pipeline.inbox.rates.births_refused == 1


def test_a_million_pumps_on_a_thousand_gateways_start_at_once_with_the_usual_limits():
    registry = Registry()
    registry.limit(Admission.of(RateLimits()))
    registry.admission.refill(START_MS)
    for number in range(1000):
        registry.admission.admit_birth(f"g{number}", number, 1000, START_MS)
        assert registry.admission.gateways.take()
    with pytest.raises(OverRateError):
        registry.admission.admit_birth("g", 1000, 1, START_MS)


def test_what_a_start_may_bring_is_over_after_ten_minutes():
    budget = Budget(10.0, 10)
    budget.refill(START_MS)
    assert budget.take(60)
    budget.refill(START_MS + 599_000)
    assert budget.left == 40
    budget.refill(START_MS + 600_000)
    assert budget.left == 10
    assert budget.used == 0


def test_a_clock_that_is_set_back_neither_adds_nor_takes_budget():
    budget = Budget(10.0)
    budget.refill(START_MS)
    budget.take(10)
    budget.refill(START_MS - 3_600_000)
    assert budget.left == 0
    budget.refill(START_MS - 3_600_000 + 6_000)
    assert budget.left == pytest.approx(1)


def test_the_limits_are_shown_with_how_often_they_were_exceeded(limited):
    from processor.service.capacity import rates

    limited.take([limited.message(sample(limited, f"P{n}"), gateway=f"g{n}") for n in range(20)])
    shown = {limit.name: limit for limit in rates(limited.pipeline)}
    assert shown["new gateways within a minute"] == CapacityLimit(
        "new gateways within a minute", 2.0, 2.0, "gateways", 18, None, "rate exceeded"
    )
    assert len(shown) == 4


def test_counting_a_batch_costs_little():
    names = [f"g{n:04d}" for n in range(1000)]
    gateways = Gateways()
    for name in names:
        gateways.named(name, 0)
    rates, topics = GatewayRates(RateLimits()), [f"itb/00/{name}/telemetry" for name in names]

    def number_of(topic: str) -> int | None:
        gateway = gateways.find(topic.split("/")[2])
        return None if gateway is None else gateway.number

    took = []
    for turn in range(30):
        began = time.perf_counter()
        assert not rates.excess(topics, START_MS + turn, number_of=number_of, gateways=1000).size
        took.append(time.perf_counter() - began)
    assert np.median(took) < 0.005


def test_a_birth_that_was_refused_for_its_rate_is_asked_for_again_a_minute_later_and_then_admitted(limited):
    asked = limited.pipeline.inbox.refused_births
    limited.birth(*"ABCDE")
    assert limited.snapshot().pumps.height == 0
    assert asked.due(limited.now) == []
    limited.wait_s(61)
    (topic,) = asked.due(limited.now)
    assert topic.endswith("/ward/birth")
    assert asked.due(limited.now) == []
    # The broker sends what is retained; the gateway is known for a minute by now, and may name more pumps.
    limited.birth(*"ABCDE")
    assert limited.snapshot().pumps.height == 5


def test_of_many_refused_births_some_are_asked_for_at_a_time_and_other_refusals_are_not(monkeypatch):
    refused = RefusedBirths()
    for number in range(120):
        refused.note(f"itb/00/g{number}/birth", OverRateError("too many"), START_MS)
    refused.note("itb/00/a/birth", ValueError("no JSON"), START_MS)
    refused.note("itb/00/a/telemetry", OverRateError("too many"), START_MS)
    assert [len(refused.due(START_MS + 60_000)) for _ in range(4)] == [50, 50, 20, 0]
    monkeypatch.setattr("processor.intake.rates.MAX_REFUSED_BIRTHS", 3)
    for number in range(9):
        refused.note(f"itb/00/g{number}/birth", OverRateError("too many"), START_MS)
    assert len(refused.due(START_MS + 60_000)) == 3
