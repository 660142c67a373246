"""Out of service in advance: not annunciated until returned to service, or until the time has elapsed."""

from __future__ import annotations

import pytest

from broker.contract.actions import InService, PutBack, TakeOut
from broker.contract.messages import encode
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from processor.pipeline import Pipeline
from processor.rules import RULE_BY_NAME
from processor.service import recovery
from processor.watch import readings
from tests.unsigned import Unsigned

START_MS = 1_767_225_600_000
HEALTHY, LOW = 3.1, 2.5
HOUR_S = 3600.0
RULES = tuple(RULE_BY_NAME[name] for name in ("battery_end", "motor_stall", "pump_silent"))


class Service:
    """Pump ITB-1, whose battery voltage is healthy or low for some minutes, and an operator with programmer rights."""

    def __init__(self, watch, json_sample) -> None:
        self.watch, self.sample, self.minute, self.actions, self.received = watch, json_sample, 0, 0, 0

    def minutes(self, count: int, battery_v: float) -> Service:
        numbers = range(self.minute, self.minute + count)
        self.minute += count
        reported = {"pump": "ITB-1", "boot": 1, "battery_v": battery_v}
        self.watch.wait_s(count)
        self.watch.deliver(
            "\n".join(self.sample(time=START_MS + at * 60_000, seq=at + 1, **reported) for at in numbers)
        )
        return self

    def act(self, kind, *subjects: str, who: str = "eva", why: str = "new gateway", **fields) -> Service:
        self.actions += 1
        action = kind(id=str(self.actions), subjects=list(subjects), who=who, at=START_MS, why=why, **fields)
        return self.send(action)

    def send(self, action) -> Service:
        self.watch.take([Message(COMMAND, encode(action), 1, 1, retained=False)])
        self.outcome = self.watch.outcomes[-1].text
        return self

    def states(self) -> dict[str, str]:
        return dict(self.watch.snapshot().alarms.select("rule", "state").iter_rows())

    def kinds(self) -> list[str]:
        return self.watch.journal()["kind"].to_list()

    def annunciated(self) -> list[str]:
        events = self.watch.announcements[self.received :]
        self.received += len(events)
        return [event.kind for event in events]


@pytest.fixture
def service(watch, json_sample):
    watch.pipeline = Pipeline(RULES, verifier=Unsigned())
    return Service(watch, json_sample).minutes(3, HEALTHY)


def test_an_alarm_of_an_out_of_service_pump_is_raised_but_not_annunciated(service):
    service.act(TakeOut, "ITB-1")
    assert service.outcome == "Took out of service all alarms of 1 of 1."
    service.minutes(15, LOW)
    assert service.states() == {"battery_end": "out_of_service"}
    assert service.annunciated() == []
    alarm = service.watch.snapshot().alarms.row(0, named=True)
    assert (alarm["out_by"], alarm["out_why"]) == ("eva", "new gateway")
    pump = service.watch.snapshot().pumps.row(0, named=True)
    assert (pump["priority"], pump["worst"]) == (0, None)


def test_a_standing_alarm_is_annunciated_as_soon_as_its_pump_returns_to_service(service):
    service.act(TakeOut, "ITB-1").minutes(15, LOW).act(PutBack, "ITB-1", why="")
    assert service.outcome == "Returned to service all alarms of 1 of 1."
    assert service.states() == {"battery_end": "unacknowledged"}
    assert service.annunciated() == ["in_service"]
    assert service.watch.snapshot().orders.is_empty()


def test_an_alarm_that_returns_to_normal_while_out_of_service_clears_silently(service):
    service.act(TakeOut, "ITB-1").minutes(15, LOW).minutes(75, HEALTHY)
    assert service.states() == {}
    service.act(PutBack, "ITB-1").minutes(1, HEALTHY)
    assert service.states() == {}
    assert service.annunciated() == []


def test_an_open_alarm_goes_out_of_service_with_its_pump(service):
    service.minutes(15, LOW)
    assert service.annunciated() == ["raised"]
    service.act(TakeOut, "ITB-1")
    assert service.states() == {"battery_end": "out_of_service"}


def test_a_single_rule_can_be_out_of_service(service):
    service.act(TakeOut, "ITB-1", rule="motor_stall").minutes(15, LOW)
    assert service.states() == {"battery_end": "unacknowledged"}
    service.act(TakeOut, "ITB-1", rule="battery_end")
    assert service.states() == {"battery_end": "out_of_service"}
    assert service.watch.snapshot().orders["title"].to_list() == ["Motor stall", "Battery depleted"]


def test_a_pump_returns_to_service_when_the_time_has_elapsed(service):
    service.act(TakeOut, "ITB-1", for_s=HOUR_S).minutes(15, LOW)
    assert service.watch.snapshot().orders["left_s"].to_list() == [pytest.approx(45 * 60)]
    service.minutes(44, LOW)
    assert service.states() == {"battery_end": "out_of_service"}
    service.minutes(2, LOW)
    assert service.states() == {"battery_end": "unacknowledged"}
    assert service.watch.journal().filter(kind="in_service")["text"].to_list() == [None, "the time has elapsed"]


def test_out_of_service_survives_a_restart(service, tmp_path):
    service.act(TakeOut, "ITB-1", for_s=HOUR_S)
    recovery.save(tmp_path, service.watch.pipeline, START_MS)
    service.watch.pipeline = recovery.restore(tmp_path, RULES, Unsigned())
    service.minutes(15, LOW)
    assert service.states() == {"battery_end": "out_of_service"}


def test_taking_a_pump_out_of_service_is_recorded_with_operator_and_reason_before_any_alarm(service):
    service.act(TakeOut, "ITB-1", rule="battery_end")
    entry = service.watch.journal().row(-1, named=True)
    recorded = {name: entry[name] for name in ("kind", "pump", "title", "who", "text", "alarm")}
    assert recorded == {
        "kind": "out_of_service",
        "pump": "ITB-1",
        "title": "Battery depleted",
        "who": "eva",
        "text": "new gateway",
        "alarm": None,
    }


@pytest.mark.parametrize(
    ("kind", "fields", "outcome"),
    [
        (TakeOut, {"subjects": ["ITB-9"]}, "Took out of service nothing. Refused: unknown subject."),
        (TakeOut, {"subjects": ["ITB-1"], "why": " "}, "Took out of service nothing. Refused: enter a reason."),
        (
            TakeOut,
            {"subjects": ["ITB-1"], "rule": "x"},
            "Took out of service nothing. Refused: there is no rule 'x'; `pumpwatch rules` lists them.",
        ),
        (
            PutBack,
            {"subjects": ["ITB-1"]},
            "Returned to service nothing. Refused: not out of service for this rule.",
        ),
    ],
)
def test_an_invalid_request_is_refused_with_a_reason_and_recorded(service, kind, fields, outcome):
    service.send(kind(**{"id": "9", "who": "eva", "at": START_MS, "why": "so", **fields}))
    assert service.outcome == outcome
    assert service.kinds() == ["refused"]
    assert service.watch.snapshot().orders.is_empty()


def test_a_second_request_to_take_a_pump_out_of_service_is_refused_and_names_the_first_operator(service):
    service.act(TakeOut, "ITB-1").act(TakeOut, "ITB-1", who="max")
    assert service.outcome == "Took out of service nothing. Refused: already taken out of service by eva."
    assert service.watch.snapshot().orders["out_by"].to_list() == ["eva"]


def test_an_alarm_out_of_service_with_its_pump_cannot_be_returned_to_service_alone(service):
    service.act(TakeOut, "ITB-1").minutes(15, LOW)
    alarm = service.watch.pipeline.alarms["alarm"].to_list()
    service.send(InService(id="7", alarms=alarm, who="eva", at=START_MS))
    assert "out of service with its pump" in service.outcome
    assert service.states() == {"battery_end": "out_of_service"}


def test_a_component_of_the_system_can_be_taken_out_of_service_before_it_raises_an_alarm(service):
    service.act(TakeOut, "system: storage")
    full = readings.frame(readings.troubles({"storage": "no space left"}))
    for _ in range(3):
        service.watch.wait_s(6)
        service.watch.take([], readings=full)
    assert service.states()["storage_failing"] == "out_of_service"
    shown = service.watch.snapshot()
    assert [*shown.orders["subject_kind"], *shown.alarms["subject_kind"]] == ["system", "system"]
