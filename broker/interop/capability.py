"""CapabilityStatement of the read endpoints, made of the table of what can be searched."""

from __future__ import annotations

from typing import Final

from broker.interop.coding import Resource, instant

_CHANGED: Final = "When it changed, by the wall clock."
PARAMETERS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Device": {"identifier": ("token", "Serial of a pump or name of a gateway.")},
    "DeviceMetric": {"source": ("reference", "The pump: Device/pump-….")},
    "Observation": {
        "device": ("reference", "The pump or gateway: Device/pump-…; its values need it."),
        "code": ("token", "Signal or rule, or the code of its IEEE 11073 term."),
        "category": ("token", "signal or alarm."),
        "date": (
            "date",
            "Therapy time: of values at most 2 days, of alarms 800. With it, alarms that are over too.",
        ),
        "_lastUpdated": ("date", f"{_CHANGED} With it, alarms that are over too; values need their date as well."),
    },
    "AuditEvent": {"date": ("date", "Wall-clock time."), "_lastUpdated": ("date", "The same as date.")},
    "DeviceAlert": {
        "device": ("reference", "The pump or gateway: Device/pump-…."),
        "code": ("token", "Rule, or the code of its IEEE 11073 term."),
        "date": ("date", "Therapy time: alarms that stood then, open or over."),
        "_lastUpdated": ("date", f"{_CHANGED} With it, alarms that are over too."),
    },
}
"""Search parameters of each type, with their FHIR type and meaning; `_count` and the links of a page come with all."""
PREVIEW: Final = "DeviceAlert"
"""Not of R4, so not in the statement; its route is in the API's own document."""


def statement(version: str, at: int) -> Resource:
    """Return the CapabilityStatement at `at` (wall ms); `version` is that of Pumpwatch."""
    return {
        "resourceType": "CapabilityStatement",
        "id": "pumpwatch",
        "status": "active",
        "date": instant(at),
        "kind": "instance",
        "software": {"name": "Pumpwatch", "version": version},
        "implementation": {"description": "Simulated pumps; test data alone, no patients, and no medical device."},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Read only. Unknown search parameters are ignored and named in the answer; with the "
                "header Prefer: handling=strict they are an error.",
                "resource": [
                    {
                        "type": kind,
                        "interaction": [*([{"code": "read"}] if kind != "AuditEvent" else []), {"code": "search-type"}],
                        "searchParam": [
                            {"name": name, "type": type_, "documentation": text}
                            for name, (type_, text) in parameters.items()
                        ],
                    }
                    for kind, parameters in PARAMETERS.items()
                    if kind != PREVIEW
                ],
            }
        ],
    }


def outcome(severity: str, code: str, text: str) -> Resource:
    """Return an OperationOutcome with one issue."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": severity, "code": code, "diagnostics": text}],
    }
