"""Filters and grouping of the list of alarms: what there is to choose, the controls, and their place in the address."""

from __future__ import annotations

from typing import Final

import dash_mantine_components as dmc

from broker.store.snapshot import WAITING
from dashboard import formatting
from dashboard.components import address, client_script
from dashboard.components.elements import Component

FILTERS: Final = {
    "all": ("Open", (*WAITING, "acknowledged", "latched")),
    "waiting": ("Unacknowledged", WAITING),
    "aside": ("Shelved or out of service", ("shelved", "out_of_service")),
}
GROUPS: Final = {"none": "Not grouped", "rule": "By alarm", "site": "By site", "gateway": "By gateway"}
CONTROLS: Final = ("filter", "search", "priority", "rule", "site", "gateway", "group")
"""The controls of the list, which live in the address."""
CHOICES: Final = (("rule", "Any alarm"), ("site", "Any site"), ("gateway", "Any gateway"))
"""Filters whose choices are what occurs among the alarms."""


def controls() -> list[Component]:
    """Return the controls, which act in the browser."""
    labels = [{"value": name, "label": label} for name, (label, _) in FILTERS.items()]
    priorities = [{"value": str(code), "label": formatting.PRIORITY_WORD[code]} for code in (1, 2, 3)]
    groups = [{"value": name, "label": label} for name, label in GROUPS.items()]
    return [
        dmc.SegmentedControl(id="alarm-filter", value="all", size="xs", data=labels),
        dmc.TextInput(
            id="alarm-search",
            placeholder="Search",
            size="xs",
            debounce=150,
            w=128,
            **client_script.label("Search alarms"),
        ),
        dmc.Select(
            id="alarm-priority",
            placeholder="Any priority",
            data=priorities,
            clearable=True,
            size="xs",
            w=116,
            **client_script.label("Priority"),
        ),
        *(
            dmc.Select(
                id=f"alarm-{name}",
                placeholder=placeholder,
                data=[],
                clearable=True,
                searchable=True,
                size="xs",
                w=120,
                **client_script.label(name.title()),
            )
            for name, placeholder in CHOICES
        ),
        dmc.Select(
            id="alarm-group",
            value="none",
            data=groups,
            allowDeselect=False,
            size="xs",
            w=128,
            **client_script.label("Group alarms"),
        ),
    ]


def bound() -> dict[str, address.Control | tuple[str, str]]:
    """Return the controls by their name in the address."""
    found: dict[str, address.Control | tuple[str, str]] = {name: (f"alarm-{name}", "value") for name in CONTROLS}
    found["filter"] = address.choice("alarm-filter", FILTERS, default="all", step=True)
    found["priority"] = address.choice("alarm-priority", ("", "1", "2", "3"))
    found["group"] = address.choice("alarm-group", GROUPS, default="none", step=True)
    return found
