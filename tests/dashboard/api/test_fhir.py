"""FHIR over HTTP: valid resources page by page, clear OperationOutcomes, and the audit trail for those who may."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import polars as pl
import pytest

from broker.contract.signals import SAMPLE_SCHEMA
from broker.interop.coding import instant
from broker.store import audit
from broker.store.history import History
from broker.store.journal import Journal
from dashboard.access.middleware import Access
from dashboard.data.services import DataService
from tests.broker.interop import rows
from tests.broker.interop.validation import ballot_problems, problems

PUMP = "ITB-000001"
DEVICE = f"Device/pump-{PUMP}"


async def bundle(client: httpx.AsyncClient, path: str, **asked: Any) -> dict[str, Any]:
    answer = await client.get(f"/fhir/{path}", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    found: dict[str, Any] = answer.json()
    assert found["type"] == "searchset"
    return found


def matches(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in found.get("entry", []) if entry["search"]["mode"] == "match"]


def is_outcome(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    assert problems(answer.json()) == []
    text: str = answer.json()["issue"][0]["diagnostics"]
    return text


@pytest.fixture
def sampled(data: DataService) -> int:
    """Write three samples of a pump; return the time of the last."""
    row = data.snapshot().table.take([0]).row(0, named=True)
    last = int(row["time"])
    samples = [rows.sample(pump=PUMP, time=last - 60_000 * number, reservoir_ml=12.5) for number in range(3)]
    History(data.settings.data).append(pl.DataFrame(samples, SAMPLE_SCHEMA), last)
    return last


async def test_the_capability_statement_is_valid_and_names_every_search(client: httpx.AsyncClient) -> None:
    found = (await client.get("/fhir/metadata")).json()
    # The schema is of 4.0.0; 4.0.1 is its technical correction.
    assert problems({**found, "fhirVersion": "4.0.0"}) == []
    assert [one["type"] for one in found["rest"][0]["resource"]] == [
        *("Device", "DeviceMetric", "Observation", "AuditEvent"),
    ]
    assert found["fhirVersion"] == "4.0.1"


async def test_everything_is_read_page_by_page_each_once(client: httpx.AsyncClient) -> None:
    for path, count in (("Device", 90), ("DeviceMetric", 500)):
        address, found, total = f"/fhir/{path}?_count={count}", [], 0
        while address:
            page = (await client.get(address)).json()
            found += [one["id"] for one in matches(page)]
            total = page["total"]
            address = {link["relation"]: link["url"] for link in page["link"]}.get("next", "")
        assert len(found) == len(set(found)) == total >= 250


async def test_every_resource_can_be_read_by_the_id_that_a_search_gives(
    client: httpx.AsyncClient, sampled: int
) -> None:
    found = [
        *matches(await bundle(client, "Device", _count=3)),
        *matches(await bundle(client, "Device", identifier=PUMP)),
        *matches(await bundle(client, "DeviceMetric", source=DEVICE, _count=2)),
        *matches(await bundle(client, "Observation", device=DEVICE, date=f"ge{instant(sampled - 60_000)}")),
        *matches(await bundle(client, "Observation", category="alarm", _count=3)),
    ]
    for one in found:
        assert problems(one) == []
        answer = await client.get(f"/fhir/{one['resourceType']}/{one['id']}")
        assert answer.json() == one, one["id"]
    assert len(found) >= 3 + 1 + 2 + 4


async def test_values_are_found_by_device_code_and_date(client: httpx.AsyncClient, sampled: int) -> None:
    asked = {"device": DEVICE, "category": "signal"}
    assert (await bundle(client, "Observation", **asked))["total"] == 6
    by_code = matches(await bundle(client, "Observation", **asked, code="urn:iso:std:iso:11073:10101|157784"))
    assert {one["code"]["text"] for one in by_code} == {"Measured flow"}
    assert len(by_code) == 3
    until = await bundle(client, "Observation", **asked, code="reservoir_ml", date=f"le{instant(sampled - 60_000)}")
    assert until["total"] == 2


async def test_alarms_are_found_as_observations_and_as_the_preview_of_r6(client: httpx.AsyncClient) -> None:
    found = matches(await bundle(client, "Observation", category="alarm"))
    alerts = matches(await bundle(client, "DeviceAlert"))
    assert [one["id"] for one in found] == [one["id"] for one in alerts] != []
    assert [problem for one in alerts for problem in ballot_problems(one)] == []
    of_one = await bundle(client, "DeviceAlert", device=found[0]["subject"]["reference"])
    assert {one["subject"]["reference"] for one in matches(of_one)} == {found[0]["subject"]["reference"]}
    assert not matches(await bundle(client, "DeviceAlert", device="Device/pumpwatch"))


@pytest.fixture
def closed(data: DataService) -> list[str]:
    """Write five alarms that came and went to the journal; return their ids, the oldest first."""
    journal, alarms = Journal(data.settings.data), []
    for number, (subject, pump) in enumerate([*[(f"ITB-{n:06d}", True) for n in range(4)], ("gateway-00", False)]):
        begins = 1_000_000 * number
        alarm = f"{subject}/catheter_occlusion/{begins}"
        about = {"subject": subject, "pump": subject if pump else None, "alarm": alarm, "rule": "catheter_occlusion"}
        entry = {**about, "title": "Catheter occluded", "priority": 1}
        at = {
            "raised": begins,
            "acknowledged": begins + 10_000,
            "returned": begins + 60_000,
            "cleared": begins + 60_000,
        }
        journal.append(
            pl.DataFrame(
                [
                    {**entry, "at": 9_000_000 + time, "time": time, "kind": kind, "once": f"{number} {kind}"}
                    | ({"who": "anna"} if kind == "acknowledged" else {})
                    for kind, time in at.items()
                ],
                infer_schema_length=None,
            )
        )
        alarms.append(alarm)
    journal.close()
    return alarms


async def test_alarms_that_are_over_are_found_in_a_range_of_time_page_by_page(
    client: httpx.AsyncClient, closed: list[str]
) -> None:
    assert closed[0] not in json.dumps(await bundle(client, "Observation", category="alarm")), "open alarms alone"
    asked = {"category": "alarm", "date": [f"ge{instant(0)}", f"le{instant(4_500_000)}"]}
    address, found, total = f"/fhir/Observation?{urlencode(asked, doseq=True)}&_count=2", [], 0
    while address:
        page = (await client.get(address)).json()
        found += matches(page)
        total = page["total"]
        address = {link["relation"]: link["url"] for link in page["link"]}.get("next", "")
    assert [one["identifier"][0]["value"] for one in found] == sorted(closed)
    assert total == 5
    for one in found:
        assert problems(one) == []
        assert (one["status"], one["valueCodeableConcept"]["text"]) == ("final", "normal")
        assert (await client.get(f"/fhir/Observation/{one['id']}")).json() == one
    assert "anna" in json.dumps(found[0])
    [period] = {one["effectivePeriod"]["end"] for one in found if one["identifier"][0]["value"] == closed[1]}
    assert period == instant(1_060_000)


async def test_alarms_that_are_over_are_found_by_device_code_and_when_they_stood(
    client: httpx.AsyncClient, closed: list[str]
) -> None:
    async def ids(**asked: Any) -> list[str]:
        found = await bundle(client, "Observation", category="alarm", **asked)
        return [one["identifier"][0]["value"] for one in matches(found)]

    ended = f"le{instant(4_500_000)}"
    assert await ids(date=[f"ge{instant(1_050_000)}", f"le{instant(2_500_000)}"]) == closed[1:3], "they stood then"
    assert await ids(date=ended, device=DEVICE) == [closed[1]]
    assert await ids(date=ended, device="Device/gateway-gateway-00") == [closed[4]]
    assert await ids(date=ended, device="Device/pumpwatch") == []
    assert await ids(date=ended, code="catheter_occlusion") == sorted(closed)
    assert await ids(date=ended, code="motor_stall") == []
    text = is_outcome(await client.get("/fhir/Observation?category=alarm&date=ge1970&date=le2070-01-01"), 400)
    assert "date" in text


async def test_a_client_that_polls_by_last_updated_sees_what_was_raised_changed_and_ended_since(
    client: httpx.AsyncClient, closed: list[str]
) -> None:
    async def ids(kind: str, **asked: Any) -> list[str]:
        found = matches(await bundle(client, kind, **asked))
        assert all(ballot_problems(one) == [] for one in found if kind == "DeviceAlert")
        return [one["identifier"][0]["value"] for one in found]

    third = {"_lastUpdated": [f"gt{instant(9_000_000 + 1_060_000)}", f"lt{instant(9_000_000 + 3_060_000)}"]}
    assert await ids("DeviceAlert", **third) == [closed[2]], "alarms that ended later or earlier changed then"
    assert await ids("Observation", category="alarm", **third) == [closed[2]]
    [one] = matches(await bundle(client, "DeviceAlert", **third))
    assert (one["status"], one["presence"], one["acknowledged"]) == ("completed", False, True)
    assert one["meta"]["lastUpdated"] == instant(9_000_000 + 2_060_000)
    opened = matches(await bundle(client, "DeviceAlert"))
    later = {"_lastUpdated": f"ge{min(one['meta']['lastUpdated'] for one in opened)}"}
    assert await ids("DeviceAlert", **later) == [one["identifier"][0]["value"] for one in opened]


async def test_values_are_found_by_when_they_were_sent(client: httpx.AsyncClient, sampled: int) -> None:
    asked = {"device": DEVICE, "category": "signal"}
    [sent] = {one["meta"]["lastUpdated"] for one in matches(await bundle(client, "Observation", **asked))}
    assert (await bundle(client, "Observation", **asked, _lastUpdated=sent))["total"] == 6
    assert (await bundle(client, "Observation", **asked, _lastUpdated=f"gt{sent}"))["total"] == 0


async def test_a_day_in_a_search_is_all_of_it(client: httpx.AsyncClient, data: DataService) -> None:
    for hour in (0, 23, 24):
        at = 86_400_000 * 20_000 + 3_600_000 * hour
        audit.record(data.settings.data, "exported", who="vera", origin="10.0.0.9", text=f"{hour}", at=at)
    day = instant(86_400_000 * 20_000)[:10]

    async def hours(**asked: Any) -> list[str]:
        return [one["outcomeDesc"] for one in matches(await bundle(client, "AuditEvent", **asked))]

    for name in ("date", "_lastUpdated"):
        assert await hours(**{name: day}) == ["23", "0"]
        assert await hours(**{name: f"gt{day}"}) == ["24"]
        assert await hours(**{name: [f"ge{day}", f"le{day}"]}) == ["23", "0"]
    assert await hours(date=f"gt{day}", _lastUpdated=f"le{day}T23:00:00Z") == []


async def test_the_audit_trail_is_for_those_who_may_read_it(
    client: httpx.AsyncClient, application: Access, key: Callable[..., str], data: DataService
) -> None:
    for number in range(5):
        audit.record(data.settings.data, "exported", who="vera", origin="10.0.0.9", text="csv", at=1000 + number)
    first = await bundle(client, "AuditEvent", _count=2)
    assert [problem for one in matches(first) for problem in problems(one)] == []
    links = {link["relation"]: link["url"] for link in first["link"]}
    second = matches((await client.get(links["next"])).json())
    assert {one["id"] for one in second}.isdisjoint(one["id"] for one in matches(first))
    headers = {"Authorization": f"Bearer {key('viewer')}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://pumpwatch") as viewer:
        answer = await viewer.get("/api/v1/fhir/AuditEvent", headers=headers)
    assert "needs engineer or admin" in is_outcome(answer, 403)


WRONG = [
    ("Device/pump-nobody", 404, "There is no Device/pump-nobody."),
    ("DeviceMetric/pump-ITB-000001.nothing", 404, "There is no DeviceMetric/pump-ITB-000001.nothing."),
    ("Observation/alarm-0", 404, "There is no Observation/alarm-0."),
    ("Observation/pump-ITB-000001.flow-ul-h.99999999999999999999", 404, "There is no Observation/"),
    ("Patient", 404, "There is no /api/v1/fhir/Patient"),
    ("Observation", 400, "Values of signals need device=Device/pump-…"),
    (f"Observation?device={DEVICE}&date=yesterday", 400, "date 'yesterday' is not possible; use ge, gt, le or lt"),
    (f"Observation?device={DEVICE}&date=ge1970-01-01&date=le2070-01-01", 400, "The range of date has"),
    (f"Observation?device={DEVICE}&date=%0A%0A", 400, "is not possible; use ge"),
    ("Observation?category=alarm&_lastUpdated=ne2026-01-01", 400, "_lastUpdated 'ne2026-01-01' is not possible"),
    ("DeviceAlert?_lastUpdated=ge1970-01-01&_lastUpdated=le2070-01-01", 400, "The range of _lastUpdated has"),
    ("AuditEvent?_lastUpdated=ge2026-02-01&_lastUpdated=lt2026-01-01", 400, "The range of _lastUpdated has"),
    ("AuditEvent?_lastUpdated=soon", 400, "_lastUpdated 'soon' is not possible"),
    ("DeviceAlert?device=Device/pump-nobody&date=2026-01-01", 404, "There is no Device/pump-nobody"),
    (f"Observation?device={DEVICE}&date=", 400, "date '' is not possible"),
    ("Device?_count=501", 400, "_count"),
    ("Device?cursor=nonsense", 400, "This cursor is not one of this API"),
]


async def test_what_is_wrong_is_an_operation_outcome(client: httpx.AsyncClient) -> None:
    for path, status, text in WRONG:
        assert text in is_outcome(await client.get(f"/fhir/{path}"), status), path


async def test_unknown_search_parameters_are_named_and_ignored_or_refused_if_asked_strictly(
    client: httpx.AsyncClient,
) -> None:
    found = await bundle(client, "Device", colour="red", _count=1)
    [warning] = [entry["resource"] for entry in found["entry"] if entry["search"]["mode"] == "outcome"]
    assert "Device has no search parameter colour" in warning["issue"][0]["diagnostics"]
    assert problems(found) == []
    strict = await client.get("/fhir/Device?colour=red", headers={"Prefer": "handling=strict"})
    assert "Device has no search parameter colour" in is_outcome(strict, 400)


async def test_an_open_alarm_is_returned_as_pcd_04(client: httpx.AsyncClient) -> None:
    alarm = (await client.get("/alarms")).json()["items"][0]["alarm"]
    answer = await client.get("/alarms/pcd04", params={"alarm": alarm})
    assert answer.headers["content-type"] == "application/hl7-v2"
    assert answer.text.startswith("MSH|^~\\&|PUMPWATCH|SIMULATED|")
    assert (await client.get("/alarms/pcd04", params={"alarm": "nothing"})).status_code == 404
