"""The page of the API's reference: every route with its parameters, and a form that sends a request."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any, Final

WORDS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "minLength": "characters: at least",
    "maxLength": "characters: at most",
    "default": "default",
}
SCRIPT: Final = Path(__file__).with_name("docs.js").read_bytes()
"""Sends what a form of the page says, and shows the answer."""
STREAM: Final = "text/event-stream"
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    ":root{color-scheme:light dark}"
    "h2{font-size:1.05rem;overflow-wrap:anywhere}td,th{text-align:left;padding:.15rem 1rem .15rem 0;"
    "vertical-align:top}td:nth-child(n+3){overflow-wrap:anywhere}section{border-top:1px solid #8886;overflow-x:auto}"
    "form{display:grid;gap:.5rem;max-width:40rem;margin:.5rem 0 1rem}label{display:grid;gap:.15rem}"
    "input,select,textarea,button{font:inherit;padding:.35rem .5rem;min-height:2.5rem;box-sizing:border-box;width:100%}"
    "textarea{font-family:ui-monospace,monospace;min-height:7rem}button{width:auto;justify-self:start;padding:0 1.2rem}"
    "pre{overflow:auto;max-height:30rem;border:1px solid #8886;padding:.5rem;white-space:pre-wrap;"
    "overflow-wrap:anywhere}summary{cursor:pointer;padding:.4rem 0}"
)


def reference(found: dict[str, Any]) -> str:
    """Return the OpenAPI document as a page; `docs.js` beside it sends its forms."""
    server = found["servers"][0]["url"]
    schemas = found["components"]["schemas"]
    parts = []
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            rows = "".join(_row(one) for one in operation.get("parameters", []))
            heading = f"{method.upper()} {server}{path}"
            text = "".join(f"<p>{_text(one)}</p>" for one in operation["description"].split("\n\n"))
            table = f"<table><tr><th>Parameter<th>In<th>Allowed<th>Meaning{rows}</table>" if rows else ""
            form = _form(method, f"{server}{path}", operation, schemas)
            parts.append(f"<section><h2><code>{html.escape(heading)}</code></h2>{text}{table}{form}</section>")
    address = html.escape(server.rpartition("/")[0])
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Pumpwatch API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f'<script src="{address}/docs.js" defer></script><h1>Pumpwatch API</h1>'
        f"<p>{_text(found['info']['description'])}</p>"
        "<p>Requests from this page are sent as you, to the running system.</p>"
        f'<p><a href="{html.escape(server)}/openapi.json">OpenAPI 3.1 document</a></p>{"".join(parts)}</html>'
    )


def _form(method: str, address: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Return the form that sends a request; none for a stream, which has no end."""
    if STREAM in operation["responses"]["200"].get("content", {}):
        return ""
    fields = "".join(_field(one) for one in operation.get("parameters", []))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if body:
        example = html.escape(json.dumps(_example(schemas[body["$ref"].rpartition("/")[2]]), indent=1))
        fields += f'<label>Body<textarea name="body" data-in="body" spellcheck="false">{example}</textarea></label>'
    return (
        f'<details><summary>Try it</summary><form data-method="{method.upper()}" data-path="{html.escape(address)}">'
        f"{fields}<button>Send</button></form><pre hidden tabindex=0></pre></details>"
    )


def _field(parameter: dict[str, Any]) -> str:
    name, schema = html.escape(parameter["name"]), parameter["schema"]
    about = f'name="{name}" data-in="{html.escape(parameter["in"])}"' + (" required" if parameter["required"] else "")
    options = [one for one in schema.get("anyOf", [schema]) if "enum" in one]
    if options:
        values = ("", *options[0]["enum"])
        chosen = "".join(f"<option>{html.escape(str(value))}</option>" for value in values)
        return f"<label>{name}<select {about}>{chosen}</select></label>"
    return f'<label>{name}<input {about} autocomplete="off"></label>'


def _example(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a body with every member: its default, or an empty value of its type."""
    empty: dict[str, Any] = {"string": "", "array": [""], "number": 3600, "integer": 1}
    return {
        name: member.get("default", empty.get(member.get("type", ""))) for name, member in schema["properties"].items()
    }


def allowed(schema: dict[str, Any]) -> str:
    """Return what a parameter of this schema may be, in words; "" is any text."""
    hidden = {"title", "description", "type", "pattern"}
    options = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    facts = {name: value for one in options for name, value in one.items() if name not in hidden and value != ""}
    return ", ".join(
        " or ".join(map(str, value)) if name == "enum" else f"{WORDS.get(name, name)} {value}"
        for name, value in (facts | {name: schema[name] for name in ("default",) if schema.get(name)}).items()
    )


def _row(parameter: dict[str, Any]) -> str:
    cells = (parameter["in"], allowed(parameter["schema"]), parameter.get("description", ""))
    return f"<tr><td><code>{html.escape(parameter['name'])}</code>" + "".join(f"<td>{_text(cell)}" for cell in cells)


def _text(text: str) -> str:
    """Return text as HTML; what is between back-ticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
