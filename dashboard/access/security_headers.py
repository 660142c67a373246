"""Security headers of every response."""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.settings import Settings

LOCAL: Final = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?", re.ASCII | re.IGNORECASE)
HTTPS_ONLY_S: Final = 365 * 24 * 3600
PERMISSIONS: Final = (
    "camera=(), display-capture=(), microphone=(), geolocation=(), accelerometer=(), gyroscope=(), magnetometer=(), "
    "midi=(), payment=(), usb=(), serial=(), hid=(), bluetooth=(), publickey-credentials-get=()"
)
"""Features of browsers that no page uses."""


class SecurityHeaders:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp, policy: str, settings: Settings) -> None:
        """Add `policy` as Content-Security-Policy; with TLS, responses tell browsers to use https only."""
        self._app = app
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": PERMISSIONS,
        }
        self._public = settings.public.url.startswith("https:")
        by_https = self._public or settings.tls is not None
        self._https_only = {"Strict-Transport-Security": f"max-age={HTTPS_ONLY_S}"} if by_https else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        # For localhost it would also hold for every other server of this machine.
        local = not self._public and LOCAL.fullmatch(Headers(scope=scope).get("host", ""))
        headers = self._headers if local else {**self._headers, **self._https_only}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)
