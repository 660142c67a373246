"""An alarm as the text of IHE PCD-04 (Report Alert): HL7 version 2.6, ORU^R40^ORU_R40.

The message leans on the profile Alert Communication Management (ACM); it is no claim of conformance. It has no PID and
no PV1: there is no patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from broker.contract import mdc
from broker.interop import hl7
from broker.interop.observations import PRIORITIES

PROFILE: Final = ("IHE_PCD_ACM_001", "IHE PCD", "1.3.6.1.4.1.19376.1.6.1.4.1", "ISO")
APPLICATION: Final = "PUMPWATCH"
TRAINING: Final = "T"
"""Processing id (HL7 table 0103) of what is neither production nor debugging."""
OUR_CODES: Final = "99PUMPWATCH"
"""Our own coding system (HL7 table 0396: local codes begin with 99)."""
TECHNICAL: Final = "ST"
PHASES: Final = {"returned": "end", "unacknowledged": "start"}
"""Phase of an alarm by its state; it continues in any other."""
INACTIVATION: Final = {"acknowledged": "alert-acknowledged", "shelved": "alarm-paused", "out_of_service": "alarm-off"}
"""Inactivation state by the state of the alarm; it is enabled in any other."""


def message(row: Mapping[str, Any], reference_id: str | None, *, at: int, number: str) -> str:
    """Return the message about an open alarm: a row of `broker.store.snapshot.ALARMS_SCHEMA`.

    `reference_id` is that of the rule's event in IEEE 11073, `at` wall ms of sending, and `number` identifies the
    message. Segments end with a carriage return, as HL7 demands.
    """
    segments = (_header(at, number), _request(row), *_observations(row, reference_id))
    return "".join(text + hl7.SEGMENT for text in segments)


def _header(at: int, number: str) -> str:
    fields = {
        2: f"{hl7.COMPONENT}{hl7.REPETITION}{hl7.ESCAPE}{hl7.SUBCOMPONENT}",
        3: APPLICATION,
        4: "SIMULATED",
        7: hl7.timestamp(at),
        9: hl7.components("ORU", "R40", "ORU_R40"),
        10: hl7.escaped(number),
        11: TRAINING,
        12: "2.6",
        15: "AL",
        16: "NE",
        18: "UNICODE UTF-8",
        21: hl7.components(*PROFILE),
    }
    return hl7.segment("MSH", fields)


def _request(row: Mapping[str, Any]) -> str:
    phase = _phase(row)
    order = hl7.components(f"{row['alarm']}/{phase}", APPLICATION)
    parent = hl7.escaped(f"{row['alarm']}/start") + hl7.SUBCOMPONENT + APPLICATION
    fields = {1: "1", 3: order, 4: _coded(mdc.ALARM), 7: hl7.timestamp(row["raised_wall"] or 0)}
    # An alarm that goes on or ends names the message of its start as its parent.
    return hl7.segment("OBR", fields if phase == "start" else {**fields, 29: hl7.COMPONENT + parent})


def _observations(row: Mapping[str, Any], reference_id: str | None) -> list[str]:
    event = mdc.TERM_BY_REFERENCE.get(reference_id or "", mdc.ALARM)
    priority = PRIORITIES[row["priority"]][0]
    named = hl7.components(
        str(event.code), event.reference, mdc.NAME, row["rule"], row["title"], OUR_CODES, "", "", row["title"]
    )
    source = _coded(mdc.TERM_BY_REFERENCE["MDC_DEV_PUMP_INFUS_VMD"]) if row["subject_kind"] == "pump" else APPLICATION
    facets = (
        ("CWE", "MDC_EVT_ALARM", named),
        ("CWE", "MDC_ATTR_ALERT_SOURCE", source),
        ("ST", "MDC_ATTR_EVENT_PHASE", _phase(row)),
        ("ST", "MDC_ATTR_ALARM_STATE", _alarm_state(row)),
        ("ST", "MDC_ATTR_ALARM_INACTIVATION_STATE", INACTIVATION.get(row["state"], "enabled")),
        ("ST", "MDC_ATTR_ALARM_PRIORITY", priority),
        ("ST", "MDC_ATTR_ALERT_TYPE", TECHNICAL),
    )
    raised = hl7.timestamp(row["raised_wall"] or 0)
    first = {8: f"{priority}{hl7.REPETITION}{TECHNICAL}", 18: hl7.components(row["subject"], APPLICATION)}
    return [
        hl7.segment(
            "OBX",
            {
                1: str(number),
                2: kind,
                3: _coded(mdc.TERM_BY_REFERENCE[reference]),
                4: f"1.1.0.0.{number}",
                5: value,
                11: "F",
                14: raised,
                **(first if number == 1 else {}),
            },
        )
        for number, (kind, reference, value) in enumerate(facets, start=1)
    ]


def _coded(term: mdc.Term) -> str:
    return hl7.components(str(term.code), term.reference, mdc.NAME)


def _phase(row: Mapping[str, Any]) -> str:
    return PHASES.get(row["state"], "continue" if row["returned"] is None else "end")


def _alarm_state(row: Mapping[str, Any]) -> str:
    if row["state"] == "latched":
        return "latched"
    return "active" if row["returned"] is None else "inactive"
