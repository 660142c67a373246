"""Building blocks of FHIR resources: code systems, ids, times, references, and the mark of simulated data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from broker.contract import mdc
from broker.contract.signals import Signal

Resource = dict[str, Any]
BASE: Final = "http://pumpwatch.example/fhir"
"""Base of our own identifiers; `.example` belongs to nobody (RFC 2606)."""
RULES: Final = f"{BASE}/CodeSystem/alarm-rule"
SIGNALS: Final = f"{BASE}/CodeSystem/signal"
STATES: Final = f"{BASE}/CodeSystem/alarm-state"
AUDIT: Final = f"{BASE}/CodeSystem/audit-kind"
UCUM: Final = "http://unitsofmeasure.org"
SIMULATED: Final = "Simulated; not a medical device, and no patient's data."
_META: Final = {
    "security": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
            "code": "HTEST",
            "display": "test health data",
        }
    ],
    "tag": [{"system": f"{BASE}/CodeSystem/origin", "code": "simulated", "display": SIMULATED}],
}
_SAFE: Final = re.compile(r"[A-Za-z0-9-]")
_ESCAPED: Final = re.compile(r"\.([0-9a-f]{2})")
_SHORT: Final = 6
"""Names up to this length are never hashed: escaped, each character takes three."""
MAX_ID: Final = 33
"""Characters of a device's id: signal and time are appended to it, and FHIR allows 64."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END_MS: Final = 253_402_300_799_999
"""The end of the year 9999, the last that FHIR can write."""


def resource(kind: str, identity: str, *, updated: int | None = None, **elements: Any) -> Resource:
    """Return a resource that says that it is simulated; elements that are None or empty are left out.

    `updated` is when it changed last (wall ms), None if nobody knows.
    """
    meta = _META if updated is None else {"lastUpdated": instant(updated), **_META}
    found = {name: value for name, value in elements.items() if value is not None and value not in ([], {}, "")}
    return {"resourceType": kind, "id": identity, "meta": meta, **found}


def device_id(kind: str, name: str) -> str:
    """Return the logical id of a pump or gateway; what FHIR does not allow in ids is escaped, long names are hashed."""
    escaped = "".join(one if _SAFE.fullmatch(one) else "".join(f".{byte:02x}" for byte in one.encode()) for one in name)
    whole = f"{kind}-{escaped}"
    return whole if len(whole) <= MAX_ID else f"{kind}-..{_digest(name)[:20]}"


def name_of(kind: str, identity: str, names: Iterable[str]) -> str | None:
    """Return the name of the pump or gateway with this logical id, None if it is none of `names`."""
    text = identity.removeprefix(f"{kind}-")
    plain_name = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    # A hashed id does not say its name.
    candidates = (one for one in names if one == plain_name or (text.startswith("..") and len(one) > _SHORT))
    return next((one for one in candidates if device_id(kind, one) == identity), None)


def metric_id(device: str, signal: str) -> str:
    """Return the logical id of a signal of a device."""
    return f"{device}.{signal.replace('_', '-')}"


def alarm_id(alarm: str) -> str:
    """Return the logical id of an alarm."""
    return f"alarm-{_digest(alarm)[:40]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def plain(text: str | None) -> str | None:
    """Return text as FHIR allows it, None if nothing is left: no control characters, and no white space but its own."""
    if text is None:
        return None
    kept = (" " if one.isspace() and one not in "\r\n\t" else one for one in text)
    return "".join(one for one in kept if one.isprintable() or one in "\r\n\t").strip() or None


def reference(kind: str, identity: str, display: str | None = None) -> Resource:
    """Return a reference to another resource of the same server."""
    shown = plain(display)
    return {"reference": f"{kind}/{identity}"} | ({} if shown is None else {"display": shown})


def instant(ms: int) -> str:
    """Return milliseconds since 1970 as an instant in UTC; times outside the years 1970 to 9999 are cut to them."""
    at = _EPOCH + timedelta(milliseconds=min(max(ms, 0), _END_MS))
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def coding(system: str, code: str, display: str | None = None) -> Resource:
    """Return a Coding."""
    return {"system": system, "code": code} | ({} if display is None else {"display": display})


def concept(*codings: Resource, text: str | None = None) -> Resource:
    """Return a CodeableConcept."""
    return {"coding": list(codings)} | ({} if text is None else {"text": text})


def term(reference_id: str | None) -> list[Resource]:
    """Return the Coding of a term of IEEE 11073 by its reference id; empty without one or if it is unknown."""
    found = mdc.TERM_BY_REFERENCE.get(reference_id or "")
    return [] if found is None else [coding(mdc.SYSTEM, str(found.code), found.reference)]


def quantity(value: float, signal: Signal) -> Resource:
    """Return a Quantity in the unit of a signal, rounded as on the wire."""
    return {"value": round(value, 4), "unit": signal.unit, "system": UCUM, "code": signal.ucum}


def signal_concept(signal: Signal) -> Resource:
    """Return what a signal is: the term of IEEE 11073 if there is one, and our own name."""
    return concept(*term(signal.mdc), coding(SIGNALS, signal.name, signal.title), text=signal.title)


def alarm_concept(rule: str, title: str, reference_id: str | None) -> Resource:
    """Return what an alarm means: the event of IEEE 11073 if there is one, and the rule."""
    return concept(*term(reference_id), coding(RULES, rule, title), text=title)
