"""The AsyncAPI document is valid, complete, and says what the decoders and the access table do."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.contract.codec import decode, encode_arrow
from broker.contract.signals import SAMPLE_SCHEMA
from broker.contract.signed import Keys, Verifier
from broker.mqtt.topic_access import PERMISSIONS
from pumpwatch.documentation.asyncapi import document, users_of
from pumpwatch.documentation.channels import CHANNELS
from pumpwatch.documentation.message_examples import AT, COMMAND_TOPIC, SIGNER, examples_of
from tests.contracts.decoders import DECODERS, PAYLOADS, is_declared, refusal
from tests.contracts.schema_values import values

SPECIFICATION = Path(__file__).with_name("asyncapi-3.1.0.schema.json.gz")
"""The JSON Schema of AsyncAPI 3.1.0, from the npm package @asyncapi/specs 6.11.1 (Apache-2.0)."""
DOCUMENT = document()
MESSAGES = DOCUMENT["components"]["messages"]
TOPICS = {"signedCommand": COMMAND_TOPIC, "signedAction": "pumpwatch/command"}
EVERYTHING = {"#", "$SYS/#"}


def content_of(message: str) -> Any:
    schema = MESSAGES[message]["payload"]
    return schema.get("x-payload", schema)


@functools.cache
def strategy_of(message: str) -> st.SearchStrategy[Any]:
    return values(content_of(message), DOCUMENT["components"]["schemas"])


def resolved(schema: Any) -> Any:
    """Return a schema of the document that stands by itself."""
    text = json.dumps({"definitions": DOCUMENT["components"]["schemas"], **schema})
    return json.loads(text.replace("#/components/schemas/", "#/definitions/"))


VALIDATORS = {name: jsonschema.Draft7Validator(resolved(content_of(name))) for name in MESSAGES}


def payload_of(message: str, example: Any) -> bytes:
    return example.encode() if message == "sampleLines" else msgspec.json.encode(example)


def test_the_document_follows_the_specification() -> None:
    schema = json.loads(gzip.decompress(SPECIFICATION.read_bytes()))
    errors = list(jsonschema.Draft7Validator(schema).iter_errors(DOCUMENT))
    assert [(list(error.absolute_path), error.message[:200]) for error in errors] == []


def test_everybody_who_may_use_a_topic_has_an_operation_and_nobody_else() -> None:
    rows = {row for row in PERMISSIONS if row.topic not in EVERYTHING}
    assert rows == {row for channel in CHANNELS for row in users_of(channel)}, "a topic is in no row of CHANNELS"
    sends = {name for name in DOCUMENT["operations"] if name.endswith("send.telemetry")}
    assert sends == {"gateway.send.telemetry"}
    assert "gateway.send.alarms" not in DOCUMENT["operations"]


def test_it_says_that_this_is_a_simulation() -> None:
    assert "no medical device" in DOCUMENT["info"]["description"]


@pytest.mark.parametrize("message", [name for name in MESSAGES if MESSAGES[name]["payload"].get("format") != "binary"])
def test_every_example_fits_its_schema_and_is_accepted_by_the_decoder(message: str) -> None:
    examples = MESSAGES[message]["examples"]
    assert examples
    for example in examples:
        jsonschema.Draft7Validator(resolved(MESSAGES[message]["payload"])).validate(example["payload"])
        if message in DECODERS:
            assert refusal(DECODERS[message], payload_of(message, example["payload"])) is None


@pytest.mark.parametrize("message", PAYLOADS)
def test_the_signed_examples_can_be_verified_and_what_they_hold_fits_its_schema(message: str) -> None:
    verifier = Verifier(lambda: Keys(keys=[SIGNER.public]))
    held = jsonschema.Draft7Validator(resolved(MESSAGES[message]["payload"]["x-payload"]))
    for example in examples_of(message):
        opened = verifier.open(TOPICS[message], msgspec.json.encode(example), AT + 1_000)
        held.validate(json.loads(opened.payload))
        assert refusal(PAYLOADS[message], opened.payload) is None


def test_an_arrow_stream_with_the_columns_of_the_document_is_accepted() -> None:
    columns = MESSAGES["sampleTable"]["payload"]["x-columns"]
    assert columns == {name: str(kind) for name, kind in SAMPLE_SCHEMA.items()}
    row = {"pump": ["MY-1"], "time": [AT], "flow_ul_h": [8.1]}
    table = pl.DataFrame({name: row.get(name, [None]) for name in columns}, schema=SAMPLE_SCHEMA)
    decoded = decode(encode_arrow(table))
    assert (decoded.samples.height, decoded.rejected) == (1, ())


@pytest.mark.parametrize("message", [*(name for name in DECODERS if name != "sampleLines"), *PAYLOADS])
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
@given(data=st.data())
def test_whatever_fits_a_schema_is_accepted_or_refused_for_a_declared_reason(message: str, data: st.DataObject) -> None:
    read = DECODERS.get(message) or PAYLOADS[message]
    value = data.draw(strategy_of(message))
    assert VALIDATORS[message].is_valid(value), "the generator is wrong"
    reason = refusal(read, msgspec.json.encode(value))
    assert reason is None or is_declared(reason), reason


@pytest.mark.parametrize(
    ("message", "value"),
    [
        ("status", {"gateway": "mine", "state": "asleep", "sent": AT}),
        ("sample", {"pump": "MY-1", "time": AT, "flow_ul_h": 1e9}),
        ("sample", {"pump": "a pump", "time": AT}),
        ("confirmation", {"sent": 1}),
        ("outcome", {"id": "a", "done": -1, "refused": 0, "text": ""}),
    ],
)
def test_what_breaks_the_schema_is_refused_by_the_decoder_too(message: str, value: dict[str, Any]) -> None:
    assert not jsonschema.Draft7Validator(resolved(MESSAGES[message]["payload"])).is_valid(value)
    assert refusal(DECODERS[message], msgspec.json.encode(value)) is not None
