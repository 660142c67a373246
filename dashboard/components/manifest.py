"""Web app manifest: what a phone or desktop installs the dashboard as."""

from __future__ import annotations

import json
from typing import Final

from dashboard import theme

PATH: Final = "/manifest.webmanifest"
ICONS: Final = (("icon-192.png", 192, "any"), ("icon-512.png", 512, "any"), ("icon-maskable-512.png", 512, "maskable"))
"""File in the assets, width in pixels, purpose. `python -m tests.screenshots.icons` draws them from favicon.svg."""


def text() -> str:
    """Return the manifest. Its addresses are relative to it, so it holds below the path of any reverse proxy."""
    return json.dumps(
        {
            "name": "Pumpwatch: simulated fleet",
            "short_name": "Pumpwatch",
            "description": "Monitoring of a simulated fleet of implanted pumps. Not a medical device.",
            "id": "./",
            "start_url": "./",
            "scope": "./",
            "display": "standalone",
            "theme_color": theme.LIGHT.surface,
            "background_color": theme.LIGHT.ground,
            "icons": [
                {"src": f"assets/{name}", "sizes": f"{width}x{width}", "type": "image/png", "purpose": purpose}
                for name, width, purpose in ICONS
            ],
        }
    )
