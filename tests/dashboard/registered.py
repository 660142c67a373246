"""The pages of a served dashboard, as its registry has them."""

from __future__ import annotations

import re

from dashboard.components import shell


def addresses(serial: str, **others: str) -> dict[str, str]:
    """Return the path of every page by the name of its module; a page about a pump is about `serial`.

    `others` are the values of other variables in paths, by name; those without one get "1".
    """
    given = {"serial": serial, **others}
    return {
        page["module"].rpartition(".")[2]: re.sub(
            "<(.*?)>", lambda found: given.get(found[1], "1"), page["path_template"] or page["path"]
        )
        for page in shell.registered()
    }
