"""The OpenAPI 3.1 document of the API, made of its table of routes, and a page of it for people."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from dashboard.access.problems import API, MEDIA_TYPE
from dashboard.access.proxies import path_of
from dashboard.api.answers import constant
from dashboard.api.fhir_answers import MEDIA as FHIR
from dashboard.api.route import VERSION, Route

DOCUMENT: Final = f"{VERSION}/openapi.json"
PROBLEM: Final = {
    "type": "object",
    "description": "Problem details (RFC 9457)",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "urn:pumpwatch:problem:… for programs, or about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong and what to do, as a sentence"},
    },
}
ERRORS: Final = ("400", "401", "403", "404", "406", "409", "413", "415", "422", "429", "500", "502", "503")
WORDS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "minLength": "characters: at least",
    "maxLength": "characters: at most",
    "default": "default",
}
DESCRIPTION: Final = (
    "Data and alarm actions of Pumpwatch, a monitoring system of simulated baclofen pumps (a simulation, no medical "
    "device). Authenticate by an API key, `Authorization: Bearer pw_…`. Times are UTC milliseconds: wall-clock times "
    "where the name ends in `_wall` or the text says so, else therapy times."
)


def document(routes: Sequence[Route], root: str = "") -> dict[str, Any]:
    """Return the OpenAPI document of routes; `root` is the path below which the dashboard appears."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for route in routes:
        app.add_api_route(
            route.path,
            route.handler,
            methods=[route.method],
            response_model=route.answer,
            tags=[route.tag],
            summary=_lines(route)[0],
            description=_description(route),
            operation_id=route.handler.__name__,
        )
    found = get_openapi(
        title="Pumpwatch",
        version="1",
        openapi_version="3.1.0",
        description=DESCRIPTION,
        routes=app.routes,
        servers=[{"url": f"{root}{API}{VERSION}"}],
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    found["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "API key, made by an admin"}
    }
    found["security"] = [{"key": []}]
    problem = {
        "description": "A problem",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for route in routes:
        answers = found["paths"][route.path][route.method.lower()]["responses"]
        if route.media:
            answers["200"]["content"] |= {media: {"schema": _schema(media)} for media in route.media}
        answers.update(dict.fromkeys(ERRORS, _also_fhir(problem) if FHIR in route.media else problem))
    return found


def _schema(media: str) -> dict[str, str]:
    return {"type": "object" if media.endswith("json") else "string"}


def _also_fhir(problem: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of an error that is an OperationOutcome once the request has got past the sign-in."""
    return {**problem, "content": {**problem["content"], FHIR: {"schema": {"type": "object"}}}}


def add_routes(app: FastAPI, routes: Sequence[Route]) -> None:
    """Add the document, and the page of it, to an application."""

    async def openapi(request: Request) -> Response:
        return constant(request, document(routes, path_of("")))

    async def page() -> Response:
        return Response(reference(document(routes, path_of(""))), media_type="text/html; charset=utf-8")

    app.add_api_route(DOCUMENT, openapi, methods=["GET"])
    app.add_api_route("/docs", page, methods=["GET"])


def reference(found: dict[str, Any]) -> str:
    """Return the OpenAPI document as a page without scripts."""
    server = found["servers"][0]["url"]
    parts = []
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            rows = "".join(_row(one) for one in operation.get("parameters", []))
            heading = f"{method.upper()} {server}{path}"
            text = "".join(f"<p>{_text(one)}</p>" for one in operation["description"].split("\n\n"))
            table = f"<table><tr><th>Parameter<th>In<th>Allowed<th>Meaning{rows}</table>" if rows else ""
            parts.append(f"<section><h2><code>{html.escape(heading)}</code></h2>{text}{table}</section>")
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        ":root{color-scheme:light dark}"
        "h2{font-size:1.05rem;overflow-wrap:anywhere}td,th{text-align:left;padding:.15rem 1rem .15rem 0;"
        "vertical-align:top}td:nth-child(n+3){overflow-wrap:anywhere}section{border-top:1px solid #8886}"
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Pumpwatch API</title>'
        '<meta name="viewport" content="width=device-width"><style>' + style + "</style><h1>Pumpwatch API</h1>"
        f"<p>{_text(found['info']['description'])}</p>"
        f'<p><a href="{html.escape(server)}/openapi.json">OpenAPI 3.1 document</a></p>{"".join(parts)}</html>'
    )


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


def _lines(route: Route) -> list[str]:
    return (inspect.getdoc(route.handler) or route.handler.__name__).split("\n")


def _description(route: Route) -> str:
    roles = "Any role." if not route.right else f"Roles: {', '.join(route.roles)}."
    return "\n".join(_lines(route)) + f"\n\n{roles}"
