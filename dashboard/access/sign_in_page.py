"""Sign-in page: self-contained HTML with name and password, or the shared key."""

from __future__ import annotations

from html import escape

from dashboard import theme
from dashboard.access.language_choice import link
from dashboard.languages import LANGUAGE, NAMES, tr

_STYLE = """
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 15px/1.5 var(--font); }
body { background: var(--ground); color: var(--text); }
main { width: min(380px, calc(100vw - 32px)); padding: 28px 28px 24px; border-radius: 6px; }
main { background: var(--surface); border: 1px solid var(--line); }
h1 { font-size: 20px; margin: 0; }
p { margin: 4px 0 20px; color: var(--muted); font-size: 13px; }
.hint { margin: 14px 0 0; }
label { display: block; font-size: 13px; margin: 0 0 14px; }
input { display: block; width: 100%; margin-top: 4px; padding: 9px 10px; font: inherit; color: inherit; }
input { background: var(--ground); border: 1px solid var(--line); border-radius: 4px; }
button { width: 100%; padding: 10px; font: inherit; font-weight: 600; border: 0; border-radius: 4px; }
button { background: var(--accent); color: var(--on-accent); cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
a { color: inherit; }
.other { display: block; margin-top: 16px; font-size: 14px; text-align: center; }
.error { color: var(--high); font-size: 13px; margin: 0 0 14px; }
"""
_DARK = f"@media(prefers-color-scheme:dark){{:root{{{theme.variables(theme.DARK)}}}}}"
_HEAD = (
    "<meta charset='utf-8'><meta name='viewport' content='width=device-width,initial-scale=1'>"
    f"<style>{theme.css()}{_DARK}{_STYLE}</style>"
)
"""Made once: whoever floods the sign-in must not cost more than it costs them."""


def page(*, post_to: str, by_name: bool, target: str, provider: str = "", error: str = "") -> str:
    """Return the sign-in page: name and password if there are accounts, else the shared key.

    `provider` is the path that leads to the identity provider, if there is one.
    """
    if by_name:
        fields = _field(tr("Name"), "name", "text", "username") + _field(
            tr("Password"), "password", "password", "current-password"
        )
        hint = ""
    else:
        fields = _field(tr("Shared key"), "key", "password", "off")
        hint = f"<p class='hint'>{tr('The key is part of the address printed at startup.')}</p>"
    provider_link = f"<a class='other' href='{escape(provider, quote=True)}'>{tr('Sign in with your organization')}</a>"
    return _frame(_form(post_to, fields, target, error) + hint + (provider_link if provider else ""), target)


def code_page(*, post_to: str, ticket: str, target: str, again: str, error: str = "") -> str:
    """Return the second page of a sign-in, for a code; `ticket` proves the first, `again` leads back to it."""
    fields = f"<input type='hidden' name='ticket' value='{escape(ticket, quote=True)}'>"
    fields += _field(tr("Code of your authenticator app, or a recovery code"), "code", "text", "one-time-code")
    start = f"<p class='hint'><a href='{escape(again, quote=True)}'>{tr('Start again')}</a></p>"
    return _frame(_form(post_to, fields, target, error) + start, again)


def unavailable(text: str) -> str:
    """Return the page that says why nobody can sign in."""
    return _frame(f"<div class=error role=alert>{escape(text)}</div>", "/")


def _form(post_to: str, fields: str, target: str, error: str) -> str:
    return (
        f"{f'<div class=error role=alert>{escape(error)}</div>' if error else ''}"
        f"<form method='post' action='{escape(post_to, quote=True)}'>{fields}"
        f"<input type='hidden' name='next' value='{escape(target, quote=True)}'>"
        f"<button>{tr('Sign in')}</button></form>"
    )


def _frame(content: str, target: str) -> str:
    return (
        f"<!doctype html><html lang='{LANGUAGE.get().code}'><head><title>{tr('Sign in')} · Pumpwatch</title>{_HEAD}"
        "</head><body><main><h1>Pumpwatch</h1>"
        f"<p>{tr('A simulated fleet of implanted pumps. Not a medical device.')}</p>"
        f"{content}{_languages(target)}</main></body></html>"
    )


def _languages(target: str) -> str:
    """Return the links that choose a language, each in its own; without a script, which this page has none of."""
    links = [
        f"<b lang='{code}'>{name}</b>"
        if code == LANGUAGE.get().code
        else f"<a lang='{code}' hreflang='{code}' href='{escape(link(code, target), quote=True)}'>{name}</a>"
        for code, name in NAMES.items()
    ]
    return f"<p class='hint languages'>{' · '.join(links)}</p>"


def _field(label: str, name: str, kind: str, autocomplete: str) -> str:
    return f"<label>{label}<input name='{name}' type='{kind}' autocomplete='{autocomplete}' required></label>"
