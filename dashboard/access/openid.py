"""OpenID Connect: sign-in through an identity provider, by authorization code with PKCE, state and nonce."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard.access.accounts import NAME, ROLES
from dashboard.access.cookies import Cookies, Tickets
from dashboard.access.proxies import path_of
from dashboard.languages import tr_later
from dashboard.settings import OpenId, Public

START_PATH: Final = "/sign-in/oidc/start"
RETURN_PATH: Final = "/sign-in/oidc"
PURPOSE: Final = "pumpwatch-oidc"
TICKET_S: Final = 600
"""How long a person may take at the identity provider."""
TIMEOUT_S: Final = 10.0
METADATA_S: Final = 3600.0
RETRY_S: Final = 5.0
"""How long a provider that did not answer is not asked again: anybody can press the link."""
ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]
"""Of signatures: asymmetric only, so that nobody but the provider can sign."""
CLOCK_LEEWAY_S: Final = 60
SILENT: Final = tr_later("The identity provider does not answer. Try again in a minute.")
REFUSED: Final = tr_later("The identity provider refused the sign-in. Start again, or ask its administrator.")
DENIED: Final = tr_later(
    "Access denied: the identity provider knows you, but gives you no role here; ask its administrator for "
    "one in the claim {claim}."
)
ELSEWHERE: Final = tr_later("{name} has an account here: sign in with its password.")
SAID: Final = (DENIED, ELSEWHERE)
"""Refusals with something filled in, which pages say in the viewer's language; logs have them in English."""


class OpenIdError(Exception):
    """The sign-in through the identity provider failed; the text says why and what to do."""


@dataclass(frozen=True)
class Identity:
    """A person whom the identity provider has authenticated."""

    name: str
    role: str
    target: str


class OpenIdConnect:
    """One identity provider. Nothing is asked of it before the browser proves that it began the sign-in here."""

    def __init__(
        self,
        settings: OpenId,
        public: Public,
        tickets: Tickets,
        cookies: Cookies,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Use the provider of the settings; `transport` replaces the network."""
        self._settings, self._public, self._tickets, self._cookies = settings, public, tickets, cookies
        self._transport = transport
        self._metadata: tuple[float, dict[str, Any]] = (0.0, {})
        self._keys: dict[str, Any] = {}
        self._discovering, self._failed_at = asyncio.Lock(), -RETRY_S

    @property
    def issuer(self) -> str:
        """The address of the identity provider."""
        return self._settings.issuer

    async def begin(self, request: Request) -> Response:
        """Redirect the browser to the provider. Raises `OpenIdError`."""
        content = {
            "state": secrets.token_urlsafe(24),
            "nonce": secrets.token_urlsafe(24),
            "verifier": secrets.token_urlsafe(48),
            "next": request.query_params.get("next", "/"),
        }
        async with self._client(request) as client:
            metadata = await self._discover(client)
            address, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=content["state"],
                code_verifier=content["verifier"],
                nonce=content["nonce"],
            )
        response = RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
        self._cookies.put(request, response, PURPOSE, self._tickets.seal(PURPOSE, content), TICKET_S)
        return response

    def ticket(self, request: Request) -> dict[str, Any]:
        """Return what this browser began with. Raises `OpenIdError` if it began nothing, or with another state."""
        content = self._tickets.content(PURPOSE, self._cookies.get(request, PURPOSE), TICKET_S)
        if not content or not hmac.compare_digest(
            content["state"].encode(), request.query_params.get("state", "").encode()
        ):
            raise OpenIdError(tr_later("This sign-in did not begin in this browser, or took too long. Start again."))
        return content

    async def finish(self, request: Request, content: dict[str, Any]) -> Identity:
        """Complete the sign-in when the provider redirects the browser back. Raises `OpenIdError`."""
        if "code" not in request.query_params:
            raise OpenIdError(REFUSED)
        try:
            async with self._client(request) as client:
                metadata = await self._discover(client)
                token = await client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=request.query_params["code"],
                    code_verifier=content["verifier"],
                )
                claims = await self._claims(client, token, content["nonce"])
        except (httpx2.HTTPError, OAuthError, JoseError, KeyError, TypeError, ValueError) as error:
            raise OpenIdError(f"The answer of the identity provider is not valid ({type(error).__name__}).") from error
        return Identity(_name(claims), self._role(claims), str(content["next"]))

    def forget(self, response: Response) -> None:
        """Remove the cookie of a sign-in that ended."""
        self._cookies.remove(response, PURPOSE)

    async def _claims(self, client: Any, token: dict[str, Any], nonce: str) -> dict[str, Any]:
        """Return the checked claims of an ID token: signature, issuer, audience, times and nonce."""
        text, registry = token["id_token"], JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        try:
            decoded = jwt.decode(text, key=await self._key_set(client), registry=registry)
        except InvalidKeyIdError:  # the provider has new keys
            self._keys = {}
            decoded = jwt.decode(text, key=await self._key_set(client), registry=registry)
        options = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self._settings.client_id},
            "nonce": {"essential": True, "value": nonce},
        }
        params = {"nonce": nonce, "client_id": self._settings.client_id, "access_token": token.get("access_token")}
        claims = CodeIDToken(decoded.claims, decoded.header, options, params)
        claims.validate(leeway=CLOCK_LEEWAY_S)
        return dict(claims)

    async def _key_set(self, client: Any) -> KeySet:
        if not self._keys:
            self._keys = await _json(client, (await self._discover(client))["jwks_uri"])
        return KeySet.import_key_set(self._keys)  # type: ignore[arg-type]

    async def _discover(self, client: Any) -> dict[str, Any]:
        """Return what the provider publishes about itself, at most an hour old. Raises `OpenIdError`."""
        async with self._discovering:
            read_at, metadata = self._metadata
            if metadata and time.monotonic() - read_at < METADATA_S:
                return metadata
            if time.monotonic() - self._failed_at < RETRY_S:
                raise OpenIdError(SILENT)
            try:
                found = await _json(client, f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            except (httpx2.HTTPError, ValueError) as error:
                self._failed_at = time.monotonic()
                raise OpenIdError(SILENT) from error
            if found.get("issuer") != self.issuer:
                raise OpenIdError(f"The identity provider calls itself {found.get('issuer')!r}, not {self.issuer!r}.")
            self._metadata = (time.monotonic(), found)
            return found

    def _client(self, request: Request) -> Any:
        base = self._public.url.rstrip("/") or f"{request.url.scheme}://{request.headers.get('host', '')}{path_of('')}"
        return AsyncOAuth2Client(
            self._settings.client_id,
            self._settings.client_secret or None,
            token_endpoint_auth_method="client_secret_basic" if self._settings.client_secret else "none",
            scope="openid profile email",
            redirect_uri=f"{base}{RETURN_PATH}",
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
            transport=self._transport,
        )

    def _role(self, claims: dict[str, Any]) -> str:
        """Return the highest role that the claim gives. Raises `OpenIdError` if it gives none."""
        found: Any = claims.get(self._settings.role_claim)
        if found is None:
            found = claims
            for part in self._settings.role_claim.split("."):
                found = found.get(part) if isinstance(found, dict) else None
        values = {found} if isinstance(found, str) else set(map(str, found)) if isinstance(found, list) else set()
        roles = [role for value, role in self._settings.roles if value in values]
        if not roles:
            raise OpenIdError(DENIED.format(claim=self._settings.role_claim))
        return max(roles, key=ROLES.index)


def _name(claims: dict[str, Any]) -> str:
    name = next((str(claims[key]) for key in ("preferred_username", "email", "sub") if claims.get(key)), "")
    if not NAME.fullmatch(name):
        raise OpenIdError(f"The name {name[:40]!r} is not allowed: use 1 to 40 letters, digits or _ . @ -")
    return name


async def _json(client: Any, address: str) -> dict[str, Any]:
    answer = await client.request("GET", address, withhold_token=True)
    answer.raise_for_status()
    content = answer.json()
    if not isinstance(content, dict):
        raise ValueError(f"{address} is no JSON object")  # noqa: TRY004
    return content
