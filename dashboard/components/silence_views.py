"""Parts of the Silences page: the form with its fields, the preview, the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import dash_mantine_components as dmc
from dash import html

from broker.contract.silences import WEEKDAYS, Silence
from dashboard import formatting
from dashboard.access.proxies import path_of
from dashboard.components import client_script, elements
from dashboard.components.elements import Component
from dashboard.data import silence_words
from dashboard.data.silencing import DURATIONS, KINDS, MATCHED, Preview
from dashboard.languages import decimal, tr, tr_later, tr_n

MAX_PREVIEW: Final = 8
MAX_OVER: Final = 30
HOW: Final = tr_later(
    "Nobody is notified about an alarm that matches every field; the alarm itself stays on every page, with a mark. "
    "An empty field matches every alarm; * and ? are wildcards. If alarms of high priority could match, a silence "
    "lasts at most 24 h, or 50 h a week."
)


def form(options: dict[str, list[dict[str, str]]], zone: str) -> Component:
    """Return the form that silences alarms; `options` are the values that each field offers."""
    return html.Div(
        [
            html.P(tr(HOW), className="note"),
            html.Div([_field(name, options.get(name, [])) for name in MATCHED], className="silence-match"),
            dmc.SegmentedControl(
                id="silence-kind",
                value="for_time",
                data=[{"value": kind, "label": tr(label)} for kind, label in KINDS.items()],
                size="xs",
                **client_script.label(tr("How long")),
            ),
            html.Div(_duration(), id="silence-for", className="silence-windows"),
            html.Div(_windows(zone), id="silence-windows", className="silence-windows", hidden=True),
            dmc.TextInput(id="silence-reason", label=tr("Reason (required)"), value="", size="sm"),
            html.Div(id="silence-preview", className="silence-preview", role="status"),
            html.Div(_add(), className="buttons"),
        ],
        className="form silence-form",
    )


def _add() -> Component:
    return html.Button(tr("Silence", context="verb"), id="silence-add", className="button strong")


def _field(name: str, options: list[dict[str, str]]) -> Component:
    if name in ("priority", "rule"):
        field: Any = dmc.MultiSelect
        more: dict[str, Any] = {"searchable": name == "rule"}
    else:
        field, more = dmc.TagsInput, {"acceptValueOnBlur": True, "maxTags": 50}
    return field(
        id=f"silence-{name}", label=tr(silence_words.LABELS[name]), data=options, value=[], clearable=True, size="sm",
        placeholder=tr("any"), **more,
    )  # fmt: skip


def _duration() -> list[Component]:
    return [
        dmc.TextInput(
            id="silence-starts", label=tr("Begins (blank: now)"), value="", placeholder="2026-01-31 22:00", size="sm"
        ),
        dmc.Select(
            id="silence-minutes",
            label=tr("Duration"),
            value="60",
            data=[{"value": minutes, "label": formatting.span(60 * int(minutes))} for minutes in DURATIONS],
            allowDeselect=False,
            size="sm",
        ),
    ]


def _windows(zone: str) -> list[Component]:
    days = [dmc.Checkbox(label=silence_words.weekday(day), value=day, size="sm") for day in WEEKDAYS]
    return [
        dmc.CheckboxGroup(dmc.Group(days, gap="sm"), id="silence-days", label=tr("Days"), value=[]),
        dmc.TextInput(
            id="silence-begin", label=tr("From", context="time"), value="22:00", placeholder="22:00", size="sm"
        ),
        dmc.TextInput(id="silence-end", label=tr("To", context="time"), value="06:00", placeholder="06:00", size="sm"),
        dmc.TextInput(id="silence-zone", label=tr("Time zone"), value=zone, size="sm"),
        dmc.NumberInput(
            id="silence-recurs", label=tr("Recurs for (days)"), value=90, min=1, max=366, allowDecimal=False, size="sm"
        ),
    ]


def preview(found: Preview) -> Component:
    """Return what a silence would cover when it begins, and why it is not possible."""
    if found.problem:
        return html.P(tr("Not possible yet: {problem}.", problem=found.problem), className="warn-word")
    many = found.alarms.height
    rows = [
        html.Li([elements.mark(row["priority_code"]), html.B(tr(row["title"])), f" {row['subject']}"])
        for row in found.alarms.head(MAX_PREVIEW).iter_rows(named=True)
    ]
    more = (
        [html.Li(tr_n("and {count} more", "and {count} more", many - MAX_PREVIEW), className="note")]
        if many > MAX_PREVIEW
        else []
    )
    alarms = formatting.count(many, "open alarm")
    said = {"alarms": alarms, "high": decimal(found.high)}
    if found.begins is None:
        sentence = tr("Would silence {alarms} now, {high} of them high.", **said)
    else:
        begins = formatting.moment(found.begins)
        sentence = tr(
            "Would silence {alarms} from {begins} if they are still open then, {high} of them high.",
            begins=begins,
            **said,
        )
    return html.Div([html.B(sentence), html.Ul([*rows, *more], className="silence-alarms")])


def listed(silences: Sequence[Silence], now: int, counts: dict[str, int], *, may: bool) -> Component:
    """Return the silences as three lists; `counts` are the open alarms that each covers now."""
    groups: dict[str, list[Silence]] = {"active": [], "coming": [], "expired": []}
    for one in silences:
        groups[one.status(now)].append(one)
    over = sorted(groups["expired"], key=lambda one: -(one.ended or one.ends))
    parts = [
        _group(tr("Active"), groups["active"], now, counts, may=may),
        _group(tr("Coming"), groups["coming"], now, counts, may=may),
        _group(tr("Over"), over[:MAX_OVER], now, counts, may=False),
    ]
    shown = [part for part in parts if part is not None]
    return html.Div(shown) if shown else elements.nothing(tr("No silences: people are notified about every alarm."))


def _group(title: str, silences: Sequence[Silence], now: int, counts: dict[str, int], *, may: bool) -> Component:
    if not silences:
        return None
    rows = [_row(one, now, counts.get(one.id, 0), may=may) for one in silences]
    return html.Section([html.H3(f"{title}: {decimal(len(rows))}"), html.Ul(rows, className="silences")])


def _row(one: Silence, now: int, many: int, *, may: bool) -> Component:
    status = one.status(now)
    end = html.Button(
        tr("End now"),
        className="button",
        **client_script.chooses("silence-ending", one.id),
        **client_script.label(f"{tr('End now')}: {silence_words.matched(one.matcher)}"),
    )
    covers = formatting.count(many, "open alarm") if status == "active" else ""
    return html.Li(
        [
            html.Div([html.B(silence_words.matched(one.matcher)), html.Div(one.reason, className="note")]),
            html.Div([_when(one, now), html.Div(silence_words.when(one), className="note")]),
            html.Div([covers, html.Div(_who(one), className="note")]),
            end if may else html.Span(),
        ],
        className=f"silence {status}",
    )


def _when(one: Silence, now: int) -> str:
    if (until := one.active_until(now)) is not None:
        return tr("until {time}", time=formatting.moment(until))
    begins = one.begins_at(now)
    if begins:
        return tr("from {time}", time=formatting.moment(begins))
    return tr("ended {time}", time=formatting.moment(one.ended or one.ends))


def _who(one: Silence) -> str:
    by = tr("by {who}", who=one.who)
    return f"{by}, {tr('ended by {who}', who=one.ended_by)}" if one.ended_by else by


def notice(silences: Sequence[Silence], lately: Sequence[Silence], now: int) -> Component:
    """Return how many silences are active and which are over since an hour at most; None if there is nothing to say."""
    active = sum(one.status(now) == "active" for one in silences)
    if not active and not lately:
        return None
    link = html.A(tr("Silences"), href=path_of("/silences"), className="pump-link", **client_script.GO)
    many = f"{tr_n('{count} silence active.', '{count} silences active.', active)} " if active else ""
    return html.P([many, over(lately), " ", link], className="silence-banner")


def over(lately: Sequence[Silence]) -> str:
    """Return which silences ended by themselves in the last hour, empty if none did."""
    if not lately:
        return ""
    one = lately[0]
    more = f", {tr_n('and {count} more', 'and {count} more', len(lately) - 1)}" if len(lately) > 1 else ""
    return tr(
        "Over since {time}: the silence of {what}. People are notified again.",
        time=formatting.moment(one.ended),
        what=f"{silence_words.matched(one.matcher)} ({one.reason}){more}",
    )
