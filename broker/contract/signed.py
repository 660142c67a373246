"""Signed messages: commands to gateways and operator actions bear the Ed25519 signature of who sent them.

Signed are topic and payload together, so that nothing can be moved to another topic. The payload says who acts, when,
and under which id; a verifier accepts it for a minute, and another payload under the same id never.
"""

from __future__ import annotations

import base64
import collections
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Final, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from broker.contract.messages import MAX_MESSAGE_BYTES, MessageError, read
from broker.contract.ranges import Label, TimeMs

MAX_AGE_S: Final = 60
"""How long a signed message may take: older ones may be replayed, or act on a state nobody looks at any more."""
MAX_AHEAD_S: Final = 10
"""How far the clock of the signer may be ahead."""
MAX_REMEMBERED: Final = 100_000
"""Ids of verified messages that are remembered while they are valid: a command to every gateway there may be."""
MAX_KEYS: Final = 8
PREFIX: Final = b"pumpwatch-signed-1"
"""Begins what is signed, so that a signature of the same key for something else fits no message."""

KeyId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
"""First 16 hexadecimal digits of the SHA-256 of a public key."""
Base64Key = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9+/]{43}=\Z")]


class PublicKey(msgspec.Struct, frozen=True):
    """A public key: its id, the 32 bytes of Ed25519 in base64, and until when (wall ms) it is valid if replaced."""

    id: KeyId
    key: Base64Key
    until: TimeMs | None = None


class Keys(msgspec.Struct, frozen=True):
    """The public keys that verifiers accept, the current one first."""

    keys: Annotated[list[PublicKey], Meta(max_length=MAX_KEYS)] = []


class Envelope(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A signed message: the key it was signed with, the signature in base64, and the exact text of the payload."""

    key: Annotated[str, Meta(max_length=64)]
    signature: Annotated[str, Meta(max_length=128)]
    payload: str


class _Body(msgspec.Struct):
    """What every signed payload says: its id, who acts, and when (wall ms)."""

    id: Label
    who: Label
    at: TimeMs


@dataclass(frozen=True)
class Claim:
    """What is known of the origin of a message that was refused, none of it proven; MQTT tells no sender."""

    topic: str
    id: str | None = None
    who: str | None = None
    key: str | None = None


class ForgedError(MessageError):
    """A message whose signature, origin, age or id is wrong; `claim` is what it says of itself."""

    def __init__(self, reason: str, claim: Claim) -> None:
        super().__init__(reason)
        self.claim = claim


@dataclass(frozen=True)
class Opened:
    """The payload of a verified message, and whether the same one was verified before (redelivered or replayed)."""

    payload: bytes
    repeated: bool = False


class Opener(Protocol):
    """What takes the payload out of a signed message."""

    def open(self, topic: str, message: bytes, now: int) -> Opened:
        """Return the payload of a message that arrived on `topic` at `now` (wall ms), or raise `MessageError`."""
        ...


_ENVELOPE = msgspec.json.Decoder(Envelope)
_BODY = msgspec.json.Decoder(_Body)


class Signer:
    """Signs messages with a private key (32 bytes)."""

    def __init__(self, private: bytes) -> None:
        """Use a private key; `public` is its public part."""
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        self.public = public_key(self._key.public_key().public_bytes_raw())

    def sign(self, topic: str, payload: bytes) -> bytes:
        """Return the signed message for a topic; `payload` is JSON with `id`, `who` and `at`."""
        signature = base64.b64encode(self._key.sign(_signed(topic, payload))).decode()
        return msgspec.json.encode(Envelope(key=self.public.id, signature=signature, payload=payload.decode()))


@dataclass
class Verifier:
    """Opens signed messages, each id with one content only. Without keys it refuses every message.

    `keys` returns the public keys as they are now; nothing signed before `since` (wall ms) is accepted, because what a
    verifier had seen before its own start is forgotten. `refused` counts.
    """

    keys: Callable[[], Keys] = Keys
    since: int = 0
    refused: int = 0
    _seen: collections.OrderedDict[str, tuple[int, bytes]] = field(default_factory=collections.OrderedDict)

    def open(self, topic: str, message: bytes, now: int) -> Opened:
        """Return the payload of a message that arrived on `topic` at `now` (wall ms); raise `ForgedError`."""
        try:
            return self._open(topic, message, now)
        except ForgedError:
            self.refused += 1
            raise

    def _open(self, topic: str, message: bytes, now: int) -> Opened:
        try:
            envelope = read(_ENVELOPE, message, "a signed message")
        except MessageError as error:
            claim = _claim(topic, message)
            raise ForgedError(
                "it is not signed; the dashboard and the command line sign what they send", claim
            ) from error
        payload = envelope.payload.encode()
        claim = _claim(topic, payload, envelope.key)
        key = next((key for key in self.keys().keys if key.id == envelope.key), None)
        if key is None or (key.until is not None and now > key.until):
            state = "unknown here" if key is None else "no longer valid"
            raise ForgedError(
                f"its key {envelope.key!r} is {state}; action.pub of the processor has the valid ones", claim
            )
        # Any other spelling of the same message could pass as another one.
        if msgspec.json.encode(envelope) != message or not _fits(key, envelope, topic):
            raise ForgedError("its signature does not fit topic and payload", claim)
        body = read(_BODY, payload, "a signed payload")
        self._check_age(body, now, claim)
        return Opened(payload, self._is_repeated(body, topic, payload, now, claim))

    def _check_age(self, body: _Body, now: int, claim: Claim) -> None:
        age_s = (now - body.at) / 1000
        if not body.who:
            raise ForgedError("it does not say who acts", claim)
        if age_s > MAX_AGE_S:
            raise ForgedError(f"it was signed {age_s:,.0f} s before it arrived; allowed are {MAX_AGE_S} s", claim)
        if age_s < -MAX_AHEAD_S:
            raise ForgedError(f"it was signed {-age_s:,.0f} s in the future; check the clocks of both machines", claim)
        if body.at < self.since:
            raise ForgedError("it was signed before this receiver started; send it again", claim)

    def _is_repeated(self, body: _Body, topic: str, payload: bytes, now: int, claim: Claim) -> bool:
        """Remember the content of an id; return whether it is known, and raise `ForgedError` if it was another one."""
        while self._seen and next(iter(self._seen.values()))[0] < now - 1000 * (MAX_AGE_S + MAX_AHEAD_S):
            self._seen.popitem(last=False)
        digest = hashlib.sha256(_signed(topic, payload)).digest()
        if (known := self._seen.get(body.id)) is not None:
            if known[1] != digest:
                raise ForgedError(f"id {body.id!r} was used before, with another content", claim)
            return True
        if len(self._seen) >= MAX_REMEMBERED:
            raise ForgedError(f"{MAX_REMEMBERED:,} messages were signed within a minute; send it again later", claim)
        self._seen[body.id] = now, digest
        return False


def id_of(message: bytes) -> str | None:
    """Return the id in a message, signed or not, None if it has none; with it, a refusal can be sent."""
    try:
        return _claim("", _ENVELOPE.decode(message).payload.encode()).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _claim("", message).id


def public_key(raw: bytes, until: int | None = None) -> PublicKey:
    """Return the public key of these 32 bytes."""
    return PublicKey(hashlib.sha256(raw).hexdigest()[:16], base64.b64encode(raw).decode(), until)


def _signed(topic: str, payload: bytes) -> bytes:
    """Return what is signed; no topic contains a zero byte."""
    return b"\0".join((PREFIX, topic.encode(), payload))


def _fits(key: PublicKey, envelope: Envelope, topic: str) -> bool:
    try:
        signature = base64.b64decode(envelope.signature, validate=True)
        if base64.b64encode(signature).decode() != envelope.signature:
            return False
        verifier = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.key))
        verifier.verify(signature, _signed(topic, envelope.payload.encode()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _claim(topic: str, payload: bytes, key: str | None = None) -> Claim:
    """Return what a payload says of itself, as far as it can be read."""
    if len(payload) > MAX_MESSAGE_BYTES:
        return Claim(topic, key=key)
    try:
        decoded = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        decoded = None
    fields = decoded if isinstance(decoded, dict) else {}
    name, who = fields.get("id"), fields.get("who")
    return Claim(
        topic,
        name[:200] if isinstance(name, str) else None,
        who[:200] if isinstance(who, str) else None,
        key,
    )
