"""Pumps leave, move and come back; only what is live counts as a sign of life."""

from __future__ import annotations

from dataclasses import dataclass, field

from broker.contract.actions import Outcome, Reinstate, Retire
from broker.contract.gateway_messages import Birth, Pumps, Status
from broker.contract.messages import encode
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from broker.store.snapshot import Health
from processor.pipeline import Pipeline
from processor.service import recovery
from tests.unsigned import Unsigned

START_MS = 1_790_000_000_000
SPEED = 60


@dataclass
class Ward:
    """Gateways `mine` and `yours`, a minute of therapy a second; every call of `minutes` sends and waits."""

    now: int = START_MS
    pipeline: Pipeline = field(default_factory=lambda: Pipeline(verifier=Unsigned()))
    seq: int = 0
    kinds: list[tuple[str, str]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def therapy(self) -> int:
        return START_MS + (self.now - START_MS) * SPEED

    def take(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        result = self.pipeline.take([Message(topic, payload, 1, 1, retained)], self.now)
        entries = result.entries.filter(result.entries["pump"].is_not_null())
        self.kinds += entries.select("pump", "kind").rows()
        self.outcomes += result.outcomes

    def birth(self, *pumps: str, gateway: str = "mine", retained: bool = False, sent: int | None = None) -> None:
        at = self.now if sent is None else sent
        birth = Birth(gateway=gateway, pumps=Pumps(serial=list(pumps)), sent=at, time=self.therapy, speed=SPEED)
        self.take(f"itb/00/{gateway}/birth", encode(birth), retained=retained)

    def sample(self, pump: str) -> bytes:
        return f'{{"pump":"{pump}","time":{self.therapy},"seq":{self.seq},"flow_ul_h":8.1}}'.encode()

    def minutes(self, count: int, *pumps: str, gateway: str = "mine") -> None:
        for _ in range(count):
            self.now += 1000
            self.seq += 1
            for pump in pumps:
                self.take(f"itb/00/{gateway}/telemetry", self.sample(pump))
            if not pumps:
                self.pipeline.take([], self.now)

    def alarms(self) -> list[tuple[str, str]]:
        return self.pipeline.snapshot(Health(), self.now).alarms.select("subject", "rule").rows()

    def pumps(self) -> list[str]:
        return self.pipeline.snapshot(Health(), self.now).pumps["pump"].to_list()

    def retired(self) -> list[tuple[str, str | None, str | None]]:
        """Return serial, by whom and why of the pumps that the snapshot lists as retired."""
        listed = self.pipeline.snapshot(Health(), self.now).retired
        return listed.select("pump", "retired_by", "retired_why").rows()

    def act(self, action: Retire | Reinstate) -> str:
        self.take(COMMAND, encode(action))
        return self.outcomes[-1].text


def test_a_pump_that_the_birth_no_longer_names_is_retired_and_is_not_alarmed_for_ever():
    ward = Ward()
    ward.birth("A", "B")
    ward.minutes(5, "A", "B")
    ward.birth("A")
    ward.minutes(20, "A")
    assert ward.pumps() == ["A"]
    assert ward.alarms() == []
    assert ward.kinds == [("B", "retired")]


def test_a_retired_pump_that_sends_again_is_monitored_again():
    ward = Ward()
    ward.birth("A", "B")
    ward.minutes(5, "A", "B")
    ward.birth("A")
    ward.minutes(20, "A")
    ward.minutes(1, "A", "B")
    assert ward.pumps() == ["A", "B"]
    assert ward.kinds == [("B", "retired"), ("B", "reinstated")]
    ward.minutes(15, "A")
    assert ward.alarms() == [("B", "pump_silent")]


def test_a_retired_pump_that_sends_again_with_impossible_times_is_alarmed():
    ward = Ward()
    ward.birth("A", "B")
    ward.minutes(5, "A", "B")
    ward.birth("A")
    for _ in range(10):
        ward.minutes(1, "A")
        ward.take("itb/00/mine/telemetry", b'{"pump":"B","time":4039374839932,"flow_ul_h":8.1}')
    assert ward.kinds == [("B", "retired"), ("B", "reinstated")]
    assert ward.alarms() == [("B", "pump_silent")]


def test_a_retained_copy_of_telemetry_is_no_sign_of_life_and_says_so():
    ward = Ward()
    ward.minutes(5, "A")
    ward.minutes(540)
    assert ("A", "pump_silent") in ward.alarms()
    ward.take("itb/00/mine/telemetry", ward.sample("A"), retained=True)
    assert ("A", "pump_silent") in ward.alarms()
    assert "a retained copy of telemetry is no sign of life" in ward.pipeline.quarantine.latest[-1].reason


def test_the_retained_copy_of_a_birth_after_a_restart_clears_no_alarm(tmp_path):
    ward = Ward()
    ward.birth("A")
    sent = ward.now
    ward.minutes(5, "A")
    ward.minutes(15)
    assert ward.alarms() == [("A", "pump_silent")]
    recovery.save(tmp_path, ward.pipeline, ward.now)
    ward.pipeline = recovery.restore(tmp_path, verifier=Unsigned())
    ward.birth("A", retained=True, sent=sent)
    ward.minutes(1)
    assert ward.alarms() == [("A", "pump_silent")]


def test_a_pump_that_moves_to_another_gateway_is_monitored_there_without_being_called_silent():
    ward = Ward()
    ward.birth("B")
    ward.birth("A")
    ward.minutes(3, "A")
    ward.minutes(4, "A", gateway="yours")
    assert "belongs to mine, which delivers it" in ward.pipeline.quarantine.latest[-1].reason
    ward.minutes(20, "A", gateway="yours")
    facts = ward.pipeline.registry.facts()
    assert dict(facts.select("pump", "gateway").iter_rows())["A"] == "yours"
    assert ("A", "moved") in ward.kinds
    assert [about for about, _ in ward.alarms()] == []


def test_of_two_gateways_that_both_deliver_a_pump_the_first_keeps_it():
    ward = Ward()
    ward.birth("A")
    for _ in range(20):
        ward.minutes(1, "A")
        ward.take("itb/00/yours/telemetry", ward.sample("A"))
    assert ward.pipeline.registry.facts()["gateway"].to_list() == ["mine"]
    assert ward.kinds == []


def test_a_pump_of_a_gateway_that_is_offline_moves_at_once():
    ward = Ward()
    ward.birth("A")
    ward.minutes(3, "A")
    ward.take("itb/00/mine/status", encode(Status(gateway="mine", state="offline", sent=ward.now)))
    ward.minutes(1, "A", gateway="yours")
    assert ward.pipeline.registry.facts()["gateway"].to_list() == ["yours"]


def test_a_person_retires_a_pump_with_a_reason_once_it_is_silent_and_reinstates_it(tmp_path):
    ward = Ward()
    ward.birth("A", "B")
    ward.minutes(5, "A", "B")

    def retire(number: int, *pumps: str, why: str = "explanted") -> str:
        return ward.act(Retire(id=str(number), pumps=list(pumps), who="eva", at=ward.now, why=why))

    assert retire(1, "A") == "Retired 0 pumps. Refused: A: it sent within the last 8 min; stop it first."
    ward.minutes(12, "B")
    assert ward.alarms() == [("A", "pump_silent")]
    assert retire(2, "A", why=" ") == "Retired 0 pumps. Refused: enter a reason."
    assert retire(3, "A", "X") == "Retired 1 pump. Refused: X: unknown pump."
    assert retire(4, "A") == "Retired 0 pumps. Refused: A: already retired."
    assert ward.alarms() == []
    recovery.save(tmp_path, ward.pipeline, ward.now)
    ward.pipeline = recovery.restore(tmp_path, verifier=Unsigned())
    assert ward.pumps() == ["B"]
    assert ward.retired() == [("A", "eva", "explanted")]
    assert ward.pipeline.snapshot(Health(), ward.now).retired["retired_wall"].to_list() == [ward.now]
    assert ward.act(Reinstate(id="5", pumps=["A"], who="eva", at=ward.now)) == "Reinstated 1 pump."
    ward.minutes(12, "B")
    assert ward.alarms() == [("A", "pump_silent")]
    assert ward.retired() == []
    assert ward.kinds == [("A", "retired"), ("A", "reinstated")]


def test_pumps_of_a_gateway_that_fails_before_its_first_sample_are_alarmed():
    ward = Ward()
    ward.birth("MY-1")
    ward.take("itb/00/mine/status", encode(Status(gateway="mine", state="offline", sent=ward.now)))
    ward.minutes(10)
    assert ward.alarms() != []


def test_what_the_broker_retains_of_a_gateway_long_gone_is_no_alarm():
    ward = Ward()
    ward.birth("MY-1", retained=True)
    ward.take("itb/00/mine/status", encode(Status(gateway="mine", state="offline", sent=ward.now)), retained=True)
    ward.minutes(10)
    assert ward.alarms() == []


def test_a_birth_that_names_a_retired_pump_brings_it_back_with_an_entry_in_the_journal():
    ward = Ward()
    ward.birth("A", "B")
    ward.minutes(3, "A", "B")
    ward.birth("A")
    assert ward.retired() == [("B", None, "the birth of mine no longer names it")]
    ward.birth("A", "B", sent=ward.now + 1)
    assert ward.retired() == []
    assert ward.kinds == [("B", "retired"), ("B", "reinstated")]


def test_the_pumps_of_a_gateway_that_left_are_listed_as_retired_with_it():
    ward = Ward()
    ward.birth("A", "B")
    ward.minutes(3, "A", "B")
    ward.take("itb/00/mine/birth", b"")
    assert ward.pumps() == []
    assert ward.retired() == [("A", None, None), ("B", None, None)]
    ward.minutes(1, "A")
    assert (ward.pumps(), ward.retired()) == (["A", "B"], [])
