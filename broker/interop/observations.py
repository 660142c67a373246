"""FHIR Observation of samples and of alarms. Their subject is the pump: there are no patients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from broker.contract.signals import SIGNALS, Signal
from broker.interop import coding, devices
from broker.interop.coding import BASE, STATES, Resource, concept, reference, resource, term

PRIORITIES: Final = {1: ("PH", "high"), 2: ("PM", "medium"), 3: ("PL", "low")}
"""Priority of an alarm in the snapshot, with its code in IHE PCD ACM and its name."""
CHANGES: Final = ("changed", "raised_wall", "acknowledged_wall", "shelved_wall", "out_wall", "note_wall")
"""When an alarm changed (wall ms): by the journal, and by the snapshot."""
SIGNAL: Final = concept(coding.coding(f"{BASE}/CodeSystem/observation-category", "signal", "Signal of a pump"))
ALARM: Final = concept(coding.coding(f"{BASE}/CodeSystem/observation-category", "alarm", "Alarm"))


def sample(row: Mapping[str, Any], signals: tuple[Signal, ...] = SIGNALS) -> Iterator[Resource]:
    """Yield one Observation per known signal of a sample (`broker.contract.signals.SAMPLE_SCHEMA`).

    A signal that is missing from the sample has none: unknown is not zero.
    """
    for signal in signals:
        value = row.get(signal.name)
        if value is None or not math.isfinite(value):
            continue
        device = coding.device_id("pump", str(row["pump"]))
        metric = coding.metric_id(device, signal.name)
        yield resource(
            "Observation",
            f"{metric}.{row['time']}",
            updated=row.get("sent"),
            status="final",
            category=[SIGNAL],
            code=coding.signal_concept(signal),
            subject=reference("Device", device, str(row["pump"])),
            effectiveDateTime=coding.instant(row["time"]),
            issued=None if row.get("sent") is None else coding.instant(row["sent"]),
            valueQuantity=coding.quantity(value, signal),
            device=reference("DeviceMetric", metric),
        )


def alarm(row: Mapping[str, Any], reference_id: str | None) -> Resource:
    """Return the Observation of an open alarm: a row of `broker.store.snapshot.ALARMS_SCHEMA`.

    `reference_id` is that of the rule's event in IEEE 11073, `changed` in the row when the journal last had an entry of
    the alarm. The alarm is preliminary while it stands, and its value is
    its state of ISA-18.2.
    """
    code, name = PRIORITIES[row["priority"]]
    texts = {"Meaning": row["meaning"], "Recommended action": row["action"], "Note": row["note"]}
    notes = [f"{name}: {shown}" for name, text in texts.items() if (shown := coding.plain(text))] + [coding.SIMULATED]
    period = {"start": row["onset"] if row["onset"] is not None else row["raised"], "end": row["returned"]}
    return resource(
        "Observation",
        coding.alarm_id(row["alarm"]),
        updated=changed(row),
        identifier=[{"system": f"{BASE}/alarm", "value": row["alarm"]}],
        status="preliminary" if row["returned"] is None else "final",
        category=[ALARM],
        code=coding.alarm_concept(row["rule"], row["title"], reference_id),
        subject=devices.subject(row["subject_kind"], row["subject"]),
        effectivePeriod={edge: coding.instant(at) for edge, at in period.items() if at is not None},
        issued=None if row["raised_wall"] is None else coding.instant(row["raised_wall"]),
        valueCodeableConcept=concept(coding.coding(STATES, row["state"]), text=row["state"].replace("_", " ")),
        note=[{"text": note} for note in notes],
        component=[
            _priority(code, name),
            *_text("Time to respond", row["deadline"]),
            *_text("Acknowledged by", row["acknowledged_by"]),
        ],
    )


def alarm_over(row: Mapping[str, Any], reference_id: str | None) -> Resource:
    """Return the Observation of an alarm that is over, from the journal: final, and its value is "normal".

    `row` has `alarm`, `rule`, `title`, `priority`, `subject`, `subject_kind`, `onset` and `ended` (therapy ms),
    `raised` and `changed` (wall ms) and `acknowledged_by`.
    """
    code, name = PRIORITIES[row["priority"]]
    return resource(
        "Observation",
        coding.alarm_id(row["alarm"]),
        updated=row["changed"],
        identifier=[{"system": f"{BASE}/alarm", "value": row["alarm"]}],
        status="final",
        category=[ALARM],
        code=coding.alarm_concept(row["rule"], row["title"], reference_id),
        subject=devices.subject(row["subject_kind"], row["subject"]),
        effectivePeriod={"start": coding.instant(row["onset"]), "end": coding.instant(row["ended"])},
        issued=coding.instant(row["raised"]),
        valueCodeableConcept=concept(coding.coding(STATES, "normal"), text="normal"),
        note=[{"text": coding.SIMULATED}],
        component=[_priority(code, name), *_text("Acknowledged by", row["acknowledged_by"])],
    )


def changed(row: Mapping[str, Any]) -> int | None:
    """Return when an open alarm changed last (wall ms): its latest entry in the journal, or what the snapshot knows."""
    return max((at for name in CHANGES if (at := row.get(name)) is not None), default=None)


def _priority(code: str, name: str) -> Resource:
    shown = concept(coding.coding(f"{BASE}/CodeSystem/alarm-priority", code, name))
    return {"code": concept(*term("MDC_ATTR_ALARM_PRIORITY"), text="Priority"), "valueCodeableConcept": shown}


def _text(name: str, value: str | None) -> list[Resource]:
    shown = coding.plain(value)
    return [] if shown is None else [{"code": {"text": name}, "valueString": shown}]
