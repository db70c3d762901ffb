"""When a call is repeated, under which number, and what its error is."""

from __future__ import annotations

import time

import grpc
import pytest

from chamois import _session, errors
from chamois._session import Attempts, Session, Ticket

Code = grpc.StatusCode
PATH = "/chamois.smd.v1.ComponentService/DeleteComponent"


def failed(code: Code, text: str = "", *trailers: tuple[str, str]) -> errors.Error:
    return errors.from_status(code, text, trailers, PATH, "m:1")


def unknown() -> errors.Error:
    return failed(Code.UNAVAILABLE, "the connection broke")


def seq(ticket: Ticket) -> tuple[str, str, str]:
    named = dict(ticket.metadata())
    return named["chamois-client-id"], named["chamois-seq"], named["chamois-ack-below"]


def test_numbers_go_up_and_what_is_done_is_acknowledged() -> None:
    session = Session()
    one, two = session.take(), session.take()
    client_id, *_ = seq(one)
    assert len(client_id) == 32 and int(client_id, 16) >= 0
    assert (seq(one)[1:], seq(two)[1:]) == (("1", "1"), ("2", "1"))
    one.done()
    assert seq(session.take())[1:] == ("3", "2")


def test_a_session_too_wide_or_too_old_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    first = session.take()
    for _ in range(_session.SPAN_MAX - 1):
        session.take().done()
    second = session.take()
    assert seq(second)[0] != seq(first)[0] and seq(second)[1:] == ("1", "1")
    first.done()  # of the session before: it says nothing of this one
    assert seq(session.take())[1:] == ("2", "1")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + _session.SESSION_AT_MOST_S + 1)
    assert seq(session.take())[0] != seq(second)[0]


def test_an_outcome_is_given_at_once() -> None:
    for code in (Code.NOT_FOUND, Code.PERMISSION_DENIED, Code.INTERNAL, Code.RESOURCE_EXHAUSTED):
        with pytest.raises(errors.Error) as raised:
            Attempts(PATH, None, 3).after(failed(code))
        assert raised.value.code() == code


def test_what_a_member_could_not_take_is_repeated_until_the_deadline() -> None:
    attempts = Attempts(PATH, 0.2, 3)
    assert attempts.after(failed(Code.UNAVAILABLE, "", ("retry-after-s", "1"))) == _session.PAUSE_S
    time.sleep(0.2)
    with pytest.raises(errors.NotReady):
        attempts.after(failed(Code.UNAVAILABLE, "", ("retry-after-s", "1")))


def test_after_an_unknown_outcome_a_refusal_that_looked_at_nothing_is_none() -> None:
    attempts = Attempts(PATH, None, 3)
    attempts.after(unknown())
    with pytest.raises(errors.OutcomeUnknown) as raised:
        attempts.after(failed(Code.UNAUTHENTICATED, "the token has expired"))
    assert "the token has expired" in raised.value.details() and not raised.value.safe_to_retry
    attempts = Attempts(PATH, None, 3)
    attempts.after(unknown())
    with pytest.raises(errors.NotFound):
        attempts.after(failed(Code.NOT_FOUND))


def test_an_unknown_outcome_stays_one_at_the_deadline() -> None:
    attempts = Attempts(PATH, 0.1, 1)
    attempts.after(unknown())
    time.sleep(0.1)
    with pytest.raises(errors.OutcomeUnknown) as raised:
        attempts.after(failed(Code.UNAVAILABLE, "no majority", ("retry-after-s", "1")))
    assert raised.value.outcome_unknown


def test_each_endpoint_is_tried_before_nobody_can_be_reached() -> None:
    attempts = Attempts(PATH, None, 2)
    unsent = failed(Code.UNAVAILABLE, "failed to connect to all addresses; last error: refused")
    assert [attempts.after(unsent), attempts.after(unsent)] == [0, 0]
    with pytest.raises(errors.Unreachable) as raised:
        attempts.after(unsent)
    assert raised.value.safe_to_retry and "refused" in raised.value.details()


def test_an_attempt_that_hangs_has_a_bound_that_doubles() -> None:
    attempts = Attempts(PATH, None, 2)
    assert attempts.timeout() == _session.ATTEMPT_S
    attempts.after(failed(Code.DEADLINE_EXCEEDED))
    assert attempts.timeout() == 2 * _session.ATTEMPT_S
    assert Attempts(PATH, 1, 2).timeout() <= 1


def test_methods_that_take_long_have_all_the_time() -> None:
    import chamois.power.v1  # noqa: F401  its descriptors are known then

    path = "/chamois.power.v1.PowerStatusService/ListPowerStatus"
    assert Attempts(path, None, 2).timeout() > _session.TIMEOUT_S
