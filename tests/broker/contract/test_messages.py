"""Messages decode to what was encoded; malformed ones are rejected with a reason."""

from __future__ import annotations

import pytest

from broker.contract.actions import (
    Acknowledge,
    InService,
    Note,
    Outcome,
    OutOfService,
    Reset,
    Shelve,
    Unacknowledge,
    Unshelve,
    make_action,
    read_action,
    read_outcome,
)
from broker.contract.commands import Clear, Inject, Reply, read_command, read_reply
from broker.contract.gateway_messages import Birth, Pumps, Status, read_birth, read_status
from broker.contract.messages import MessageError, encode

AT = 1_767_225_600_000
PUMPS = Pumps(serial=["A", "B"], model=["x", "y"], reservoir_ml=[20.0, 40.0])
ON_ALARMS = (Unacknowledge, Note, Unshelve, OutOfService, InService, Reset)
SHELF = '{"kind":"shelve","id":"1","alarms":[],"who":"a","at":1767225600000,"for_s":%s}'
GOOD = [
    (
        read_birth,
        Birth(gateway="ward", pumps=PUMPS, sent=AT, time=AT + 2, speed=60, interval_s=1, faults=["motor_stall"]),
    ),
    (read_status, Status(gateway="ward", state="offline", sent=AT, waiting=2, dropped=3)),
    (read_command, Inject(id="1", fault="motor_stall", pumps=["A"], severity=0.5, ramp_s=60, hold_s=3600, who="anna")),
    (read_command, Clear(id="1", pumps=None, fault="motor_stall")),
    (read_reply, Reply(id="1", gateway="ward", ok=True, text="done", pumps=1, time=2)),
    (read_action, Acknowledge(id="1", alarms=["A/motor_stall/1"], who="anna", at=AT)),
    *((read_action, kind(id="1", alarms=["A/x/1"], who="anna", at=AT, why="so")) for kind in ON_ALARMS),
    (read_action, Shelve(id="1", alarms=[], who="anna", at=AT, why="known", for_s=60.0)),
    (read_outcome, Outcome(id="1", done=2, refused=1, text="Acknowledged 2 alarms. 1 refused: no longer open.")),
]
BAD = [
    (read_birth, b"", "not a birth: Input data was truncated"),
    (read_birth, b'{"gateway":"ward"}', "missing required field `pumps`"),
    (read_birth, b'{"gateway":"\xff"}', "not a birth"),
    (read_birth, b"[" * 100_000, "not a birth"),
    (read_status, b'{"gateway":"ward","state":"up","sent":1767225600000}', "Invalid enum value 'up'"),
    (read_command, b'{"kind":"explode","id":"1"}', "Invalid value 'explode'"),
    (read_command, encode(Inject(id="1", fault="x", pumps=[], severity=1.5)), "severity is 1.5; allowed is 0 to 1"),
    (read_command, encode(Inject(id="1", fault="x", pumps=[], ramp_s=-1)), "ramp_s is -1; allowed is 0 to 316,224,000"),
    (read_command, encode(Inject(id="1", fault="x", pumps=[], hold_s=-2)), "hold_s is -2; allowed is 0 to 316,224,000"),
    (read_reply, b'{"id":1}', "not a reply: Expected `str`, got `int` - at `$.id`"),
    (
        read_action,
        b'{"kind":"acknowledge","id":"1","alarms":"all","who":"a","at":1767225600000}',
        "not an action: Expected `array`",
    ),
    (read_action, (SHELF % "0").encode(), "for_s is 0; allowed is 1 to 316,224,000"),
    (read_action, (SHELF % "null").encode(), "not an action: Expected `float`"),
    (
        read_action,
        encode(Note(id="1", alarms=[], who="a", at=AT, why="x" * 501)),
        "why has 501 characters; allowed are up to 500",
    ),
    (
        read_action,
        encode(Note(id="1", alarms=["x"] * 20_001, who="a", at=AT)),
        "alarms has 20,001 entries; allowed are up to 20,000",
    ),
    (read_outcome, b"{}", "not an outcome"),
    (read_birth, b" " * (2**24 + 1), "a birth of 16,777,217 bytes; allowed are up to 16,777,216"),
]


@pytest.mark.parametrize(("read", "message"), GOOD, ids=lambda each: type(each).__name__)
def test_a_message_decodes_to_what_was_encoded(read, message):
    assert read(encode(message)) == message


@pytest.mark.parametrize(("read", "payload", "reason"), BAD)
def test_a_malformed_message_is_rejected_with_its_reason(read, payload, reason):
    with pytest.raises(MessageError) as refused:
        read(payload)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gateway": "the ward"}, "'the ward' cannot be a name: 1 to 64 letters"),
        ({"pumps": Pumps(serial=["A", "a/b"])}, "'a/b' cannot be a name"),
        ({"pumps": Pumps(serial=["A", "A"])}, "the birth names a pump twice"),
        ({"pumps": Pumps(serial=["A"], site=["x", "y"])}, "the birth names 1 pumps but has 2 of site"),
        (
            {"pumps": Pumps(serial=["A"], dose_ug_day=[-1.0])},
            r"pumps.dose_ug_day\[0\] is -1.0; allowed is 0 to 100,000",
        ),
        ({"speed": 0}, "speed is 0; allowed is 0.1 to 1,000,000"),
        ({"speed": 1e-300}, "speed is 1e-300; allowed"),
        ({"interval_s": 0}, "interval_s is 0; allowed is 0.001 to 2,678,400"),
    ],
)
def test_an_inconsistent_birth_is_rejected(change, reason):
    birth = {"gateway": "ward", "pumps": PUMPS, "sent": AT, "time": AT, **change}
    with pytest.raises(MessageError, match=reason):
        read_birth(encode(Birth(**birth)))


@pytest.mark.parametrize("rest", [b"", b"}}", b',"x":"\xff"}', b',"x":' + b"[" * 99_999])
def test_a_birth_that_is_malformed_after_an_invalid_value_is_rejected(rest):
    with pytest.raises(MessageError, match=r"not a birth: Expected `float` >= 0\.1"):
        read_birth(b'{"speed":0' + rest)


def test_an_action_is_made_by_its_name_on_the_wire_and_rejected_if_its_fields_do_not_fit():
    made = make_action("shelve", "1", alarms=("A/x/1",), who="anna", at=AT, why="known", for_s=60.0)
    assert made == Shelve(id="1", alarms=["A/x/1"], who="anna", at=AT, why="known", for_s=60.0)
    for kind in ("shelve", "delete"):
        with pytest.raises(MessageError, match="not an action"):
            make_action(kind, "1", alarms=(), who="anna", at=AT)
