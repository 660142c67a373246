"""FHIR AuditEvent of entries of the journal that people caused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from broker.interop import coding, devices
from broker.interop.coding import AUDIT, Resource, reference, resource

_TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_SIGN_IN: Final = ("signed_in", "sign_in_failed", "locked_out", "signed_out")
_SECURITY: Final = ("account_added", "account_changed", "account_removed", "key_changed", "feed_changed")
_REFUSED: Final = ("sign_in_failed", "locked_out", "denied", "forged", "refused")
_ACTIONS: Final = {"account_added": "C", "account_removed": "D", "exported": "R", "note": "C"}
MINOR_FAILURE: Final = "4"


def audit_event(row: Mapping[str, Any]) -> Resource:
    """Return an entry (`broker.store.journal.ENTRIES_SCHEMA`, with its number as `id`) as an AuditEvent."""
    kind = str(row["kind"])
    return resource(
        "AuditEvent",
        f"entry-{row['id']}",
        updated=row["at"],
        type=_type(kind),
        subtype=[coding.coding(AUDIT, kind, kind.replace("_", " "))],
        action=_ACTIONS.get(kind, "E" if kind in _SIGN_IN or kind in _REFUSED else "U"),
        recorded=coding.instant(row["at"]),
        outcome=MINOR_FAILURE if kind in _REFUSED else "0",
        outcomeDesc=coding.plain(row["text"]),
        agent=[
            {"who": {"display": coding.plain(row["who"]) or "Pumpwatch"}, "requestor": row["who"] is not None}
            | ({"network": {"address": origin}} if (origin := coding.plain(row["origin"])) else {})
        ],
        source={"observer": reference("Device", devices.PUMPWATCH, "Pumpwatch")},
        entity=_entities(row),
    )


def _type(kind: str) -> Resource:
    if kind in _SIGN_IN:
        return coding.coding(_DICOM, "110114", "User Authentication")
    if kind in _SECURITY:
        return coding.coding(_DICOM, "110113", "Security Alert")
    if kind == "exported":
        return coding.coding(_DICOM, "110106", "Export")
    return coding.coding(_TYPES, "object", "Object")


def _entities(row: Mapping[str, Any]) -> list[Resource]:
    if row["subject"] is not None and row["subject_kind"] is not None:
        return [{"what": devices.subject(row["subject_kind"], row["subject"])}]
    pumps = row["pumps"] or ([] if row["pump"] is None else [row["pump"]])
    return [{"what": devices.subject("pump", serial)} for serial in pumps]
