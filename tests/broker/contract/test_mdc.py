"""IEEE 11073 codes of signals and rules, and units in UCUM."""

from __future__ import annotations

import pytest
from ucumvert import PintUcumRegistry

from broker.contract import mdc
from broker.contract.signals import SIGNALS
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES

EVENTS = 3
METRICS = 2
PUBLISHED = {
    "MDC_DEV_PUMP_INFUS_MDS": 69985,
    "MDC_FLOW_FLUID_PUMP": 157784,
    "MDC_VOL_FLUID_TBI_REMAIN": 157872,
    "MDC_EVT_ALARM": 196616,
    "MDC_EVT_HI": 196648,
    "MDC_EVT_LO": 196670,
    "MDC_EVT_FLUID_LINE_OCCL": 196940,
    "MDC_EVT_BATT_DEPL": 197336,
    "MDC_ATTR_ALERT_SOURCE": 68480,
    "MDC_ATTR_ALERT_TYPE": 68485,
}
"""Context-free codes as messages of others carry them."""


def test_a_code_is_partition_and_element():
    for term in mdc.TERMS:
        assert term.code == term.partition * 65536 + term.element
        assert 0 < term.element < 65536
    for reference, code in PUBLISHED.items():
        assert mdc.TERM_BY_REFERENCE[reference].code == code


def test_no_code_and_no_reference_id_is_listed_twice():
    assert len({term.code for term in mdc.TERMS}) == len({term.reference for term in mdc.TERMS}) == len(mdc.TERMS)


def test_every_rule_names_an_event_that_exists_or_none():
    for rule in (*RULES, *GATEWAY_RULES, *COHORT_RULES, *SYSTEM_RULES):
        assert not rule.mdc or mdc.TERM_BY_REFERENCE[rule.mdc].partition == EVENTS, rule.name
    assert next(rule for rule in RULES if rule.name == "catheter_occlusion").mdc == "MDC_EVT_FLUID_LINE_OCCL"


def test_every_signal_names_a_metric_of_its_own_that_exists_or_none():
    named = [signal.mdc for signal in SIGNALS if signal.mdc]
    assert len(set(named)) == len(named)
    assert {mdc.TERM_BY_REFERENCE[reference].partition for reference in named} == {METRICS}


def test_every_term_says_where_its_code_is_stated():
    assert {term.source for term in mdc.TERMS} == {mdc.RTMMS, mdc.HL7, mdc.ACM}


UNITS = {
    "µL/h": "microliter / hour",
    "mL": "milliliter",
    "V": "volt",
    "mA": "milliampere",
    "mmHg": "millimeter_Hg",
    "°C": "degree_Celsius",
}


@pytest.fixture(scope="module")
def ucum() -> PintUcumRegistry:
    return PintUcumRegistry()


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_the_ucum_code_of_a_signal_means_its_unit(ucum: PintUcumRegistry, signal):
    assert str(ucum.from_ucum(signal.ucum).units) == UNITS[signal.unit]
