"""A watch that outlives members: it goes on at another one where it was, and begins again where that is impossible.

The rules are those of crates/rpc/src/client/follow.rs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Union

import grpc

from chamois import errors
from chamois.client import Client
from chamois.errors import Error
from chamois.watch.v1 import Event, Object, WatchRequest, WatchResponse, WatchServiceStub

PAUSE_MIN_S = 0.05
PAUSE_MAX_S = 2.0
"""Bounds of the pause before a new attempt, doubled with each that fails."""
SILENCE_MAX_S = 75.0
"""A member that is alive sends something in less than this: its progress marks come each minute at most."""


@dataclass(frozen=True)
class Begins:
    """The state follows from its beginning: what was told before counts no more."""


@dataclass(frozen=True)
class Rows:
    """A part of the state."""

    objects: list[Object]


@dataclass(frozen=True)
class StateEnds:
    """The state was told whole, as it was at this revision."""

    revision: int


@dataclass(frozen=True)
class Events:
    """Changes of whole revisions, oldest first."""

    events: list[Event]


@dataclass(frozen=True)
class Progress:
    """Nothing was changed up to this revision, as far as the filter goes."""

    revision: int


Told = Union[Begins, Rows, StateEnds, Events, Progress]

# What no other member would answer otherwise.
_FINAL = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
)


class Course:
    """Where a watch is, without any connection."""

    def __init__(self, request: WatchRequest) -> None:
        self.request = WatchRequest()
        self.request.CopyFrom(request)
        self.ready: deque[Told] = deque()
        self._partial: list[Event] = []
        self._pause = PAUSE_MIN_S

    def begin(self) -> None:
        """A stream was begun."""
        self._partial = []
        if self.request.from_revision == 0:
            self.ready.append(Begins())

    def take(self, response: WatchResponse) -> bool:
        """Takes what a member says in; false if others may know more, so that the stream should be left."""
        self._pause = PAUSE_MIN_S
        header = response.header
        told = self._told(response, header.revision)
        # Of a revision that is not complete, nothing counts as told: the part would be told again.
        if told is None and self._partial:
            whole = [event for event in self._partial if event.revision <= header.revision]
            self._partial = self._partial[len(whole) :]
            told = Events(whole) if whole else None
        if told is not None:
            self.ready.append(told)
        self.request.from_revision = header.revision
        self.request.cluster_id = header.cluster_id
        return header.has_majority

    def _told(self, response: WatchResponse, revision: int) -> Told | None:
        kind = response.WhichOneof("message")
        if kind == "rows":
            return Rows(list(response.rows.objects))
        if kind == "snapshot_end":
            return StateEnds(revision)
        if kind == "events":
            self._partial += response.events.events
            if response.events.continued:
                return None
            whole, self._partial = self._partial, []
            return Events(whole)
        return Progress(revision) if kind == "progress" else None  # else: of a newer version

    def recover(self, error: Error) -> float:
        """The pause before the next attempt, seconds. Raises the error if there is none."""
        if error.code() == grpc.StatusCode.OUT_OF_RANGE:
            self.request.from_revision = 0
            self.request.cluster_id = ""
            return 0
        if error.code() in _FINAL:
            raise error
        pause, self._pause = self._pause, min(2 * self._pause, PAUSE_MAX_S)
        return pause


class Follow:
    """What a watch tells, one after the other, for as long as it takes: `for told in Follow(client, WatchRequest())`.

    Raises what no other member would answer otherwise: a request that is refused, or credentials that are. After `close`,
    which any thread may call, it ends.
    """

    def __init__(self, client: Client, request: WatchRequest) -> None:
        self._stub = WatchServiceStub(client)
        self._course = Course(request)
        self._stream: Any = None
        self._heard = time.monotonic()
        self._closed = threading.Event()
        threading.Thread(target=self._watch_silence, name="chamois-follow", daemon=True).start()

    @property
    def revision(self) -> int:
        """The revision that a new watch would go on from; 0 as long as the state was not told whole."""
        return self._course.request.from_revision

    def close(self) -> None:
        self._closed.set()
        self._leave()

    def __enter__(self) -> Follow:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Told]:
        return self

    def __next__(self) -> Told:
        while not self._course.ready:
            if self._closed.is_set():
                raise StopIteration
            try:
                if not self._course.take(self._receive()):
                    self._leave()
            except Error as error:
                self._leave()
                if not self._closed.is_set():
                    self._closed.wait(self._course.recover(error))
        return self._course.ready.popleft()

    def _receive(self) -> WatchResponse:
        stream = self._stream  # `close` may take it away at any time
        if stream is None:
            self._heard = time.monotonic()
            self._stream = stream = self._stub.Watch(self._course.request)
            self._course.begin()
        try:
            response: WatchResponse = next(stream)
        except StopIteration:
            raise errors.from_status(grpc.StatusCode.UNAVAILABLE, "the watch ended without a reason", ()) from None
        self._heard = time.monotonic()
        return response

    def _watch_silence(self) -> None:
        while not self._closed.wait(1):
            if time.monotonic() - self._heard > SILENCE_MAX_S:
                self._heard = time.monotonic()
                self._leave()

    def _leave(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()
