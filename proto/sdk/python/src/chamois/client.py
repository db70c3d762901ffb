"""The client for programs with threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import grpc

from chamois import _names, errors
from chamois._config import PathLike, config, from_env
from chamois._links import Link, Links
from chamois._session import Attempts, Session, leaves, unreachable
from chamois.errors import Error
from chamois.http.v1 import WouldChange

if TYPE_CHECKING:
    _UnaryBase = grpc.UnaryUnaryMultiCallable[Any, Any]
    _SendingBase = grpc.StreamUnaryMultiCallable[Any, Any]
    _StreamingBase = grpc.UnaryStreamMultiCallable[Any, Any]
else:  # these take no parameters when they run
    _UnaryBase = grpc.UnaryUnaryMultiCallable
    _SendingBase = grpc.StreamUnaryMultiCallable
    _StreamingBase = grpc.UnaryStreamMultiCallable


class Client(grpc.Channel):
    """A channel to a cluster: `ComponentServiceStub(client)`. Threads may share it.

    It stays with one of `endpoints` (`host:port`, a list or comma separated) while that answers, and moves on when it does
    not. A unary call that a member could not take, or whose outcome is unknown, is repeated under the same number of a
    session, so that it is done once; errors are those of `chamois.errors`.

    `ca` is the file of the cluster's CA. Who calls is said by `token` (a text, or a function that gives one for each
    attempt), by `token_file`, or by `cert_file` and `key_file`; files are read again when they change. `timeout` of a call
    is for all its attempts: 30 s unless given, 300 s for methods that take long.

    Raises `ConfigError` for arguments that cannot be used. Nothing is dialled before the first call.
    """

    def __init__(
        self,
        endpoints: str | list[str],
        ca: PathLike,
        *,
        token: str | Callable[[], str] | None = None,
        token_file: PathLike | None = None,
        cert_file: PathLike | None = None,
        key_file: PathLike | None = None,
    ) -> None:
        given = config(endpoints, ca, token, token_file, cert_file, key_file)
        self._links: Links[grpc.Channel] = Links(given, grpc.secure_channel, lambda channel: channel.close())
        self._session = Session()

    @classmethod
    def from_env(cls) -> Client:
        """With what the command line takes: CHAMOIS_ENDPOINTS, CHAMOIS_CA, and CHAMOIS_TOKEN, CHAMOIS_TOKEN_FILE or
        CHAMOIS_CLIENT_CERTIFICATE, whose key is beside it with the ending `.key`.

        Raises `ConfigError` naming what is missing.
        """
        return cls(**from_env())

    def close(self) -> None:
        """Ends the connection and the calls that use it."""
        for channel in self._links.close():
            channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def unary_unary(self, method: str, *coding: Any, **named: Any) -> grpc.UnaryUnaryMultiCallable[Any, Any]:
        return _Unary(self._links, self._session, method, coding, named)

    def unary_stream(self, method: str, *coding: Any, **named: Any) -> grpc.UnaryStreamMultiCallable[Any, Any]:
        return _Streaming(self._links, "unary_stream", method, coding, named)

    def stream_unary(self, method: str, *coding: Any, **named: Any) -> grpc.StreamUnaryMultiCallable[Any, Any]:
        return _Sending(self._links, "stream_unary", method, coding, named)

    def stream_stream(self, method: str, *coding: Any, **named: Any) -> grpc.StreamStreamMultiCallable[Any, Any]:
        return _Streaming(self._links, "stream_stream", method, coding, named)  # type: ignore[return-value]

    def subscribe(self, callback: Any, try_to_connect: bool = False) -> None:
        raise NotImplementedError("a client has several connections; its calls wait for one by themselves")

    def unsubscribe(self, callback: Any) -> None:
        raise NotImplementedError("a client has several connections; nothing was subscribed")


class _Method:
    """One method over whichever connection is in use."""

    def __init__(self, links: Links[grpc.Channel], shape: str, path: str, coding: Any, named: Any) -> None:
        self._links = links
        self._shape = shape
        self._path = path
        self._coding = coding
        self._named = named

    def _on(self, link: Link[grpc.Channel]) -> Any:
        return getattr(link.channel, self._shape)(self._path, *self._coding, **self._named)

    def _failed(self, raw: Any, link: Link[grpc.Channel]) -> Error:
        error = errors.of(raw, self._path, link.endpoint)
        if leaves(error):
            self._links.leave(link)
        return error


class _Unary(_Method, _UnaryBase):
    def __init__(self, links: Links[grpc.Channel], session: Session, path: str, coding: Any, named: Any) -> None:
        super().__init__(links, "unary_unary", path, coding, named)
        self._session = session

    def __call__(
        self, request: Any, timeout: float | None = None, metadata: Any = None, *rest: Any, **named: Any
    ) -> Any:
        return self.with_call(request, timeout, metadata, *rest, **named)[0]

    def with_call(
        self, request: Any, timeout: float | None = None, metadata: Any = None, *rest: Any, **named: Any
    ) -> tuple[Any, grpc.Call]:
        attempts = Attempts(self._path, timeout, self._links.count)
        ticket = self._session.take()
        try:
            while True:
                signed = [*(metadata or ()), *ticket.metadata(), *self._links.authorization()]
                link = self._links.take()
                try:
                    answer: tuple[Any, grpc.Call] = self._on(link).with_call(
                        request, attempts.timeout(), signed, *rest, **named
                    )
                    return answer
                except grpc.RpcError as raw:
                    pause = attempts.after(self._failed(raw, link))
                finally:
                    self._links.release(link)
                time.sleep(pause)
        finally:
            ticket.done()

    def future(self, *_given: Any, **_named: Any) -> Any:
        raise NotImplementedError("use chamois.aio.Client, or threads, for calls at the same time")


class _Sending(_Method, _SendingBase):
    """One attempt: what an iterator gave cannot be given again."""

    def __call__(
        self, request_iterator: Iterator[Any], timeout: float | None = None, metadata: Any = None, *rest: Any, **named: Any
    ) -> Any:
        return self.with_call(request_iterator, timeout, metadata, *rest, **named)[0]

    def with_call(
        self, request_iterator: Iterator[Any], timeout: float | None = None, metadata: Any = None, *rest: Any, **named: Any
    ) -> tuple[Any, grpc.Call]:
        signed = [*(metadata or ()), *self._links.authorization()]
        link = self._links.take()
        try:
            answer: tuple[Any, grpc.Call] = self._on(link).with_call(request_iterator, timeout, signed, *rest, **named)
            return answer
        except grpc.RpcError as raw:
            raise self._failed(raw, link) from raw
        finally:
            self._links.release(link)

    def future(self, *_given: Any, **_named: Any) -> Any:
        raise NotImplementedError("use chamois.aio.Client, or threads, for calls at the same time")


class _Streaming(_Method, _StreamingBase):
    def __call__(
        self, request: Any, timeout: float | None = None, metadata: Any = None, *rest: Any, **named: Any
    ) -> Any:
        def start() -> tuple[Link[grpc.Channel], Any]:
            signed = [*(metadata or ()), *self._links.authorization()]
            link = self._links.take()
            return link, self._on(link)(request, timeout, signed, *rest, **named)

        # The requests of an iterator cannot be sent to a second member.
        tries = self._links.count if self._shape == "unary_stream" else 0
        return _Responses(start, self._failed, self._links.release, tries)


class _Responses:
    """The answers of a stream; whatever else a `grpc.Call` has, it has."""

    def __init__(self, start: Any, failed: Any, release: Any, tries: int) -> None:
        self._start, self._failed, self._release = start, failed, release
        self._tries = tries
        self._problems: list[str] = []
        self._lock = threading.Lock()
        self._link, self._call = start()
        self._open = True

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while True:
            try:
                message = next(self._call)
                self._tries = 0  # what was told cannot be told again
                return message
            except StopIteration:
                self._end()
                raise
            except grpc.RpcError as raw:
                self._after(self._failed(raw, self._link), raw)

    def cancel(self) -> bool:
        done = bool(self._call.cancel())
        self._end()
        return done

    def _after(self, error: Error, raw: grpc.RpcError) -> None:
        """Begins at the next member where this one could not be reached; else raises."""
        self._end()
        if isinstance(error, errors.Unreachable):
            self._problems.append(f"{error.endpoint}: {error.details()}")
            if self._tries == 0:
                raise unreachable(error.path, self._problems) from raw
            self._tries -= 1
            self._link, self._call = self._start()
            self._open = True
            return
        raise error from raw

    def _end(self) -> None:
        with self._lock:  # another thread may cancel
            was_open, self._open = self._open, False
        if was_open:
            self._release(self._link)

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            self.cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


def would_change(call: Any) -> WouldChange:
    """What a write with `VALIDATE_ONLY` would have changed, from the call of `with_call`.

    Raises `ValueError` if the answer does not say it: the call was made without `VALIDATE_ONLY`.
    """
    return would_change_of([*call.initial_metadata(), *call.trailing_metadata()])


def would_change_of(metadata: Any) -> WouldChange:
    """As `would_change`, from the metadata of an answer."""
    for key, value in metadata:
        if key == _names.WOULD_CHANGE:
            return WouldChange.FromString(value)
    raise ValueError("the answer does not say what would change; was chamois.VALIDATE_ONLY in the call's metadata?")
