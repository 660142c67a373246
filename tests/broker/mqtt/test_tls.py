"""Brokers with TLS: a private authority, client certificates, and what is said when a file or certificate is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.conversation import conversation
from broker.mqtt.link import Link
from broker.mqtt.tls import TlsError, TlsFiles
from broker.mqtt.url_files import with_files
from tests.broker.certificates import Authority, TlsBroker, openssl, tls_mosquitto
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls_broker(mosquitto: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBroker]:
    """A broker with a private certificate; `mosquitto` only says whether there is one here."""
    with tls_mosquitto(authority, tmp_path_factory.mktemp("tls")) as broker:
        yield broker


@pytest.fixture(scope="module")
def strict_broker(
    mosquitto: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TlsBroker]:
    """A broker that also wants a certificate of every client."""
    with tls_mosquitto(authority, tmp_path_factory.mktemp("strict"), "require_certificate true") as broker:
        yield broker


async def reach(url: str) -> None:
    """Connect as a gateway does, and as a person's command does."""
    link = Link(parse_url(url), "gateway")
    await link.open()
    await link.close()
    async with conversation(url, ["itb/#"]):
        pass


@pytest.mark.broker
async def test_a_broker_with_a_private_authority_is_reached_with_its_file(tls_broker: TlsBroker) -> None:
    await reach(tls_broker.url(ca_file=tls_broker.ca_file))


@pytest.mark.broker
async def test_a_broker_of_an_unknown_authority_is_not_trusted(tls_broker: TlsBroker, tmp_path: Path) -> None:
    other = str(Authority(tmp_path, "other").certificate)
    for url in (tls_broker.url(), tls_broker.url(ca_file=other)):
        with pytest.raises(LinkError, match=r"certificate of mqtts://localhost:\d+ is not trusted .*with --ca-file"):
            await reach(url)


@pytest.mark.broker
async def test_a_broker_under_another_name_is_not_trusted(tls_broker: TlsBroker) -> None:
    with pytest.raises(LinkError, match=r"mqtts://127\.0\.0\.1:\d+ is not trusted .*use a host that it names"):
        await reach(tls_broker.url("127.0.0.1", ca_file=tls_broker.ca_file))


@pytest.mark.broker
async def test_a_broker_that_wants_client_certificates_is_reached_with_one(strict_broker: TlsBroker) -> None:
    files = {"ca_file": strict_broker.ca_file, "client_cert": strict_broker.client_cert}
    await reach(strict_broker.url(**files, client_key=strict_broker.client_key))


@pytest.mark.broker
async def test_certificate_and_key_may_be_one_file(strict_broker: TlsBroker, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(Path(strict_broker.client_cert).read_text() + Path(strict_broker.client_key).read_text())
    await reach(strict_broker.url(ca_file=strict_broker.ca_file, client_cert=str(both)))


@pytest.mark.broker
async def test_without_a_client_certificate_the_error_names_the_option(strict_broker: TlsBroker) -> None:
    with pytest.raises(LinkError, match=r"name yours with --client-cert and --client-key"):
        await reach(strict_broker.url(ca_file=strict_broker.ca_file))


def test_a_file_that_cannot_be_used_is_named_with_the_reason(authority: Authority, tmp_path: Path) -> None:
    ca_file, missing, text = str(authority.certificate), str(tmp_path / "absent.pem"), tmp_path / "note.txt"
    text.write_text("not a certificate")
    note = str(text)
    (one, one_key), (_, other_key) = (map(str, authority.issue(name)) for name in ("one", "two"))
    locked = str(tmp_path / "locked.key")
    openssl("ec", "-in", one_key, "-aes256", "-passout", "pass:secret", "-out", locked)
    wrong = {
        f"cannot read the CA file {missing}: No such file or directory": TlsFiles(missing),
        f"cannot read the CA file {tmp_path}: Is a directory": TlsFiles(str(tmp_path)),
        f"the CA file {note} has no certificate in PEM format": TlsFiles(note),
        f"cannot read the client certificate {missing}: No such file": TlsFiles(ca_file, missing, one_key),
        f"the client certificate {note} has no certificate": TlsFiles(ca_file, note, one_key),
        f"cannot read the client key {missing}: No such file": TlsFiles(ca_file, one, missing),
        f"the client key {note} has no private key": TlsFiles(ca_file, one, note),
        f"the client key {one} has no private key": TlsFiles(ca_file, one),
        f"the client key {other_key} does not belong to the client certificate {one}": TlsFiles(
            ca_file, one, other_key
        ),
        f"the client key {locked} is encrypted": TlsFiles(ca_file, one, locked),
        f"the client key {one_key} has no certificate; name it with --client-cert": TlsFiles(client_key=one_key),
    }
    for sentence, files in wrong.items():
        with pytest.raises(TlsError) as refused:
            with_files("mqtts://localhost", files)
        assert sentence in str(refused.value)


def test_files_for_a_broker_without_tls_are_refused(authority: Authority) -> None:
    with pytest.raises(TlsError, match="write mqtts:// instead of mqtt://"):
        with_files("mqtt://localhost", TlsFiles(str(authority.certificate)))
    with pytest.raises(LinkError, match="write mqtts:// instead of mqtt://"):
        parse_url("mqtt://localhost?ca_file=/ca.pem")
    with pytest.raises(LinkError, match=r"has \?cafile=; allowed are ca_file, client_cert, client_key, password_file"):
        parse_url("mqtts://localhost?cafile=/ca.pem")


@pytest.mark.broker
def test_the_command_line_reaches_a_broker_with_a_private_authority(tls_broker: TlsBroker, tmp_path: Path) -> None:
    def doctor(*flags: str, **variables: str) -> str:
        command = [sys.executable, "-m", "pumpwatch", "doctor", "--json", "--data", str(tmp_path), *flags]
        environment = {**os.environ, **variables}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout

    url = ("--broker", f"mqtts://localhost:{tls_broker.port}")
    answered = f"mqtts://localhost:{tls_broker.port} answers, MQTT 5"
    assert answered in doctor(*url, "--ca-file", tls_broker.ca_file)
    assert answered in doctor(*url, PUMPWATCH_CA_FILE=tls_broker.ca_file)
    assert "is not trusted" in doctor(*url)
