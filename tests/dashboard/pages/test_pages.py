"""Every page of the folder, through Dash's own dispatch, on an empty fleet, one pump and a hundred thousand."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import dash
import httpx
import pytest

from broker.contract.signals import SIGNAL_BY_NAME, SIGNAL_NAMES
from broker.store.history import History
from broker.store.snapshot import Snapshot
from broker.store.snapshot_files import SnapshotReader
from dashboard import pages as pages_package
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.app import assemble, page_modules
from dashboard.components import shell, trend_picture
from dashboard.components.shell import Page
from dashboard.data import trend_view
from dashboard.data.services import DataService
from dashboard.pages import overview, pump, pumps
from dashboard.settings import Settings
from tests.dashboard.conftest import Wire, make_data, make_fleet

MODULES = tuple(page_modules())
WITHOUT_CALLBACKS = {"dashboard.pages.help"}
THERAPY_MS = 1_768_221_120_000
LARGEST = 500_000
DataOf = Callable[[Snapshot], DataService]


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
    client: httpx.AsyncClient, module: ModuleType, data: DataService, serial: str
) -> list[tuple[str, int, str]]:
    """Return (callback, bytes, text) of every response that a page requests when it opens."""
    page: Page = dash.page_registry[module.__name__]
    layout = page["layout"](serial) if page["path_template"] else page["layout"]()
    known = {
        part["id"]: part for part in parts(json.loads(json.dumps(layout, default=lambda one: one.to_plotly_json())))
    }
    found = []
    for callback in (await client.get("/_dash-dependencies")).json():
        inputs = callback["inputs"]
        outputs = [name.rsplit(".", 1)[0] for name in callback["output"].strip(".").split("...")]
        if callback["clientside_function"] or not inputs or not any(one in known for one in outputs):
            continue
        response = await client.post("/_dash-update-component", json=body(callback, known, data))
        assert response.status_code in {200, 204}, (callback["output"], response.text[:2000])
        found.append((callback["output"], len(response.content), response.text))
    return found


def body(callback: dict[str, Any], known: dict[str, dict[str, Any]], data: DataService) -> dict[str, Any]:
    given = {
        ("live", "data"): data.live.payload(),
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


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[DataService, Any]]:
    """Return a function that gives the dashboard on a fleet, with its data: the same one for as long as it is asked
    for the same fleet, since the registry of pages knows only the newest."""

    @lru_cache(maxsize=1)
    def dashboard(pumps: int, **more: Any) -> tuple[DataService, Any]:
        settings = Settings("mqtt://127.0.0.1:1", tmp_path_factory.mktemp("data"), key="the-right-key")
        data = make_data(settings, Wire(), make_fleet(pumps, **more))
        return data, assemble(data).server

    return dashboard


@pytest.mark.parametrize("page", MODULES, ids=lambda page: page.__name__.rpartition(".")[2])
@pytest.mark.parametrize("pumps", [0, 1, 100_000])
async def test_every_page_holds_on_a_fleet_of_any_size(
    page: ModuleType, pumps: int, opened: Any, browser_of: Any
) -> None:
    data, server = opened(pumps)
    VISITOR.set(Visitor("eva", "engineer"))
    async with browser_of(server) as client:
        found = await answers(client, page, data, "ITB-000001")
    assert found or page.__name__ in WITHOUT_CALLBACKS
    too_long = [(output, size) for output, size, _ in found if size > LARGEST]
    assert not too_long


@pytest.mark.parametrize("page", MODULES, ids=lambda page: page.__name__.rpartition(".")[2])
async def test_every_page_holds_when_every_pump_of_a_large_fleet_is_in_alarm(
    page: ModuleType, opened: Any, browser_of: Any
) -> None:
    data, server = opened(20_000, alarms=20_000)
    async with browser_of(server) as client:
        found = await answers(client, page, data, "ITB-000001")
    assert not [(output, size) for output, size, _ in found if size > LARGEST]


@pytest.mark.parametrize("page", MODULES, ids=lambda page: page.__name__.rpartition(".")[2])
async def test_no_page_ever_puts_a_name_where_it_could_be_markup(
    page: ModuleType, opened: Any, browser_of: Any
) -> None:
    data, server = opened(3, name="<script>alert(1)</script>")
    async with browser_of(server) as client:
        found = await answers(client, page, data, "<script>alert(1)</script>000001")
        index = await client.get("/")
    assert "alert(1)" not in index.text
    for _, _, text in found:
        assert "dangerously" not in text
        assert '"href":"/pump/<' not in text


async def test_a_week_of_samples_makes_a_chart_of_less_than_half_a_megabyte(
    fleet: Any, data_of: DataOf, samples_of: Any
) -> None:
    data = data_of(fleet(1))
    History(data.settings.data).append(samples_of("ITB-000001", 7 * 1440), 1)
    view = trend_view.view(data.snapshot(), "ITB-000001", "7 d", None)
    figure, note, _ = trend_picture.draw(data, view, "light")
    assert note.text == ""
    titles = {SIGNAL_BY_NAME[name].title for name in SIGNAL_NAMES}
    assert {trace["name"] for trace in figure["data"]} >= titles
    assert 50_000 < len(json.dumps(figure)) < LARGEST


async def test_a_pump_that_never_reported_is_not_found(fleet: Any) -> None:
    head = pump.render(fleet(1), "ITB-999999")[0]
    assert "Unknown pump: no gateway has announced it." in json.dumps(head.to_plotly_json(), default=str)


def test_every_page_is_found_by_its_address_and_the_navigation_has_its_order(fleet: Any, data_of: DataOf) -> None:
    assemble(data_of(fleet(1)))
    pages = shell.registered()
    assert {page["module"] for page in pages} == {module.__name__ for module in MODULES}
    listed = [page for page in pages if page["order"] is not None]
    assert [page["name"] for page in listed[:3]] == ["Overview", "Alarms", "Pumps"]
    assert [page["order"] for page in listed] == sorted({page["order"] for page in listed})
    for page in pages:
        names = re.findall(r"<(\w+)>", page["path_template"] or "")
        path = re.sub(r"<\w+>", "x", page["path_template"] or page["path"])
        assert shell.find(pages, path) == (page, dict.fromkeys(names, "x"))
        assert shell.find(pages, path + "/") == shell.find(pages, path)


def test_a_serial_in_the_address_is_decoded_and_other_addresses_have_no_page(fleet: Any, data_of: DataOf) -> None:
    assemble(data_of(fleet(1)))
    pages = shell.registered()
    for address, serial in (("/pump/MY%3A1", "MY:1"), ("/pump/A%2FB", "A/B"), ("/pump/a.b", "a.b")):
        assert shell.find(pages, address) == (dash.page_registry[pump.__name__], {"serial": serial})
    for address in ("/nowhere", "/pump", "/pump/", "/pump/a/b", "/alarms/x"):
        assert shell.find(pages, address) is None


def test_no_two_pages_use_one_id_so_that_no_callback_of_one_writes_into_another(fleet: Any, data_of: DataOf) -> None:
    assemble(data_of(fleet(1)))
    used: dict[str, str] = {}
    for page in shell.registered():
        layout = page["layout"]("ITB-000001") if page["path_template"] else page["layout"]()
        for part in parts(json.loads(json.dumps(layout, default=lambda one: one.to_plotly_json()))):
            assert used.setdefault(part["id"], page["name"]) == page["name"], part["id"]


NEW_PAGE = """
from dash import html
from dashboard.components import shell


def register(app, data):
    shell.add_page(__name__, name="Brand new", path="/brand-new", order=3.5, layout=lambda: html.H1("Something new"))
"""


@pytest.fixture
def new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "brand_new.py").write_text(NEW_PAGE)
    monkeypatch.setattr(pages_package, "__path__", [*pages_package.__path__, str(tmp_path / "new")])
    yield
    dash.page_registry.pop("dashboard.pages.brand_new", None)
    sys.modules.pop("dashboard.pages.brand_new", None)


@pytest.mark.usefixtures("new_file")
async def test_one_new_file_is_a_page_in_the_navigation_and_at_its_address(
    fleet: Any, data_of: DataOf, browser_of: Any
) -> None:
    async with browser_of(assemble(data_of(fleet(1))).server) as client:
        frame = json.dumps((await client.get("/_dash-layout")).json())
        shown = await client.post(
            "/_dash-update-component",
            json={
                "output": "page.children",
                "outputs": {"id": "page", "property": "children"},
                "inputs": [{"id": "url", "property": "pathname", "value": "/brand-new"}],
                "state": [{"id": "url", "property": "search", "value": ""}],
                "changedPropIds": ["url.pathname"],
            },
        )
    assert frame.index('"/pumps"') < frame.index('"/brand-new"') < frame.index('"/faults"')
    assert "Something new" in shown.text


def test_a_rule_has_the_same_title_in_the_pump_list_as_on_its_alarms(fleet: Any) -> None:
    snapshot = fleet(3)
    snapshot.health.rules = {"rule_0": "Motor stall"}
    rows = pumps.answer(snapshot, {}, "")[0]["rowData"]
    assert [row["worst"] for row in rows] == ["Alarm of rule 0", "", ""]
    without_alarms = Snapshot.of(snapshot.pumps, snapshot.alarms.clear(), snapshot.gateways, snapshot.health)
    assert pumps.answer(without_alarms, {}, "")[0]["rowData"][0]["worst"] == "Motor stall"


def test_the_tiles_say_that_a_silent_pump_with_an_alarm_counts_by_its_alarm(fleet: Any) -> None:
    tiles = json.dumps(overview.render(fleet(100))[0], default=lambda one: one.to_plotly_json())
    assert '"Silent, no alarm"' in tiles


async def test_a_snapshot_is_read_once_however_many_look(fleet: Any, data_of: DataOf, monkeypatch: Any) -> None:
    data = data_of(fleet(5))
    reads = []
    read = SnapshotReader.read
    monkeypatch.setattr(SnapshotReader, "read", lambda reader: reads.append(1) or read(reader))
    for _ in range(20):
        assert data.snapshot().health.therapy_ms == THERAPY_MS
    assert len(reads) == 1
