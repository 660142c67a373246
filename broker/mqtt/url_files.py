"""Paths of the files of a broker connection, TLS files and password file, as the query of the broker's URL."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from broker.mqtt.tls import NO_FILES, TlsError, TlsFiles


@dataclass(frozen=True)
class ConnectionFiles(TlsFiles):
    """Paths of the TLS files, and of the file that contains the password; empty if there is none."""

    password_file: str = ""

    @property
    def need_tls(self) -> bool:
        """Whether a file is named that only a connection with TLS can use."""
        return bool(self.ca_file or self.client_cert or self.client_key)


NAMES: Final = tuple(field.name for field in fields(ConnectionFiles))


def files_of(query: str) -> ConnectionFiles:
    """Return the files that the query of a broker's URL names; raises `TlsError` for other names."""
    found = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(found.keys() - set(NAMES))
    if unknown:
        raise TlsError(f"the broker's address has ?{unknown[0]}=; allowed are {', '.join(NAMES)}")
    return ConnectionFiles(**found)


def with_files(url: str, files: TlsFiles) -> str:
    """Return the URL of a broker with the paths of the files, absolute, in its query; raises `TlsError`."""
    given = {name: str(Path(path).absolute()) for name, path in asdict(files).items() if path}
    if not given:
        return url
    parts = urlsplit(whole(url))
    found = files_of(urlencode({**dict(parse_qsl(parts.query)), **given}))
    if found.need_tls:
        if parts.scheme != "mqtts":
            raise TlsError(NO_FILES)
        found.context()
    query = urlencode({name: path for name, path in asdict(found).items() if path})
    return urlunsplit(parts._replace(query=query))


def whole(url: str) -> str:
    """Return the URL with its scheme, which people may leave out."""
    return url if "//" in url else f"mqtt://{url}"
