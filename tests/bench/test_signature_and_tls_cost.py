"""What a signature costs per command, and TLS per page of the dashboard. Prints tables; asserts no times.

Both are compared within one run, so their ratios hold on a busy machine too. Commands go from this process to simulated
gateways and back; pages are answered by a dashboard of its own, over one kept connection and over a new one each.
`TLS_PAGES` is how many are asked for in a row.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import statistics
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx

from broker.contract.commands import Interrogate
from broker.contract.messages import encode
from broker.contract.signed import Verifier
from broker.contract.topics import shard_of, topic_of
from broker.mqtt import request_reply
from broker.mqtt.request_reply import AddressedCommand
from broker.store import action_key
from broker.store.snapshot_files import write
from tests.bench.parts import Parts
from tests.broker.certificates import Authority
from tests.dashboard.conftest import make_fleet

RUNS: Final = 3
COMMANDS: Final = 60
SIGNATURES: Final = 2_000
PAGES: Final = int(os.environ.get("TLS_PAGES", "150"))
PUMPS: Final = 1_000
KEY: Final = "the-right-key"
GATEWAY: Final = "gateway-00"
PAGE: Final = "/_dash-layout"


def command(at: int) -> Interrogate:
    return Interrogate(id=uuid.uuid4().hex, pumps=["ITB-000001"], who="bench", at=at)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def micros(act: Callable[[int], object], count: int) -> float:
    """Return the time of an act in µs."""
    began = time.perf_counter()
    for number in range(count):
        act(number)
    return 1e6 * (time.perf_counter() - began) / count


def test_a_signature_per_command(tmp_path: Path, free_port: int) -> None:
    signer, topic = action_key.signer(tmp_path), topic_of(GATEWAY, "command")
    signing, verifying, there_and_back = [], [], []
    with Parts(tmp_path, free_port) as parts:
        parts.process()
        parts.simulate(100, 1, "--scenario", "none")
        for _ in range(RUNS):
            payloads = [encode(command(now_ms())) for _ in range(SIGNATURES)]
            signing.append(micros(lambda number, of=payloads: signer.sign(topic, of[number]), SIGNATURES))
            signed, keys = (
                [signer.sign(topic, each) for each in payloads],
                action_key.read(tmp_path / action_key.PUBLIC),
            )
            verifier, now = Verifier(lambda keys=keys: keys), now_ms()
            verifying.append(
                micros(lambda number, of=signed, v=verifier, n=now: v.open(topic, of[number], n), SIGNATURES)
            )
            there_and_back.append(micros(lambda _: _ask(parts.url, signer.sign), COMMANDS))
    sign, verify, whole = map(statistics.median, (signing, verifying, there_and_back))
    print(f"\none command to one gateway and its reply, medians of {RUNS} runs")
    for name, value in (("sign", sign), ("verify", verify), ("command and reply", whole)):
        print(f"{name:>20} {value:10,.0f} µs {100 * value / whole:7.2f} %")


def _ask(url: str, sign: request_reply.Sign) -> None:
    addressed = AddressedCommand(GATEWAY, shard_of(GATEWAY), command(now_ms()))
    (reply,) = asyncio.run(request_reply.ask(url, [addressed], sign))
    assert reply.ok, reply.text


def test_tls_per_page(tmp_path: Path, free_port: int) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("dashboard")
    modes = {"plain": (), "TLS": ("--tls-cert", str(certificate), "--tls-key", str(key))}
    found: dict[tuple[str, str], list[float]] = {}
    with Parts(tmp_path, free_port) as parts:
        write(tmp_path / "snapshot", make_fleet(PUMPS))
        for _ in range(RUNS):
            for mode, flags in modes.items():
                port = free_port + 1
                parts.start("dashboard", "dashboard", "--port", str(port), "--key", KEY, *flags)
                base = f"{'https' if flags else 'http'}://localhost:{port}"
                for kind, kept in (("one connection", True), ("a connection each", False)):
                    found.setdefault((mode, kind), []).append(_per_s(base, authority.certificate, kept=kept))
                parts.end("dashboard")
    print(f"\npages a second ({PAGE}, {PUMPS:,} pumps), medians of {RUNS} runs")
    for kind in ("one connection", "a connection each"):
        plain, tls = (statistics.median(found[mode, kind]) for mode in modes)
        print(f"{kind:>20} {plain:8,.0f} plain {tls:8,.0f} TLS {tls / plain:7.2f}")


def _per_s(base: str, ca: Path, *, kept: bool) -> float:
    headers = {} if kept else {"Connection": "close"}
    with httpx.Client(base_url=base, verify=ssl.create_default_context(cafile=str(ca))) as client:
        assert client.get(f"/?key={KEY}").status_code == 303
        began = time.perf_counter()
        for _ in range(PAGES):
            answer = client.get(PAGE, headers=headers)
            assert answer.status_code == 200, answer.text
        return PAGES / (time.perf_counter() - began)
