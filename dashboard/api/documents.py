"""The OpenAPI 3.1 document of the API, made of its table of routes, and a page of it for people."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from dashboard.access.problems import API, MEDIA_TYPE
from dashboard.access.proxies import path_of
from dashboard.api.answers import CACHE, constant, tag_of, unchanged
from dashboard.api.fhir_answers import MEDIA as FHIR
from dashboard.api.reference_page import SCRIPT, reference
from dashboard.api.route import VERSION, Route

KEPT: Final = 4
"""Documents kept, one for each path below which the dashboard appears: making one takes a quarter of a second."""
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
DESCRIPTION: Final = (
    "Data and alarm actions of Pumpwatch, a monitoring system of simulated baclofen pumps (a simulation, no medical "
    "device). Authenticate by an API key, `Authorization: Bearer pw_…`. Times are UTC milliseconds: wall-clock times "
    "where the name ends in `_wall` or the text says so, else therapy times."
)


@lru_cache(maxsize=KEPT)
def document(routes: tuple[Route, ...], root: str = "") -> dict[str, Any]:
    """Return the OpenAPI document of routes; `root` is the path below which the dashboard appears.

    Whoever asks again gets the same object, so it is not to be changed.
    """
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


@lru_cache(maxsize=1)
def query_parameters(routes: tuple[Route, ...]) -> dict[tuple[str, str], frozenset[str]]:
    """Return the names of the query parameters that each route takes, by its path and method."""
    paths = document(routes)["paths"]
    return {
        (route.path, route.method): frozenset(
            one["name"] for one in paths[route.path][route.method.lower()].get("parameters", ()) if one["in"] == "query"
        )
        for route in routes
    }


def _schema(media: str) -> dict[str, str]:
    return {"type": "object" if media.endswith("json") else "string"}


def _also_fhir(problem: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of an error that is an OperationOutcome once the request has got past the sign-in."""
    return {**problem, "content": {**problem["content"], FHIR: {"schema": {"type": "object"}}}}


def add_routes(app: FastAPI, routes: tuple[Route, ...]) -> None:
    """Add the document, and the page of it with its script, to an application."""

    async def openapi(request: Request) -> Response:
        return constant(request, document(routes, path_of("")))

    async def page() -> Response:
        return Response(reference(document(routes, path_of(""))), media_type="text/html; charset=utf-8")

    async def script(request: Request) -> Response:
        return unchanged(request, tag) or Response(SCRIPT, headers={"ETag": tag, **CACHE}, media_type="text/javascript")

    tag = tag_of(SCRIPT)
    app.add_api_route(DOCUMENT, openapi, methods=["GET"])
    app.add_api_route("/docs", page, methods=["GET"])
    app.add_api_route("/docs.js", script, methods=["GET"])


def _lines(route: Route) -> list[str]:
    return (inspect.getdoc(route.handler) or route.handler.__name__).split("\n")


def _description(route: Route) -> str:
    roles = "Any role." if not route.right else f"Roles: {', '.join(route.roles)}."
    return "\n".join(_lines(route)) + f"\n\n{roles}"
