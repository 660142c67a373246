"""Colors and type: the source of CSS variables, Mantine theme and chart template."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from dashboard.languages import chart_separators

FONT: Final = (
    '-apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, system-ui, sans-serif'
)


@dataclass(frozen=True)
class Scheme:
    """The colors of one scheme. Text on `*_fill` is `on_*`; `cell` is a healthy pump in the map."""

    ground: str
    surface: str
    raised: str
    line: str
    text: str
    muted: str
    cell: str
    hatch: str
    high: str
    high_fill: str
    on_high: str
    medium: str
    medium_fill: str
    on_medium: str
    low: str
    low_fill: str
    on_low: str
    signal: str
    commanded: str
    grid: str
    accent: str
    on_accent: str


LIGHT: Final = Scheme(
    ground="#F5F6F7",
    surface="#FFFFFF",
    raised="#F0F2F4",
    line="#D8DDE2",
    text="#1F2933",
    muted="#5A6773",
    cell="#DCE1E6",
    hatch="#8A96A3",
    high="#C4161C",
    high_fill="#C4161C",
    on_high="#FFFFFF",
    medium="#8A5A00",
    medium_fill="#F2B100",
    on_medium="#1F2933",
    low="#0B6E85",
    low_fill="#1FA8C4",
    on_low="#10181F",
    signal="#243B53",
    commanded="#5B7690",
    grid="#E9ECEF",
    accent="#243B53",
    on_accent="#FFFFFF",
)
DARK: Final = Scheme(
    ground="#12161A",
    surface="#1A2026",
    raised="#222A31",
    line="#2C353E",
    text="#E6EAEE",
    muted="#9BA7B3",
    cell="#3B4651",
    hatch="#76838F",
    high="#FF6B66",
    high_fill="#FF6B66",
    on_high="#12161A",
    medium="#FFC53D",
    medium_fill="#FFC53D",
    on_medium="#12161A",
    low="#4CC9E0",
    low_fill="#4CC9E0",
    on_low="#12161A",
    signal="#C7D5E3",
    commanded="#8298AE",
    grid="#262E36",
    accent="#C7D5E3",
    on_accent="#12161A",
)
SCHEMES: Final = {"light": LIGHT, "dark": DARK}


def scheme(name: object) -> Scheme:
    """Return a scheme by its name; light if the name is unknown."""
    return SCHEMES.get(str(name), LIGHT)


def css() -> str:
    """Return both schemes as CSS variables, such as `--medium-fill`."""
    return (
        f":root{{--font:{FONT};{variables(LIGHT)}color-scheme:light}}"
        f":root[data-mantine-color-scheme=dark]{{{variables(DARK)}color-scheme:dark}}"
    )


def variables(colors: Scheme) -> str:
    """Return one scheme as CSS variables."""
    return "".join(f"--{name.replace('_', '-')}:{value};" for name, value in asdict(colors).items())


def mantine() -> dict[str, Any]:
    """Return the Mantine theme: font, small radii, and one accent color in ten shades."""
    navy = [
        "#EEF2F6",
        "#DCE4EC",
        "#C7D5E3",
        "#A9BCCF",
        "#8298AE",
        "#5B7690",
        "#3F5A76",
        "#314B66",
        "#243B53",
        "#1A2C40",
    ]
    return {
        "fontFamily": FONT,
        "fontSmoothing": True,
        "primaryColor": "navy",
        "primaryShade": {"light": 8, "dark": 4},
        "colors": {"navy": navy},
        "defaultRadius": 4,
        "headings": {"fontFamily": FONT, "fontWeight": "600"},
        "cursorType": "pointer",
    }


def template(colors: Scheme) -> dict[str, Any]:
    """Return the chart template of a scheme: hairlines, no frame, muted ticks, font and numbers of the page."""
    axis = {
        "gridcolor": colors.grid,
        "linecolor": colors.line,
        "zeroline": False,
        "tickfont": {"color": colors.muted, "size": 11},
        "title": {"font": {"color": colors.muted, "size": 11}},
        "ticks": "",
        "automargin": False,
    }
    return {
        "layout": {
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "color": colors.text, "size": 12},
            "colorway": [colors.signal, colors.commanded],
            "separators": chart_separators(),
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {
                "bgcolor": colors.surface,
                "bordercolor": colors.line,
                "font": {"family": FONT, "color": colors.text, "size": 12},
            },
        }
    }
