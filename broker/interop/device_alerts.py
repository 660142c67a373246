"""DeviceAlert of FHIR R6, a preview: the resource is in ballot and may change until R6 is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from broker.interop import coding, devices
from broker.interop.coding import BASE, Resource, concept, resource
from broker.interop.observations import changed

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
_OVER: Final = ("on", "off")
PRIORITIES: Final = {1: "high", 2: "medium", 3: "low"}


def device_alert(row: Mapping[str, Any], reference_id: str | None) -> Resource:
    """Return an open alarm as a DeviceAlert: a row of `broker.store.snapshot.ALARMS_SCHEMA`, with `changed`.

    `reference_id` is that of the rule's event in IEEE 11073.
    """
    return _alert(
        row,
        reference_id,
        status="in-progress",
        updated=changed(row),
        annunciation=_ANNUNCIATION[row["state"]],
        present=row["returned"] is None and row["state"] in _PRESENT,
        period=(row["onset"] if row["onset"] is not None else row["raised"], row["returned"]),
        acknowledged=row["acknowledged_wall"] is not None,
    )


def alert_over(row: Mapping[str, Any], reference_id: str | None) -> Resource:
    """Return an alarm that is over as a DeviceAlert; `row` is as for `observations.alarm_over`."""
    return _alert(
        row,
        reference_id,
        status="completed",
        updated=row["changed"],
        annunciation=_OVER,
        present=False,
        period=(row["onset"], row["ended"]),
        acknowledged=row["acknowledged_by"] is not None,
    )


def _alert(
    row: Mapping[str, Any],
    reference_id: str | None,
    *,
    status: str,
    updated: int | None,
    annunciation: tuple[str, str],
    present: bool,
    period: tuple[int | None, int | None],
    acknowledged: bool,
) -> Resource:
    activation, presence = annunciation
    about = devices.subject(row["subject_kind"], row["subject"])
    priority = PRIORITIES[row["priority"]]
    edges = dict(zip(("start", "end"), period, strict=True))
    return resource(
        "DeviceAlert",
        coding.alarm_id(row["alarm"]),
        updated=updated,
        identifier=[{"system": f"{BASE}/alarm", "value": row["alarm"]}],
        status=status,
        type=concept(coding.coding(f"{_HL7}/devicealert-type", "technical", "Technical")),
        priority=concept(coding.coding(f"{_HL7}/devicealert-priority", priority)),
        code=coding.alarm_concept(row["rule"], row["title"], reference_id),
        subject=about,
        presence=present,
        occurrencePeriod={edge: coding.instant(at) for edge, at in edges.items() if at is not None},
        device=about,
        acknowledged=acknowledged,
        label=coding.plain(f"{row['title']}: {row['subject']}"),
        signal=[
            {
                "activationState": concept(coding.coding(f"{_HL7}/devicealert-activationState", activation)),
                "presence": concept(coding.coding(f"{_HL7}/devicealert-presence", presence)),
            }
        ],
    )
