"""Where a watch is, message by message."""

from __future__ import annotations

import grpc
import pytest

from chamois import errors
from chamois.follow import PAUSE_MAX_S, Begins, Course, Events, Progress, Rows, StateEnds, Told
from chamois.watch.v1 import Event, Object, WatchHeader, WatchRequest, WatchResponse


def response(revision: int, majority: bool = True, **message: object) -> WatchResponse:
    header = WatchHeader(cluster_id="c", revision=revision, has_majority=majority)
    return WatchResponse(header=header, **message)  # type: ignore[arg-type]


def events(revision: int, *revisions: int, continued: bool = False) -> WatchResponse:
    return response(revision, events=WatchResponse.Events(events=[Event(revision=each) for each in revisions], continued=continued))


def told(course: Course) -> list[Told]:
    all_of_it = list(course.ready)
    course.ready.clear()
    return all_of_it


def revisions(events: Told) -> list[int]:
    assert isinstance(events, Events)
    return [event.revision for event in events.events]


def failed(code: grpc.StatusCode) -> errors.Error:
    return errors.from_status(code, "", ())


def test_the_state_is_told_then_changes() -> None:
    course = Course(WatchRequest())
    course.begin()
    course.take(response(0, rows=WatchResponse.Rows(objects=[Object(key="x0")])))
    course.take(response(7, snapshot_end=WatchResponse.SnapshotEnd()))
    course.take(events(8, 8))
    course.take(response(9, progress=WatchResponse.Progress()))
    begins, rows, ends, changes, progress = told(course)
    assert begins == Begins() and isinstance(rows, Rows) and rows.objects[0].key == "x0"
    assert (ends, revisions(changes), progress) == (StateEnds(7), [8], Progress(9))
    assert (course.request.from_revision, course.request.cluster_id) == (9, "c")


def test_a_revision_in_two_messages_is_told_once_and_whole() -> None:
    course = Course(WatchRequest(from_revision=5))
    course.begin()
    course.take(events(6, 6, 7, continued=True))
    assert [revisions(each) for each in told(course)] == [[6]]
    course.take(events(7, 7))
    assert [revisions(each) for each in told(course)] == [[7, 7]]


def test_a_part_that_breaks_off_is_told_again_from_the_revision_before() -> None:
    course = Course(WatchRequest(from_revision=5))
    course.begin()
    course.take(events(5, 6, continued=True))
    course.recover(failed(grpc.StatusCode.UNAVAILABLE))
    course.begin()
    assert course.request.from_revision == 5
    course.take(events(6, 6, 6))
    assert [revisions(each) for each in told(course)] == [[6, 6]]


def test_what_is_compacted_begins_again_at_once() -> None:
    course = Course(WatchRequest(from_revision=5, cluster_id="old"))
    assert course.recover(failed(grpc.StatusCode.OUT_OF_RANGE)) == 0
    course.begin()
    assert told(course) == [Begins()]
    assert (course.request.from_revision, course.request.cluster_id) == (0, "")


def test_a_refusal_ends_it_and_anything_else_pauses_ever_longer() -> None:
    course = Course(WatchRequest())
    for code in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED):
        with pytest.raises(errors.Error):
            course.recover(failed(code))
    pauses = [course.recover(failed(grpc.StatusCode.UNAVAILABLE)) for _ in range(8)]
    assert pauses == sorted(pauses) and pauses[-1] == PAUSE_MAX_S
    course.take(response(1, progress=WatchResponse.Progress()))
    assert course.recover(failed(grpc.StatusCode.UNAVAILABLE)) == pauses[0]


def test_a_member_without_a_majority_is_left_and_a_new_kind_of_message_is_not_told() -> None:
    course = Course(WatchRequest(from_revision=1))
    assert not course.take(response(2, majority=False, progress=WatchResponse.Progress()))
    told(course)
    assert course.take(response(3)) and told(course) == []


def test_the_callers_request_stays_as_it_is() -> None:
    request = WatchRequest(group="g")
    Course(request).take(response(9, progress=WatchResponse.Progress()))
    assert request == WatchRequest(group="g")
