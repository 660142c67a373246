"""Who may take over whose pump: no birth takes one that is delivered; an engineer's transfer does."""

from __future__ import annotations

import json

import polars as pl

from broker.contract.actions import Transfer
from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.contract.topics import COMMAND
from broker.mqtt.link import Message
from processor.intake.confirmations import Confirmations
from processor.service import recovery
from tests.processor.notation import START_MS

CLAIM = (
    "the birth of thief names pump A and 1 more, which ward delivers; it stays there. "
    "An engineer moves it with `pumpwatch pump transfer A thief`"
)


def sample(watch, pump: str, gateway: str = "ward", *, sent: int | None = None) -> int:
    """Deliver a sample; return how many were accepted."""
    values = {"pump": pump, "time": watch.now_therapy, "sent": sent or watch.now, "flow_ul_h": 8}
    return watch.deliver(json.dumps(values), gateway=gateway).height


def transfer(watch, name: str, pump: str, gateway: str) -> str:
    order = Transfer(id=name, pumps=[pump], gateway=gateway, who="eva", at=watch.now)
    watch.take([Message(COMMAND, encode(order), 1, 1, retained=False)])
    return watch.outcomes[-1].text


def owners(watch) -> dict[str, str]:
    return dict(watch.pipeline.registry.facts().select("pump", "gateway").iter_rows())


def facts_of(watch, pump: str) -> dict[str, object]:
    return watch.pipeline.registry.facts().row(by_predicate=pl.col("pump") == pump, named=True)


def test_a_birth_that_names_pumps_of_a_gateway_that_delivers_them_gets_none_of_them(watch):
    watch.birth("A", "B")
    sample(watch, "A")
    watch.birth("A", "B", "C", gateway="thief")
    assert owners(watch) == {"A": "ward", "B": "ward", "C": "thief"}
    assert watch.reasons == [CLAIM]
    assert watch.pipeline.registry.claims_refused == 2
    assert sample(watch, "A", "thief") == 0
    watch.wait_s(1)
    assert sample(watch, "A") == 1
    claims = watch.entries().filter(pl.col("kind") == "refused").select("subject", "text").rows()
    assert claims == [("thief", CLAIM)]


def test_what_a_refused_birth_says_of_a_pump_is_ignored(watch):
    for gateway, serials, models in (("ward", ["A"], ["M20"]), ("thief", ["C", "A"], ["M40", "M40"])):
        pumps = Pumps(serial=serials, model=models)
        born = Birth(gateway=gateway, pumps=pumps, sent=START_MS, time=START_MS)
        watch.deliver(encode(born), "birth", gateway=gateway)
    assert (facts_of(watch, "A")["model"], facts_of(watch, "C")["model"]) == ("M20", "M40")


def test_a_gateway_that_is_silent_for_five_minutes_loses_its_pumps_to_one_that_names_them(watch):
    watch.birth("A", speed=1.0)
    for _ in range(7):
        watch.wait_s(60)
        watch.take([])
    watch.birth("A", gateway="new", speed=1.0)
    assert owners(watch) == {"A": "new"}


def test_an_engineer_transfers_a_pump_and_the_journal_names_the_engineer(watch, tmp_path):
    watch.birth("A", "B")
    assert transfer(watch, "1", "A", "new").endswith("unknown gateway new; it has to connect first.")
    watch.birth("A", gateway="new")
    assert transfer(watch, "2", "A", "new") == "Transferred 1 pump to new."
    assert owners(watch) == {"A": "new", "B": "ward"}
    [moved] = watch.entries().filter(pl.col("kind") == "moved").to_dicts()
    assert (moved["subject"], moved["who"], moved["text"]) == ("A", "eva", "from ward to new: transferred")
    assert transfer(watch, "3", "A", "new").endswith("A: belongs to new already.")
    assert transfer(watch, "4", "X", "new").endswith("X: unknown pump.")
    recovery.save(tmp_path, watch.pipeline, watch.now)
    # The broker delivers the old birth again to a processor that connects.
    watch.pipeline = recovery.restore(tmp_path)
    claims = watch.pipeline.registry.claims_refused
    watch.birth("A", "B", retained=True)
    assert owners(watch) == {"A": "new", "B": "ward"}
    assert watch.pipeline.registry.claims_refused == claims


def test_a_forged_empty_birth_is_undone_by_the_next_sample_of_the_gateway(watch):
    watch.birth("A")
    sample(watch, "A", sent=START_MS + 1)
    watch.deliver(b"", "birth")
    confirmations, gateways = Confirmations(), watch.pipeline.registry.gateways
    assert confirmations.progress(gateways.order) == {}
    assert watch.snapshot().gateways["state"].to_list() == ["left"]
    watch.wait_s(1)
    assert sample(watch, "A", sent=START_MS + 2) == 1
    confirmations.durable(confirmations.progress(gateways.order))
    assert [topic for topic, _ in confirmations.due()] == ["pumpwatch/confirmed/ward"]
    assert watch.snapshot().gateways["state"].to_list() == ["online"]
