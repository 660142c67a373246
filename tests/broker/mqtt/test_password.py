"""Passwords of a broker from a file: what is read, and what is said if the file cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from broker.mqtt.address import LinkError, parse_url, with_password, without_password
from broker.mqtt.password import MAX_PASSWORD_BYTES, PasswordError, checked, is_public, read_password
from broker.mqtt.url_files import ConnectionFiles, with_files

SECRET = "hunter2"


def saved(folder: Path, content: bytes) -> str:
    file = folder / "password"
    file.write_bytes(content)
    return str(file)


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"\xef\xbb\xbfhunter2\r\n", "hunter2"),
        (b" two words \n", " two words "),
        ("pä#/[@%:ß\n".encode(), "pä#/[@%:ß"),
        (b"x" * MAX_PASSWORD_BYTES + b"\n", "x" * MAX_PASSWORD_BYTES),
    ],
)
def test_the_only_line_of_the_file_is_the_password(content: bytes, password: str, tmp_path: Path) -> None:
    assert read_password(saved(tmp_path, content)) == password


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\nhunter2\n", "has more than one line"),
        (b"hunter2\rx", "has more than one line"),
        (b"\n\nhunter2", "has more than one line"),
        (b"hunter2\xe4", "is not UTF-8"),
        ("hunter2".encode("utf-16-le"), "contains NUL"),
        ("hunter2".encode("utf-16"), "is not UTF-8"),
        (b"x" * (MAX_PASSWORD_BYTES + 1), "is too long; MQTT passwords have at most 65,535 bytes"),
        (b"\xe4" * 10_000_000, "is too long"),
    ],
)
def test_a_file_without_one_password_is_refused_by_name(content: bytes, sentence: str, tmp_path: Path) -> None:
    file = saved(tmp_path, content)
    with pytest.raises(PasswordError, match=sentence) as refused:
        read_password(file)
    assert file in str(refused.value)
    assert SECRET not in str(refused.value)


def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, sentence in (("", "is a directory"), ("pipe", "is no regular file"), ("absent", "No such file")):
        with pytest.raises(PasswordError, match=sentence):
            read_password(str(tmp_path / name))
    for device in ("/dev/zero", "a\0b", "x" * 5000):
        with pytest.raises(PasswordError, match="password file"):
            read_password(device)


def test_a_file_that_all_may_read_is_recognized(tmp_path: Path) -> None:
    file = Path(saved(tmp_path, b"hunter2"))
    file.chmod(0o640)
    assert not is_public(str(file))
    file.chmod(0o644)
    assert is_public(str(file))


def test_a_variable_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(PasswordError, match="the variable X is not UTF-8"):
        checked("hunter\udce4", "the variable X")


def test_a_new_password_in_the_file_applies_to_the_next_connection(tmp_path: Path) -> None:
    file = saved(tmp_path, b"old\n")
    address = parse_url(with_files("anna@host", ConnectionFiles(password_file=file)))
    assert address.login() == ("anna", "old")
    saved(tmp_path, b"new\n")
    assert address.login() == ("anna", "new")
    Path(file).unlink()
    with pytest.raises(LinkError, match="cannot read the password file"):
        address.login()


def test_a_password_in_the_address_is_written_and_removed_as_people_write_it() -> None:
    url = with_password("mqtts://an%40na@host:1?ca_file=%2Fca", "pä#/[@%:")
    assert parse_url(url).login() == ("an@na", "pä#/[@%:")
    assert without_password(url) == "mqtts://an%40na@host:1?ca_file=%2Fca"
    assert without_password("mqtt://anna@host?password_file=%2Fp") == "mqtt://anna@host"
    assert without_password("host:1") == "mqtt://host:1"


def test_a_password_without_a_user_is_refused(tmp_path: Path) -> None:
    for url in ("mqtt://host?password_file=/p", "mqtt://@host?password_file=/p"):
        with pytest.raises(LinkError, match=r"write mqtt://USER@host"):
            parse_url(url)
    with pytest.raises(LinkError, match=r"write mqtt://USER@host"):
        with_password("mqtt://host", SECRET)


def test_an_address_with_two_passwords_is_refused() -> None:
    with pytest.raises(LinkError, match="names a password file; remove one") as refused:
        parse_url(f"mqtt://anna:{SECRET}@host?password_file=/p")
    assert SECRET not in str(refused.value)
