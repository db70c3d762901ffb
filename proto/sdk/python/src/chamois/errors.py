"""What went wrong, typed: read from the `google.rpc` details of a status, or from its code and metadata where a member is
older than those."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from chamois import _names
from chamois._names import Metadata, text_of

DOMAIN = "chamois"
# Of grpc-core: no byte of the request has left this host.
_UNSENT = ("failed to connect to all addresses", "DNS resolution failed", "empty address list")
_FIELD = re.compile(r"([A-Za-z_][\w.\[\]-]*): (.+)", re.DOTALL)


@dataclass(frozen=True)
class FieldViolation:
    """One field of a request that was not accepted."""

    field: str
    description: str


class Error(grpc.RpcError):
    """Why a call was not honoured. Also a `grpc.RpcError`: what catches those goes on to work.

    `reason` is one of the API's words, e.g. `NOT_FOUND`; each has a class here. `metadata` holds what the reason is about.
    """

    reason = "UNKNOWN"

    def __init__(self, code: grpc.StatusCode, details: str, *, path: str = "", endpoint: str = "") -> None:
        super().__init__(details)
        self._code = code
        self._details = details
        self._trailers: tuple[tuple[str, str | bytes], ...] = ()
        self.path = path
        """`/package.Service/Method`."""
        self.endpoint = endpoint
        """The member that was asked, `host:port`."""
        self.metadata: dict[str, str] = {}
        self.fields: tuple[FieldViolation, ...] = ()
        self.retry_after: float | None = None
        """Seconds after which a repeat makes sense, if a member said so."""
        self.outcome_unknown = False
        """Whether the change may have been made although the call failed."""
        self.kind = ""
        """Kind of the object that the error is about; empty if unknown."""
        self.id = ""
        """Id of that object; empty if unknown."""
        self.revision: int | None = None
        """Of `RevisionMismatch`: the revision that the object is at."""
        self.oldest_revision: int | None = None
        """Of `Compacted`: the smallest revision that a watch can go on from."""

    @property
    def safe_to_retry(self) -> bool:
        """Whether the same call may be made again, changes nothing twice, and may then succeed."""
        if isinstance(self, (OutcomeUnknown, DeadlineExceeded)):
            return _names.only_reads(self.path)
        return isinstance(self, (NoQuorum, NotReady, Overloaded, Unreachable))

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._trailers

    def __str__(self) -> str:
        where = " at ".join(filter(None, (self.path.strip("/"), self.endpoint)))
        return f"{self.reason}: {self._details} [{where}; {self._advice()}]"

    def _advice(self) -> str:
        if self.safe_to_retry:
            pause = f" after {self.retry_after:g} s" if self.retry_after else ""
            return f"a repeat{pause} is safe"
        if self.outcome_unknown:
            return "the change may have been made: read back before you repeat"
        return "the same call would fail again"


class InvalidField(Error):
    """A field has a value that is not accepted; `fields` say which, and what is."""

    reason = "INVALID_FIELD"


class NotFound(Error):
    """`kind` `id` does not exist."""

    reason = "NOT_FOUND"


class AlreadyExists(Error):
    """The key is taken."""

    reason = "ALREADY_EXISTS"


class Conflict(Error):
    """The change contradicts what is stored."""

    reason = "CONFLICT"


class RevisionMismatch(Error):
    """`if_revision` does not hold: the object is at `revision`. Read it again and repeat the change."""

    reason = "REVISION_MISMATCH"


class SessionExpired(Error):
    """The request may have been applied before its session was forgotten."""

    reason = "SESSION_EXPIRED"


class RequestDiffers(Error):
    """Another request was made under the same number of the session."""

    reason = "REQUEST_DIFFERS"


class Unauthenticated(Error):
    """No credentials, or none that are accepted."""

    reason = "UNAUTHENTICATED"


class Denied(Error):
    """The caller is known and may not do this."""

    reason = "PERMISSION_DENIED"


class TooLarge(Error):
    """A message or list is over its limit; `metadata` has `what` and `limit` where the member says so."""

    reason = "TOO_LARGE"


class NoQuorum(Error):
    """No majority of members; nothing was changed."""

    reason = "NO_QUORUM"


class NotReady(Error):
    """The member cannot answer yet."""

    reason = "NOT_READY"


class OutcomeUnknown(Error):
    """The change may or may not have been made: read back before you repeat."""

    reason = "OUTCOME_UNKNOWN"


class Overloaded(Error):
    """A bound of the member is reached; nothing was changed."""

    reason = "OVERLOADED"


class DeadlineExceeded(Error):
    """No answer in time; a change may still be made."""

    reason = "DEADLINE_EXCEEDED"


class NoSuchMethod(Error):
    """No service has this method: the cluster is older than this package, or the endpoint is no Chamois."""

    reason = "NO_SUCH_METHOD"


class Compacted(Error):
    """The changes that a watch asks for are not kept any more."""

    reason = "COMPACTED"


class NotModified(Error):
    """The caller has the current answer already."""

    reason = "NOT_MODIFIED"


class FeatureLevel(Error):
    """What the change needs is not switched on in the whole cluster yet."""

    reason = "FEATURE_LEVEL"


class Storage(Error):
    """The member's disk failed."""

    reason = "STORAGE"


class Internal(Error):
    """A bug of the member."""

    reason = "INTERNAL"


class Unreachable(Error):
    """No member could be reached; nothing was sent. Of this package: a member cannot say so."""

    reason = "UNREACHABLE"


class Cancelled(Error):
    """The caller has cancelled the call."""

    reason = "CANCELLED"


class ConfigError(ValueError):
    """An endpoint, a file or a token that cannot be used. Nothing was sent."""


CLASSES: dict[str, type[Error]] = {kind.reason: kind for kind in Error.__subclasses__()}
_BY_CODE: dict[grpc.StatusCode, type[Error]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidField,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: Conflict,
    grpc.StatusCode.ABORTED: RevisionMismatch,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: Denied,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNIMPLEMENTED: NoSuchMethod,
    grpc.StatusCode.OUT_OF_RANGE: Compacted,
    grpc.StatusCode.INTERNAL: Internal,
    grpc.StatusCode.CANCELLED: Cancelled,
}


def of(raw: Any, path: str, endpoint: str) -> Error:
    """The typed error of a failed call, sync or asyncio."""
    if isinstance(raw, Error):
        return raw
    return from_status(raw.code(), raw.details() or "", raw.trailing_metadata(), path, endpoint)


def from_status(
    code: grpc.StatusCode, details: str, trailers: Metadata | None, path: str = "", endpoint: str = ""
) -> Error:
    """The typed error of a status and its trailers."""
    trailers = tuple(trailers or ())
    told = _details_of(trailers)
    info = next((item for item in told if isinstance(item, error_details_pb2.ErrorInfo)), None)
    if info is not None and info.domain == DOMAIN:
        error = CLASSES.get(info.reason, Error)(code, details, path=path, endpoint=endpoint)
        error.reason = info.reason
        error.metadata = dict(info.metadata)
    else:
        error = _guess(code, details, trailers)(code, details, path=path, endpoint=endpoint)
    error._trailers = trailers
    _fill(error, told, trailers)
    return error


def _details_of(trailers: Metadata) -> list[Any]:
    value = next((value for key, value in trailers if key == _names.STATUS_DETAILS), b"")
    kinds = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
        error_details_pb2.ResourceInfo,
    )
    found = []
    try:
        status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode("latin-1"))
        for packed in status.details:
            kind = next((kind for kind in kinds if packed.Is(kind.DESCRIPTOR)), None)
            if kind is not None:
                item = kind()
                packed.Unpack(item)
                found.append(item)
    except DecodeError:
        return []  # the code and the text still tell
    return found


def _guess(code: grpc.StatusCode, details: str, trailers: Metadata) -> type[Error]:
    """Of a member without details, or of gRPC itself."""
    retry = text_of(trailers, _names.RETRY_AFTER_S) is not None
    if code == grpc.StatusCode.UNAVAILABLE:
        if text_of(trailers, _names.OUTCOME) is not None:
            return OutcomeUnknown
        if retry:
            return NoQuorum if details.startswith("no majority") else NotReady
        # Unless gRPC says that it did not, the request may have arrived before the connection broke.
        return Unreachable if details.startswith(_UNSENT) else OutcomeUnknown
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Overloaded if retry else TooLarge
    if code == grpc.StatusCode.FAILED_PRECONDITION and text_of(trailers, _names.ETAG) is not None:
        return NotModified
    if code == grpc.StatusCode.FAILED_PRECONDITION and "session has expired" in details:
        return SessionExpired
    if code == grpc.StatusCode.INVALID_ARGUMENT and text_of(trailers, _names.HTTP_STATUS) == "422":
        return RequestDiffers
    return _BY_CODE.get(code, Error)


def _fill(error: Error, told: list[Any], trailers: Metadata) -> None:
    error.kind = error.metadata.get("kind", "")
    error.id = error.metadata.get("id", "")
    for item in told:
        if isinstance(item, error_details_pb2.BadRequest):
            error.fields = tuple(FieldViolation(each.field, each.description) for each in item.field_violations)
        elif isinstance(item, error_details_pb2.RetryInfo):
            error.retry_after = item.retry_delay.ToTimedelta().total_seconds()
        elif isinstance(item, error_details_pb2.ResourceInfo):
            error.kind, error.id = error.kind or item.resource_type, error.id or item.resource_name
    if isinstance(error, InvalidField) and not error.fields:
        named = _FIELD.fullmatch(error.details())
        error.fields = (FieldViolation(*named.groups()),) if named else ()
    if error.retry_after is None:
        seconds = text_of(trailers, _names.RETRY_AFTER_S)
        error.retry_after = float(seconds) if seconds and seconds.isdigit() else None
    error.outcome_unknown = isinstance(error, (OutcomeUnknown, DeadlineExceeded)) or (
        text_of(trailers, _names.OUTCOME) is not None or error.metadata.get("outcome") == "unknown"
    )
    error.revision = _number(text_of(trailers, _names.REVISION) or error.metadata.get("actual"))
    error.oldest_revision = _number(text_of(trailers, _names.OLDEST_REVISION) or error.metadata.get("oldest"))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
