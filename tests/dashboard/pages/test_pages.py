"""Every page of the folder, through Dash's own dispatch, on fleets of nothing, one pump and a hundred thousand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import httpx
import pytest

from broker.contract.signals import SIGNAL_NAMES
from broker.store import snapshot_files as snapshots
from broker.store.history import History
from broker.store.snapshot import Snapshot
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.app import assemble, pages
from dashboard.components import shell
from dashboard.data.services import DataService

PAGES = pages()
THERAPY_MS = 1_768_221_120_000
LARGEST = 500_000
DeskOf = Callable[[Snapshot], DataService]


def parts(layout: Any) -> Iterator[dict[str, Any]]:
    """Yield the properties of every component of a layout that has an id."""
    if isinstance(layout, list):
        for one in layout:
            yield from parts(one)
    elif isinstance(layout, dict) and "props" in layout:
        if "id" in layout["props"]:
            yield layout["props"]
        for value in layout["props"].values():
            yield from parts(value)


async def answers(
    client: httpx.AsyncClient, page: ModuleType, desk: DataService, rest: str
) -> list[tuple[str, int, str]]:
    """Return (callback, bytes, text) of every answer that a page asks of the server when it opens."""
    layout = page.layout(desk, rest)
    known = {
        part["id"]: part for part in parts(json.loads(json.dumps(layout, default=lambda one: one.to_plotly_json())))
    }
    found = []
    for callback in (await client.get("/_dash-dependencies")).json():
        inputs = callback["inputs"]
        outputs = [name.rsplit(".", 1)[0] for name in callback["output"].strip(".").split("...")]
        if callback["clientside_function"] or not inputs or not any(one in known for one in outputs):
            continue
        response = await client.post("/_dash-update-component", json=body(callback, known, desk))
        assert response.status_code in {200, 204}, (callback["output"], response.text[:2000])
        found.append((callback["output"], len(response.content), response.text))
    return found


def body(callback: dict[str, Any], known: dict[str, dict[str, Any]], desk: DataService) -> dict[str, Any]:
    given = {
        ("live", "data"): desk.live.payload(),
        ("scheme", "data"): "dark",
        ("pump-grid", "getRowsRequest"): {"startRow": 0, "endRow": 100, "sortModel": [], "filterModel": {}},
    }

    def filled(wires: list[dict[str, str]]) -> list[dict[str, Any]]:
        return [
            {
                **wire,
                "value": given.get((wire["id"], wire["property"]), known.get(wire["id"], {}).get(wire["property"])),
            }
            for wire in wires
        ]

    names = callback["output"]
    outputs = [
        dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names.strip(".").split("...")
    ]
    return {
        "output": names,
        "outputs": outputs if names.startswith("..") else outputs[0],
        "inputs": filled(callback["inputs"]),
        "state": filled(callback["state"]),
        "changedPropIds": [f"{callback['inputs'][0]['id']}.{callback['inputs'][0]['property']}"],
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.TITLE)
@pytest.mark.parametrize("pumps", [0, 1, 100_000])
async def test_every_page_holds_on_a_fleet_of_any_size(
    page: ModuleType, pumps: int, fleet: Any, desk_of: DeskOf, browser_of: Any
) -> None:
    desk = desk_of(fleet(pumps))
    VISITOR.set(Visitor("eva", "engineer"))
    async with browser_of(assemble(desk).server) as client:
        found = await answers(client, page, desk, "ITB-000001" if page.PATH.endswith("/") else "")
    assert found
    too_long = [(output, size) for output, size, _ in found if size > LARGEST]
    assert not too_long


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.TITLE)
async def test_every_page_holds_when_every_pump_of_a_large_fleet_is_in_alarm(
    page: ModuleType, fleet: Any, desk_of: DeskOf, browser_of: Any
) -> None:
    desk = desk_of(fleet(20_000, alarms=20_000))
    async with browser_of(assemble(desk).server) as client:
        found = await answers(client, page, desk, "ITB-000001" if page.PATH.endswith("/") else "")
    assert not [(output, size) for output, size, _ in found if size > LARGEST]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.TITLE)
async def test_no_page_ever_puts_a_name_where_it_could_be_markup(
    page: ModuleType, fleet: Any, desk_of: DeskOf, browser_of: Any
) -> None:
    desk = desk_of(fleet(3, name="<script>alert(1)</script>"))
    async with browser_of(assemble(desk).server) as client:
        found = await answers(client, page, desk, "<script>alert(1)</script>000001" if page.PATH.endswith("/") else "")
        index = await client.get("/")
    assert "alert(1)" not in index.text
    for _, _, text in found:
        assert "dangerously" not in text
        assert '"href":"/pump/<' not in text


async def test_a_week_of_samples_makes_a_chart_of_less_than_half_a_megabyte(
    fleet: Any, desk_of: DeskOf, samples_of: Any
) -> None:
    desk = desk_of(fleet(1))
    History(desk.settings.data).append(samples_of("ITB-000001", 7 * 1440), 1)
    page = next(page for page in PAGES if page.TITLE == "Pump")
    figure, said = page.picture(desk, "ITB-000001", "7 d", "light")
    assert said == ""
    assert len(figure["data"]) == len(SIGNAL_NAMES)
    assert 50_000 < len(json.dumps(figure)) < LARGEST


async def test_a_pump_nobody_has_heard_of_is_said_to_be_unknown(fleet: Any, desk_of: DeskOf) -> None:
    page = next(page for page in PAGES if page.TITLE == "Pump")
    head = page.render(fleet(1), "ITB-999999")[0]
    assert "No pump called ITB-999999 has been heard of." in json.dumps(head.to_plotly_json(), default=str)


def test_a_new_file_in_the_folder_is_a_page_with_its_place_in_the_navigation() -> None:
    shown = [page.TITLE for page in PAGES if page.ORDER is not None]
    assert shown[0] == "Overview"
    assert len({page.PATH for page in PAGES}) == len(PAGES)
    for page in PAGES:
        rest = "x" if page.PATH.endswith("/") and page.PATH != "/" else ""
        assert shell.find(PAGES, page.PATH + rest) == (page, rest)


def test_a_serial_in_the_address_is_read_back_as_it_was() -> None:
    page = next(page for page in PAGES if page.TITLE == "Pump")
    assert shell.find(PAGES, "/pump/MY%3A1") == (page, "MY:1")
    assert shell.find(PAGES, "/nowhere") is None


async def test_a_snapshot_is_read_once_however_many_look(fleet: Any, desk_of: DeskOf, monkeypatch: Any) -> None:
    desk = desk_of(fleet(5))
    reads = []
    monkeypatch.setattr("dashboard.data.live.read", lambda path: reads.append(1) or snapshots.read(path))
    for _ in range(20):
        assert desk.snapshot().health.therapy_ms == THERAPY_MS
    assert len(reads) == 1
