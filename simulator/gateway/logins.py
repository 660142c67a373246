"""Addresses of gateways: all with one login, or each with its own name and a password derived from it."""

from __future__ import annotations

from collections.abc import Sequence

from broker.access.password_lines import derived_password
from broker.mqtt.address import Address, parse_url
from simulator.gateway.settings import Settings


def addresses(settings: Settings, names: Sequence[str]) -> list[Address]:
    """Return the address of each gateway; raises `LinkError` if a URL cannot be read."""
    return each_at(settings.gateway_broker or settings.broker, settings.gateway_secret, names)


def each_at(url: str, secret: bytes | None, names: Sequence[str]) -> list[Address]:
    """Return the address of each gateway at a URL; raises `LinkError` if that cannot be read.

    The first stands for all when the broker is asked which protocol it speaks: else each of thousands asks, in turn.
    If it has several servers, each gateway begins with the next one.
    """
    base = parse_url(url)
    if secret is None:
        return base.spread(len(names))
    first = base.for_user(names[0], derived_password(secret, names[0]))
    others = first.spread(len(names))[1:]
    return [
        first,
        *(each.for_user(name, derived_password(secret, name)) for each, name in zip(others, names[1:], strict=True)),
    ]


def truth_address(settings: Settings) -> Address | None:
    """Return where ground truth is published with a login of its own, None if gateways publish it."""
    return None if settings.gateway_secret is None else parse_url(settings.broker)
