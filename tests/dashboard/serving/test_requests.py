"""Attacks on requests: strange hosts, large bodies, too many WebSockets and malformed messages."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.types import Message
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dashboard.access.accounts import AccessError
from dashboard.serving.hosts import Hosts
from dashboard.serving.listener import ServeError, demand_tls, tls_of
from dashboard.serving.requests import is_well_formed
from dashboard.serving.tls import LOOK_INTERVAL_S, Certificate
from dashboard.settings import Limits, Settings, TlsFiles, host_names, public_address
from tests.broker.certificates import Authority, openssl
from tests.dashboard.serving.conftest import Line, ServedAs

BEHIND = public_address("https://ward.example/pumps/", "", ("10.0.0.5",))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8050", "127.0.0.1:1", "[::1]:8050", "Pumps.Ward.Example."])
async def test_names_of_the_dashboard_are_answered(host: str, served: ServedAs) -> None:
    async with served(allowed_hosts=("pumps.ward.example",)) as place:
        assert await place.ask(host) == (200, "0 bytes over http")


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "192.0.2.1", "[2001:db8::1]", "a@localhost"]
)
async def test_other_names_are_refused_with_what_to_do(host: str, served: ServedAs) -> None:
    async with served() as place:
        status, text = await place.ask(host)
    assert status == 421
    assert "--allowed-host" in text


async def test_without_a_host_nothing_is_served(served: ServedAs) -> None:
    async with served() as place:
        old = await place.connect()
        await old.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await old.reply())[0] == 421
        several = await place.connect()
        await several.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert (await several.reply())[0] == 400


async def test_a_websocket_for_another_name_is_refused(served: ServedAs) -> None:
    upgrade = (
        "GET / HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with served() as place:
        line = await place.connect()
        await line.send(upgrade.encode())
        assert (await line.reply())[0] == 421


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("10.0.0.5", {"host": "dashboard:8050", "x-forwarded-host": "ward.example"}, None),
        ("10.0.0.5", {"host": "ward.example"}, None),
        ("10.0.0.5", {"host": "ward.example", "x-forwarded-host": "evil.example"}, 421),
        ("127.0.0.1", {"host": "localhost"}, None),
        ("10.0.0.9", {"host": "ward.example"}, 403),
    ],
)
def test_without_tls_only_the_named_proxy_is_served_beyond_this_machine(
    peer: str, headers: dict[str, str], status: int | None
) -> None:
    hosts = Hosts(Settings("mqtt://x", Path(), host="0.0.0.0", public=BEHIND))
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    refused = hosts.refusal({"type": "http", "client": (peer, 1), "server": ("10.0.0.1", 8050), "headers": raw})
    assert (refused and refused[0]) == status


def test_the_address_at_which_a_request_arrived_is_a_name_of_the_dashboard() -> None:
    files = TlsFiles(Path("cert"), Path("key"))
    hosts = Hosts(Settings("mqtt://x", Path(), host="::", tls=files))

    def asked(host: str) -> object:
        scope = {
            "type": "http",
            "client": ("2001:db8::9", 1),
            "server": ("2001:db8::1", 443),
            "headers": [(b"host", host)],
        }
        return hosts.refusal(scope)

    assert asked(b"[2001:DB8:0::1]:443") is None  # type: ignore[arg-type]
    assert asked(b"[2001:db8::2]") is not None  # type: ignore[arg-type]


def test_a_listener_at_all_addresses_is_shown_by_a_name_that_is_answered() -> None:
    everywhere = Settings("mqtt://x", Path(), host="::")
    assert everywhere.named_host == "localhost"
    assert replace(everywhere, allowed_hosts=("ward.example",)).named_host == "ward.example"
    assert replace(everywhere, host="192.0.2.1", allowed_hosts=("ward.example",)).named_host == "192.0.2.1"


@pytest.mark.parametrize("names", [("http://ward",), ("ward:80",), ("*",), ("",)])
def test_an_allowed_host_that_is_no_name_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="is not a name or address"):
        host_names(names)


def test_beyond_this_machine_tls_or_a_named_proxy_is_demanded() -> None:
    everywhere = Settings("mqtt://x", Path(), host="0.0.0.0")
    with pytest.raises(AccessError, match=r"--tls-cert and --tls-key, or name the reverse proxy"):
        demand_tls(everywhere)
    demand_tls(Settings("mqtt://x", Path(), host="0.0.0.0", public=BEHIND))
    demand_tls(Settings("mqtt://x", Path(), host="::1"))


def test_a_certificate_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("localhost")
    locked, text = tmp_path / "locked.key", tmp_path / "text.pem"
    openssl("ec", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked)
    text.write_text("no certificate")
    _, other = authority.issue("other")
    wrong = {
        (tmp_path / "absent.pem", key): "absent.pem cannot be read: No such file",
        (text, key): "text.pem is not a PEM file",
        (certificate, other): "the key is not that of the certificate",
        (certificate, locked): "locked.key is encrypted(.*)store the key decrypted",
    }
    for files, sentence in wrong.items():
        with pytest.raises(ServeError, match=sentence):
            tls_of(TlsFiles(*files), lambda: 0.0)


def test_a_renewed_certificate_is_used_without_a_restart_and_a_wrong_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority, now = Authority(tmp_path), [0.0]
    certificate, key = authority.issue("dashboard")
    renewable = Certificate(TlsFiles(certificate, key), lambda: now[0])
    first = renewable.current()
    certificate.write_text("half written")
    assert renewable.current() is first, "nobody looks that often"
    now[0] = LOOK_INTERVAL_S
    assert renewable.current() is first
    assert "dashboard.pem is not a PEM file" in caplog.text
    authority.issue("dashboard")
    now[0] = 2 * LOOK_INTERVAL_S
    assert renewable.current() is not first


async def chunked(line: Line, parts: int) -> int:
    """Send a body in chunks of 64 KiB until the server answers; return how many were sent."""
    await line.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    for sent in range(parts):
        if line.reader._buffer:  # type: ignore[attr-defined]
            return sent
        await line.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await asyncio.sleep(0)
    return parts


async def test_a_body_of_more_than_a_mebibyte_is_refused_before_it_is_read(served: ServedAs) -> None:
    async with served(limits=Limits(rest_s=0.2)) as place:
        announced, endless, fine = await place.connect(), await place.connect(), await place.connect()
        await announced.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 314572800\r\n\r\n")
        assert await announced.reply() == (413, "The request body is larger than 1,048,576 bytes.")
        assert await chunked(endless, 4800) < 200
        assert (await endless.reply())[0] == 413
        async with asyncio.timeout(5):
            assert await endless.ended()
        size = 1024 * 1024
        await fine.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        assert await fine.reply() == (200, "1048576 bytes over http")


async def test_headers_are_bounded(served: ServedAs) -> None:
    async with served() as place:
        line = await place.connect()
        await line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"x" * 40_000)
        assert (await line.reply())[0] in {0, 400, 431}


async def test_a_session_has_a_bounded_number_of_websockets(served: ServedAs) -> None:
    async with served(limits=Limits(sockets_per_session=2)) as place:
        url = f"ws://127.0.0.1:{place.port}/"
        mine, other = {"Cookie": "pumpwatch-8050=mine"}, {"Cookie": "pumpwatch-8050=other"}
        async with connect(url, additional_headers=mine):
            async with connect(url, additional_headers=mine):
                with pytest.raises(InvalidStatus, match="429"):
                    await connect(url, additional_headers=mine)
                async with connect(url, additional_headers=other):
                    pass
            async with connect(url, additional_headers=mine) as socket:
                await socket.send('{"type": "heartbeat"}')
                assert await socket.recv() == '{"type": "heartbeat"}'


async def test_a_websocket_message_of_more_than_a_mebibyte_closes_it(served: ServedAs) -> None:
    async with served() as place, connect(f"ws://127.0.0.1:{place.port}/") as socket:
        await socket.send('{"type": "heartbeat", "padding": "' + "x" * 1024 * 1024 + '"}')
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1009


@pytest.mark.parametrize(
    ("message", "good"),
    [
        ({"text": '{"type": "heartbeat"}'}, True),
        ({"text": '{"type": "callback_request", "requestId": "1", "payload": {"output": "a.b"}}'}, True),
        ({"text": '{"type": "callback_request", "requestId": "1", "payload": {"output": ["a"]}}'}, False),
        ({"text": '{"type": "callback_request", "payload": {"output": "a.b"}}'}, False),
        ({"text": '{"type": "callback_request", "requestId": [], "payload": {"output": "a.b"}}'}, False),
        ({"text": '{"type": "callback_request", "requestId": "1", "payload": []}'}, False),
        ({"text": '{"type": "callback_request", "requestId": "1", "payload": {"output": "a.b", "inputs": 7}}'}, False),
        ({"text": '{"type": 7}'}, False),
        ({"text": "[" * 100_000}, False),
        ({"text": "\ud800"}, False),
        ({"text": "null"}, False),
        ({"text": None, "bytes": b"{}"}, False),
        ({"bytes": b"\xff"}, False),
    ],
)
def test_well_formed_messages(message: Message, *, good: bool) -> None:
    assert is_well_formed(message) is good
