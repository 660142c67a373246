"""The configuration of notifications: what the documentation shows works, and errors say what to change."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from broker.contract import notification_config
from broker.contract.notification_fields import ConfigError
from notifier import signing
from tests.notifier.conftest import START, configured

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text("utf-8")
ROUTE = '[[route]]\nname = "r"\nservices = ["pager"]\nwhen = ["raised"]\n'


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_an_example_of_the_documentation_is_valid(example: str) -> None:
    config = notification_config.parse(example)
    assert config.routes
    assert config.reached(config.about_itself.to, START), "somebody is notified if Pumpwatch fails"
    assert "PASSWORD" not in str(notification_config.described(config)), "what is shown has no secrets"
    assert "PASSWORD" not in repr(config)


def test_the_lines_of_the_documentation_verify_a_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = {}
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, found)
    headers = signing.headers("a secret of the ward", b'{"kind":"raised"}', "key", START)
    monkeypatch.setattr("time.time", lambda: START / 1000 + 10)
    assert found["verified"](headers, b'{"kind":"raised"}', "a secret of the ward")
    assert not found["verified"](headers, b'{"kind":"tested"}', "a secret of the ward")
    assert not found["verified"](headers, b'{"kind":"raised"}', "another secret, as long")
    monkeypatch.setattr("time.time", lambda: START / 1000 + 301)
    assert not found["verified"](headers, b'{"kind":"raised"}', "a secret of the ward"), "it was replayed"


QUIET = 'quiet_hours = {{ from = "{}", to = "06:00", time_zone = "{}" }}'
ROTA = '[[rota]]\nname = "d"\ntime_zone = "UTC"\n'
SHORT = '[[service]]\nname = "x"\nwebhook = "https://a.example"\nsecret = "short"'
WRONG = [
    ("[[route]\n", "it is not valid TOML: "),
    ("[sevice]\n", "sevice is not known here; allowed are service, rota, route, watchdog, dashboard_url"),
    (ROUTE + 'group_wait = "2d"', "line 15: route 1.group_wait is '2d'; allowed is a duration from '0s' to '1h'"),
    (ROUTE + "max_per_hour = 0", "route 1.max_per_hour is 0; allowed is an integer from 1 to 3,600"),
    (ROUTE + 'match = { priority = "urgent" }', "route 1.match.priority is 'urgent', which matches none of high"),
    (ROUTE + 'group_by = ["ward"]', "route 1.group_by is ['ward']; allowed is a list of site, gateway"),
    (ROUTE.replace("pager", "nobody"), "line 13: route 1.services names 'nobody'; the file has boss, pager"),
    (ROUTE.replace('["pager"]', "[]"), "route 1.services is missing, so nobody would be notified"),
    (ROUTE + ROUTE, "two routes have the name 'r'; give each its own"),
    (ROUTE.replace('"raised"', '"escalated"'), "names escalated, but there is no step; add a [[route.escalation]]"),
    (ROUTE + QUIET.format("25:00", "UTC"), "from is '25:00'; allowed is a time"),
    (ROUTE + QUIET.format("22:00", "Mars"), "time_zone is 'Mars'; allowed is the name"),
    (ROTA, "line 11: rota 1.otherwise is missing; name at least one service"),
    ('[watchdog]\nurl = "http://heartbeat.example/token"', "watchdog.url must begin with https://HOST"),
    ('[[service]]\nname = "x"\n', "service 3.url needs either url, an address of apprise, or webhook with secret"),
    (SHORT, "secret has 5 characters; a webhook"),
    ("x" * 600_000, "bytes; allowed are up to 524,288"),
]


@pytest.mark.parametrize("place", range(len(WRONG)))
def test_an_error_names_field_value_and_what_is_allowed(place: int) -> None:
    text, sentence = WRONG[place]
    with pytest.raises(ConfigError) as failure:
        configured(text)
    assert sentence in str(failure.value)
    assert "token" not in str(failure.value), "no error quotes what may be secret"


def test_steps_of_escalation_are_in_order() -> None:
    steps = "".join(f'[[route.escalation]]\nafter = "{after}"\nservices = ["boss"]\n' for after in ("30m", "10m"))
    with pytest.raises(ConfigError, match="a step that is not after the one before it"):
        configured(ROUTE.replace('"raised"', '"escalated"') + steps)
