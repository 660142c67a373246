"""Options of `run` and `dashboard` about people: how long sessions last, and who else may sign them in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pumpwatch import settings
from pumpwatch.commands import options
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import PREFIX

if TYPE_CHECKING:
    from dashboard.settings import OpenId

IDLE_H: Final = 12.0
DAYS: Final = 7.0
ROLE_CLAIM: Final = "roles"

SessionIdle = Annotated[
    float,
    typer.Option(
        "--session-idle",
        envvar=f"{PREFIX}SESSION_IDLE",
        min=settings.SESSION_IDLE_H.ge,
        max=settings.SESSION_IDLE_H.le,
        metavar="HOURS",
        help="Hours after which a session ends if no page of it is open.",
    ),
]
SessionDays = Annotated[
    float,
    typer.Option(
        "--session-days",
        envvar=f"{PREFIX}SESSION_DAYS",
        min=settings.SESSION_DAYS.ge,
        max=settings.SESSION_DAYS.le,
        metavar="DAYS",
        help="Days after which every session ends, in use or not.",
    ),
]
OidcIssuer = Annotated[
    str,
    typer.Option(
        "--oidc-issuer",
        envvar=f"{PREFIX}OIDC_ISSUER",
        metavar="URL",
        help="Identity provider that may sign people in by OpenID Connect. Default: none.",
        show_default=False,
    ),
]
OidcClientId = Annotated[
    str,
    typer.Option(
        "--oidc-client-id",
        envvar=f"{PREFIX}OIDC_CLIENT_ID",
        metavar="TEXT",
        help="Name of this dashboard at the identity provider.",
        show_default=False,
    ),
]
OidcClientSecret = Annotated[
    Path | None,
    typer.Option(
        "--oidc-client-secret",
        envvar=f"{PREFIX}OIDC_CLIENT_SECRET",
        metavar="FILE",
        callback=options.path,
        help="File whose only line is the secret of --oidc-client-id. Default: a public client, with PKCE alone.",
        show_default=False,
    ),
]
OidcRoleClaim = Annotated[
    str,
    typer.Option(
        "--oidc-role-claim",
        envvar=f"{PREFIX}OIDC_ROLE_CLAIM",
        metavar="NAME",
        help="Claim of the ID token whose values give roles, such as groups or realm_access.roles.",
    ),
]
OidcRoles = Annotated[
    list[str] | None,
    typer.Option(
        "--oidc-role",
        envvar=f"{PREFIX}OIDC_ROLE",
        metavar="VALUE=ROLE",
        help="Role that a value of the claim gives; repeat it for more. Nobody else gets in.",
        show_default=False,
    ),
]


def session_flags(idle_h: float, days: float) -> tuple[str, ...]:
    """Return the flags that hand the options to the dashboard that `run` starts."""
    return ("--session-idle", f"{idle_h:g}", "--session-days", f"{days:g}")


def openid_flags(
    issuer: str, client_id: str, secret: Path | None, claim: str, roles: list[str] | None
) -> tuple[str, ...]:
    """Return the flags that hand the options of the identity provider to the dashboard that `run` starts."""
    if not issuer:
        return ()
    flags = ["--oidc-issuer", issuer, "--oidc-client-id", client_id, "--oidc-role-claim", claim]
    flags += ["--oidc-client-secret", str(secret)] if secret else []
    return (*flags, *(word for role in _split(roles) for word in ("--oidc-role", role)))


def openid_of(issuer: str, client_id: str, secret: Path | None, claim: str, roles: list[str] | None) -> OpenId | None:
    """Return the identity provider, None if there is none; raises a usage error, or `CommandError` for the file."""
    from dashboard.access.accounts import ROLES
    from dashboard.settings import openid_provider

    try:
        text = "" if secret is None else secret.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"the client secret {secret} cannot be read: {error}") from error
    try:
        return openid_provider(issuer, client_id, text, claim, roles=tuple(_split(roles)), known=ROLES)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _split(roles: list[str] | None) -> list[str]:
    """Return the pairs; in the environment, commas separate them."""
    return [pair.strip() for text in roles or () for pair in text.split(",") if pair.strip()]
