"""Where to connect, whom to trust, who calls."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import grpc

from chamois.errors import ConfigError

ENDPOINTS_MAX = 32
MESSAGE_BYTES_MAX = 16 << 20
# Files are looked at so often.
_LOOK_S = 1.0
_CONNECT_MS = 2000
_KEEPALIVE_MS = 5000
_ENDPOINT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):(\d{1,5})")

_VARIABLES = (
    "CHAMOIS_ENDPOINTS",
    "CHAMOIS_CA",
    "CHAMOIS_TOKEN",
    "CHAMOIS_TOKEN_FILE",
    "CHAMOIS_CLIENT_CERTIFICATE",
)

PathLike = Union[str, "os.PathLike[str]"]
OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_MS),
    ("grpc.http2.max_pings_without_data", 0),
    # It bounds the time for TCP, TLS and HTTP/2 of one attempt to connect.
    ("grpc.min_reconnect_backoff_ms", _CONNECT_MS),
    # A new connection to a member must not wait for the backoff of one that was left.
    ("grpc.use_local_subchannel_pool", 1),
    # Proxies of the environment are for the internet, not for admin nodes.
    ("grpc.enable_http_proxy", 0),
    # What is repeated, and how, this package decides.
    ("grpc.enable_retries", 0),
]


@dataclass(frozen=True)
class Config:
    """What a client was given; files are read again when they change."""

    endpoints: tuple[str, ...]
    ca: Path
    token: str | Callable[[], str] | None
    token_file: Path | None
    cert_file: Path | None
    key_file: Path | None


def config(
    endpoints: str | Iterable[str],
    ca: PathLike,
    token: str | Callable[[], str] | None,
    token_file: PathLike | None,
    cert_file: PathLike | None,
    key_file: PathLike | None,
) -> Config:
    """Checks what a client was given.

    Raises `ConfigError` naming the argument.
    """
    listed = tuple(endpoints.split(",")) if isinstance(endpoints, str) else tuple(endpoints)
    if not 1 <= len(listed) <= ENDPOINTS_MAX:
        raise ConfigError(f"endpoints: {len(listed)} are given; give 1 to {ENDPOINTS_MAX}")
    for endpoint in listed:
        match = _ENDPOINT.fullmatch(endpoint)
        if match is None or not 0 < int(match[2]) <= 65535:
            raise ConfigError(f"endpoints: {endpoint!r}: write host:port, without a scheme, e.g. 10.97.1.1:7441")
    if token is not None and token_file is not None:
        raise ConfigError("token, token_file: give one of them")
    if (cert_file is None) != (key_file is None):
        raise ConfigError("cert_file, key_file: give both or none")
    paths = [Path(path) if path is not None else None for path in (token_file, cert_file, key_file)]
    return Config(listed, Path(ca), token, *paths)


def from_env(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The arguments of a client, as the command line takes them from the environment.

    Raises `ConfigError` naming what is missing.
    """
    given = {name: value for name in _VARIABLES if (value := environment.get(name))}
    for name in ("CHAMOIS_ENDPOINTS", "CHAMOIS_CA"):
        if name not in given:
            raise ConfigError(f"{name} is not set; `chamois demo --keep` prints an example")
    arguments: dict[str, Any] = {"endpoints": given["CHAMOIS_ENDPOINTS"], "ca": given["CHAMOIS_CA"]}
    if "CHAMOIS_CLIENT_CERTIFICATE" in given:
        certificate = Path(given["CHAMOIS_CLIENT_CERTIFICATE"])
        arguments |= {"cert_file": certificate, "key_file": certificate.with_suffix(".key")}
    elif "CHAMOIS_TOKEN" in given:
        arguments["token"] = given["CHAMOIS_TOKEN"]
    elif "CHAMOIS_TOKEN_FILE" in given:
        arguments["token_file"] = given["CHAMOIS_TOKEN_FILE"]
    return arguments


class Credentials:
    """What connections and calls are made with now."""

    def __init__(self, given: Config) -> None:
        self._config = given
        self._looked = 0.0
        self._seen: Sequence[tuple[int, int]] = ()
        self._tls: grpc.ChannelCredentials | None = None
        self._token_seen: Sequence[tuple[int, int]] = ()
        self._token = ""
        self.tls()
        self.authorization()

    def tls(self) -> grpc.ChannelCredentials:
        """Another object than before when a file has changed: then connections are made anew."""
        now = time.monotonic()
        if self._tls is not None and now < self._looked + _LOOK_S:
            return self._tls
        self._looked = now
        files = [path for path in (self._config.ca, self._config.cert_file, self._config.key_file) if path is not None]
        try:
            seen = _versions(files)
            if self._tls is None or seen != self._seen:
                texts = [_read(path) for path in files]
                ca, cert, key = texts if len(texts) == 3 else (texts[0], None, None)
                self._tls, self._seen = grpc.ssl_channel_credentials(ca, key, cert), seen
        except ConfigError:
            if self._tls is None:
                raise
            # While files are being replaced, those read before are good enough.
        return self._tls

    def authorization(self) -> list[tuple[str, str]]:
        """The metadata that says who calls."""
        token = self._config.token
        text = token() if callable(token) else token or self._from_file()
        if not text:
            return []
        if not re.fullmatch(r"[\x21-\x7e]+", text):
            raise ConfigError("token: it holds characters that no token has; is it the right file?")
        return [("authorization", f"Bearer {text}")]

    def _from_file(self) -> str:
        path = self._config.token_file
        if path is None:
            return ""
        try:
            seen = _versions([path])
            if seen != self._token_seen:
                self._token, self._token_seen = _read(path).decode("utf-8", "replace").strip(), seen
        except ConfigError:
            if not self._token:
                raise
        return self._token


def _versions(files: Iterable[Path]) -> list[tuple[int, int]]:
    try:
        return [(stat.st_mtime_ns, stat.st_ino) for stat in map(os.stat, files)]
    except OSError as problem:
        raise ConfigError(f"{problem.filename}: {problem.strerror}") from problem


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise ConfigError(f"{path}: {problem.strerror}") from problem
