"""Every reason of the API becomes its class, with or without details."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2

import chamois.smd.v1  # noqa: F401  its descriptors say which methods only read
from chamois import errors
from fake_member import info, packed, retry

Code = grpc.StatusCode
READ = "/chamois.smd.v1.ComponentService/GetComponent"
WRITE = "/chamois.smd.v1.ComponentService/DeleteComponent"

# reason, code, safe to repeat a write, unknown outcome
REASONS = [
    ("INVALID_FIELD", Code.INVALID_ARGUMENT, False, False),
    ("NOT_FOUND", Code.NOT_FOUND, False, False),
    ("ALREADY_EXISTS", Code.ALREADY_EXISTS, False, False),
    ("CONFLICT", Code.FAILED_PRECONDITION, False, False),
    ("REVISION_MISMATCH", Code.ABORTED, False, False),
    ("SESSION_EXPIRED", Code.FAILED_PRECONDITION, False, False),
    ("REQUEST_DIFFERS", Code.INVALID_ARGUMENT, False, False),
    ("UNAUTHENTICATED", Code.UNAUTHENTICATED, False, False),
    ("PERMISSION_DENIED", Code.PERMISSION_DENIED, False, False),
    ("TOO_LARGE", Code.RESOURCE_EXHAUSTED, False, False),
    ("NO_QUORUM", Code.UNAVAILABLE, True, False),
    ("NOT_READY", Code.UNAVAILABLE, True, False),
    ("OUTCOME_UNKNOWN", Code.UNAVAILABLE, False, True),
    ("OVERLOADED", Code.RESOURCE_EXHAUSTED, True, False),
    ("DEADLINE_EXCEEDED", Code.DEADLINE_EXCEEDED, False, True),
    ("NO_SUCH_METHOD", Code.UNIMPLEMENTED, False, False),
    ("COMPACTED", Code.OUT_OF_RANGE, False, False),
    ("NOT_MODIFIED", Code.FAILED_PRECONDITION, False, False),
    ("FEATURE_LEVEL", Code.FAILED_PRECONDITION, False, False),
    ("STORAGE", Code.INTERNAL, False, False),
    ("INTERNAL", Code.INTERNAL, False, False),
]


def of(code: Code, text: str, *trailers: tuple[str, str], details: tuple[Message, ...] = (), path: str = WRITE) -> errors.Error:
    return errors.from_status(code, text, (*trailers, *packed(code, text, list(details))), path, "m1:7441")


@pytest.mark.parametrize(("reason", "code", "safe", "unknown"), REASONS)
def test_a_reason_has_its_class_and_says_whether_a_repeat_is_safe(reason: str, code: Code, safe: bool, unknown: bool) -> None:
    error = of(code, "why", details=(info(reason),))
    assert type(error) is errors.CLASSES[reason]
    assert (error.reason, error.code(), error.details()) == (reason, code, "why")
    assert (error.safe_to_retry, error.outcome_unknown) == (safe, unknown)
    assert isinstance(error, grpc.RpcError)
    told = str(error)
    assert told.startswith(f"{reason}: why [") and "m1:7441" in told and WRITE.strip("/") in told


def test_all_reasons_are_in_the_table() -> None:
    of_this_package = {"UNREACHABLE", "CANCELLED"}
    assert set(errors.CLASSES) == {reason for reason, *_ in REASONS} | of_this_package


def test_what_only_reads_may_always_be_repeated() -> None:
    for reason, code in (("OUTCOME_UNKNOWN", Code.UNAVAILABLE), ("DEADLINE_EXCEEDED", Code.DEADLINE_EXCEEDED)):
        assert of(code, "", details=(info(reason),), path=READ).safe_to_retry
        assert not of(code, "", details=(info(reason),), path="/nobody.knows/It").safe_to_retry


def test_details_are_read() -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="nid", description="a number")
    error = of(Code.INVALID_ARGUMENT, "nid: a number", details=(info("INVALID_FIELD", field="nid"), error_details_pb2.BadRequest(field_violations=[violation])))
    assert error.fields == (errors.FieldViolation("nid", "a number"),)
    error = of(Code.ABORTED, "", details=(info("REVISION_MISMATCH", id="x0", expected="1", actual="7"),))
    assert (error.id, error.revision) == ("x0", 7)
    error = of(Code.OUT_OF_RANGE, "", details=(info("COMPACTED", oldest="12"),))
    assert error.oldest_revision == 12
    error = of(Code.UNAVAILABLE, "", details=(info("NO_QUORUM"), retry(3)))
    assert error.retry_after == 3
    thing = error_details_pb2.ResourceInfo(resource_type="component", resource_name="x0")
    error = of(Code.NOT_FOUND, "", details=(info("NOT_FOUND"), thing))
    assert (error.kind, error.id) == ("component", "x0")


@pytest.mark.parametrize(
    ("code", "text", "trailers", "expected"),
    [
        (Code.UNAVAILABLE, "no majority of members can be reached", [("retry-after-s", "1")], errors.NoQuorum),
        (Code.UNAVAILABLE, "this member is not ready: it starts", [("retry-after-s", "1")], errors.NotReady),
        (Code.UNAVAILABLE, "?", [("chamois-outcome", "unknown"), ("retry-after-s", "1")], errors.OutcomeUnknown),
        (Code.UNAVAILABLE, "Socket closed", [], errors.OutcomeUnknown),
        (Code.UNAVAILABLE, "failed to connect to all addresses; last error: x", [], errors.Unreachable),
        (Code.RESOURCE_EXHAUSTED, "too many", [("retry-after-s", "2")], errors.Overloaded),
        (Code.RESOURCE_EXHAUSTED, "larger than max", [], errors.TooLarge),
        (Code.FAILED_PRECONDITION, "taken", [("http-status", "409")], errors.Conflict),
        (Code.FAILED_PRECONDITION, "this client's session has expired and…", [], errors.SessionExpired),
        (Code.FAILED_PRECONDITION, "not modified", [("chamois-etag", "7")], errors.NotModified),
        (Code.INVALID_ARGUMENT, "another request", [("http-status", "422")], errors.RequestDiffers),
        (Code.INVALID_ARGUMENT, "nid: a number", [], errors.InvalidField),
        (Code.ABORTED, "", [("revision", "7")], errors.RevisionMismatch),
        (Code.OUT_OF_RANGE, "", [("chamois-oldest-revision", "5")], errors.Compacted),
        (Code.DATA_LOSS, "", [], errors.Error),
    ],
)
def test_a_member_without_details_is_understood(code: Code, text: str, trailers: list[tuple[str, str]], expected: type) -> None:
    assert type(of(code, text, *trailers)) is expected


def test_metadata_of_such_a_member_are_read() -> None:
    assert of(Code.ABORTED, "", ("revision", "7")).revision == 7
    assert of(Code.OUT_OF_RANGE, "", ("chamois-oldest-revision", "5")).oldest_revision == 5
    assert of(Code.UNAVAILABLE, "", ("retry-after-s", "4")).retry_after == 4
    assert of(Code.INVALID_ARGUMENT, "nid: a number").fields == (errors.FieldViolation("nid", "a number"),)
    assert of(Code.INVALID_ARGUMENT, "what is this").fields == ()


def test_details_that_do_not_decode_leave_the_code() -> None:
    error = errors.from_status(Code.NOT_FOUND, "gone", (("grpc-status-details-bin", b"\xff\xff"),))
    assert type(error) is errors.NotFound
    foreign = error_details_pb2.ErrorInfo(reason="NOT_FOUND", domain="another.example")
    assert type(of(Code.INTERNAL, "", details=(foreign,))) is errors.Internal


def test_a_reason_of_a_newer_member_keeps_its_name() -> None:
    error = of(Code.ABORTED, "", details=(info("SOMETHING_NEW"),))
    assert (type(error), error.reason) == (errors.Error, "SOMETHING_NEW")
    assert not error.safe_to_retry
