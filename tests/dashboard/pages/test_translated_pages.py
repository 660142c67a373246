"""Pages of staff in a language that marks each translated text: what is left unmarked would stay English."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from random import Random
from types import SimpleNamespace
from typing import cast

import polars as pl
import pytest
from babel import Locale
from msgspec.structs import replace

from broker.contract.mdc import TERM_BY_REFERENCE
from broker.contract.silence_requests import Request
from broker.contract.silences import Window
from broker.store.alarm_database import Change
from broker.store.journal import Journal
from broker.store.snapshot import RETIRED_SCHEMA
from dashboard.access.accounts import VISITOR, Account, Visitor
from dashboard.access.people import PEOPLE, People
from dashboard.components import (
    alarm_database_panel,
    drill_views,
    grids,
    handover_view,
    refill_controls,
    refill_settings,
    refill_views,
    retirement_dialog,
    second_factor_panel,
    silence_views,
    trend_card,
)
from dashboard.data import drill_alarms, drill_records, refill_days, silencing, trend_compare, trend_view
from dashboard.data import rules as rule_data
from dashboard.data.clinic_days import ClinicDays
from dashboard.data.fault_catalogue import catalogue
from dashboard.data.handover_files import HandoverFiles, Kept
from dashboard.data.handovers import Handovers
from dashboard.data.rationalization import Review
from dashboard.data.refill_days import Choice
from dashboard.data.refill_files import csv
from dashboard.data.rules import Rates, RuleRates
from dashboard.data.services import DataService
from dashboard.data.trends import Past
from dashboard.languages import LANGUAGE, NAMES, Language, in_english, language, tr
from dashboard.pages import (
    account,
    alarm_health,
    drills,
    handover,
    handover_signed,
    history,
    refills,
    rule,
    rules,
    silences,
)
from processor.rules import RULES
from processor.view.rule_table import rule_table
from tests.dashboard.conftest import FleetOf
from tests.dashboard.due import due_fleet
from tests.dashboard.pages.test_handover import busy
from tests.dashboard.pages.test_history import EMPTY, NIGHT
from tests.dashboard.test_languages import Marked, unmarked


@pytest.fixture(autouse=True)
def marked() -> Iterator[None]:
    """Make every test's viewer read the language that marks."""
    token = LANGUAGE.set(Language("de", Locale("de"), Marked()))
    yield
    LANGUAGE.reset(token)


def left(shown: object, *data: str) -> list[str]:
    """Return the texts with words outside of the marks, apart from names that are `data`."""
    names = re.compile("|".join(map(re.escape, sorted(data, key=len, reverse=True))))
    found = [names.sub("", text) if data else text for text in unmarked(shown)]
    return [text for text in found if unmarked([text]) and not text.endswith("⟧")]


def test_refills(data_of: Callable[..., DataService]) -> None:
    snapshot = due_fleet([0.0, 11.0, 20.0], flow_ul_h=[8.0, 8.0, 0.0], commanded_ul_h=[8.0] * 3)
    data = data_of(snapshot)
    clinic = ClinicDays(data.settings.data)
    every = refill_days.agenda(snapshot, Choice(span="365"), clinic)
    clinic.set("Zurich", ["Mon"])
    shown = [
        refills.layout(),
        refill_controls.tools(),
        refill_settings.listed(clinic),
        refill_views.sheets(snapshot, every.tasks),
        [
            refills.render(data, clinic, Choice(span=span), view, {})[:3]
            for view, span in (("list", "365"), ("list", "undated"), ("month", "30"), ("week", "30"))
        ],
    ]
    facts = snapshot.table.facts
    assert left(shown, *facts["pump"], *facts["site"], "Zurich", "CSV") == []
    with in_english():
        english = csv(snapshot, every.tasks)
    assert csv(snapshot, every.tasks) == english


def journaled(data: DataService) -> DataService:
    """Write a night's alarms into the journal."""
    journal = Journal(data.settings.data)
    journal.append(pl.DataFrame(sorted(NIGHT, key=lambda one: one["at"]), infer_schema_length=None))
    journal.close()
    return data


def test_handover(data_of: Callable[..., DataService], fleet: FleetOf) -> None:
    snapshot = busy(fleet(40))
    data = journaled(data_of(snapshot))
    sheet = Handovers(data, HandoverFiles(data.settings.data)).draft(8, "Call.", "maria")
    kept = Kept(sheet, "ab12", None)
    shown = [
        handover.layout(),
        handover_signed.layout("1"),
        handover.table([kept], 40),
        handover.waiting([kept]),
        handover_view.sheet(sheet),
        handover_view.sheet(sheet, kept),
    ]
    people = ("maria", "sam", "anna", "family informed", "clinic called", "MRI", "Call.", "jo", "ab12", "Pumpwatch")
    assert left(shown, *snapshot.table.facts["pump"], *people) == []


def test_history(data_of: Callable[..., DataService], fleet: FleetOf) -> None:
    data = journaled(data_of(fleet(10)))
    parts, _ = history.render(data, EMPTY)
    places = (*data.snapshot().table.facts["pump"], *data.snapshot().table.facts["site"])
    assert left([history.layout(), parts], *places, "maria", "jo", "YYYY-MM-DD", " min") == []


def test_alarm_health(data_of: Callable[..., DataService], fleet: FleetOf) -> None:
    empty = alarm_health.render(data_of(fleet(0)), 1, "light")
    data = journaled(data_of(fleet(10)))
    parts = alarm_health.render(data, 1, "light")
    serials = data.snapshot().table.facts["pump"]
    shown = [alarm_health.layout(), [part for part in (*parts, *empty) if not isinstance(part, dict)]]
    assert left(shown, *serials, "CSV", "JSON", " min", "UTC") == []
    axes = [part["layout"]["xaxis"]["visible"] for part in (*parts, *empty) if isinstance(part, dict)]
    assert axes == [True, False], "before the first alarm there is no time axis, which would be one of 1970"


def test_drills(data_of: Callable[..., DataService], fleet: FleetOf) -> None:
    data = data_of(dataclasses.replace(fleet(3), rules=rule_table(RULES)))
    at, minutes = data.now(), drill_records.RUN_MS // drill_records.MINUTE_MS
    plan = drill_records.plan(
        drill="d", who="maria", now=at, span_min=15, fault="motor_stall", severity=1, for_whom="", chance=Random(1)
    )
    right, other = list(drill_alarms.first_actions(data.snapshot()))[:2]
    begun = replace(plan, pump="ITB-000001", injected_at=at, acknowledged_by="eva", options=(right, other), right=right)
    timed = replace(begun, alarm_at=at, acknowledged_at=at, state="ended")
    notes = [drill_records.NOT_DUE, drill_records.NOT_RAISED.format(minutes=minutes)]
    notes += [drill_records.CANCELLED.format(who="eva"), drill_records.NOT_ANSWERED.format(minutes=minutes)]
    notes.append(f"{notes[2]} {drill_records.NOT_CLEARED.format(reason='busy')}")
    known = (
        replace(plan, fault=""),
        replace(begun, state="answering", acknowledged_at=at),
        *(replace(begun, state="cancelled", note=note) for note in notes),
        *(replace(begun, state="ended", acknowledged_by="", note=note) for note in notes),
        *(replace(timed, answer=answer) for answer in (right, other)),
    )
    token = VISITOR.set(Visitor("eva", "admin"))
    marks = {action: f"⟦{action}⟧" for action in (right, other)}
    shown = [
        drills.layout(data),
        drill_views.plan_form(["motor_stall"], ["eva"]),
        drills.render(known, VISITOR.get(), None, marks)[:5],
    ]
    VISITOR.reset(token)
    assert left(shown, "ITB-000001", "maria", "eva", "whoever is on shift⟧", " min", "UTC") == []


def test_rules(data_of: Callable[..., DataService], fleet: FleetOf) -> None:
    data = data_of(dataclasses.replace(fleet(3), rules=rule_table(RULES)))
    snapshot = data.snapshot()
    every, names = rule_data.found(snapshot), snapshot.rules["rule"].to_list()
    review = Review((Change(1, "eva", "motor_stall", "class", "", "A"),), ignored=())
    counted = RuleRates(data)
    token = VISITOR.set(Visitor("eva", "admin"))
    shown = [
        rules.layout(),
        [rules.render(every, Rates({"motor_stall": 9}, span, cut=True), 99) for span in (0, 9_000, 900_000_000)],
        [rules.render(every.head(0), Rates({}, 0), known) for known in (0, 9)],
        alarm_database_panel.reviewed(review, {}),
        alarm_database_panel.reviewed(Review(), {}),
        [rule.body(snapshot, name) for name in ("no_such_rule", *names)],
        [[*rule.figures_of(snapshot, name, counted), rule.pictures(snapshot, name, "light")] for name in names],
    ]
    VISITOR.reset(token)
    signatures = [fault.signature for fault in catalogue().values()]
    english = [*snapshot.rules["rationale"], *signatures, *(one[:1].upper() + one[1:] for one in signatures)]
    assert left(shown, *english, *TERM_BY_REFERENCE, "no_such_rule", "motor_stall", " min") == []


@pytest.mark.parametrize("code", [code for code in NAMES if code != "en"])
def test_rules_are_found_by_words_of_any_language_and_first_actions_stay_apart(code: str, fleet: FleetOf) -> None:
    snapshot = dataclasses.replace(fleet(1), rules=rule_table(RULES))
    LANGUAGE.set(language(code))
    title = tr("Motor stall")
    assert title != "Motor stall"
    for text in (title, "Motor stall"):
        assert "motor_stall" in rule_data.found(snapshot, text)["rule"]
    actions = drill_alarms.first_actions(snapshot)
    assert all(actions.values())
    assert len(set(actions.values())) == len(actions), "a person chooses among different sentences"


@pytest.mark.parametrize("totp", ["", "set"])
def test_account(totp: str) -> None:
    person = SimpleNamespace(own_account=lambda: Account("eva", "viewer", "", totp=totp), own_sessions=list)
    token = PEOPLE.set(cast("People", person))
    shown = [account.layout(), account.browser_name("Mozilla/5.0 (Windows NT 10.0) Firefox/128.0")]
    PEOPLE.reset(token)
    secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    shown += [account.layout(), second_factor_panel.setup(secret), second_factor_panel.recovery(["x-1"])]
    data = [secret[start : start + 4] for start in range(0, len(secret), 4)]
    assert left(shown, *NAMES.values(), *data, "Firefox", "Windows") == []


def test_columns_of_pumps_and_the_list_of_retired_ones() -> None:
    columns = grids.titled([*grids.PUMP_COLUMNS, grids.PUMP_CARD])
    assert left([column["headerName"] for column in columns]) == []
    row = {"pump": "ITB-000001", "site": "Zurich", "gateway": "gw", "retired_by": "eva"}
    rows = [row | {"retired_wall": 1_768_221_120_000}, row | {"retired_wall": None, "retired_by": None}]
    retired = pl.DataFrame([dict.fromkeys(RETIRED_SCHEMA) | one for one in rows], RETIRED_SCHEMA)
    assert left(retirement_dialog.listed(retired), "ITB-000001", "Zurich", "eva", "UTC") == []


def test_silences(data_of: Callable[..., DataService], fleet: FleetOf) -> None:
    data = data_of(fleet(10, alarms=3))
    row = data.snapshot().alarms.row(0, named=True)
    silence = Request("s1", {"rule": [row["rule"]]}, "MRI", "eva", data.now()).for_time(3_600_000)
    data.silences.add(silence)
    (line,) = silencing.story(data, data.snapshot(), row["alarm"])
    assert left([line], "eva", "MRI") == []
    token = VISITOR.set(Visitor("eva", "operator"))
    asked = silences.asked_of(
        ([], [row["rule"]], [], [], [], [], [], "for_time", "60", [], "", "", "UTC", 90, "", "MRI")
    )
    ended = replace(silence, ended=data.now(), ends=data.now())
    weekly = Request("w", {"site": ["Thun"], "priority": ["low"]}, "MRI", "eva", data.now()).recurring(
        [Window(("Sat",), "22:00", "06:00")], "UTC", 90
    )
    shown = [
        silences.layout(data),
        silences.previewed(silencing.Silencing(data), asked),
        silences.previewed(silencing.Silencing(data), silences.asked_of(((), (), (), (), (), (), (), *[None] * 9))),
        silence_views.listed([silence, weekly, ended], data.now(), {}, may=True),
        silence_views.listed([], data.now(), {}, may=True),
        silence_views.notice([silence], [ended], data.now()),
    ]
    VISITOR.reset(token)
    facts = data.snapshot().table.facts
    names = [
        name
        for column in ("site", "gateway", "model", "lot")
        for name in facts[column].cast(pl.String).drop_nulls().unique()
    ]
    assert left(shown, *names, *facts["pump"], "eva", "MRI", "Thun", row["rule"], " min", "UTC", ": Sa", "Sa ") == []
    with in_english():
        assert silencing.story(data, data.snapshot(), row["alarm"])[0].startswith("silenced until ")


def test_controls_of_trends(data_of: Callable[..., DataService], fleet: FleetOf) -> None:
    view = trend_view.view(data_of(fleet(3)).snapshot(), "ITB-000001", "6 h", trend_view.NOW, "")
    past = Past({}, pl.DataFrame(), [], (0, 1))
    shown = [view, *(dataclasses.replace(view, newest=newest) for newest in (None, 1, view.until))]
    shown += [dataclasses.replace(one, end=trend_view.LATEST) for one in shown]
    notes = [trend_view.note(one, past, samples).text for one in shown for samples in (0, 9)]
    data = ("ITB-000001", "UTC", trend_compare.COHORT, *trend_view.RANGES)
    assert left([trend_card.layout(), notes, trend_view.resolution(9, hourly=True)], *data) == []
