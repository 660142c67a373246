"""Answers to one operator action by all processors that have a fleet between them, as one outcome. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from broker.contract.actions import Action, Outcome, PumpAction, ServiceAction
from broker.contract.ranges import MAX_TEXT
from broker.contract.signed import MAX_AGE_S

MAX_REASONS: Final = 3
"""Different answers with refusals whose text is given."""


@dataclass
class Answers:
    """The outcomes of an action until now, by the number of the processor; a repeated one is not counted again."""

    action: Action
    found: dict[int, Outcome] = field(default_factory=dict)

    @property
    def named(self) -> int:
        """How many different alarms, subjects or pumps the action names."""
        if isinstance(self.action, PumpAction):
            return len(set(self.action.pumps))
        return len(set(self.action.subjects if isinstance(self.action, ServiceAction) else self.action.alarms))

    def add(self, outcome: Outcome) -> Outcome | None:
        """Take an outcome; return the one of the action once it is complete, None if more are needed.

        It is complete if one processor answers about all names, or all processors did.
        """
        if outcome.id != self.action.id:
            return None
        self.found.setdefault(outcome.part, outcome)
        if outcome.parts == 1 or outcome.done + outcome.refused >= self.named:
            return outcome
        return self.outcome() if len(self.found) >= outcome.parts else None

    def outcome(self) -> Outcome:
        """Return the outcome of the action by the answers until now, with what nobody answered about; needs one."""
        given = [each for _, each in sorted(self.found.items()) if each.text]
        # Several may have the same finding about a cohort or the fleet.
        done = min(sum(each.done for each in given), self.named)
        missing = max(each.parts for each in self.found.values()) - len(self.found)
        known = min(done + sum(each.refused for each in given), self.named)
        sentences = [given[0].text] if len(given) == 1 else [f"Done: {done:,} of {self.named:,}."]
        if len(given) > 1:
            sentences += list(dict.fromkeys(each.text for each in given if each.refused))[:MAX_REASONS]
        if missing:
            sentences.append(
                f"{missing} of the processors did not answer; what belongs to them is applied only if they read it "
                f"within {MAX_AGE_S} s. Check it then."
            )
        elif known < self.named:
            sentences.append(f"{self.named - known:,} refused: no longer open, or unknown.")
        refused = self.named - done if not missing else known - done
        return Outcome(id=self.action.id, done=done, refused=refused, text=" ".join(sentences)[:MAX_TEXT])
