"""An identity provider for tests: discovery, authorization, token and keys as ASGI, with a real RSA key."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

ISSUER: Final = "https://login.example"
CLIENT: Final = "pumpwatch"
SECRET: Final = "the client's secret"
KEY: Final = RSAKey.generate_key(2048, parameters={"kid": "one"})
OTHER_KEY: Final = RSAKey.generate_key(2048, parameters={"kid": "one"})


@dataclass
class IdentityProvider:
    """Vouches for whoever asks; `claims`, `key` and `issuer` make it a liar."""

    claims: dict[str, Any] = field(default_factory=lambda: {"preferred_username": "nils", "roles": ["ward-nurses"]})
    key: RSAKey = field(default_factory=lambda: KEY)
    issuer: str = ISSUER
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        self.asked.append(request.url.path)
        await (await self.answer(request))(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        if request.url.path == "/.well-known/openid-configuration":
            ends = {name: f"{ISSUER}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
            return JSONResponse({"issuer": self.issuer, **ends})
        if request.url.path == "/jwks_uri":
            return JSONResponse({"keys": [KEY.as_dict(private=False)]})
        return self.token(
            {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}, request
        )

    def authorize(self, address: str) -> str:
        """Sign the person in, as their browser sees it; return the address that it is sent back to."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert (asked["client_id"], asked["response_type"]) == (CLIENT, "code")
        assert (asked["code_challenge_method"], "openid" in asked["scope"]) == ("S256", True)
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], request: Request) -> Response:
        asked = self.codes.pop(form["code"], None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        )
        if (
            asked is None
            or challenge != asked["code_challenge"]
            or request.headers["authorization"] != f"Basic {basic}"
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        text = jwt.encode({"alg": "RS256", "kid": "one"}, {**claims, **self.claims}, self.key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": text})


def unsigned(claims: dict[str, Any]) -> str:
    """Return an ID token without signature."""
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."
