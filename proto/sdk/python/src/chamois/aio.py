"""The client for asyncio. What `chamois` has for threads, this has for tasks; errors and what is told are the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from typing import TYPE_CHECKING, Any

import grpc

from chamois import errors
from chamois._config import PathLike, config, from_env
from chamois._links import Link, Links
from chamois._session import Attempts, Session, Ticket, leaves, unreachable
from chamois.client import would_change_of
from chamois.errors import Error
from chamois.follow import SILENCE_MAX_S, Course, Told
from chamois.http.v1 import WouldChange
from chamois.pages import aitems as items
from chamois.pages import apages as pages
from chamois.watch.v1 import WatchRequest, WatchResponse, WatchServiceStub

__all__ = ["Client", "Follow", "items", "pages", "would_change"]

if TYPE_CHECKING:
    _UnaryBase = grpc.aio.UnaryUnaryMultiCallable[Any, Any]
    _SendingBase = grpc.aio.StreamUnaryMultiCallable[Any, Any]
    _StreamingBase = grpc.aio.UnaryStreamMultiCallable[Any, Any]
    _CallBase = grpc.aio.UnaryUnaryCall[Any, Any]
else:  # these take no parameters when they run
    _UnaryBase = grpc.aio.UnaryUnaryMultiCallable
    _SendingBase = grpc.aio.StreamUnaryMultiCallable
    _StreamingBase = grpc.aio.UnaryStreamMultiCallable
    _CallBase = grpc.aio.UnaryUnaryCall


class Client(grpc.aio.Channel):
    """As `chamois.Client`, for one event loop: `await ComponentServiceStub(client).GetComponent(…)`."""

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
        self._closing: set[asyncio.Task[None]] = set()
        self._links: Links[grpc.aio.Channel] = Links(given, grpc.aio.secure_channel, self._close_later)
        self._session = Session()

    @classmethod
    def from_env(cls) -> Client:
        """As `chamois.Client.from_env`."""
        return cls(**from_env())

    def _close_later(self, channel: grpc.aio.Channel) -> None:
        task = asyncio.ensure_future(_closed(channel))
        self._closing.add(task)  # a task that nobody holds may be forgotten
        task.add_done_callback(self._closing.discard)

    async def close(self, grace: float | None = None) -> None:
        """Ends the connection, and after `grace` seconds the calls that use it."""
        for channel in self._links.close():
            await channel.close(grace)
        await asyncio.gather(*self._closing)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.close()

    def unary_unary(self, method: str, *coding: Any, **named: Any) -> grpc.aio.UnaryUnaryMultiCallable[Any, Any]:
        return _Unary(self._links, self._session, method, coding, named)

    def unary_stream(self, method: str, *coding: Any, **named: Any) -> grpc.aio.UnaryStreamMultiCallable[Any, Any]:
        return _Streaming(self._links, "unary_stream", method, coding, named)

    def stream_unary(self, method: str, *coding: Any, **named: Any) -> grpc.aio.StreamUnaryMultiCallable[Any, Any]:
        return _Sending(self._links, "stream_unary", method, coding, named)

    def stream_stream(self, method: str, *coding: Any, **named: Any) -> grpc.aio.StreamStreamMultiCallable[Any, Any]:
        return _Streaming(self._links, "stream_stream", method, coding, named)  # type: ignore[return-value]

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        raise NotImplementedError("a client has several connections; its calls wait for one by themselves")

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        raise NotImplementedError("a client has several connections; its calls wait for one by themselves")

    async def channel_ready(self) -> None:
        raise NotImplementedError("a client has several connections; its calls wait for one by themselves")


async def _closed(channel: grpc.aio.Channel) -> None:
    await channel.close()


class _Method:
    """One method over whichever connection is in use."""

    def __init__(self, links: Links[grpc.aio.Channel], shape: str, path: str, coding: Any, named: Any) -> None:
        self._links = links
        self._shape = shape
        self._path = path
        self._coding = coding
        self._named = named

    def _on(self, link: Link[grpc.aio.Channel]) -> Any:
        return getattr(link.channel, self._shape)(self._path, *self._coding, **self._named)

    def _failed(self, raw: Any, link: Link[grpc.aio.Channel]) -> Error:
        error = errors.of(raw, self._path, link.endpoint)
        if leaves(error):
            self._links.leave(link)
        return error


class _Unary(_Method, _UnaryBase):
    def __init__(self, links: Links[grpc.aio.Channel], session: Session, path: str, coding: Any, named: Any) -> None:
        super().__init__(links, "unary_unary", path, coding, named)
        self._session = session

    def __call__(self, request: Any, *, timeout: float | None = None, metadata: Any = None, **named: Any) -> Any:
        return _Call(self._settle(request, timeout, metadata, named))

    async def _settle(self, request: Any, timeout: float | None, metadata: Any, named: Any) -> tuple[Any, Any]:
        attempts = Attempts(self._path, timeout, self._links.count)
        ticket = self._session.take()
        try:
            while True:
                link = self._links.take()
                try:
                    return await self._attempt(link, request, attempts, ticket, metadata, named)
                except grpc.RpcError as raw:
                    pause = attempts.after(self._failed(raw, link))
                finally:
                    self._links.release(link)
                await asyncio.sleep(pause)
        finally:
            ticket.done()

    async def _attempt(
        self, link: Link[grpc.aio.Channel], request: Any, attempts: Attempts, ticket: Ticket, metadata: Any, named: Any
    ) -> tuple[Any, Any]:
        signed = [*(metadata or ()), *ticket.metadata(), *self._links.authorization()]
        call = self._on(link)(request, timeout=attempts.timeout(), metadata=signed, **named)
        return await call, call


class _Call(_CallBase):
    """A call in progress, whichever attempt it is at."""

    def __init__(self, settling: Any) -> None:
        self._task: asyncio.Task[tuple[Any, Any]] = asyncio.ensure_future(settling)

    def __await__(self) -> Generator[Any, None, Any]:
        answer, _ = yield from self._task.__await__()
        return answer

    def cancelled(self) -> bool:
        return self._task.cancelled()

    def done(self) -> bool:
        return self._task.done()

    def cancel(self) -> bool:
        return self._task.cancel()

    def time_remaining(self) -> float | None:
        return None

    def add_done_callback(self, callback: Any) -> None:
        self._task.add_done_callback(lambda _task: callback(self))

    async def wait_for_connection(self) -> None:
        await asyncio.wait([self._task])

    async def initial_metadata(self) -> Any:
        return await (await self._task)[1].initial_metadata()

    async def trailing_metadata(self) -> Any:
        try:
            return await (await self._task)[1].trailing_metadata()
        except Error as error:
            return error.trailing_metadata()

    async def code(self) -> grpc.StatusCode:
        try:
            await self._task
            return grpc.StatusCode.OK
        except Error as error:
            return error.code()

    async def details(self) -> str:
        try:
            await self._task
            return ""
        except Error as error:
            return error.details()


class _Sending(_Method, _SendingBase):
    """One attempt: what an iterator gave cannot be given again."""

    def __call__(
        self, request_iterator: Any = None, timeout: float | None = None, metadata: Any = None, *_rest: Any, **named: Any
    ) -> Any:
        return _Call(self._send(request_iterator, timeout, metadata, named))

    async def _send(self, requests: Any, timeout: float | None, metadata: Any, named: Any) -> tuple[Any, Any]:
        signed = [*(metadata or ()), *self._links.authorization()]
        link = self._links.take()
        try:
            call = self._on(link)(requests, timeout=timeout, metadata=signed, **named)
            return await call, call
        except grpc.RpcError as raw:
            raise self._failed(raw, link) from raw
        finally:
            self._links.release(link)


class _Streaming(_Method, _StreamingBase):
    def __call__(self, request: Any = None, timeout: float | None = None, metadata: Any = None, **named: Any) -> Any:
        def start() -> tuple[Link[grpc.aio.Channel], Any]:
            signed = [*(metadata or ()), *self._links.authorization()]
            link = self._links.take()
            return link, self._on(link)(request, timeout=timeout, metadata=signed, **named)

        # The requests of an iterator cannot be sent to a second member.
        tries = self._links.count if self._shape == "unary_stream" else 0
        return _Responses(start, self._failed, self._links.release, tries)


class _Responses:
    """The answers of a stream; whatever else a call has, it has."""

    def __init__(self, start: Any, failed: Any, release: Any, tries: int) -> None:
        self._start, self._failed, self._release = start, failed, release
        self._tries = tries
        self._problems: list[str] = []
        self._open = False
        self._begin()

    def _begin(self) -> None:
        self._link, self._call = self._start()
        self._messages = self._call.__aiter__()
        self._open = True

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while True:
            try:
                message = await self._messages.__anext__()
                self._tries = 0  # what was told cannot be told again
                return message
            except StopAsyncIteration:
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
        if not isinstance(error, errors.Unreachable):
            raise error from raw
        self._problems.append(f"{error.endpoint}: {error.details()}")
        if self._tries == 0:
            raise unreachable(error.path, self._problems) from raw
        self._tries -= 1
        self._begin()

    def _end(self) -> None:
        if self._open:
            self._open = False
            self._release(self._link)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class Follow:
    """As `chamois.Follow`: `async for told in Follow(client, WatchRequest())`. Cancelling loses nothing that was not told."""

    def __init__(self, client: Client, request: WatchRequest) -> None:
        self._stub = WatchServiceStub(client)
        self._course = Course(request)
        self._stream: Any = None

    @property
    def revision(self) -> int:
        """The revision that a new watch would go on from; 0 as long as the state was not told whole."""
        return self._course.request.from_revision

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()

    async def __aenter__(self) -> Follow:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[Told]:
        return self

    async def __anext__(self) -> Told:
        while not self._course.ready:
            try:
                if not self._course.take(await self._receive()):
                    self.close()
            except Error as error:
                self.close()
                await asyncio.sleep(self._course.recover(error))
            except asyncio.CancelledError:
                # gRPC ends a stream whose reader was cancelled; the next one goes on from the revision told last
                self.close()
                raise
        return self._course.ready.popleft()

    async def _receive(self) -> WatchResponse:
        if self._stream is None:
            self._stream = self._stub.Watch(self._course.request)
            self._course.begin()
        try:
            response: WatchResponse = await asyncio.wait_for(self._stream.__anext__(), SILENCE_MAX_S)
            return response
        except StopAsyncIteration:
            problem = "the watch ended without a reason"
        except asyncio.TimeoutError:
            problem = "the member is silent"
        raise errors.from_status(grpc.StatusCode.UNAVAILABLE, problem, ())


async def would_change(call: Any) -> WouldChange:
    """As `chamois.would_change`, of an awaited call."""
    return would_change_of([*await call.initial_metadata(), *await call.trailing_metadata()])
