"""Transfer of pumps by people: to a gateway that delivers them from now on, while their own still does."""

from __future__ import annotations

from broker.contract.actions import Outcome, Transfer
from processor.intake.registry import Registry

MAX_REASONS = 3
"""Reasons of refusal named in an outcome."""


def apply(registry: Registry, action: Transfer) -> Outcome:
    """Let pumps belong to another gateway; return the outcome. What was done is among the registry's moves."""
    gateway = registry.gateways.find(action.gateway)
    done, refused = 0, list[str]()
    for serial in dict.fromkeys(action.pumps):
        number, _ = registry.find(serial)
        if gateway is None:
            refused.append(f"{serial[:80]}: unknown gateway {action.gateway[:80]}; it has to connect first")
        elif number is None:
            refused.append(f"{serial[:80]}: unknown pump")
        elif registry.owner_of(number) == gateway.number:
            refused.append(f"{serial[:80]}: belongs to {gateway.name} already")
        else:
            registry.move(number, gateway, action.why or "transferred", action.who)
            done += 1
    text = f"Transferred {done} pump{'' if done == 1 else 's'} to {action.gateway[:80]}."
    if refused:
        more = f" and {len(refused) - MAX_REASONS} more" if len(refused) > MAX_REASONS else ""
        text += f" Refused: {'; '.join(refused[:MAX_REASONS])}{more}."
    return Outcome(id=action.id, done=done, refused=len(refused), text=text)
