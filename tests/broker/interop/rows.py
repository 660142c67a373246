"""Made-up rows of snapshot, history and journal, for resources and messages."""

from __future__ import annotations

from typing import Any

from broker.contract.signals import SAMPLE_SCHEMA
from broker.store.journal import ENTRIES_SCHEMA
from broker.store.pump_table import PUMPS_SCHEMA
from broker.store.snapshot import ALARMS_SCHEMA, GATEWAYS_SCHEMA

NOON = 1_767_268_800_000


def alarm(**given: Any) -> dict[str, Any]:
    """Return an open alarm: a pump's catheter is occluded, and nobody has acknowledged it."""
    row = {
        "alarm": "ITB-000003/catheter_occlusion/1767268800000",
        "subject": "ITB-000003",
        "subject_kind": "pump",
        "pump": "ITB-000003",
        "gateway": "gate-1",
        "rule": "catheter_occlusion",
        "title": "Catheter occluded",
        "priority": 1,
        "state": "unacknowledged",
        "onset": NOON - 60_000,
        "raised": NOON,
        "raised_wall": NOON + 5_000,
        "meaning": "Pressure at the pump outlet has risen.",
        "action": "Check for a kink.",
        "deadline": "2 hours",
    }
    return {**dict.fromkeys(ALARMS_SCHEMA), **row, **given}


def pump(**given: Any) -> dict[str, Any]:
    """Return a pump of a gateway that reports."""
    row = {"pump": "ITB-000003", "gateway": "gate-1", "model": "P20", "lot": "B07", "reservoir_capacity_ml": 20.0}
    return {**dict.fromkeys(PUMPS_SCHEMA), **row, "silent": False, **given}


def gateway(**given: Any) -> dict[str, Any]:
    """Return a gateway that is online."""
    return {**dict.fromkeys(GATEWAYS_SCHEMA), "gateway": "gate-1", "state": "online", **given}


def sample(**given: Any) -> dict[str, Any]:
    """Return a sample with a flow alone."""
    return {**dict.fromkeys(SAMPLE_SCHEMA), "pump": "ITB-000003", "time": NOON, "sent": NOON, "flow_ul_h": 8.1, **given}


def entry(**given: Any) -> dict[str, Any]:
    """Return an entry of the journal: somebody acknowledged an alarm."""
    row = {"id": 7, "at": NOON, "kind": "acknowledged", "who": "anna", "origin": "10.0.0.9", "pump": "ITB-000003"}
    return {**dict.fromkeys(ENTRIES_SCHEMA), **row, **given}
