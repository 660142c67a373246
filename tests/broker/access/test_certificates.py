"""Certificates that end: which ones, in how many days, and what to do about each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.access import certificates
from broker.access.authority import AUTHORITY_DAYS, CERTIFICATE_DAYS, new_authority
from broker.access.credentials import credentials_of
from broker.access.key_files import KeyFiles
from pumpwatch.commands.doctor_access import endings

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def ms(days: float) -> int:
    """Return the wall clock so many days after the certificates were made."""
    return round((NOW + timedelta(days=days)).timestamp() * 1000)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An installation with an authority, and certificates of broker and dashboard."""
    credentials = credentials_of(tmp_path)
    credentials.prepare([])
    KeyFiles(credentials).create(["ward.example"], NOW)
    (tmp_path / "web.pem").write_bytes(new_authority(NOW).certificate)
    certificates.note_dashboard(tmp_path, tmp_path / "web.pem")
    return tmp_path


def test_nothing_is_said_of_certificates_that_last(data: Path) -> None:
    assert certificates.ending(data, ms(0)) == {}
    assert [finding.state for finding in endings(data, ms(0))] == ["ok", "ok", "ok"]


@pytest.mark.parametrize(
    ("left", "days", "words"),
    [
        (30.5, 30, "expires in 30 d"),
        (9.5, 30, "expires in 9 d"),
        (7.5, 7, "expires in 7 d"),
        (0.5, 7, "expires today"),
        (-1, 7, "has expired"),
    ],
)
def test_the_end_of_the_brokers_certificate_is_said_with_the_command(
    left: float, days: int, words: str, data: Path
) -> None:
    found = certificates.ending(data, ms(CERTIFICATE_DAYS - left))
    assert found == {days: f"the certificate of the broker {words}: run pumpwatch keys renew"}


def test_several_at_once_are_one_sentence_each_with_its_own_remedy(data: Path) -> None:
    KeyFiles(credentials_of(data)).renew_server(["ward.example"], NOW + timedelta(days=AUTHORITY_DAYS - 20))
    text = certificates.ending(data, ms(AUTHORITY_DAYS - 20.5))[30]
    assert "the private authority expires in 20 d: move" in text
    assert "give each gateway the new ca.pem" in text
    assert f"the certificate of the dashboard expires in 20 d: replace {data / 'web.pem'}" in text
    found = {finding.what: finding.state for finding in endings(data, ms(AUTHORITY_DAYS + 1))}
    assert found["certificate of the dashboard"] == "failed"


def test_certificates_that_are_not_here_or_not_readable_are_left_out(data: Path) -> None:
    (data / "web.pem").write_text("none")
    (data / "secrets/broker/mosquitto/server.pem").unlink()
    assert [each.what for each in certificates.certificates(data)] == ["the private authority"]
    certificates.note_dashboard(data, None)
    assert not (data / certificates.DASHBOARD).exists()
