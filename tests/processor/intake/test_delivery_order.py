"""Messages that a broker delivers before earlier ones of their gateway wait; those of others and losses do not."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from broker.contract.codec import encode_arrow, encode_json
from broker.contract.signals import empty_samples
from broker.mqtt.link import Message
from processor.intake.delivery_order import NEWEST_SCHEMA, Arrangement, arrange
from processor.intake.inbox import Inbox
from processor.intake.quarantine import Quarantine
from processor.intake.registry import Registry

BOOT = 1_700_000_000
START_MS = 1_790_000_000_000
PUMPS = ("P-1", "P-2", "P-3")


def message(seq: int, gateway: str = "gate", pumps: Iterable[str] = PUMPS, *, json: bool = False) -> Message:
    at = START_MS + seq * 60_000
    rows = [{"pump": pump, "time": at, "sent": at, "seq": seq, "boot": BOOT} for pump in pumps]
    empty = empty_samples()
    samples = pl.concat([empty, pl.DataFrame(rows)], how="diagonal_relaxed").cast(dict(empty.schema))
    return Message(f"itb/00/{gateway}/telemetry", (encode_json if json else encode_arrow)(samples), seq, 1, False)


def newest(seq: int, pumps: Iterable[str] = PUMPS) -> pl.DataFrame:
    return pl.DataFrame([(pump, BOOT, seq) for pump in pumps], NEWEST_SCHEMA, orient="row")


def arranged(messages: list[Message], known: pl.DataFrame) -> Arrangement:
    return arrange(messages, Inbox(Registry(), Quarantine()).decode(messages), known)


def test_what_follows_is_taken_as_it_came() -> None:
    assert arranged([message(4), message(5)], newest(3)) == Arrangement([0, 1], [])


def test_messages_after_a_gap_wait_and_those_of_other_gateways_do_not() -> None:
    other = message(9, "other", ["X-1"])
    assert arranged([message(6), other, message(7)], newest(3)) == Arrangement([1], [0, 2])


def test_once_the_missing_ones_are_there_all_are_taken_in_order() -> None:
    found = arranged([message(6), message(7), message(4), message(5)], newest(3))
    assert found == Arrangement([2, 3, 0, 1], [])


def test_messages_up_to_a_gap_are_taken() -> None:
    assert arranged([message(7), message(4)], newest(3)) == Arrangement([1], [0])


def test_redelivered_messages_do_not_wait() -> None:
    assert arranged([message(2), message(3), message(4)], newest(3)) == Arrangement([0, 1, 2], [])


def test_a_pump_that_loses_samples_on_its_way_to_the_gateway_holds_nobody_up() -> None:
    known = pl.concat([newest(3, PUMPS[:2]), newest(1, PUMPS[2:])])
    assert arranged([message(4), message(5)], known) == Arrangement([0, 1], [])


def test_pumps_that_nobody_knows_do_not_wait() -> None:
    assert arranged([message(40)], newest(3, ["A-1"])) == Arrangement([0], [])


def test_json_of_single_pumps_waits_as_well() -> None:
    sent = [message(6, pumps=["P-1"], json=True), message(4, pumps=["P-1"], json=True)]
    assert arranged(sent, newest(3)) == Arrangement([1], [0])
    assert arranged([Message("itb/00/gate/birth", b"{", 1, 1, False), *sent], newest(3)) == Arrangement([0, 2], [1])


def test_what_cannot_be_decoded_and_what_has_no_stamp_is_taken_as_it_came() -> None:
    broken = Message("itb/00/gate/telemetry", b"{broken", 1, 1, False)
    plain = Message("itb/00/gate/telemetry", b'{"pump":"P-1","time":1790000000000,"seq":9,"boot":1}', 1, 1, False)
    assert arranged([broken, plain], newest(3)) == Arrangement([0, 1], [])
