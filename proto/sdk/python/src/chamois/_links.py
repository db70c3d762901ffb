"""Which member gets the next call: one connection is in use until it fails, then the next endpoint's turn comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import grpc

from chamois._config import OPTIONS, Config, Credentials
from chamois.errors import ConfigError

C = TypeVar("C")


class Link(Generic[C]):
    """One connection. It is closed when it was left and its last call is over."""

    def __init__(self, endpoint: str, channel: C, tls: grpc.ChannelCredentials) -> None:
        self.endpoint = endpoint
        self.channel = channel
        self.tls = tls
        self.calls = 0
        self.left = False


class Links(Generic[C]):
    """The endpoints and the connection in use; `dial` makes a channel, `close` ends one."""

    def __init__(self, given: Config, dial: Callable[..., C], close: Callable[[C], Any]) -> None:
        self.count = len(given.endpoints)
        self._endpoints = given.endpoints
        self._credentials = Credentials(given)
        self._dial = dial
        self._close = close
        # Again and again by one thread: a stream that is collected as garbage gives its connection back at any time.
        self._lock = threading.RLock()
        self._turn = 0
        self._link: Link[C] | None = None
        self._closed = False

    def take(self) -> Link[C]:
        """The connection in use, for one call: give it back with `release`."""
        with self._lock:
            if self._closed:
                raise ConfigError("the client was closed")
            tls = self._credentials.tls()
            if self._link is not None and self._link.tls is not tls:
                self._leave(self._link)
            if self._link is None:
                endpoint = self._endpoints[self._turn % self.count]
                self._link = Link(endpoint, self._dial(endpoint, tls, options=OPTIONS), tls)
            self._link.calls += 1
            return self._link

    def authorization(self) -> list[tuple[str, str]]:
        with self._lock:
            return self._credentials.authorization()

    def release(self, link: Link[C]) -> None:
        with self._lock:
            link.calls -= 1
            self._close_if_done(link)

    def leave(self, link: Link[C]) -> None:
        """Leaves the connection to its calls in progress; the next call asks the next endpoint."""
        with self._lock:
            if self._link is link:
                self._turn += 1
                self._leave(link)

    def close(self) -> list[C]:
        """No call is taken any more; gives the channels that are to be closed."""
        with self._lock:
            self._closed = True
            link, self._link = self._link, None
            return [link.channel] if link is not None else []

    def _leave(self, link: Link[C]) -> None:
        self._link = None
        link.left = True
        self._close_if_done(link)

    def _close_if_done(self, link: Link[C]) -> None:
        if link.left and link.calls == 0:
            self._close(link.channel)
