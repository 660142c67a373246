"""A row of the table of routes, and what handlers take as parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Request

from dashboard.access.accounts import RIGHTS, ROLES, VISITOR
from dashboard.data.services import DataService

Method = Literal["GET", "POST", "DELETE"]
VERSION: Final = "/v1"


@dataclass(frozen=True)
class Route:
    """A route: method, path below /api/v1, right that it needs ("": any role), handler, and model of its answer.

    The handler's parameters declare their ranges; its docstring is the text of the reference. It is a coroutine
    function; what takes long, it does by `heavy`. `media` are further media types of the answer.
    """

    method: Method
    path: str
    right: str
    handler: Callable[..., Any]
    answer: Any
    tag: str
    media: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that may use it."""
        return tuple(role for role in ROLES if not self.right or self.right in RIGHTS[role])


class ApiError(Exception):
    """A request cannot be answered: status, a sentence for people, and a name of the problem for programs."""

    def __init__(self, status: int, detail: str, *, kind: str = "", **headers: str) -> None:
        super().__init__(detail)
        self.status, self.kind = status, kind
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def allowed_by(route: Route) -> Callable[[Request], Any]:
    """Return the check that the visitor's role may use a route; a refusal is in the audit trail."""

    async def check(request: Request) -> None:
        if route.right and not VISITOR.get().may(route.right):
            await data_of(request).audit.denied(VISITOR.get(), f"use {route.method} /api/v1{route.path}")
            *others, last = route.roles
            names = f"{', '.join(others)} or {last}" if others else last
            raise ApiError(403, f"The role {VISITOR.get().role} may not do that; it needs {names}.", kind="role")

    return check


def data_of(request: Request) -> DataService:
    """Return the data service."""
    data: DataService = request.app.state.data
    return data


Data = Annotated[DataService, Depends(data_of)]
