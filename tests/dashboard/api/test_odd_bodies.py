"""Bodies that are odd, broken or large: each is refused with a problem that says why, and nothing is done."""

from __future__ import annotations

import json

import httpx

from tests.dashboard.conftest import Wire

JSON = {"Content-Type": "application/json"}
WHY = '"why": "x"'
ODD = {
    "half a character in an alarm": ("acknowledge", '{"alarms": ["\\ud800"]}', "unicode"),
    "half a character in a reason": ("shelve", '{"alarms": ["a"], "why": "\\ud800", "for_s": 60}', "unicode"),
    "half a character in a member": ("acknowledge", '{"alarms": ["a"], "\\udfff": 1}', "unicode"),
    "an unknown member": ("acknowledge", '{"alarms": ["a"], "colour": "red"}', "colour: Extra inputs"),
    "a member of another action": ("out-of-service", f'{{"alarms": ["a"], {WHY}, "for_s": 60}}', "for_s: Extra inputs"),
    "a name that no alarm can have": ("out-of-service", f'{{"alarms": ["{"a" * 201}"], {WHY}}}', "at most 200"),
    "an empty name": ("acknowledge", '{"alarms": [""]}', "at least 1"),
    "not a number": ("shelve", f'{{"alarms": ["a"], {WHY}, "for_s": NaN}}', "for_s: "),
    "an endless time": ("shelve", f'{{"alarms": ["a"], {WHY}, "for_s": 1e999}}', "for_s: "),
    "a number of 5,000 digits": ("shelve", f'{{"alarms": ["a"], {WHY}, "for_s": {"9" * 5000}}}', "cannot be read"),
    "brackets without end": ("acknowledge", "[" * 100_000, "cannot be read"),
    "members without end": ("acknowledge", '{"a":' * 50_000 + "1" + "}" * 50_000, "cannot be read"),
    "half a body": ("acknowledge", '{"alarms": ["a"', "cannot be read"),
    "nothing": ("acknowledge", "", "body: "),
    "null": ("acknowledge", "null", "body: "),
    "more alarms than allowed": ("acknowledge", json.dumps({"alarms": ["a"] * 5001}), "at most 5000"),
}


async def test_an_odd_body_is_a_problem_that_says_why(client: httpx.AsyncClient, wire: Wire) -> None:
    for name, (route, body, text) in ODD.items():
        for key in ({}, {"Idempotency-Key": "once"}):
            answer = await client.post(f"/alarms/{route}", content=body, headers={**JSON, **key})
            assert answer.status_code == 400, (name, answer.text)
            assert answer.headers["content-type"] == "application/problem+json", name
            assert text in answer.json()["detail"], name
    assert not wire.actions


async def test_half_a_character_in_a_pump_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.post("/injections", content='{"fault": "motor_stall", "pumps": ["\\ud800"]}', headers=JSON)
    assert (answer.status_code, "unicode" in answer.json()["detail"]) == (400, True)


async def test_bytes_that_are_no_text_and_types_that_are_no_json_are_problems(client: httpx.AsyncClient) -> None:
    answer = await client.post("/alarms/acknowledge", content=b'{"alarms": ["\xff"]}', headers=JSON)
    assert (answer.status_code, "in UTF-8" in answer.json()["detail"]) == (400, True)
    for media in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await client.post("/alarms/acknowledge", content='{"alarms": ["a"]}', headers={"Content-Type": media})
        assert (answer.status_code, answer.headers["accept-post"]) == (415, "application/json")
        assert f"The Content-Type {media!r} is not possible" in answer.json()["detail"]
