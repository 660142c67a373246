"""Every field of every message has a declared range, and a value outside it is refused with field, value and range."""

from __future__ import annotations

import contextlib
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from broker.contract.actions import Action, Outcome, read_action
from broker.contract.commands import GatewayCommand, Reply, read_command
from broker.contract.gateway_messages import Birth, Confirmation, Status, read_birth, read_status
from broker.contract.messages import MessageError
from broker.contract.part_notices import Notice
from broker.contract.trace import Trace

INCOMING = (
    Birth,
    Status,
    Confirmation,
    Notice,
    Reply,
    Outcome,
    *get_args(GatewayCommand),
    *get_args(Action),
    *get_args(Trace),
)
AT = 1_767_225_600_000
STATUS = {"gateway": "mine", "state": "online", "sent": AT}
BIRTH = {"gateway": "mine", "pumps": {"serial": ["A"]}, "sent": AT, "time": AT}


def unlimited(kind: inspect.Type, path: str) -> list[str]:
    """The paths below a type that allow a number, a text or a list of any size."""
    below: list[tuple[inspect.Type, str]] = []
    limited = True
    match kind:
        case inspect.IntType() | inspect.FloatType():
            limited = kind.ge is not None and kind.le is not None
        case inspect.StrType():
            limited = kind.max_length is not None
        case inspect.ListType():
            limited, below = kind.max_length is not None, [(kind.item_type, f"{path}[]")]
        case inspect.DictType():
            limited = kind.max_length is not None
            below = [(kind.key_type, f"{path}{{}}"), (kind.value_type, f"{path}{{}}")]
        case inspect.TupleType():
            below = [(item, f"{path}[]") for item in kind.item_types]
        case inspect.UnionType():
            below = [(each, path) for each in kind.types]
        case inspect.StructType():
            below = [(field.type, f"{path}.{field.encode_name}") for field in kind.fields]
    return [*([] if limited else [path]), *(found for each in below for found in unlimited(*each))]


@pytest.mark.parametrize("message", INCOMING, ids=lambda message: message.__name__)
def test_every_field_of_a_message_has_a_declared_range(message):
    assert unlimited(inspect.type_info(message), message.__name__) == []


def test_a_field_without_a_range_would_be_noticed():
    class Unlimited(msgspec.Struct):
        count: int
        names: list[str]

    assert unlimited(inspect.type_info(Unlimited), "it") == ["it.count", "it.names", "it.names[]"]


@pytest.mark.parametrize(
    ("read", "message", "reason"),
    [
        (read_status, {**STATUS, "waiting": 2**64 - 1}, "waiting is 18446744073709551615; allowed is 0 to"),
        (read_status, {**STATUS, "waiting": -1}, "waiting is -1; allowed is 0 to 9,007,199,254,740,992"),
        (read_status, {**STATUS, "sent": AT * 1_000_000}, "sent is 1767225600000000000; allowed is 2000-01-01 to 2100"),
        (read_birth, {**BIRTH, "time": AT * 1_000_000}, "time is 1767225600000000000; allowed is 2000-01-01 to 2100"),
        (read_birth, {**BIRTH, "speed": 1e-300}, "speed is 1e-300; allowed is 0.1 to 1,000,000"),
        (
            read_birth,
            {**BIRTH, "pumps": {"serial": ["A"], "reservoir_ml": [1e300]}},
            "pumps.reservoir_ml[0] is 1e+300; allowed is 0 to 1,000",
        ),
        (read_birth, {**BIRTH, "pumps": {"serial": ["x" * 201]}}, "pumps.serial[0] has 201 characters"),
        (
            read_command,
            {"kind": "program", "id": "1", "pumps": ["A"], "steps": [[0, 1], [1e9, 1]]},
            "steps[1][0] is 1000000000.0; allowed is 0 to 86,400",
        ),
        (
            read_action,
            {"kind": "take_out", "id": "1", "subjects": ["A"], "who": "x", "at": AT, "for_s": 8.64e18},
            "for_s is 8.64e+18; allowed is 1 to 316,224,000",
        ),
    ],
)
def test_a_value_outside_its_range_is_refused_with_field_value_and_range(read, message, reason):
    with pytest.raises(MessageError) as refused:
        read(msgspec.json.encode(message))
    assert reason in str(refused.value)


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(Birth.__struct_fields__)), ANYTHING)
def test_whatever_a_field_holds_a_birth_is_read_or_refused(field, value):
    with contextlib.suppress(MessageError):
        read_birth(msgspec.json.encode({**BIRTH, field: value}))
