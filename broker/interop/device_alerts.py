"""DeviceAlert of FHIR R6, a preview: the resource is in ballot and may change until R6 is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from broker.interop import coding, devices
from broker.interop.coding import BASE, Resource, concept, resource

BALLOT: Final = "6.0.0-ballot4"
_HL7: Final = "http://hl7.org/fhir"
_PRESENT: Final = ("unacknowledged", "acknowledged", "shelved", "out_of_service")
"""States of ISA-18.2 in which the condition stands, if the alarm has not returned."""
_ANNUNCIATION: Final = {
    "unacknowledged": ("on", "on"),
    "returned": ("on", "latched"),
    "latched": ("on", "latched"),
    "acknowledged": ("on", "ack"),
    "shelved": ("paused", "off"),
    "out_of_service": ("off", "off"),
}
"""For each state of an alarm: whether annunciation is activated, and whether the alarm is annunciated."""
PRIORITIES: Final = {1: "high", 2: "medium", 3: "low"}


def device_alert(row: Mapping[str, Any], reference_id: str | None) -> Resource:
    """Return an open alarm as a DeviceAlert: a row of `broker.store.snapshot.ALARMS_SCHEMA`.

    `reference_id` is that of the rule's event in IEEE 11073.
    """
    activation, presence = _ANNUNCIATION[row["state"]]
    present = row["returned"] is None and row["state"] in _PRESENT
    about = devices.subject(row["subject_kind"], row["subject"])
    period = {"start": row["onset"] if row["onset"] is not None else row["raised"], "end": row["returned"]}
    priority = PRIORITIES[row["priority"]]
    return resource(
        "DeviceAlert",
        coding.alarm_id(row["alarm"]),
        identifier=[{"system": f"{BASE}/alarm", "value": row["alarm"]}],
        status="in-progress",
        type=concept(coding.coding(f"{_HL7}/devicealert-type", "technical", "Technical")),
        priority=concept(coding.coding(f"{_HL7}/devicealert-priority", priority)),
        code=coding.alarm_concept(row["rule"], row["title"], reference_id),
        subject=about,
        presence=present,
        occurrencePeriod={edge: coding.instant(at) for edge, at in period.items() if at is not None},
        device=about,
        acknowledged=row["acknowledged_wall"] is not None,
        label=coding.plain(f"{row['title']}: {row['subject']}"),
        signal=[
            {
                "activationState": concept(coding.coding(f"{_HL7}/devicealert-activationState", activation)),
                "presence": concept(coding.coding(f"{_HL7}/devicealert-presence", presence)),
            }
        ],
    )
