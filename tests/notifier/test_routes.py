"""Which messages go out about alarms, to whom and when: routes, groups, escalation, quiet hours, silences."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from broker.contract.silences import Silence
from broker.store import journal_query
from broker.store.journal_query import Query
from broker.store.silences import SilenceStore
from notifier import recorder
from tests.notifier.conftest import HOUR, MINUTE, SECOND, START, Ward

New = Callable[..., Ward]
HIGH = """
[[route]]
name = "high"
match = { priority = "high" }
services = ["pager"]
when = ["raised", "returned", "escalated"]
repeat_interval = "never"
[[route.escalation]]
after = "10m"
services = ["boss"]
[[route.escalation]]
after = "30m"
services = ["boss", "pager"]
"""


def test_an_alarm_is_told_after_the_group_wait_and_not_again(ward: New) -> None:
    found = ward('[[route]]\nname = "all"\nservices = ["pager"]\nwhen = ["raised"]\nrepeat_interval = "4h"')
    found.happens("raised")
    assert found.later(25 * SECOND) == []
    assert found.later(10 * SECOND) == ["pager: HIGH: Motor_stall: P1 [Bern]"]
    assert found.later(3 * HOUR) == []
    assert found.later(HOUR + MINUTE) == ["pager: Still HIGH: Motor_stall: P1 [Bern]"]


def test_an_alarm_that_no_route_matches_is_told_to_nobody(ward: New) -> None:
    found = ward(HIGH)
    found.happens("raised", priority=2)
    assert found.later(2 * HOUR) == []


def test_a_flood_is_one_message_with_the_worst_first(ward: New) -> None:
    found = ward('[[route]]\nname = "all"\nservices = ["pager"]\nwhen = ["raised"]\ngroup_by = []')
    for number in range(200):
        found.happens("raised", f"P{number}", priority=3 if number else 1)
    assert found.later(5 * MINUTE) == ["pager: HIGH: 200 alarms (1 high, 199 low), first Motor_stall: P0"]
    outgoing = found.got[0][1]
    assert outgoing.event["count"] == 200
    assert len(outgoing.event["alarms"]) == 100
    assert "and 190 more, see the dashboard" in outgoing.text.body
    assert "simulated" in outgoing.text.body


def test_what_is_raised_after_a_message_waits_for_the_group_interval(ward: New) -> None:
    found = ward('[[route]]\nname = "all"\nservices = ["pager"]\nwhen = ["raised"]\ngroup_interval = "5m"')
    found.happens("raised")
    found.later(MINUTE)
    found.happens("raised", "P2")
    found.happens("raised", "T1")
    assert found.later(2 * MINUTE) == ["pager: HIGH: Motor_stall: T1 [Thun]"]
    assert found.later(4 * MINUTE) == ["pager: HIGH: Motor_stall: P2 [Bern]"]
    assert "Notified earlier and still unacknowledged: 1" in found.got[-1][1].text.body


def test_an_unacknowledged_alarm_goes_from_step_to_step(ward: New) -> None:
    found = ward(HIGH)
    found.happens("raised")
    assert found.later(9 * MINUTE) == ["pager: HIGH: Motor_stall: P1 [Bern]"]
    assert found.later(2 * MINUTE) == ["boss: ESCALATION 1, HIGH: Motor_stall: P1 [Bern]"]
    assert found.later(HOUR) == [f"{name}: ESCALATION 2, HIGH: Motor_stall: P1 [Bern]" for name in ("pager", "boss")]


def test_nothing_follows_an_acknowledgement(ward: New) -> None:
    found = ward(HIGH)
    found.happens("raised")
    found.later(MINUTE)
    found.happens("acknowledged", who="vera")
    found.happens("returned")
    found.happens("cleared")
    assert found.later(3 * HOUR) == []


def test_what_waits_for_a_failing_service_is_cancelled_by_an_acknowledgement(ward: New) -> None:
    found = ward(HIGH)
    found.happens("raised")
    found.happens("raised", "P2")
    assert found.later(2 * MINUTE, lambda *_: False) == []
    found.happens("acknowledged")
    assert found.later(5 * MINUTE) == ["pager: HIGH: Motor_stall: P2 [Bern]"]
    found.happens("raised", "P3")
    found.later(5 * MINUTE, lambda *_: False)
    found.happens("acknowledged", "P3")
    assert "P3" not in str(found.later(2 * MINUTE))
    assert found.desk.queue.count("cancelled") == 1


@pytest.mark.parametrize("kind", ["held", "shelved", "out_of_service"])
def test_what_is_suppressed_shelved_or_out_of_service_is_told_only_when_that_ends(ward: New, kind: str) -> None:
    found = ward(HIGH)
    found.happens("raised")
    found.happens(kind)
    assert found.later(2 * HOUR) == []
    found.happens({"held": "released", "shelved": "unshelved", "out_of_service": "in_service"}[kind])
    assert found.later(2 * MINUTE) == ["pager: HIGH: Motor_stall: P1 [Bern]"]


def test_an_alarm_that_is_raised_while_its_pump_is_out_of_service_or_its_cause_stands_is_not_told(ward: New) -> None:
    found = ward(HIGH)
    found.happens("out_of_service")
    found.happens("raised")
    found.happens("raised", "P2", cause="gateway_offline")
    assert found.later(HOUR) == []


def test_those_who_were_told_hear_of_the_return(ward: New) -> None:
    found = ward(HIGH)
    found.happens("raised")
    found.later(MINUTE)
    found.happens("returned")
    assert found.later(10 * MINUTE) == ["pager: Returned: Motor_stall: P1 [Bern]"]
    found.happens("raised", "T1")
    found.happens("returned", "T1")
    assert found.later(HOUR) == [], "nobody had been notified"


def test_a_realarm_is_told_again(ward: New) -> None:
    found = ward(HIGH)
    found.happens("raised")
    found.later(MINUTE)
    found.happens("acknowledged")
    found.later(HOUR)
    found.happens("realarmed")
    assert found.later(8 * MINUTE) == ["pager: HIGH: Motor_stall: P1 [Bern]"]


def test_low_priority_rests_in_quiet_hours(ward: New) -> None:
    # START is 2027-01-15 08:00 UTC.
    found = ward(
        '[[route]]\nname = "low"\nservices = ["pager"]\nwhen = ["raised"]\nrepeat_interval = "never"\n'
        'quiet_hours = { from = "21:00", to = "07:00", time_zone = "UTC" }'
    )
    found.now += 14 * HOUR
    found.happens("raised", priority=3)
    found.happens("raised", "T1", priority=1)
    assert found.later(2 * HOUR) == ["pager: HIGH: Motor_stall: T1 [Thun]"]
    assert found.later(2 * HOUR) == []
    found.now += 4 * HOUR
    assert found.later(2 * HOUR) == ["pager: LOW: Motor_stall: P1 [Bern]"]


def test_a_rate_limit_puts_messages_off_and_counts_that(ward: New) -> None:
    found = ward(
        '[[route]]\nname = "all"\nservices = ["pager"]\nwhen = ["raised"]\ngroup_by = ["pump"]\nmax_per_hour = 2\n'
        'repeat_interval = "never"'
    )
    for number in range(4):
        found.happens("raised", f"P{number}")
    assert len(found.later(30 * MINUTE)) == 2
    assert found.desk.state.limited > 0
    assert len(found.later(2 * HOUR)) == 2, "put off, not lost"


def test_a_rota_says_who_is_on_duty(ward: New) -> None:
    found = ward(
        '[[rota]]\nname = "duty"\ntime_zone = "Europe/Zurich"\notherwise = ["boss"]\n[[rota.shift]]\n'
        'days = ["fri"]\nfrom = "22:00"\nto = "06:00"\nservices = ["pager"]\n'
        '[[route]]\nname = "all"\nrotas = ["duty"]\nwhen = ["raised"]\nrepeat_interval = "never"'
    )
    found.happens("raised")
    assert found.later(MINUTE) == ["boss: HIGH: Motor_stall: P1 [Bern]"]
    found.now += 19 * HOUR  # Saturday 04:00 in Zurich: the shift of Friday
    found.happens("raised", "T1")
    assert found.later(MINUTE) == ["pager: HIGH: Motor_stall: T1 [Thun]"]


def test_an_alarm_is_told_by_age(ward: New) -> None:
    found = ward(
        '[[route]]\nname = "old"\nmatch = { min_age = "2h" }\nservices = ["boss"]\nwhen = ["raised"]\n'
        'repeat_interval = "never"'
    )
    found.happens("raised")
    assert found.later(119 * MINUTE) == []
    assert found.later(5 * MINUTE) == ["boss: HIGH: Motor_stall: P1 [Bern]"]


def test_a_silenced_alarm_is_told_when_the_silence_ends(ward: New) -> None:
    found = ward(HIGH)
    silence = Silence(
        id="s1", match={"site": "Bern"}, reason="maintenance", who="vera", created=START, kind="for_time",
        starts=START, ends=START + 2 * HOUR,
    )  # fmt: skip
    SilenceStore(found.data).add(silence)
    found.happens("raised")
    found.happens("raised", "T1")
    assert {line.split(": ", 1)[1] for line in found.later(119 * MINUTE)} == {
        "HIGH: Motor_stall: T1 [Thun]", "ESCALATION 1, HIGH: Motor_stall: T1 [Thun]",
        "ESCALATION 2, HIGH: Motor_stall: T1 [Thun]",
    }  # fmt: skip
    assert "pager: HIGH: Motor_stall: P1 [Bern]" in found.later(3 * MINUTE)


def test_alarms_that_stood_before_the_notifier_was_configured_are_told(ward: New) -> None:
    found = ward(HIGH)
    found.happens("raised")
    found.happens("raised", "P2")
    found.happens("acknowledged", "P2")
    found.now += 3 * MINUTE
    assert found.later(MINUTE) == ["pager: HIGH: Motor_stall: P1 [Bern]"]


def test_a_journal_that_was_replaced_is_read_from_its_beginning(ward: New) -> None:
    found = ward(HIGH)
    for _ in range(20):
        found.happens("raised")
    found.later(MINUTE)
    found.journal.close()
    for path in found.data.glob("journal*"):
        path.unlink()
    found.journal = type(found.journal)(found.data)
    found.happens("raised", "T1")
    assert found.later(MINUTE) == ["pager: HIGH: Motor_stall: T1 [Thun]"]


def test_who_was_notified_when_is_part_of_the_alarms_story(ward: New) -> None:
    found = ward(HIGH)
    alarm = found.happens("raised", time=START)
    found.later(2 * MINUTE)
    assert recorder.record(found.data, found.desk.queue, found.desk.state.alarms, speed=60.0) == 1
    assert recorder.record(found.data, found.desk.queue, found.desk.state.alarms) == 0
    entry = journal_query.entries(found.data, Query(pump="P1", kinds=("notified",))).row(0, named=True)
    assert (entry["alarm"], entry["who"], entry["origin"]) == (alarm, "notifier", "pager")
    assert entry["text"] == "pager was notified: raised, route high"
    assert entry["time"] - START == 60 * (entry["at"] - START), "in therapy time, as the rest of the story"


def test_a_service_with_templates_gets_its_own_words_and_always_that_all_is_simulated(ward: New) -> None:
    service = """
[[service]]
name = "sms"
url = "json://127.0.0.1"
title = "{priority}: {alarm}"
body = "{count} at {site}\\n{subject}{time_to_respond} {kind} by {route}"
"""
    found = ward('[[route]]\nname = "all"\nservices = ["sms"]\nwhen = ["raised"]', services=service)
    found.happens("raised", "{link}")
    assert found.later(MINUTE) == ["sms: high: Motor_stall"]
    assert found.got[0][1].text.body == (
        "1 at Bern\n{link} raised by all\n\nAll telemetry is simulated; Pumpwatch is no medical device."
    )
