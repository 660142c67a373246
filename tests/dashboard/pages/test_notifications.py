"""The page Notifications: who is notified, without secrets; dead letters; and that only admins may ask for anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from broker.contract.notification_fields import ConfigError
from broker.store import journal_query, notification_files, notification_requests
from broker.store.journal_query import Query
from broker.store.notification_files import Failing, Status
from broker.store.notification_requests import Answer
from broker.store.snapshot import Snapshot
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.data import notification_editing
from dashboard.data import notifications as desk
from dashboard.data.notification_editing import Draft
from dashboard.data.services import DataService
from dashboard.pages import notifications
from notifier.queue import Queue
from notifier.state import Message, State

CONFIG = """
[[service]]
name = "pager"
url = "ntfys://secret-topic"

[[route]]
name = "urgent"
match = { priority = "high" }
services = ["pager"]
group_by = ["site"]
  [[route.escalation]]
  after = "10m"
  services = ["pager"]
"""


@pytest.fixture
def data(data_of: Callable[[Snapshot], DataService], fleet: Any) -> DataService:
    made = data_of(fleet(3))
    where = made.settings.data
    (where / notification_files.CONFIG).write_text(CONFIG)
    failing = (Failing("pager", made.now() - 60_000, 3, "answered 503"),)
    notification_files.write_status(where, Status(at=made.now(), waiting=1, dead=1, failing=failing))
    queue = Queue(where)
    message = Message(
        number=1, route="urgent", kind="raised", services=("pager",), values=(), at=made.now(),
        raised=(("ITB-000001/rule", 1),),
    )  # fmt: skip
    queue.save(State(), [message], made.now())
    key = queue.key(1, "pager")
    queue.begin(key, "Motor stall", ["ITB-000001/rule"])
    queue.finish(key, "dead", made.now(), "gave up after 9 attempts: answered 503")
    queue.close()
    return made


def shown(data: DataService, state: str = "") -> str:
    parts = notifications.render(data, state, None)
    return json.dumps(parts, default=lambda one: one.to_plotly_json(), ensure_ascii=False)


def test_routes_status_and_dead_letters_are_shown_and_no_secret_is(data: DataService) -> None:
    VISITOR.set(Visitor("ada", "admin"))
    page = shown(data)
    for text in ("urgent", "priority high", "after 10", "answered 503", "Motor stall", "Try again", "Send test"):
        assert text in page
    assert "secret-topic" not in page
    assert "No messages yet" in shown(data, "sent")
    *parts, key = notifications.render(data, "", None)
    assert notifications.render(data, "", key)[1:-1] != tuple(parts[1:]), "what looks the same is not sent again"


def test_without_a_configuration_the_page_says_that_nobody_is_notified(
    data_of: Callable[[Snapshot], DataService], fleet: Any
) -> None:
    data = data_of(fleet(1))
    assert "Nobody is notified: there is no file" in shown(data)
    (data.settings.data / notification_files.CONFIG).write_text("[[service]]\nname = 5\n")
    assert "line" in shown(data)


def test_the_story_of_an_alarm_names_who_was_told(data: DataService) -> None:
    assert desk.notified(data, "ITB-000001/rule") == [
        "pager could not be notified (raised): gave up after 9 attempts: answered 503"
    ]
    assert desk.notified(data, "ITB-000002/rule") == []


async def test_an_admin_asks_the_notifier_and_hears_its_answer(data: DataService) -> None:
    VISITOR.set(Visitor("ada", "admin"))
    where = data.settings.data
    asking = asyncio.create_task(desk.ask(data, "test", "pager", "pager"))
    requests: list[Any] = []
    while not requests:
        await asyncio.sleep(0.01)
        requests = list(notification_requests.taken(where, data.now()))
    [(name, request)] = requests
    assert (request.kind, request.about, request.who) == ("test", "pager", "ada")
    notification_requests.answer(where, name, Answer(ok=True, text="pager accepted the test message"))
    assert (await asking).text == "Pager accepted the test message."
    [entry] = journal_query.entries(where, Query())["text"]
    assert entry == "sent a test message to pager"


async def test_nobody_else_may_and_a_notifier_that_does_not_answer_is_named(
    data: DataService, monkeypatch: pytest.MonkeyPatch
) -> None:
    VISITOR.set(Visitor("eva", "engineer"))
    assert (await desk.ask(data, "test", "pager", "pager")).text == "Not done: only admins may manage notifications."
    VISITOR.set(Visitor("ada", "admin"))
    monkeypatch.setattr(desk, "PATIENCE_S", 0.3)
    assert "the notifier does not answer" in (await desk.ask(data, "test", "pager", "pager")).text
    assert list(notification_requests.taken(data.settings.data, data.now())) == [], "the request was withdrawn"


@pytest.mark.parametrize("asked", [None, 5, "{", "[]", '{"kind": "test"}'])
def test_whatever_a_browser_asks_is_read_or_ignored(asked: Any) -> None:
    assert notifications.asked_of(asked) == ("", "", "")


def entries(data: DataService, kind: str) -> list[str]:
    return journal_query.entries(data.settings.data, Query(kinds=(kind,)))["text"].to_list()


async def test_an_admin_changes_a_route_without_seeing_a_secret_and_it_is_on_record(data: DataService) -> None:
    VISITOR.set(Visitor("ada", "admin"))
    draft = notification_editing.opened(data)
    assert "secret-topic" not in draft.text
    edited = Draft(draft.text.replace('"high"', '["high", "medium"]'), draft.revision)
    (sentence,) = notification_editing.checked(data, edited).sentences
    assert sentence.startswith("urgent, to pager: ")
    assert (await notification_editing.save(data, edited)).good
    file = data.settings.data / notification_files.CONFIG
    assert 'url = "ntfys://secret-topic"' in file.read_text()
    assert (file.stat().st_mode & 0o777, "medium" in file.read_text()) == (0o600, True)
    (recorded,) = entries(data, "notifications_changed")
    assert "medium" in recorded
    assert "secret-topic" not in recorded
    again = await notification_editing.save(data, edited)
    assert (again.good, "somebody else changed" in again.text) == (False, True)


async def test_what_is_wrong_is_said_with_its_line_and_nothing_is_saved(data: DataService) -> None:
    VISITOR.set(Visitor("ada", "admin"))
    draft = notification_editing.opened(data)
    answer = await notification_editing.save(data, Draft(draft.text.replace('"10m"', '"soon"'), draft.revision))
    assert (answer.good, "line 12" in answer.text, "soon" in answer.text) == (False, True, True)
    assert (data.settings.data / notification_files.CONFIG).read_text() == CONFIG
    with pytest.raises(ConfigError, match="which was not there before"):
        notification_editing.checked(data, Draft(draft.text.replace('"pager"', '"siren"'), draft.revision))


async def test_others_than_admins_cannot_save(data: DataService) -> None:
    VISITOR.set(Visitor("eve", "engineer"))
    assert "only admins" in (await notification_editing.save(data, Draft("", ""))).text
    assert entries(data, "denied")


async def test_the_first_configuration_can_be_written_on_the_page(
    data_of: Callable[[Snapshot], DataService], fleet: Any
) -> None:
    VISITOR.set(Visitor("ada", "admin"))
    data = data_of(fleet(1))
    draft = notification_editing.opened(data)
    assert (await notification_editing.save(data, draft)).good
    assert notification_files.read_config(data.settings.data).routes[0].name == "all alarms"
