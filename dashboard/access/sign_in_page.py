"""Sign-in page: self-contained HTML with name and password, or the shared key."""

from __future__ import annotations

from html import escape

from dashboard import theme

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
.error { color: var(--high); font-size: 13px; margin: 0 0 14px; }
"""
_DARK = f"@media(prefers-color-scheme:dark){{:root{{{theme.variables(theme.DARK)}}}}}"
_HEAD = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Sign in · Pumpwatch</title>"
    "<meta name='viewport' content='width=device-width,initial-scale=1'>"
    f"<style>{theme.css()}{_DARK}{_STYLE}</style></head><body><main><h1>Pumpwatch</h1>"
    "<p>A simulated fleet of implanted pumps. Not a medical device.</p>"
)
"""Made once: whoever floods the sign-in must not cost more than it costs them."""


def page(*, post_to: str, by_name: bool, target: str, error: str = "") -> str:
    """Return the sign-in page: name and password if there are accounts, else the shared key."""
    if by_name:
        fields = _field("Name", "name", "text", "username") + _field(
            "Password", "password", "password", "current-password"
        )
        hint = ""
    else:
        fields = _field("Shared key", "key", "password", "off")
        hint = "<p class='hint'>The key is part of the address printed at startup.</p>"
    return _frame(_form(post_to, fields, target, error) + hint)


def code_page(*, post_to: str, ticket: str, target: str, again: str, error: str = "") -> str:
    """Return the second page of a sign-in, for a code; `ticket` proves the first, `again` leads back to it."""
    fields = f"<input type='hidden' name='ticket' value='{escape(ticket, quote=True)}'>"
    fields += _field("Code of your authenticator app, or a recovery code", "code", "text", "one-time-code")
    link = f"<p class='hint'><a href='{escape(again, quote=True)}'>Start again</a></p>"
    return _frame(_form(post_to, fields, target, error) + link)


def unavailable(text: str) -> str:
    """Return the page that says why nobody can sign in."""
    return _frame(f"<div class=error role=alert>{escape(text)}</div>")


def _form(post_to: str, fields: str, target: str, error: str) -> str:
    return (
        f"{f'<div class=error role=alert>{escape(error)}</div>' if error else ''}"
        f"<form method='post' action='{escape(post_to, quote=True)}'>{fields}"
        f"<input type='hidden' name='next' value='{escape(target, quote=True)}'>"
        "<button>Sign in</button></form>"
    )


def _frame(content: str) -> str:
    return f"{_HEAD}{content}</main></body></html>"


def _field(label: str, name: str, kind: str, autocomplete: str) -> str:
    return f"<label>{label}<input name='{name}' type='{kind}' autocomplete='{autocomplete}' required></label>"
