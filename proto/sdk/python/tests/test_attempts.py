"""What two members see of a client, sync and asyncio: the same number in every attempt, and no attempt too many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest

import chamois
import chamois.aio
from chamois import _session, errors
from chamois.smd.v1 import ComponentServiceStub, DeleteComponentRequest
from fake_member import FakeMember, Identity, fails, hangs, info, retry

Code = grpc.StatusCode
Call = Callable[..., None]
REQUEST = DeleteComponentRequest(id="x0")


@pytest.fixture(params=["threads", "asyncio"])
def call(request: pytest.FixtureRequest, identity: Identity, members: list[FakeMember]) -> Call:
    arguments: Any = {"endpoints": [member.endpoint for member in members], "ca": identity.ca, "token": "abc"}

    def sync(times: int = 1, **named: Any) -> None:
        with chamois.Client(**arguments) as client:
            for _ in range(times):
                ComponentServiceStub(client).DeleteComponent(REQUEST, **named)

    async def tasks(times: int, named: Any) -> None:
        async with chamois.aio.Client(**arguments) as client:
            for _ in range(times):
                await ComponentServiceStub(client).DeleteComponent(REQUEST, **named)

    return sync if request.param == "threads" else lambda times=1, **named: asyncio.run(tasks(times, named))


def signature(seen: dict[str, str]) -> tuple[str, str]:
    return seen["chamois-client-id"], seen["chamois-seq"]


def test_an_unknown_outcome_is_repeated_at_the_next_member_under_its_number(call: Call, members: list[FakeMember]) -> None:
    members[0].answers.append(fails(Code.UNAVAILABLE, "?", ("chamois-outcome", "unknown"), ("retry-after-s", "1")))
    call(times=2)
    first, second = members[0].calls[0], members[1].calls[0]
    assert signature(first) == signature(second)
    assert first["authorization"] == "Bearer abc"
    # it stays with the member that answered, and acknowledges what is done
    after = members[1].calls[1]
    assert (len(members[0].calls), after["chamois-seq"], after["chamois-ack-below"]) == (1, "2", "2")


def test_a_member_that_is_gone_is_passed_by(call: Call, members: list[FakeMember]) -> None:
    members[0].stop()
    call()
    assert len(members[1].calls) == 1


def test_a_member_that_hangs_is_left_and_the_call_is_made_elsewhere(
    call: Call, members: list[FakeMember], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_session, "ATTEMPT_S", 0.3)
    members[0].answers.append(hangs(2))
    call()
    assert signature(members[0].calls[0]) == signature(members[1].calls[0])


def test_details_say_that_a_repeat_makes_sense_and_what_a_refusal_is_about(call: Call, members: list[FakeMember]) -> None:
    members[0].answers.append(fails(Code.UNAVAILABLE, "no", details=[info("NO_QUORUM"), retry(1)]))
    members[1].answers.append(fails(Code.ABORTED, "no", details=[info("REVISION_MISMATCH", id="x0", actual="9")]))
    with pytest.raises(errors.RevisionMismatch) as raised:
        call()
    assert (raised.value.revision, raised.value.endpoint) == (9, members[1].endpoint)


def test_a_refusal_is_not_repeated(call: Call, members: list[FakeMember]) -> None:
    members[0].answers.append(fails(Code.PERMISSION_DENIED, "no"))
    with pytest.raises(errors.Denied):
        call()
    assert (len(members[0].calls), len(members[1].calls)) == (1, 0)


def test_the_timeout_is_for_all_attempts(call: Call, members: list[FakeMember]) -> None:
    for member in members:
        member.answers.extend([fails(Code.UNAVAILABLE, "not ready", ("retry-after-s", "1"))] * 100)
    with pytest.raises((errors.NotReady, errors.DeadlineExceeded)) as raised:
        call(timeout=0.5)
    # the end of the time may meet an attempt on its way, and then nobody knows its outcome
    if isinstance(raised.value, errors.NotReady):
        assert raised.value.safe_to_retry and raised.value.retry_after == 1
    assert all(1 < len(member.calls) < 10 for member in members)


def test_when_nobody_can_be_reached_the_caller_learns_so_at_once(call: Call, members: list[FakeMember]) -> None:
    for member in members:
        member.stop()
    with pytest.raises(errors.Unreachable) as raised:
        call(timeout=20)
    assert raised.value.safe_to_retry
    assert all(member.endpoint in raised.value.details() for member in members)
