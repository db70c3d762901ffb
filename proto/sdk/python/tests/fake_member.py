"""A member that answers what a test tells it to, and remembers the calls."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

Answer = Callable[[grpc.ServicerContext], bytes]


class Identity:
    """A certificate for 127.0.0.1 that is its own CA."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.key = folder / "ca.pem", folder / "ca.key"
        self.make()

    def make(self) -> None:
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=fake"
        files = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(self.ca), "-keyout", str(self.key)]
        subprocess.run([*command.split(), *files], check=True, capture_output=True)


class FakeMember(grpc.GenericRpcHandler):
    """Answers unary calls of any method with what is queued, in that order; then with an empty message."""

    def __init__(self, identity: Identity) -> None:
        self.answers: deque[Answer] = deque()
        self.calls: list[dict[str, str]] = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((self,))
        pair = (identity.key.read_bytes(), identity.ca.read_bytes())
        port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        self.endpoint = f"127.0.0.1:{port}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        metadata = {key: value for key, value in handler_call_details.invocation_metadata or ()}
        self.calls.append({key: str(value) for key, value in metadata.items()})
        answer = self.answers.popleft() if self.answers else lambda _context: b""
        return grpc.unary_unary_rpc_method_handler(lambda _request, context: answer(context))


def fails(code: grpc.StatusCode, text: str = "", *trailers: tuple[str, str], details: list[Message] | None = None) -> Answer:
    """A status, with metadata and `google.rpc` details."""

    def answer(context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((*trailers, *packed(code, text, details or [])))
        context.abort(code, text)
        raise AssertionError("abort raises")

    return answer


def hangs(seconds: float) -> Answer:
    def answer(_context: grpc.ServicerContext) -> bytes:
        time.sleep(seconds)
        return b""

    return answer


def packed(code: grpc.StatusCode, text: str, details: list[Message]) -> tuple[tuple[str, bytes], ...]:
    if not details:
        return ()
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=text)
    for detail in details:
        status.details.add().Pack(detail)
    return (("grpc-status-details-bin", status.SerializeToString()),)


def info(reason: str, **metadata: str) -> Any:
    return error_details_pb2.ErrorInfo(reason=reason, domain="chamois", metadata=metadata)


def retry(seconds: int) -> Any:
    return error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds))
