"""A broker's address that cannot be read is refused in one sentence that shows nothing of a password."""

from __future__ import annotations

import pytest

from broker.mqtt.address import LinkError, parse_url

SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"mqtt://anna:{SECRET}#x@host",
        f"mqtt://anna:{SECRET}[x@host",
        f"mqtt://anna:{SECRET}]x@host",
        f"mqtt://anna:{SECRET}/x@host",
        f"mqtt://anna:{SECRET}?x@host",
        f"mqtt://anna:x/{SECRET}@host:1883",
        f"mqtt://anna:{SECRET}@host:port",
        f"mqtt://anna:{SECRET}@host:99999",
        f"mqtt://anna:{SECRET}@host:0",
        f"mqtt://anna:{SECRET}@host name",
        f"mqtt://anna:{SECRET}@",
        f"mqtt://anna:{SECRET}@[::1",
        f"mqtt://anna:{SECRET}",
        f"anna:{SECRET}:x",
        f"mqtt://anna:a:{SECRET}:1883",
        f"mqtt://anna:{SECRET}\udce4@host",
        f"{SECRET}://anna:{SECRET}@host",
        f"anna:{SECRET}//x@host",
        f"mqtt://anna:{SECRET}@{'h' * 300}",
        f"mqtt://anna:{SECRET}@ho\x00st",
        "mqtt://[",
        "[",
        "",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(LinkError, match=r"mqtt://") as error:
        parse_url(url)
    assert SECRET not in str(error.value)


def test_an_address_shows_no_password_when_it_is_printed() -> None:
    address = parse_url(f"mqtt://anna:{SECRET}@host")
    assert address.password == SECRET
    assert SECRET not in repr(address)
    assert SECRET not in address.url
