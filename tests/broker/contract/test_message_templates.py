"""Templates of messages: what is wrong with one is said with its line, and values are never read as templates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broker.contract import message_templates, notification_config
from broker.contract.message_templates import PLACEHOLDERS, filled
from broker.contract.notification_fields import ConfigError

FILE = """[[service]]
name = "sms"
url = "json://127.0.0.1"
body = '''{body}'''
"""
WRONG = {
    "{pump}": "line 4: service 1.body has the placeholder {pump}, which is not known; allowed are headline, text,",
    "{}": "has the placeholder {}, which is not known",
    "{alarm.__class__}": "has the placeholder {alarm.__class__}, which is not known",
    "{alarm!r}": "formats {alarm} by '!r'; write {alarm} alone",
    "{alarm:>99999999}": "formats {alarm} by ':>99999999'; write {alarm} alone",
    "{alarm": "is no template (",
    "alarm}": "write {{ and }} for braces that are no placeholder",
    "{alarm}\t{site}": "allowed is a text of printable lines",
    "x" * 2_001: "has 2,001 characters; allowed are up to 2,000",
}


@pytest.mark.parametrize("body", WRONG)
def test_a_wrong_template_is_an_error_that_says_what_is_allowed(body: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(WRONG[body])):
        notification_config.parse(FILE.replace("{body}", body))


def test_a_webhook_has_no_template() -> None:
    text = FILE.replace('url = "json://127.0.0.1"', 'webhook = "https://bus.example/"\nsecret = "0123456789abcdef"')
    with pytest.raises(ConfigError, match="a webhook gets the same JSON always"):
        notification_config.parse(text)


def test_placeholders_are_replaced_once_and_braces_stay() -> None:
    template = "{{{alarm}}} at {site}: {subject}{gateway}"
    assert message_templates.problem(template) is None
    assert filled(template, {"alarm": "{site}", "site": "A", "subject": "MY-1"}) == "{{site}} at A: MY-1"


def test_every_placeholder_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text("utf-8")
    section = text.partition("### Templates")[2].partition("###")[0]
    assert [name for name in PLACEHOLDERS if f"`{name}`" not in section] == []
