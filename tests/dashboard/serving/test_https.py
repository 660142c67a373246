"""The whole dashboard over TLS of its own."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from dashboard.settings import Settings, TlsFiles
from tests.broker.certificates import Authority
from tests.dashboard.ward import KEY, NO_BROKER, serving


def test_with_a_certificate_the_dashboard_speaks_https_and_keeps_its_cookie_to_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    files = TlsFiles(*authority.issue("dashboard"))
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    settings = Settings(NO_BROKER, tmp_path, port=0, key=KEY, tls=files, allowed_hosts=("ward.example",))
    with serving(settings) as address, httpx.Client(verify=trusting) as client:
        port = httpx.URL(address).port
        assert address == f"https://127.0.0.1:{port}/?key={KEY}"
        signed_in = client.get(f"https://localhost:{port}/?key={KEY}")
        assert signed_in.status_code == 303
        assert "secure" in signed_in.headers["set-cookie"].lower()
        assert client.get(f"https://localhost:{port}/live").json()["count"] == 0
        by_name = client.get(f"https://localhost:{port}/healthz", headers={"Host": "ward.example"})
        assert by_name.headers["strict-transport-security"] == "max-age=31536000"
        assert "strict-transport-security" not in signed_in.headers, "it would hold for all servers of localhost"
