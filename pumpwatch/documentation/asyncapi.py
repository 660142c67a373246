"""AsyncAPI 3.1 document of all topics: channels, payload schemas, and who sends and receives what, from our tables."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from broker.contract import topics
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_BY_NAME
from broker.mqtt.topic_access import GATEWAY, OWN, PERMISSIONS, Permission
from pumpwatch.documentation.channels import CHANNELS, PARAMETERS, Channel, Sent
from pumpwatch.documentation.markdown import sentence
from pumpwatch.documentation.message_examples import examples_of

VERSION: Final = "3.1.0"
_SCHEMAS: Final = "#/components/schemas/"
_SAMPLE: Final = "JsonSample"
_EMPTY: Final = {"type": "object", "description": "Nothing is read from it."}


def asyncapi_document() -> str:
    """Return the document as JSON."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def document() -> dict[str, Any]:
    """Return the document."""
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Pumpwatch",
            "version": "1",
            "description": "Topics of Pumpwatch, which monitors a fleet of simulated implanted pumps. A simulation, no "
            "medical device. Operations are named after the user of the broker who sends or receives; the broker "
            "refuses everything that is no operation here, except to the user _monitor, who reads everything.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            name: {
                "host": f"localhost:{port}",
                "protocol": protocol,
                "description": f"The broker that Pumpwatch starts, {how}. `pumpwatch doctor` says the port.",
                "security": [{"$ref": "#/components/securitySchemes/password"}],
            }
            for name, protocol, port, how in (
                ("local", "mqtt", 1883, "for this machine"),
                ("network", "mqtts", 8883, "for other machines, with TLS"),
            )
        },
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": dict(_operations()),
        "components": {
            "securitySchemes": {"password": {"type": "userPassword", "description": "Name and password of a gateway."}},
            "messages": {sent.name: _message(sent) for channel in CHANNELS for sent in channel.sent},
            "schemas": schemas(),
        },
    }


def schemas() -> dict[str, Any]:
    """Return the JSON Schemas of all payloads by name, in what draft 7 and AsyncAPI know."""
    kinds = [sent.kind for channel in CHANNELS for sent in channel.sent if sent.kind is not None]
    kinds += [kind for channel in CHANNELS for sent in channel.sent for kind in sent.signed]
    _, found = msgspec.json.schema_components(kinds, ref_template=_SCHEMAS + "{name}")
    return {name: _sample(schema) if name == _SAMPLE else _plain(schema) for name, schema in sorted(found.items())}


def users_of(channel: Channel) -> Iterator[Permission]:
    """Yield the rows of the access table that allow a user to send or receive on this channel by its name."""
    address = re.sub(r"\{\w+\}", "x", channel.address)
    yield from (row for row in PERMISSIONS if row.topic not in {"#", "$SYS/#"} and _matches(row.topic, address))


def _matches(topic_filter: str, address: str) -> bool:
    pattern = re.escape(topic_filter.replace(OWN, "x").replace("x/", "+/")).replace(r"\+", "[^/]+").replace(r"\#", ".+")
    return re.fullmatch(re.sub("x$", "[^/]+", pattern), address) is not None


def _channel(channel: Channel) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", channel.address)
    return {
        "address": channel.address,
        "title": channel.title,
        "description": f"{sentence(channel.meaning)}.",
        **({"parameters": {name: PARAMETERS[name] for name in names}} if names else {}),
        "messages": {sent.name: {"$ref": f"#/components/messages/{sent.name}"} for sent in channel.sent},
    }


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for channel in CHANNELS:
        for row in users_of(channel):
            user = "gateway" if row.user == GATEWAY else row.user.removeprefix("_")
            action = "send" if row.action == "write" else "receive"
            answered = {"reply": {"channel": {"$ref": f"#/channels/{channel.reply}"}}} if channel.reply else {}
            yield (
                f"{user}.{action}.{channel.name}",
                {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{channel.name}"},
                    "title": f"{user} {action}s: {channel.title.lower()}",
                    "summary": f"{sentence(row.why)}.",
                    "bindings": {
                        "mqtt": {
                            "qos": 1,
                            **({"retain": channel.retained} if action == "send" else {}),
                            "bindingVersion": "0.2.0",
                        }
                    },
                    **answered,
                },
            )


def _message(sent: Sent) -> dict[str, Any]:
    examples = examples_of(sent.name)
    return {
        "name": sent.name,
        "title": sent.title,
        "contentType": sent.content,
        "payload": _payload(sent),
        **({"examples": [{"payload": example} for example in examples]} if examples else {}),
    }


def _payload(sent: Sent) -> dict[str, Any]:
    if sent.form == "empty":
        return dict(_EMPTY)
    if sent.form == "private":
        about = "MessagePack between `pumpwatch load` and its workers of the same version; it may change at any time."
        return {"type": "string", "format": "binary", "description": about}
    reference = {"$ref": f"{_SCHEMAS}{sent.kind.__name__}"}
    if sent.signed:
        held = [{"$ref": f"{_SCHEMAS}{kind.__name__}"} for kind in sent.signed]
        about = "The text in `payload` is one of these, as JSON, with `id`, `who` and `at`."
        return {"allOf": [reference], "description": about, "x-payload": {"oneOf": held}}
    columns = {name: str(kind) for name, kind in SAMPLE_SCHEMA.items()}
    forms: dict[str, dict[str, Any]] = {
        "one": reference,
        "array": {"type": "array", "minItems": 1, "items": reference},
        "lines": {"type": "string", "description": "One sample per line.", "x-line": reference},
        "table": {"type": "string", "format": "binary", "description": "A row per sample.", "x-columns": columns},
    }
    return forms[sent.form]


def _sample(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a sample, with what the decoder checks beyond its type, and units."""
    plain: dict[str, Any] = _plain(schema)
    fields = plain["properties"]
    fields["pump"] |= {"pattern": f"^{topics.NAME.pattern}$", "description": "Serial number."}
    for name, what in (("time", "Therapy time"), ("sent", "Wall-clock time of sending")):
        kinds = [kind for kind in fields[name]["anyOf"] if kind["type"] == "integer"]
        text = {"type": "string", "format": "date-time"}
        fields[name] = {
            "anyOf": [*kinds, text, *({"type": "null"} for _ in range(name == "sent"))],
            "description": f"{what}: ms since 1970, or ISO 8601 with a time zone.",
        }
    for name, signal in SIGNAL_BY_NAME.items():
        fields[name]["description"] = f"{signal.title}, {signal.unit}; null or missing: unknown."
    plain["description"] = "One sample; anything but pump and time may be missing and is then unknown."
    return plain


def _plain(schema: Any) -> Any:
    """Return a schema without what only later drafts know: tuples, discriminators as objects, anchors of Python."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items() if key != "discriminator"}
    if "prefixItems" in plain:
        # Of a tuple, every item is there: its length is given as well.
        plain["items"] = plain.pop("prefixItems")
    if plain.get("type") == "number":  # equal types share one object: whichever came first, with 0 or with 0.0
        plain |= {limit: float(plain[limit]) for limit in ("minimum", "maximum") if limit in plain}
    if isinstance(plain.get("pattern"), str):
        plain["pattern"] = plain["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
    if isinstance(plain.get("description"), str):  # only Python 3.13 and newer drop the indentation of docstrings
        plain["description"] = re.sub(r"\bNone\b", "null", inspect.cleandoc(plain["description"]))
    return plain
