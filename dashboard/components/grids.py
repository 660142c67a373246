"""Theme, options and columns of the grids of pumps and gateways; their rows come from queries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from dashboard.languages import tr, tr_later

THEME: Final = {
    "function": "themeQuartz.withParams({"
    "backgroundColor: 'var(--surface)', foregroundColor: 'var(--text)', textColor: 'var(--text)',"
    "headerBackgroundColor: 'var(--surface)', headerTextColor: 'var(--muted)', borderColor: 'var(--line)',"
    "accentColor: 'var(--accent)', chromeBackgroundColor: 'var(--surface)', rowHoverColor: 'var(--raised)',"
    "selectedRowBackgroundColor: 'var(--raised)', fontFamily: 'inherit', fontSize: 13, headerFontSize: 12,"
    "headerFontWeight: 500, rowHeight: 36, headerHeight: 34, spacing: 6, wrapperBorder: false, wrapperBorderRadius: 0,"
    "browserColorScheme: 'inherit', cellHorizontalPadding: 10, columnBorder: false,"
    "headerColumnResizeHandleColor: 'transparent'})"
}
FILL: Final = {"position": "absolute", "inset": 0, "height": "100%", "width": "100%"}
DEFAULTS: Final[dict[str, Any]] = {
    "resizable": True,
    "sortable": True,
    "suppressMovable": True,
    "suppressHeaderMenuButton": True,
}
OPTIONS: Final[dict[str, Any]] = {
    "theme": THEME,
    "animateRows": False,
    "suppressCellFocus": False,
    "tooltipShowDelay": 300,
    "suppressColumnVirtualisation": True,
}


def _column(field: str, title: str, width: int, **more: Any) -> dict[str, Any]:
    return {"field": field, "headerName": title, "width": width, **more}


def _number(field: str, title: str, width: int, **more: Any) -> dict[str, Any]:
    return _column(field, title, width, type="rightAligned", cellClass="ag-right-aligned-cell tabular", **more)


PINNED: Final = {"pinned": "left", "lockPinned": True}
"""Stays where it is while the rest scrolls: who it is, and how it is."""
GATEWAY_COLUMNS: Final = [
    _column("gateway", "Gateway", 106, cellClass="strong", **PINNED),
    _column("state", "State", 90, flex=1, minWidth=90, cellRenderer="Tag"),
    _number("pumps", "Pumps", 62, flex=1, minWidth=62),
    _number("heard_s", "Last heard", 86, cellRenderer="Text", cellRendererParams={"text": "heard"}),
    _number("waiting", "Queued", 70),
    _number("dropped", "Dropped", 74, cellClassRules={"warn-word": "params.value > 0"}),
    _number("resent", "Redelivered", 110),
    _number("speed", "Speed", 62, cellRenderer="Text", cellRendererParams={"text": "speed_text"}),
    _number("shard", "Shard", 58),
]
"""What says that a gateway is in trouble comes first; a narrow window scrolls to the rest."""
PUMP_COLUMNS: Final = [
    _column("priority", tr_later("State"), 112, cellRenderer="PumpState", **PINNED),
    _column("pump", tr_later("Pump"), 116, cellRenderer="PumpLink", **PINNED),
    _column("worst", tr_later("Worst alarm"), 210, flex=2, minWidth=210, sortable=False, tooltipField="worst"),
    _number("age_s", tr_later("Age (therapy)"), 122, cellRenderer="Text", cellRendererParams={"text": "age"}),
    _number("flow", tr_later("Flow"), 104, sortable=False, cellRenderer="Quantity"),
    _number(
        "reservoir_ml", tr_later("Reservoir"), 98, cellRenderer="Quantity", cellRendererParams={"text": "reservoir"}
    ),
    _number(
        "low_d_mid",
        tr_later("Low reservoir in"),
        164,
        headerTooltip=tr_later("Time until 2 mL are left if nothing changes; 80 % interval in parentheses"),
        cellRenderer="Text",
        cellRendererParams={"text": "low"},
    ),
    _number("battery_v", tr_later("Battery"), 82, cellRenderer="Quantity", cellRendererParams={"text": "battery"}),
    _column("site", tr_later("Site"), 78),
    _column("gateway", tr_later("Gateway"), 124),
    _column("model", tr_later("Model"), 150, sortable=False),
    _number("lost", tr_later("Samples lost"), 110),
]
"""What operators look for first comes first; a narrow window scrolls to the rest."""
PUMP_CARD: Final = {
    "colId": "card",
    "headerName": tr_later("Pump"),
    "hide": True,
    "flex": 1,
    "sortable": False,
    "cellRenderer": "PumpCard",
}
"""The one column of a small screen."""
GATEWAY_CARD: Final = {**PUMP_CARD, "headerName": "Gateway", "cellRenderer": "GatewayCard"}


def titled(columns: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return columns with their titles in the viewer's language."""
    return [
        {**column, **{name: tr(column[name]) for name in ("headerName", "headerTooltip") if name in column}}
        for column in columns
    ]
