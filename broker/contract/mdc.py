"""IEEE 11073 codes (MDC) of signals, alarms, devices and attributes of alarms.

A term is a number within a partition of the nomenclature ISO/IEEE 11073-10101; messages carry the context-free code
`partition * 65536 + element`. Only terms that a public source states are in the table; where the nomenclature has none
for something of ours, nothing is invented and our own name stands alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SYSTEM: Final = "urn:iso:std:iso:11073:10101"
"""The code system in FHIR; in HL7 version 2 its name is MDC."""
NAME: Final = "MDC"
PARTITION: Final = 65_536
RTMMS: Final = "NIST RTMMS export (2019), status approved"
HL7: Final = "HL7 value set devicealert-condition, R6 ballot"
ACM: Final = "IHE PCD ACM sample messages"


@dataclass(frozen=True)
class Term:
    """One term: its reference id, what it means, partition and element, and where the code is stated."""

    reference: str
    meaning: str
    partition: int
    element: int
    source: str

    @property
    def code(self) -> int:
        """Return the context-free 32-bit code."""
        return self.partition * PARTITION + self.element


TERMS: Final = (
    Term("MDC_DEV_PUMP_INFUS", "infusion pump", 1, 4448, RTMMS),
    Term("MDC_DEV_PUMP_INFUS_MDS", "infusion pump as a medical device system", 1, 4449, RTMMS),
    Term("MDC_DEV_PUMP_INFUS_VMD", "infusion pump as a virtual medical device", 1, 4450, RTMMS),
    Term("MDC_ATTR_ALERT_SOURCE", "source of an alert", 1, 2944, ACM),
    Term("MDC_ATTR_EVENT_PHASE", "phase of an alert", 1, 2945, ACM),
    Term("MDC_ATTR_ALARM_STATE", "state of an alert", 1, 2946, ACM),
    Term("MDC_ATTR_ALARM_INACTIVATION_STATE", "inactivation state of an alert", 1, 2947, ACM),
    Term("MDC_ATTR_ALARM_PRIORITY", "priority of an alert", 1, 2948, ACM),
    Term("MDC_ATTR_ALERT_TYPE", "type of an alert", 1, 2949, ACM),
    Term("MDC_FLOW_FLUID_PUMP", "fluid delivery rate", 2, 26712, RTMMS),
    Term("MDC_VOL_FLUID_TBI_REMAIN", "volume remaining to be infused", 2, 26800, RTMMS),
    Term("MDC_EVT_ALARM", "alarm, not otherwise specified", 3, 8, HL7),
    Term("MDC_EVT_DISCONN", "disconnected", 3, 22, HL7),
    Term("MDC_EVT_EMPTY", "empty", 3, 26, RTMMS),
    Term("MDC_EVT_ERRATIC", "erratic", 3, 32, HL7),
    Term("MDC_EVT_HI", "high", 3, 40, HL7),
    Term("MDC_EVT_LO", "low", 3, 62, HL7),
    Term("MDC_EVT_MALF", "malfunction", 3, 70, RTMMS),
    Term("MDC_EVT_FLUID_LINE_OCCL", "fluid line occluded", 3, 332, RTMMS),
    Term("MDC_EVT_FLOW_LO", "low flow", 3, 342, RTMMS),
    Term("MDC_EVT_COMM_STATUS_CHANGE", "communication status changed", 3, 686, RTMMS),
    Term("MDC_EVT_BATT_DEPL", "battery depleted", 3, 728, RTMMS),
    Term("MDC_EVT_BATT_SERV", "service battery", 3, 730, RTMMS),
)
TERM_BY_REFERENCE: Final = {term.reference: term for term in TERMS}
ALARM: Final = TERM_BY_REFERENCE["MDC_EVT_ALARM"]
"""The event of an alarm whose cause has no term of its own."""
