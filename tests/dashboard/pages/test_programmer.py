"""Programmer page: the message of each command, who may send it, and how a refusal is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace as replace_fields

from broker.contract import dose_limits
from broker.contract.commands import Bolus, Interrogate, Program, Refill, Replace, Reply, Stop, read_command
from broker.contract.messages import encode
from broker.store.snapshot import Snapshot
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.app import assemble
from dashboard.components import program_form, pump_summary
from dashboard.components.form_fields import FormError, Number
from dashboard.data import pump_search, queries
from dashboard.data.services import DataService
from dashboard.pages import programmer
from simulator.gateway.commands import CommandExecutor
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

DataOf = Callable[[Snapshot], DataService]


def fill(what: str, **values: Any) -> dict[str, Any]:
    """Return the form as it opens, with these values put in."""
    shown = json.loads(json.dumps(program_form.groups(disabled=False), default=lambda one: one.to_plotly_json()))
    fields = [field["props"] for group in shown for field in group["props"]["children"]["props"]["children"]]
    opened = {field["id"]: field.get("value") for field in fields}
    assert set(opened) == set(program_form.FIELD_IDS)
    return {**opened, **{program_form.field_id(what, name): value for name, value in values.items()}}


def shown(component: Any) -> str:
    return json.dumps(component, default=lambda one: one.to_plotly_json(), ensure_ascii=False)


@pytest.mark.parametrize(
    ("what", "values", "message"),
    [
        ("program", {}, Program(id="", pumps=[])),
        ("program", {"dose_ug_day": 410}, Program(id="", pumps=[], dose_ug_day=410.0)),
        ("program", {"change": -10}, Program(id="", pumps=[], change=0.9)),
        ("program", {"mode": "Minimum rate"}, Program(id="", pumps=[], mode="minimum")),
        (
            "program",
            {"steps": "00:00=1, 06:30=1.5", "days": ["Sun", "Mon"]},
            Program(id="", pumps=[], steps=[(0.0, 1.0), (23_400.0, 1.5)], days=[0, 6]),
        ),
        (
            "program",
            {"boluses_a_day": 4, "bolus_share": 60, "bolus_s": 30},
            Program(id="", pumps=[], boluses_a_day=4, bolus_share=0.6, bolus_s=1800.0),
        ),
        ("bolus", {"dose_ug": 50}, Bolus(id="", pumps=[], dose_ug=50.0, over_s=1800.0)),
        ("bolus", {"dose_ug": 100, "over_s": 1440}, Bolus(id="", pumps=[], dose_ug=100.0, over_s=86_400.0)),
        ("stop", {}, Stop(id="", pumps=[])),
        ("refill", {}, Refill(id="", pumps=[])),
        (
            "refill",
            {
                "entered_ml": 20,
                "entered_ug_ml": "500 µg/mL",
                "actual_ml": 1.4,
                "actual_ug_ml": 2000,
                "after": "Bridge bolus",
            },
            Refill(
                id="",
                pumps=[],
                entered_ml=20.0,
                entered_ug_ml=500.0,
                actual_ml=1.4,
                actual_ug_ml=2000.0,
                after="bridge",
            ),
        ),
        ("replace", {}, Replace(id="", pumps=[])),
        ("interrogate", {}, Interrogate(id="", pumps=[])),
    ],
)
def test_each_command_becomes_the_message_that_a_gateway_reads(what: str, values: dict[str, Any], message: Any) -> None:
    built = program_form.treatment(what, fill(what, **values))
    assert built == message
    assert read_command(encode(built)) == message


@pytest.mark.parametrize(
    ("what", "values", "reason"),
    [
        ("program", {"dose_ug_day": 2001}, r"Daily dose is 2,001 µg/day; allowed: 0 to 2,000 µg/day\."),
        ("program", {"change": 31}, "allowed: -30 to 30 %"),
        ("program", {"boluses_a_day": 2.5}, "2.5 per day; allowed: 1 to 6 per day, a whole number"),
        ("program", {"steps": "00:00=1, 6=x"}, "'6=x' is not a step; enter time and relative rate, such as 06:00=1.5"),
        ("program", {"days": ["Mon"]}, "without steps or boluses"),
        ("program", {"steps": "00:00=1," + " " * 400 + "06:00=2"}, "characters; allowed: 400"),
        ("program", {"steps": "00:00=1", "days": ["Someday"]}, "Unknown day: Someday"),
        ("program", {"mode": "run"}, "allowed: Run, Minimum rate"),
        ("bolus", {}, "Dose is blank; allowed: 0 to 100 µg"),
        ("bolus", {"dose_ug": 100.5}, "Dose is 100.5 µg; allowed: 0 to 100 µg"),
        ("bolus", {"dose_ug": float("nan")}, "allowed: 0 to 100 µg"),
        ("bolus", {"dose_ug": [1]}, "not a number"),
        ("bolus", {"dose_ug": 5, "over_s": 0}, "Duration is 0 min; allowed: 1 to 1,440 min"),
        ("refill", {"entered_ml": 1.3}, "allowed: 1.4 to 40 mL"),
        ("refill", {"entered_ug_ml": "700 µg/mL"}, "allowed: 500 µg/mL, 1,000 µg/mL, 2,000 µg/mL"),
        ("refill", {"actual_ug_ml": -1}, "allowed: 0 to 4,000 µg/mL"),
        ("inject", {}, "Unknown command 'inject'"),
    ],
)
def test_a_value_outside_the_limits_of_a_pump_is_refused_with_what_is_allowed(
    what: str, values: dict[str, Any], reason: str
) -> None:
    with pytest.raises(FormError, match=reason):
        program_form.treatment(what, fill(what, **values))


@pytest.mark.parametrize(
    ("what", "name"),
    [("program", "dose_ug_day"), ("bolus", "dose_ug"), ("bolus", "over_s"), ("refill", "actual_ug_ml")],
)
def test_what_the_page_lets_through_the_simulated_pumps_take_and_no_more(what: str, name: str) -> None:
    simulation = Simulation(default(pumps=1), start_ms=0)
    simulation.fleet.dose_ug_day[0], simulation.fleet.concentration_ug_ml[0] = dose_limits.MAX_UG_DAY, 2000.0
    field = next(one for one in program_form.FORMS[what].fields if one.name == name)
    assert isinstance(field, Number)
    rest = {"dose_ug": 10} if name == "over_s" else {}
    most = program_form.treatment(what, fill(what, **rest, **{name: field.high}))
    beyond = replace_fields(most, **{name: 1.01 * getattr(most, name)})
    executed = [
        CommandExecutor(simulation).execute("g", range(1), replace_fields(one, id=str(place), pumps=["ITB-000000"]))
        for place, one in enumerate((beyond, most))
    ]
    assert [reply.ok for reply in executed] == [False, True], executed


@pytest.mark.parametrize("what", list(program_form.FORMS))
def test_stop_and_replace_are_confirmed_with_pumps_and_consequence_and_nothing_else_is(what: str, fleet: Any) -> None:
    pumps = fleet(30).table
    asked = programmer.question(what, pump_search.choose(pumps, "1-2"))
    if what in {"stop", "replace"}:
        assert asked.startswith(f"{what.title()} 2 pumps: ITB-000001 and ITB-000002? ")
        assert ("no drug" if what == "stop" else "permanently removed") in asked
        assert "and 17 more?" in programmer.question(what, pump_search.choose(pumps, "1-20"))
    else:
        assert asked == ""
    assert programmer.question(what, pump_search.choose(pumps, "")) == ""
    assert programmer.question(what, pump_search.choose(pumps, "1, 77")) == ""


@pytest.mark.parametrize(("role", "may"), [("", False), ("viewer", False), ("operator", False), ("engineer", True)])
async def test_only_engineers_program_pumps_and_others_see_why_not(
    role: str, may: bool, fleet: Any, data_of: DataOf, wire: Any
) -> None:
    VISITOR.set(Visitor("eva", role))
    data = data_of(fleet(2))
    chosen = pump_search.choose(data.snapshot().table, "1-2")
    page = shown(await programmer.carry_out(data, "bolus", chosen, fill("bolus", dose_ug=50)))
    page = shown(programmer.layout())
    assert ("only engineers and admins may program pumps" in page) is not may
    assert ("only engineers and admins may program pumps" in page) is not may
    if may:
        command = wire.orders[0].command
        pumps = ["ITB-000001", "ITB-000002"]
        assert command == Bolus(id=command.id, pumps=pumps, dose_ug=50.0, who="eva", at=data.now())
        assert command.id
    else:
        assert wire.orders == []


async def test_nothing_is_sent_while_a_pump_or_a_number_is_wrong(fleet: Any, data_of: DataOf, wire: Any) -> None:
    VISITOR.set(Visitor("eva", "engineer"))
    data = data_of(fleet(2))
    pumps = data.snapshot().table
    for text, dose, reason in (
        ("1, 77", 50, "Unknown: 77"),
        ("", 50, "Select pumps"),
        ("1", 500, "Not sent. Dose is 500 µg"),
    ):
        answer = await programmer.carry_out(data, "bolus", pump_search.choose(pumps, text), fill("bolus", dose_ug=dose))
        assert reason in shown(answer)
    assert wire.orders == []


async def test_refusals_come_first_with_their_whole_reason_as_text(fleet: Any, data_of: DataOf) -> None:
    VISITOR.set(Visitor("eva", "engineer"))
    reason = "<script>alert(1)</script> " + "would change by +30%; allowed at once is 15% " * 8

    async def ask(_url: str, orders: Any) -> list[Reply]:
        return [
            Reply(id=order.command.id, gateway=order.gateway, ok=number == 0, text="done" if number == 0 else reason)
            for number, order in enumerate(orders)
        ]

    data = replace(data_of(fleet(1500)), ask=ask)
    chosen = pump_search.choose(data.snapshot().table, "1, 1400")
    answer = await programmer.carry_out(data, "program", chosen, fill("program", change=30))
    rows = answer.children.children[1].children
    assert [row.children[0].children.children for row in rows] == ["failed", "done"]
    # A string child is a text node: React escapes it, and no component of ours takes markup.
    assert rows[0].children[2].children == reason
    assert "dangerously" not in shown(answer)


def test_a_pump_s_page_leads_to_its_programmer(fleet: Any) -> None:
    snapshot = fleet(1, name="MY:&")
    row = queries.pump_row(snapshot, "MY:&000001")
    assert row is not None
    head = pump_summary.head(row, queries.alarms_of(snapshot, "MY:&000001"), snapshot.orders)
    assert '"/programmer?pumps=MY%3A%26000001"' in shown(head)
    assert programmer.requested_pumps("?pumps=MY%3A%26000001") == "MY:&000001"
    assert (
        programmer.requested_pumps(None)
        == programmer.requested_pumps("?key=k")
        == programmer.requested_pumps("?pumps=1-2" + "0" * 500)
        == ""
    )


async def test_the_form_shows_only_the_fields_of_the_command(fleet: Any, data_of: DataOf, browser_of: Any) -> None:
    data = data_of(fleet(1))
    async with browser_of(assemble(data).server) as client:
        callback = next(
            one for one in (await client.get("/_dash-dependencies")).json() if "command-description" in one["output"]
        )
        names = [
            dict(zip(("id", "property"), n.rsplit(".", 1), strict=True)) for n in callback["output"][2:-2].split("...")
        ]
        body = {
            "output": callback["output"],
            "outputs": names,
            "inputs": [{**callback["inputs"][0], "value": "refill"}],
            "state": [],
            "changedPropIds": ["command-kind.value"],
        }
        answer = msgspec.json.decode((await client.post("/_dash-update-component", json=body)).content)["response"]
    assert [name for name, given in answer.items() if given.get("hidden") is False] == ["command-refill"]
