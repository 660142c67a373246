"""Signed requests: what visitors command, signed with the key of the data directory and sent to the broker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from broker.contract.actions import Action, Outcome
from broker.contract.commands import Reply
from broker.mqtt import request_reply
from broker.mqtt.address import LinkError
from broker.mqtt.request_reply import AddressedCommand, Sign
from broker.store import action_key


@dataclass(frozen=True)
class SignedRequests:
    """Signs with the key of the data directory `data`, as it is at that time; see `broker.mqtt.request_reply`."""

    data: Path

    async def ask(self, url: str, commands: Sequence[AddressedCommand]) -> list[Reply]:
        """Send signed commands and return the replies; raises `LinkError`."""
        return await request_reply.ask(url, commands, self._sign())

    async def act(self, url: str, action: Action) -> Outcome:
        """Send a signed operator action and return its outcome; raises `LinkError`."""
        return await request_reply.act(url, action, self._sign())

    def _sign(self) -> Sign:
        try:
            return action_key.signer(self.data).sign
        except (action_key.ActionKeyError, OSError) as error:
            raise LinkError(f"commands cannot be signed: {error}") from error
