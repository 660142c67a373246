"""Password hashes: which algorithm, which parameters, and what happens to those of earlier versions."""

from __future__ import annotations

import base64
import hashlib

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from dashboard.access import passwords
from dashboard.access.passwords import MAX_PASSWORD, hash_password, needs_rehash, scrypt_hash, verify_password


def scrypt_of(password: str) -> str:
    salt = b"sixteen bytes ok"
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
    return scrypt_hash(base64.b64encode(salt).decode(), base64.b64encode(digest).decode())


def test_new_hashes_have_the_parameters_that_owasp_asks_for() -> None:
    parameters = extract_parameters(hash_password("correct horse"))
    assert (parameters.type, parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (
        Type.ID,
        19 * 1024,
        2,
        1,
    )
    assert parameters.salt_len >= 16


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password("correct horse") != hash_password("correct horse")


@pytest.mark.parametrize("hashed", [hash_password, scrypt_of])
def test_the_right_password_matches_and_no_other(hashed: type[str]) -> None:
    stored = hashed("correct hörse")
    assert verify_password(stored, "correct hörse")
    for wrong in ("correct horse", "correct hörse ", "", stored):
        assert not verify_password(stored, wrong)


@pytest.mark.parametrize(
    "stored",
    ["", "$", "plain", "$argon2id$v=19$m=19456,t=2,p=1$", "$scrypt$ln=17,r=8,p=1$YQ$YQ", "$scrypt$ln=14,r=8,p=1$YQ$Y"],
)
def test_a_damaged_hash_matches_nothing(stored: str) -> None:
    assert not verify_password(stored, "")
    assert not verify_password(stored, stored)


def test_a_name_without_an_account_is_verified_against_a_hash_of_equal_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []

    class Recorder(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002
            verified.append(str(hash))
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "HASHER", Recorder(time_cost=2, memory_cost=19_456, parallelism=1))
    assert not verify_password(None, "correct horse")
    assert extract_parameters(verified[0]) == extract_parameters(hash_password("correct horse"))


def test_no_password_opens_a_name_without_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_UNKNOWN", hash_password("correct horse"))
    assert not verify_password(None, "correct horse")


def test_outdated_hashes_are_made_anew_and_current_ones_are_kept() -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("correct horse")
    assert needs_rehash(weaker)
    assert needs_rehash(scrypt_of("correct horse"))
    assert not needs_rehash(hash_password("correct horse"))


def test_what_is_longer_than_a_password_may_be_is_cut_before_hashing() -> None:
    assert verify_password(hash_password("x" * MAX_PASSWORD), "x" * 100_000)
