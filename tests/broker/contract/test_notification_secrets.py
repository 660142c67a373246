"""Secrets of notifications stay out of sight while somebody edits the configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.notification_fields import ConfigError
from broker.contract.notification_secrets import hidden, restored

CURRENT = """
# who is told
[[service]]
name = "mail"
url = "mailtos://pumps:PASSWORD@mail.example?to=a@b.example"

[[service]]
name = "bus"
webhook = 'https://bus.example/hook'   # a comment stays
secret = "at least sixteen \\"characters"

[[route]]
name = "all"
services = ["mail"]

[watchdog]
url = "https://heartbeat.example/4f1c"
"""


def test_no_secret_is_shown_and_everything_else_is() -> None:
    shown = hidden(CURRENT)
    for secret in ("PASSWORD", "/hook", "sixteen", "4f1c"):
        assert secret not in shown
    assert "# a comment stays" in shown
    assert shown.count("(kept ") == 4


def test_what_is_saved_untouched_has_the_secrets_again() -> None:
    assert (
        restored(hidden(CURRENT), CURRENT).replace('"https://bus.example/hook"', "'https://bus.example/hook'")
        == CURRENT
    )


def test_a_secret_can_be_replaced() -> None:
    edited = hidden(CURRENT).replace('"(kept 1)"', '"ntfys://ntfy.example/new"')
    assert "ntfys://ntfy.example/new" in restored(edited, CURRENT)
    assert "PASSWORD" not in restored(edited, CURRENT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "mail"', 'name = "another"'),
        ('name = "all"', 'name = "(kept 1)"'),
        ("[watchdog]", 'dashboard_url = "http://x/(kept 2)"\n[watchdog]'),
        ('"(kept 1)"', '"json://evil.example/(kept 1)"'),
        ('"(kept 1)"', '"(kept 2)"'),
        ('"(kept 1)"', '"(kept 9)"'),
        ('name = "all"', '"(kept 1)" = "all"'),
    ],
)
def test_a_secret_cannot_be_moved_to_where_it_could_be_read(old: str, new: str) -> None:
    with pytest.raises(ConfigError, match="kept") as raised:
        restored(hidden(CURRENT).replace(old, new), CURRENT)
    assert "PASSWORD" not in str(raised.value)


@pytest.mark.parametrize(
    "written",
    [
        '[[service]]\nname = "a"\nurl = """mailto://x:PASSWORD@y\n"""\n',
        '[[service]]\nname = "a"\nurl = "mail\\u0074o://x:PASSWORD@y"\n',
        '# mailto://x:PASSWORD@y\n[[service]]\nname = "a"\nurl = "mailto://x:PASSWORD@y"\n',
        '[[service]]\nname = "a"\nurl = "(kept 1)"\n',
    ],
)
def test_what_cannot_be_hidden_is_not_shown(written: str) -> None:
    with pytest.raises(ConfigError, match="cannot be hidden"):
        hidden(written)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_any_secret_comes_back_as_it_was_or_is_refused(secret: str) -> None:
    text = CURRENT.replace("mailtos://pumps:PASSWORD@mail.example?to=a@b.example", "SECRET").replace(
        '"SECRET"', '"' + secret.replace("\\", "\\\\").replace('"', '\\"') + '"'
    )
    try:
        shown = hidden(text)
    except ConfigError:
        return
    from tomllib import loads

    assert loads(restored(shown, text)) == loads(text)
