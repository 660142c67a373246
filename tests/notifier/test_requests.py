"""What people ask of the notifier on a page: carried out once, answered in words, and forgotten if nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.store import journal_query, notification_record, notification_requests
from broker.store.journal_query import Query
from broker.store.notification_requests import Answer, Request, RequestError
from notifier import recorder
from notifier.requests import Requests
from notifier.senders import Sender, SendError
from tests.notifier.conftest import HOUR, MINUTE, SERVICES, START, Ward

New = Callable[..., Ward]
BRIEF = SERVICES.replace("secret =", 'give_up = "1m"\nsecret =')
ROUTE = '[[route]]\nname = "all"\nservices = ["pager"]\ngroup_wait = "0s"\nrepeat_interval = "never"\n'


def dead_letter(ward: Ward) -> str:
    """Let a message become a dead letter; return its key."""
    ward.happens("raised")
    ward.later(5 * MINUTE, lambda _service, _outgoing: False)
    [found] = notification_record.deliveries(ward.data, state="dead")
    return found.key


def ask(ward: Ward, kind: Any, about: str, *, at: int | None = None) -> str:
    request = Request(kind=kind, about=about, who="ada", at=ward.now if at is None else at)
    return notification_requests.ask(ward.data, request)


def taken(ward: Ward) -> Requests:
    found = Requests(ward.data, ward.desk.queue, lambda: ward.now)
    found.take(ward.config.by_name)
    return found


def test_a_dead_letter_is_tried_again_and_both_ends_are_in_the_journal(ward: New) -> None:
    made = ward(ROUTE, BRIEF)
    key = dead_letter(made)
    recorder.record(made.data, made.desk.queue, made.desk.state.alarms)
    name = ask(made, "retry", key)
    taken(made)
    assert notification_requests.answer_of(made.data, name) == Answer(ok=True, text="it is tried again now")
    made.later(MINUTE)
    assert [one.key for one in notification_record.deliveries(made.data, state="sent")] == [key]
    recorder.record(made.data, made.desk.queue, made.desk.state.alarms)
    kinds = journal_query.entries(made.data, Query(kinds=("notified", "not_notified")))["kind"].to_list()
    assert kinds == ["notified", "not_notified"]


def test_a_discarded_dead_letter_is_never_sent_and_says_who_discarded_it(ward: New) -> None:
    made = ward(ROUTE, BRIEF)
    key = dead_letter(made)
    ask(made, "discard", key)
    taken(made)
    assert made.later(HOUR) == []
    [one] = notification_record.deliveries(made.data)
    assert (one.state, one.reason) == ("cancelled", "discarded by ada")
    again = ask(made, "retry", key)
    taken(made)
    assert notification_requests.answer_of(made.data, again) == Answer(
        ok=False, text="there is no such dead letter any more"
    )


async def test_a_test_message_is_sent_and_its_failure_is_the_answer(ward: New, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ward(ROUTE, BRIEF)
    sent: list[str] = []

    async def send(self: Sender, outgoing: Any) -> None:
        sent.append(outgoing.text.title)
        if self.service.name == "boss":
            raise SendError("answered 500")

    monkeypatch.setattr(Sender, "send", send)
    names = [ask(made, "test", service) for service in ("pager", "boss", "nobody")]
    running = taken(made)
    await asyncio.gather(*running._tests)
    answers = [notification_requests.answer_of(made.data, name) for name in names]
    assert [one.ok for one in answers if one] == [True, False, False]
    assert sent == ["Test of Pumpwatch notifications"] * 2
    assert answers[1] is not None
    assert answers[1].text == "boss did not accept the test message: answered 500"
    assert taken(made)._tests == set(), "each is carried out once"


def test_old_broken_and_too_many_requests_do_nothing(ward: New, tmp_path: Path) -> None:
    made = ward(ROUTE, BRIEF)
    old = ask(made, "retry", "x", at=START - HOUR)
    (made.data / notification_requests.DIRECTORY / "bad.request.json").write_text("{")
    taken(made)
    assert notification_requests.answer_of(made.data, old) is None
    assert list((made.data / notification_requests.DIRECTORY).iterdir()) == []
    for _ in range(notification_requests.MAX_REQUESTS):
        name = ask(made, "retry", "x")
    with pytest.raises(RequestError, match="50 requests wait for the notifier; is it running"):
        ask(made, "retry", "x")
    assert notification_requests.withdraw(made.data, name)
    assert not notification_requests.withdraw(made.data, name)
