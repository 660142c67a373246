"""Documentation site: where its files are, and serving them below `/help/`."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

from fastapi import Response
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles

PREFIX: Final = "/help"
_PACKAGE: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = (_PACKAGE / "site", _PACKAGE.parent / "build" / "site")
"""Where the built site may be: in an installed package, and beside the packages in a copy of the repository."""
NOT_BUILT: Final = (
    "The documentation is not part of this installation. In a copy of the repository, make docs builds it."
)


def folder(folders: tuple[Path, ...] = FOLDERS) -> Path | None:
    """Return the folder of the built site; None if there is none."""
    return next((each for each in folders if (each / "index.html").is_file()), None)


class Site(StaticFiles):
    """Files of the site, as they are when they are asked for: it may be built while the dashboard runs."""

    def __init__(self, folders: tuple[Path, ...] = FOLDERS) -> None:
        """Serve the first of the folders that holds a site."""
        super().__init__(html=True, check_dir=False)
        self._folders = folders

    async def check_config(self) -> None:
        """Need nothing to be there."""

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        """Return a file, a page that there is no such page, or a sentence that there is no site."""
        found = folder(self._folders)
        if found is None:
            return PlainTextResponse(NOT_BUILT, 404)
        self.all_directories = [found]
        response: Response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"  # it is asked for again, and seldom sent again
        return response
