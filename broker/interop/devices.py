"""FHIR Device of pumps, gateways and Pumpwatch, and DeviceMetric of signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from broker.contract.signals import Signal
from broker.interop import coding
from broker.interop.coding import BASE, Resource, concept, reference, resource, term

PUMPWATCH: Final = "pumpwatch"
"""The logical id of Pumpwatch, which sends the audit trail and what is about the fleet or about itself."""
_STATUS: Final = {True: "inactive", False: "active", None: "unknown"}
_CATEGORIES: Final = {"commanded_ul_h": "setting", "motor_ul_h": "calculation", "computed_ml": "calculation"}
"""Signals that are not measured: what the program asks for, and what the pump computes."""


def pump(row: Mapping[str, Any]) -> Resource:
    """Return the Device of a pump: a row of `broker.store.pump_table.PUMPS_SCHEMA`."""
    serial = str(row["pump"])
    facts = {
        "Reservoir capacity": _amount(row.get("reservoir_capacity_ml"), "mL", "mL"),
        "Drug concentration": _amount(row.get("concentration_ug_ml"), "µg/mL", "ug/mL"),
    }
    gateway = row.get("gateway")
    return resource(
        "Device",
        coding.device_id("pump", serial),
        identifier=[{"system": f"{BASE}/pump-serial", "value": serial}],
        status=_STATUS[row.get("silent")],
        lotNumber=coding.plain(row.get("lot")),
        serialNumber=serial,
        deviceName=[{"name": serial, "type": "user-friendly-name"}],
        modelNumber=coding.plain(row.get("model")),
        type=concept(*term("MDC_DEV_PUMP_INFUS"), text="Implanted infusion pump (simulated)"),
        property=[
            {"type": {"text": name}, "valueQuantity": [amount]} for name, amount in facts.items() if amount is not None
        ],
        note=[{"text": coding.SIMULATED}],
        parent=None if gateway is None else reference("Device", coding.device_id("gateway", gateway)),
    )


def gateway(row: Mapping[str, Any]) -> Resource:
    """Return the Device of a gateway: a row of `broker.store.snapshot.GATEWAYS_SCHEMA`."""
    name = str(row["gateway"])
    return resource(
        "Device",
        coding.device_id("gateway", name),
        identifier=[{"system": f"{BASE}/gateway-name", "value": name}],
        status={"online": "active", "offline": "inactive"}.get(str(row.get("state")), "unknown"),
        deviceName=[{"name": name, "type": "user-friendly-name"}],
        type={"text": "Gateway (simulated)"},
        note=[{"text": coding.SIMULATED}],
        parent=reference("Device", PUMPWATCH),
    )


def pumpwatch(version: str) -> Resource:
    """Return the Device of Pumpwatch itself."""
    return resource(
        "Device",
        PUMPWATCH,
        identifier=[{"system": f"{BASE}/system", "value": PUMPWATCH}],
        status="active",
        deviceName=[{"name": "Pumpwatch", "type": "user-friendly-name"}],
        type={"text": "Monitoring software for simulated pumps"},
        version=[{"value": version}],
        note=[{"text": coding.SIMULATED}],
    )


def metric(serial: str, signal: Signal) -> Resource:
    """Return the DeviceMetric of one signal of a pump."""
    device = coding.device_id("pump", serial)
    return resource(
        "DeviceMetric",
        coding.metric_id(device, signal.name),
        identifier=[{"system": f"{BASE}/metric", "value": f"{serial}/{signal.name}"}],
        type=coding.signal_concept(signal),
        unit=concept(coding.coding(coding.UCUM, signal.ucum, signal.unit)),
        source=reference("Device", device, serial),
        category=_CATEGORIES.get(signal.name, "measurement"),
    )


def subject(kind: str, name: str) -> Resource:
    """Return a reference to the Device that an alarm or entry is about: a pump, a gateway, else Pumpwatch."""
    if kind in ("pump", "gateway"):
        return reference("Device", coding.device_id(kind, name), name)
    return reference("Device", PUMPWATCH, name)


def _amount(value: float | None, unit: str, code: str) -> Resource | None:
    return None if value is None else {"value": round(value, 4), "unit": unit, "system": coding.UCUM, "code": code}
