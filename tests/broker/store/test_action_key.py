"""The key that signs: made once, for its owner alone, and replaced without refusing what is on its way."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from broker.contract.signed import Signer, Verifier
from broker.store import action_key
from tests.signing import SIGNER

NOW = 1_790_000_000_000
TOPIC = "itb/00/ward/command"
PAYLOAD = b'{"id":"1","who":"anna","at":%d}' % NOW


def sign(signer: Signer) -> bytes:
    return signer.sign(TOPIC, PAYLOAD)


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        with ThreadPoolExecutor(4) as several:
            signers = list(several.map(lambda _: action_key.signer(tmp_path), range(4)))
    finally:
        os.umask(umask)
    assert len({signer.public for signer in signers}) == 1
    assert action_key.read(tmp_path / "action.pub").keys == [signers[0].public]
    assert (tmp_path / "secrets" / "action.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "action.pub").stat().st_mode & 0o777 == 0o600


def test_what_the_old_key_signed_is_valid_for_a_minute_after_it_was_replaced(tmp_path: Path) -> None:
    message, verifier = sign(action_key.signer(tmp_path)), Verifier(action_key.KeyFile(tmp_path / "action.pub"))
    assert verifier.open(TOPIC, message, NOW)
    name = action_key.renew(tmp_path, NOW)
    assert verifier.open(TOPIC, message, NOW + 60_000)
    current = action_key.signer(tmp_path)
    assert current.public.id == name
    other = current.sign(TOPIC, PAYLOAD.replace(b'"1"', b'"2"'))
    assert verifier.open(TOPIC, other, NOW)


def test_while_there_is_no_key_nothing_is_accepted_and_the_log_says_so_once(tmp_path: Path, caplog) -> None:
    keys = action_key.KeyFile(tmp_path / "action.pub")
    assert keys().keys == []
    assert keys().keys == []
    assert [record.message.count("no command and no action is accepted") for record in caplog.records] == [1]
    action_key.ensure(tmp_path)
    assert len(keys().keys) == 1


@pytest.mark.parametrize("content", [b"", b"{}x", b'{"keys":[{"id":"x","key":"y"}]}'])
def test_a_file_without_public_keys_says_what_to_copy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "action.pub").write_bytes(content)
    with pytest.raises(action_key.ActionKeyError, match=r"copy action\.pub of the processor"):
        action_key.read(tmp_path / "action.pub")


def test_a_damaged_private_key_says_what_to_do(tmp_path: Path) -> None:
    action_key.ensure(tmp_path)
    (tmp_path / "secrets" / "action.key").write_text("nonsense")
    with pytest.raises(action_key.ActionKeyError, match="remove it, and a new one is made"):
        action_key.signer(tmp_path)
    (tmp_path / "secrets" / "action.key").unlink()
    assert action_key.signer(tmp_path).public not in {SIGNER.public}
    assert action_key.read(tmp_path / "action.pub").keys == [action_key.signer(tmp_path).public]
