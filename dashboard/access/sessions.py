"""This file is who is signed in: signed cookies that end with the key or password they were made with."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

from itsdangerous import BadSignature, URLSafeTimedSerializer

from dashboard.access.accounts import FILE, Account, Visitor, read_accounts, session_secret
from dashboard.settings import Settings

SESSION_S: Final = 30 * 24 * 3600
"""Wall displays stay signed in for a month."""
KEY_VISITOR: Final = Visitor("key holder", "engineer")


class Sessions:
    """The accounts as they are now, the key that counts while there are none, and the cookies for both."""

    def __init__(self, settings: Settings) -> None:
        """Read or make up the signing secret and, where none is given, the key."""
        self._path = settings.data / FILE
        self._data = settings.data
        self._signer = URLSafeTimedSerializer(session_secret(settings.data), salt="dashboard session")
        self._known: tuple[object, dict[str, Account]] = (None, {})
        self.cookie = f"pumpwatch-{settings.port}"
        self.key = settings.key or secrets.token_urlsafe(24)

    def accounts(self) -> dict[str, Account]:
        """Return the accounts by name, read again whenever the file changed."""
        stamp = self._stamp()
        if stamp != self._known[0]:
            self._known = (stamp, read_accounts(self._data))
        return self._known[1]

    def _stamp(self) -> object:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return "none"
        return found.st_ino, found.st_mtime_ns, found.st_size

    def token(self, name: str) -> str:
        """Return the cookie's value for a name, or for the holder of the key where the name is empty."""
        return str(self._signer.dumps({"name": name, "proof": self._proof(name)}))

    def visitor(self, token: str) -> Visitor | None:
        """Return whom a cookie stands for, with the role they have now; None for a forged or outlived one."""
        try:
            session = self._signer.loads(token, max_age=SESSION_S)
            name, proof = str(session["name"]), str(session["proof"])
        except (BadSignature, TypeError, KeyError):
            return None
        if bool(name) != bool(self.accounts()) or not hmac.compare_digest(proof, self._proof(name)):
            return None
        return Visitor(name, self.accounts()[name].role) if name else KEY_VISITOR

    def _proof(self, name: str) -> str:
        account = self.accounts().get(name)
        credential = account.digest if account else (secrets.token_hex() if name else self.key)
        return hashlib.sha256(credential.encode()).hexdigest()[:32]
