"""What `pumpwatch doctor` says about the machine, the broker's settings, backups and notifications."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.mqtt import mosquitto_config
from broker.store import audit, data_format
from pumpwatch.__main__ import app
from pumpwatch.commands import doctor_machine as checks

NOW = 1_790_000_000_000


def states(found: object) -> list[str]:
    return [finding.state for finding in found]  # type: ignore[attr-defined]


def test_the_configuration_that_pumpwatch_writes_loses_nothing_and_the_default_of_mosquitto_does() -> None:
    ours = mosquitto_config.configuration(mosquitto_config.LIMITS, "ours")
    assert list(checks.lossy(checks.settings_of(ours))) == []
    assert len(list(checks.lossy({}))) == 3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("persistence false", "persistence true"),
        ("max_queued_messages 1000", "max_queued_messages 1000 drops"),
        ("max_queued_bytes 1000", "max_queued_bytes 1,000 is little"),
        ("persistent_client_expiration 1h", "forgets a processor"),
        ("autosave_interval 1800", "autosave_interval 1800 loses"),
        ("autosave_interval 0", "autosave_interval 0 loses"),
    ],
)
def test_each_setting_that_loses_data_is_named_with_what_to_write(line: str, words: str, tmp_path: Path) -> None:
    config = tmp_path / "mosquitto.conf"
    config.write_text(mosquitto_config.configuration(mosquitto_config.LIMITS, "ours") + f"\n{line}\n")
    (finding,) = checks.broker_settings(tmp_path, config)
    assert finding.state == "failed"
    assert words in finding.text


def test_a_configuration_that_is_not_there_is_a_failure_only_if_it_was_named(tmp_path: Path) -> None:
    assert list(checks.broker_settings(tmp_path)) == []
    assert states(checks.broker_settings(tmp_path, tmp_path / "absent.conf")) == ["failed"]


def test_a_low_limit_of_open_files_says_how_to_raise_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1_024))
    (finding,) = checks.open_files()
    assert (finding.state, "ulimit -Hn" in finding.text) == ("note", True)


def test_a_data_directory_of_a_newer_version_is_refused_and_an_older_one_is_migrated_later(tmp_path: Path) -> None:
    assert states(checks.format_of_data(tmp_path)) == ["note"]
    data_format.write(tmp_path)
    assert states(checks.format_of_data(tmp_path)) == ["ok"]
    data_format.write(tmp_path, data_format.FORMAT + 1)
    assert states(checks.format_of_data(tmp_path)) == ["failed"]


def test_a_backup_that_is_old_or_missing_is_a_note(tmp_path: Path) -> None:
    assert list(checks.backups(tmp_path, NOW)) == []
    audit.record(tmp_path, "exported", who="vera", origin="here", text="something else", at=NOW)
    assert "none so far" in next(checks.backups(tmp_path, NOW)).text
    audit.record(tmp_path, "exported", who="vera", origin="here", text="backup to ward.backup", at=NOW)
    assert states(checks.backups(tmp_path, NOW + checks.DAY_MS)) == ["ok"]
    assert states(checks.backups(tmp_path, NOW + 9 * checks.DAY_MS)) == ["note"]


def test_notifications_that_cannot_be_read_are_a_failure(tmp_path: Path) -> None:
    assert states(checks.routes(tmp_path, NOW)) == ["note"]
    (tmp_path / "notifications.toml").write_text("rubbish = [")
    (finding,) = checks.routes(tmp_path, NOW)
    assert finding.state == "failed"
    assert "pumpwatch notifications check" in finding.text


def test_doctor_exits_with_1_if_the_broker_would_lose_data(tmp_path: Path) -> None:
    config = tmp_path / "mosquitto.conf"
    config.write_text("listener 1883\n")
    done = CliRunner().invoke(
        app, ["doctor", "--data", str(tmp_path / "data"), "--mosquitto-config", str(config), "--json"]
    )
    found = [one for one in json.loads(done.stdout) if one["what"] == "broker settings"]
    assert (done.exit_code, [one["state"] for one in found]) == (1, ["failed"] * 3)


def test_a_clock_that_nothing_keeps_right_says_what_to_start() -> None:
    (lost,) = checks.synchronization(checks.CLOCK_UNSYNCHRONIZED)
    assert (lost.state, "set-ntp true" in lost.text) == ("note", True)
    assert [each.state for each in checks.synchronization(0)] == ["ok"]
    assert [each.state for each in checks.synchronization(None)] == ["note"]


def test_the_kernel_says_how_its_clock_is_kept() -> None:
    assert checks.kernel_clock() in range(6)
