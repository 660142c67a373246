"""The pages of a served dashboard, as its registry has them."""

from __future__ import annotations

import re

from dashboard.components import shell


def addresses(serial: str) -> dict[str, str]:
    """Return the path of every page by the name of its module; a page about a pump is about `serial`."""
    return {
        page["module"].rpartition(".")[2]: re.sub("<.*?>", serial, page["path_template"] or page["path"])
        for page in shell.registered()
    }
