"""Filters and grouping of the list of alarms: what there is to choose, the controls, and their place in the address."""

from __future__ import annotations

from typing import Final

import dash_mantine_components as dmc

from broker.store.snapshot import WAITING
from dashboard import formatting
from dashboard.components import address, client_script, filter_disclosure
from dashboard.components.elements import Component
from dashboard.languages import tr, tr_later

FILTERS: Final = {
    "all": (tr_later("Open"), (*WAITING, "acknowledged", "latched")),
    "waiting": (tr_later("Unacknowledged"), WAITING),
    "aside": (tr_later("Shelved or out of service"), ("shelved", "out_of_service")),
}
GROUPS: Final = {
    "none": tr_later("Not grouped"),
    "rule": tr_later("By alarm"),
    "site": tr_later("By site"),
    "gateway": tr_later("By gateway"),
}
CONTROLS: Final = ("filter", "search", "priority", "rule", "site", "gateway", "group")
"""The controls of the list, which live in the address."""
CHOICES: Final = (
    ("rule", tr_later("Any alarm"), tr_later("Alarm")),
    ("site", tr_later("Any site"), tr_later("Site")),
    ("gateway", tr_later("Any gateway"), tr_later("Gateway")),
)
"""Filters whose choices are what occurs among the alarms."""
FOLDED: Final = tuple(f"alarm-{name}" for name in ("priority", "rule", "site", "gateway", "group"))
"""What a small screen keeps behind a button."""


def controls() -> list[Component]:
    """Return the controls, which act in the browser."""
    labels = [{"value": name, "label": tr(label)} for name, (label, _) in FILTERS.items()]
    priorities = [{"value": str(code), "label": tr(formatting.PRIORITY_WORD[code])} for code in (1, 2, 3)]
    groups = [{"value": name, "label": tr(label)} for name, label in GROUPS.items()]
    search = dmc.TextInput(
        id="alarm-search",
        placeholder=tr("Search"),
        size="xs",
        debounce=150,
        w=128,
        **client_script.label(tr("Search alarms")),
    )
    narrowing = [
        dmc.Select(
            id="alarm-priority",
            placeholder=tr("Any priority"),
            data=priorities,
            clearable=True,
            size="xs",
            w=116,
            **client_script.label(tr("Priority")),
        ),
        *(
            dmc.Select(
                id=f"alarm-{name}",
                placeholder=tr(placeholder),
                data=[],
                clearable=True,
                searchable=True,
                size="xs",
                w=120,
                **client_script.label(tr(label)),
            )
            for name, placeholder, label in CHOICES
        ),
        dmc.Select(
            id="alarm-group",
            value="none",
            data=groups,
            allowDeselect=False,
            size="xs",
            w=128,
            **client_script.label(tr("Group alarms")),
        ),
    ]
    return [
        dmc.SegmentedControl(id="alarm-filter", value="all", size="xs", data=labels),
        search,
        *filter_disclosure.folded("alarm", narrowing),
    ]


def bound() -> dict[str, address.Control | tuple[str, str]]:
    """Return the controls by their name in the address."""
    found: dict[str, address.Control | tuple[str, str]] = {name: (f"alarm-{name}", "value") for name in CONTROLS}
    found["filter"] = address.choice("alarm-filter", FILTERS, default="all", step=True)
    found["priority"] = address.choice("alarm-priority", ("", "1", "2", "3"))
    found["group"] = address.choice("alarm-group", GROUPS, default="none", step=True)
    return found
