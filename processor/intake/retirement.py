"""Retirement of pumps by people: a pump that is explanted or unplugged for good is monitored no longer."""

from __future__ import annotations

from broker.contract.actions import Monitoring, Outcome, Retire
from processor.intake.presence import UNHEARD_S
from processor.intake.registry import Registry

MAX_REASONS = 3
"""Reasons of refusal named in an outcome."""


def apply(registry: Registry, action: Monitoring, now: int) -> Outcome:
    """Retire pumps or monitor them again, at `now` (wall ms); return the outcome.

    What was done is among the registry's moves.
    """
    retires = isinstance(action, Retire)
    if retires and not action.why.strip():
        return _outcome(action, 0, ["enter a reason"] * len(action.pumps))
    done, refused = 0, list[str]()
    for serial in dict.fromkeys(action.pumps):
        number, _ = registry.find(serial)
        error = "unknown pump" if number is None else _error(registry, number, retires=retires)
        if number is None or error:
            refused.append(f"{serial[:80]}: {error}")
        elif retires:
            registry.retire_pump(number, action.why, action.who, at=now)
            done += 1
        else:
            registry.reinstate_pump(number, action.why or "reinstated", action.who)
            done += 1
    return _outcome(action, done, refused)


def _error(registry: Registry, number: int, *, retires: bool) -> str:
    if registry.presence.retired[number] == retires:
        return "already retired" if retires else "not retired"
    if retires and registry.unheard_s()[number] < UNHEARD_S:
        return f"it sent within the last {UNHEARD_S / 60:.0f} min; stop it first"
    return ""


def _outcome(action: Monitoring, done: int, refused: list[str]) -> Outcome:
    verb = "Retired" if isinstance(action, Retire) else "Reinstated"
    text = f"{verb} {done} pump{'' if done == 1 else 's'}."
    if refused:
        more = f" and {len(refused) - MAX_REASONS} more" if len(refused) > MAX_REASONS else ""
        text += f" Refused: {'; '.join(refused[:MAX_REASONS])}{more}."
    return Outcome(id=action.id, done=done, refused=len(refused), text=text)
