"""Access: what visitors without sign-in get, and what each role may do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from starlette.responses import PlainTextResponse

from broker.contract.actions import Acknowledge
from broker.contract.commands import Inject
from broker.store.snapshot import Snapshot
from dashboard.access import sign_in
from dashboard.access.accounts import FILE, VISITOR, AccessError, Visitor, add_account, read_accounts, replace_hash
from dashboard.access.login_throttle import PER_MINUTE
from dashboard.access.middleware import Access, demand_accounts
from dashboard.access.passwords import needs_rehash
from dashboard.access.sessions import SESSION_S
from dashboard.access.sign_in_page import page
from dashboard.app import ServeError, build, run
from dashboard.data import pump_search
from dashboard.data.services import DataService
from dashboard.settings import Settings

DataOf = Callable[[Snapshot], DataService]
PROTECTED_PATHS = (
    "/",
    "/alarms",
    "/live",
    "/assets/live.js",
    "/_dash-layout",
    "/_dash-dependencies",
    "/docs",
    "/openapi.json",
    "/sign-in",
    "/healthz%3F",
    "/healthz/",
)


@pytest.fixture
def dashboard(settings: Settings) -> Access:
    return build(settings)


@pytest.mark.parametrize("path", PROTECTED_PATHS)
async def test_without_sign_in_nothing_is_served(dashboard: Access, path: str, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.get(path)
    assert answer.status_code == 401
    assert "dash" not in answer.text.lower()
    assert "the-right-key" not in answer.text


@pytest.mark.parametrize("host", ["pumpwatch/healthz?", "pumpwatch/healthz#", "["])
async def test_no_host_header_opens_a_protected_path(dashboard: Access, host: str, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.get("/_dash-layout", headers={"Host": host})
    assert answer.status_code == 401


async def test_without_sign_in_no_callback_is_answered(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.post("/_dash-update-component", json={})
    assert answer.status_code == 401


async def websocket(dashboard: Access, headers: dict[str, str]) -> list[dict[str, Any]]:
    """Open a WebSocket and return the messages of the dashboard."""
    sent: list[dict[str, Any]] = []
    received = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}])

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "websocket",
        "path": "/_dash-ws-callback",
        "raw_path": b"/_dash-ws-callback",
        "query_string": b"",
        "root_path": "",
        "scheme": "ws",
        "headers": raw,
        "client": ("127.0.0.1", 1),
        "server": ("pumpwatch", 80),
        "subprotocols": [],
        "state": {},
    }
    await dashboard(scope, receive, send)
    return sent


async def test_the_websocket_opens_only_after_sign_in_and_from_our_own_page(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        await client.get("/?key=the-right-key")
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {"Host": "pumpwatch", "Origin": "http://pumpwatch"}
    assert (await websocket(dashboard, headers))[0]["type"] == "websocket.close"
    assert (await websocket(dashboard, {**headers, "Cookie": cookie, "Origin": "http://evil"}))[0][
        "type"
    ] == "websocket.close"
    assert (await websocket(dashboard, {**headers, "Cookie": cookie}))[0]["type"] == "websocket.accept"


async def test_the_printed_address_signs_in_and_redirects_without_the_key(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.get("/alarms?key=the-right-key")
        assert (answer.status_code, answer.headers["location"]) == (303, "/alarms")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/live")).json()["pumps"] == 0


async def test_a_wrong_key_is_denied_and_the_form_accepts_the_right_one(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        assert (await client.get("/?key=wrong")).status_code == 401
        assert (await client.post("/sign-in", data={"key": "wrong"})).status_code == 401
        assert (await client.post("/sign-in", data={"key": "the-right-key", "next": "/pumps"})).headers[
            "location"
        ] == "/pumps"
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
async def test_signing_in_redirects_to_no_other_site(dashboard: Access, target: str, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.post("/sign-in", data={"key": "the-right-key", "next": target})
    assert answer.headers["location"] == "/"


async def test_a_post_from_another_page_is_refused(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        await client.get("/?key=the-right-key")
        answer = await client.post("/_dash-update-component", json={}, headers={"Origin": "http://evil"})
    assert answer.status_code == 403


async def test_attempts_are_limited(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        tries = [(await client.post("/sign-in", data={"key": f"guess {number}"})).status_code for number in range(8)]
        right = await client.post("/sign-in", data={"key": "the-right-key"})
    assert tries == [401] * PER_MINUTE + [429] * (8 - PER_MINUTE)
    assert right.status_code == 429
    assert 1 <= int(right.headers["retry-after"]) <= 60
    assert "Too many attempts" in right.text
    assert "set-cookie" not in right.headers


async def test_keys_in_the_address_are_limited_too(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        tries = [(await client.get(f"/?key=guess{number}")).status_code for number in range(8)]
    assert tries == [401] * PER_MINUTE + [429] * (8 - PER_MINUTE)


async def test_parallel_attempts_are_counted_before_any_of_them_is_hashed(
    settings: Settings, browser_of: Any, monkeypatch: Any
) -> None:
    add_account(settings.data, "maria", "staff", "correct horse")
    hashed: list[str] = []

    def verify(_stored: str | None, password: str) -> bool:
        hashed.append(password)
        return False

    monkeypatch.setattr(sign_in, "verify_password", verify)
    async with browser_of(build(settings)) as client:
        posts = [
            client.post("/sign-in", data={"name": "maria", "password": f"guess {number}"}) for number in range(200)
        ]
        statuses = [answer.status_code for answer in await asyncio.gather(*posts)]
    assert len(hashed) == PER_MINUTE
    assert (statuses.count(401), statuses.count(429)) == (PER_MINUTE, 200 - PER_MINUTE)


async def test_signing_in_often_is_not_limited(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        statuses = {(await client.get("/?key=the-right-key")).status_code for _ in range(3 * PER_MINUTE)}
    assert statuses == {303}


async def test_signing_in_between_guesses_gives_no_more_guesses(settings: Settings, browser_of: Any) -> None:
    for name, role in (("vera", "viewer"), ("eva", "engineer")):
        add_account(settings.data, name, role, f"password of {name}")
    own = {"name": "vera", "password": "password of vera"}
    guesses = [{"name": "eva", "password": f"guess {number}"} for number in range(3 * PER_MINUTE)]
    async with browser_of(build(settings)) as client:
        statuses = []
        for guess in guesses:
            await client.post("/sign-in", data=own)
            statuses.append((await client.post("/sign-in", data=guess)).status_code)
    assert statuses.count(401) == PER_MINUTE


async def test_the_health_check_is_open_and_reveals_nothing_else(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "OK")


async def test_every_response_has_the_security_headers(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        for answer in (await client.get("/"), await client.get("/?key=the-right-key"), await client.get("/")):
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            assert "unsafe-eval" not in policy
            assert "'unsafe-inline'" not in policy.split("style-src")[0]
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_with_accounts_passwords_are_valid_and_the_shared_key_is_not(settings: Settings, browser_of: Any) -> None:
    add_account(settings.data, "maria", "staff", "correct horse")
    async with browser_of(build(settings)) as client:
        assert (await client.get("/?key=the-right-key")).status_code == 401
        assert (await client.post("/sign-in", data={"key": "the-right-key"})).status_code == 401
        assert (await client.post("/sign-in", data={"name": "maria", "password": "wrong"})).status_code == 401
        assert (await client.post("/sign-in", data={"name": "nobody", "password": "wrong"})).status_code == 401
        assert (await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})).status_code == 303
        layout = (await client.get("/_dash-layout")).text
    assert "maria" in layout
    assert "staff" in layout


async def test_a_new_password_ends_the_sign_ins_made_with_the_old_one(settings: Settings, browser_of: Any) -> None:
    add_account(settings.data, "maria", "staff", "correct horse")
    async with browser_of(build(settings)) as client:
        await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})
        assert (await client.get("/")).status_code == 200
        add_account(settings.data, "maria", "staff", "battery staple")
        assert (await client.get("/")).status_code == 401


@pytest.mark.parametrize("path", ["/", "/live", "/healthz", "/?key=the-right-key"])
async def test_while_the_accounts_cannot_be_read_nothing_is_served(
    path: str, settings: Settings, browser_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    add_account(settings.data, "maria", "staff", "correct horse")
    async with browser_of(build(settings)) as client:
        await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})
        (settings.data / FILE).write_text("not json")
        answer = await client.get(path)
    assert (answer.status_code, str(settings.data) in answer.text) == (503, False)
    assert f"Request denied: {settings.data / FILE} cannot be read" in caplog.text


async def test_a_restart_ends_sign_ins_only_if_the_key_changed(settings: Settings, browser_of: Any) -> None:
    async with browser_of(build(settings)) as client:
        await client.get("/?key=the-right-key")
        cookies = dict(client.cookies)
    for key, status in (("the-right-key", 200), ("another", 401)):
        async with browser_of(build(replace(settings, key=key))) as client:
            client.cookies.update(cookies)
            assert (await client.get("/")).status_code == status


async def test_a_new_role_or_a_removed_account_ends_its_sign_ins(settings: Settings, browser_of: Any) -> None:
    for name in ("maria", "vera"):
        add_account(settings.data, name, "engineer", "correct horse")
    path = settings.data / FILE
    async with browser_of(build(settings)) as client:
        for change in (lambda row: {**row, "role": "viewer"}, lambda row: {**row, "name": "another"}):
            content = json.loads(path.read_bytes())
            await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})
            assert (await client.get("/")).status_code == 200
            path.write_text(json.dumps({**content, "accounts": [change(row) for row in content["accounts"]]}))
            assert (await client.get("/")).status_code == 401


async def test_the_first_account_ends_the_sign_ins_with_the_shared_key(settings: Settings, browser_of: Any) -> None:
    async with browser_of(build(settings)) as client:
        await client.get("/?key=the-right-key")
        assert (await client.get("/")).status_code == 200
        add_account(settings.data, "maria", "staff", "correct horse")
        assert (await client.get("/")).status_code == 401


async def test_a_changed_or_forged_cookie_signs_nobody_in(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        await client.get("/?key=the-right-key")
        ((name, cookie),) = client.cookies.items()
        client.cookies.clear()
        changed = cookie[:-5] + ("A" if cookie[-5] != "A" else "B") + cookie[-4:]
        for forged in (changed, cookie.partition(".")[0], "null", "", "é"):
            answer = await client.get("/", headers={b"Cookie": f"{name}={forged}".encode()})
            assert answer.status_code == 401


async def test_a_session_ends_after_thirty_days(dashboard: Access, browser_of: Any, monkeypatch: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.get("/?key=the-right-key")
        assert f"Max-Age={SESSION_S};" in answer.headers["set-cookie"]
        cookie, started = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}, time.time()
        for age_s, status in ((SESSION_S - 60, 200), (SESSION_S + 60, 401)):
            monkeypatch.setattr("itsdangerous.timed.time.time", lambda age_s=age_s: started + age_s)
            assert (await client.get("/", headers=cookie)).status_code == status


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
async def test_the_cookie_is_secure_exactly_under_https(
    dashboard: Access, scheme: str, secure: bool, browser_of: Any
) -> None:
    async with browser_of(dashboard) as client:
        client.base_url = f"{scheme}://pumpwatch"
        answer = await client.get("/?key=the-right-key", headers={"Origin": f"{scheme}://pumpwatch"})
        assert ("; secure" in answer.headers["set-cookie"].lower()) is secure
        assert (await client.get("/")).status_code == 200


async def test_signing_out_removes_the_cookie(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        await client.get("/?key=the-right-key")
        assert (await client.get("/")).status_code == 200
        await client.post("/sign-out")
        assert not client.cookies
        assert (await client.get("/")).status_code == 401


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
async def test_only_our_own_page_signs_in_or_out(dashboard: Access, path: str, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.post(path, data={"key": "the-right-key"}, headers={"Origin": "http://evil"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_the_visitor_reaches_what_is_served(settings: Settings, browser_of: Any) -> None:
    visitors: list[Visitor] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        visitors.append(VISITOR.get())
        await PlainTextResponse("served")(scope, receive, send)

    add_account(settings.data, "maria", "staff", "correct horse")
    async with browser_of(Access(app, settings, "")) as client:
        await client.get("/healthz")
        await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})
        await client.get("/")
    assert visitors == [Visitor("", ""), Visitor("maria", "staff")]


async def test_a_form_larger_than_the_limit_signs_nobody_in(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.post("/sign-in", data={"key": "the-right-key", "next": "x" * 5000})
    assert answer.status_code == 401


def test_a_key_is_generated_if_none_is_given(settings: Settings) -> None:
    first, second = (build(replace(settings, key="")).address(8050) for _ in range(2))
    assert first != second
    assert len(parse_qs(first.split("?")[1])["key"][0]) >= 32


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "pumps.example", "127.example", "localhost.example"])
def test_it_does_not_start_on_a_reachable_address_without_accounts(settings: Settings, host: str) -> None:
    with pytest.raises(AccessError, match="pumpwatch user add NAME --role ROLE"):
        demand_accounts(replace(settings, host=host))
    add_account(settings.data, "maria", "staff", "correct horse")
    demand_accounts(replace(settings, host=host))


async def test_run_does_not_start_without_accounts_either(settings: Settings) -> None:
    with pytest.raises(AccessError):
        await run(replace(settings, host="0.0.0.0"), asyncio.Event(), print)


@pytest.mark.parametrize(
    ("name", "role", "password"),
    [("ma ria", "staff", "correct horse"), ("m", "boss", "correct horse"), ("m", "staff", "short")],
)
def test_an_invalid_account_is_refused(tmp_path: Path, name: str, role: str, password: str) -> None:
    with pytest.raises(AccessError):
        add_account(tmp_path, name, role, password)
    assert read_accounts(tmp_path) == {}


def test_only_the_owner_can_read_the_accounts_and_they_contain_no_password(tmp_path: Path) -> None:
    add_account(tmp_path, "maria", "staff", "correct horse")
    path = tmp_path / "accounts.json"
    assert path.stat().st_mode & 0o077 == 0
    assert "correct horse" not in path.read_text()
    (row,) = json.loads(path.read_bytes())["accounts"]
    assert sorted(row) == ["hash", "name", "role"]
    assert row["hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def write_scrypt_accounts(data: Path, *names: str) -> None:
    """Write `accounts.json` as earlier versions did, for the password "correct horse"."""
    salt = b"sixteen bytes ok"
    digest = hashlib.scrypt(b"correct horse", salt=salt, n=2**14, r=8, p=1)
    texts = {"salt": base64.b64encode(salt).decode(), "digest": base64.b64encode(digest).decode()}
    rows = [{"name": name, "role": "staff", **texts} for name in names]
    data.mkdir(parents=True, exist_ok=True)
    (data / FILE).write_text(json.dumps({"accounts": rows}))


async def test_accounts_of_earlier_versions_sign_in_and_get_a_new_hash(settings: Settings, browser_of: Any) -> None:
    write_scrypt_accounts(settings.data, "maria", "vera")
    async with browser_of(build(settings)) as client:
        assert (await client.post("/sign-in", data={"name": "maria", "password": "wrong"})).status_code == 401
        assert all(needs_rehash(account.hash) for account in read_accounts(settings.data).values())
        assert (await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})).status_code == 303
        assert (await client.get("/")).status_code == 200
    found = read_accounts(settings.data)
    assert {name: needs_rehash(account.hash) for name, account in found.items()} == {"maria": False, "vera": True}
    async with browser_of(build(settings)) as client:
        for name in ("maria", "vera"):
            assert (await client.post("/sign-in", data={"name": name, "password": "correct horse"})).status_code == 303
    assert not any(needs_rehash(account.hash) for account in read_accounts(settings.data).values())


async def test_a_new_hash_that_cannot_be_stored_does_not_prevent_the_sign_in(
    settings: Settings, browser_of: Any, monkeypatch: Any, caplog: Any
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError("read-only")

    write_scrypt_accounts(settings.data, "maria")
    monkeypatch.setattr(sign_in, "replace_hash", refuse)
    async with browser_of(build(settings)) as client:
        assert (await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})).status_code == 303
        assert (await client.get("/")).status_code == 200
    assert "New password hash of maria not stored (read-only)" in caplog.text


def test_a_new_hash_does_not_overwrite_a_password_changed_meanwhile(tmp_path: Path) -> None:
    write_scrypt_accounts(tmp_path, "maria")
    before = read_accounts(tmp_path)["maria"]
    add_account(tmp_path, "maria", "viewer", "battery staple")
    changed = read_accounts(tmp_path)["maria"]
    replace_hash(tmp_path, before, "$argon2id$of-the-old-password")
    assert read_accounts(tmp_path) == {"maria": changed}


def test_accounts_added_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    names = {f"person-{number}" for number in range(8)}
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: add_account(tmp_path, name, "staff", "correct horse"), names))
    assert set(read_accounts(tmp_path)) == names


def test_adding_an_account_does_not_overwrite_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("not json")
    with pytest.raises(AccessError, match="cannot be read"):
        add_account(tmp_path, "maria", "staff", "correct horse")
    assert (tmp_path / FILE).read_text() == "not json"


def test_accounts_of_a_later_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"format": 3, "accounts": []}')
    with pytest.raises(AccessError, match="has format 3; this version reads up to 2: upgrade"):
        read_accounts(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", '{"accounts": [{"name": "maria"}]}', "not json"])
def test_accounts_that_cannot_be_read_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(AccessError, match="cannot be read"):
        read_accounts(tmp_path)


def test_the_sign_in_page_escapes_its_texts() -> None:
    assert "<script>" not in page(by_name=False, target="'><script>alert(1)</script>", error="<script>")


@pytest.mark.parametrize(("role", "may"), [("", False), ("viewer", False), ("staff", True), ("engineer", True)])
async def test_staff_and_engineers_acknowledge(role: str, may: bool, fleet: Any, data_of: DataOf, wire: Any) -> None:
    VISITOR.set(Visitor("maria", role))
    answer = await data_of(fleet(1)).acknowledge({"alarms": ["ITB-000001/rule"]})
    assert answer.good is may
    assert answer.text == (
        "Acknowledged 1 alarm." if may else "Not acknowledged: only staff and engineers may do that."
    )
    assert [
        action for action in wire.actions if isinstance(action, Acknowledge) and action.who == "maria"
    ] == wire.actions
    assert bool(wire.actions) is may


@pytest.mark.parametrize(("role", "may"), [("", False), ("viewer", False), ("staff", False), ("engineer", True)])
async def test_only_engineers_inject_faults(role: str, may: bool, fleet: Any, data_of: DataOf, wire: Any) -> None:
    VISITOR.set(Visitor("eva", role))
    data = data_of(fleet(2))
    chosen = pump_search.choose(data.snapshot().pumps, "1-2").pumps
    replies = await data.inject(chosen, fault="motor_stall", severity=0.5, ramp_s=60, hold_s=None)
    cleared = await data.clear(chosen, None)
    assert [reply.ok for reply in (*replies, *cleared)] == [may, may]
    if may:
        command = wire.orders[0].command
        assert isinstance(command, Inject)
        assert (command.pumps, command.severity, command.who) == (["ITB-000001", "ITB-000002"], 0.5, "eva")
    else:
        assert wire.orders == []


async def test_a_port_in_use_is_reported_with_what_to_do(settings: Settings) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ServeError, match="choose another port"):
        await run(replace(settings, port=port), asyncio.Event(), print)
    server.close()
    await server.wait_closed()
