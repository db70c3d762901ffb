"""The leader is killed while clients write and watch: nothing is done twice, nothing is missed."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable

import pytest

import chamois
import chamois.aio
from chamois import errors
from chamois.follow import Begins, Events, Told
from chamois.smd.v1 import Component, Group, GroupServiceStub, ListGroupsRequest
from chamois.watch.v1 import Event, Object, WatchRequest, WatchServiceStub
from live_cluster import LiveCluster, wait_for

WRITES_AFTER = 40
CREATED = Event.CHANGE_CREATED


class Log:
    """What a watch told of groups with one prefix, in order."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.created: list[tuple[int, str]] = []
        self.began = 0

    def take(self, told: Told) -> None:
        self.began += isinstance(told, Begins)
        if isinstance(told, Events):
            for event in told.events:
                if event.change == CREATED and event.object.key.startswith(self._prefix):
                    self.created.append((event.revision, event.object.key))

    def take_all(self, follow: chamois.Follow) -> None:
        for told in follow:
            self.take(told)

    def is_each_once_in_order(self, labels: list[str]) -> bool:
        return [label for _, label in self.created] == labels and self.created == sorted(self.created)


def kill_while(cluster: LiveCluster, written: Callable[[], int]) -> None:
    """Kills the leader in the middle of writing, and starts it again."""
    wait_for(lambda: written() >= WRITES_AFTER, 30)
    leader = cluster.leader()
    cluster.kill(leader)
    so_far = written()
    wait_for(lambda: written() >= so_far + WRITES_AFTER, 30)
    cluster.start(leader)


def test_threads_write_and_watch_over_a_killed_leader(cluster: LiveCluster) -> None:
    labels: list[str] = []
    log, stop = Log("sync-"), threading.Event()
    problems: list[Exception] = []

    def write(client: chamois.Client) -> None:
        try:
            while not stop.is_set():
                label = f"sync-{len(labels):05}"
                # a repeat that were a second request would be ALREADY_EXISTS
                GroupServiceStub(client).CreateGroup(Group(label=label))
                labels.append(label)
        except Exception as problem:
            problems.append(problem)

    with chamois.Client(**cluster.arguments()) as client, chamois.Client(**cluster.arguments()) as other:
        with chamois.Follow(other, WatchRequest(kinds=[Object.KIND_GROUP])) as follow:
            watcher = threading.Thread(target=lambda: log.take_all(follow))
            watcher.start()
            wait_for(lambda: follow.revision > 0, 10)
            writer = threading.Thread(target=write, args=(client,))
            writer.start()
            try:
                kill_while(cluster, lambda: len(labels))
            finally:
                stop.set()
                writer.join()
            assert problems == []
            wait_for(lambda: len(log.created) >= len(labels), 10)
        watcher.join()
        listed = chamois.items(GroupServiceStub(client).ListGroups, ListGroupsRequest(), lambda page: page.groups)
        assert [group.label for group in listed if group.label.startswith("sync-")] == labels
    assert log.is_each_once_in_order(labels) and log.began == 1


def test_tasks_write_and_watch_over_a_killed_leader(cluster: LiveCluster) -> None:
    labels: list[str] = []
    log = Log("aio-")

    async def write(client: chamois.aio.Client) -> None:
        while True:
            label = f"aio-{len(labels):05}"
            await GroupServiceStub(client).CreateGroup(Group(label=label))
            labels.append(label)

    async def watch(follow: chamois.aio.Follow) -> None:
        async for told in follow:
            log.take(told)

    async def main() -> None:
        async with chamois.aio.Client(**cluster.arguments()) as client, chamois.aio.Client(**cluster.arguments()) as other:
            follow = chamois.aio.Follow(other, WatchRequest(kinds=[Object.KIND_GROUP]))
            watching = asyncio.create_task(watch(follow))
            while follow.revision == 0:
                await asyncio.sleep(0.05)
            writing = asyncio.create_task(write(client))
            killing = asyncio.create_task(asyncio.to_thread(kill_while, cluster, lambda: len(labels)))
            done, _ = await asyncio.wait([writing, killing], return_when=asyncio.FIRST_COMPLETED)
            assert writing not in done, writing.exception()
            await killing
            writing.cancel()
            await asyncio.wait([writing])
            # one that was cancelled may have been made
            while len(log.created) < len(labels):
                await asyncio.sleep(0.05)
            watching.cancel()

    asyncio.run(asyncio.wait_for(main(), 120))
    assert log.is_each_once_in_order(labels + [label for _, label in log.created[len(labels) :]])
    assert len(log.created) - len(labels) <= 1 and log.began == 1


def test_a_member_that_vanishes_in_the_middle_of_a_stream(cluster: LiveCluster) -> None:
    """The stream's error is typed and says that a repeat is safe; the next call goes to another member."""
    with chamois.Client(**cluster.arguments(endpoints=[cluster.endpoints[2], cluster.endpoints[0]])) as client:
        stream = WatchServiceStub(client).Watch(WatchRequest(progress_interval_ms=100), timeout=30)
        next(stream)
        cluster.kill(3)
        try:
            with pytest.raises(errors.Error) as raised:
                for _ in stream:
                    pass
            assert raised.value.safe_to_retry, raised.value
            assert raised.value.endpoint == cluster.endpoints[2]
            GroupServiceStub(client).ListGroups(ListGroupsRequest())
            # a stream that begins at a member that is gone begins at the next one
            assert next(WatchServiceStub(client).Watch(WatchRequest())) is not None
        finally:
            cluster.start(3)


def test_a_member_that_stands_still_is_left(cluster: LiveCluster) -> None:
    with chamois.Client(**cluster.arguments(endpoints=[cluster.endpoints[1], *cluster.endpoints])) as client:
        stub = GroupServiceStub(client)
        stub.ListGroups(ListGroupsRequest())
        cluster.signal(2, signal.SIGSTOP)
        try:
            began = time.monotonic()
            stub.CreateGroup(Group(label="while-one-stands-still"))
            assert time.monotonic() - began < 10
        finally:
            cluster.signal(2, signal.SIGCONT)


def test_without_a_majority_a_write_is_refused_and_a_local_read_answered(cluster: LiveCluster) -> None:
    for member in (2, 3):
        cluster.signal(member, signal.SIGSTOP)
    try:
        with chamois.Client(**cluster.arguments(endpoints=cluster.endpoints[:1])) as client:
            stub = GroupServiceStub(client)
            with pytest.raises(errors.Error) as raised:
                stub.CreateGroup(Group(label="no-majority"), timeout=4)
            assert raised.value.outcome_unknown or raised.value.safe_to_retry, raised.value
            stub.ListGroups(ListGroupsRequest(), metadata=(chamois.LOCAL,))
    finally:
        for member in (2, 3):
            cluster.signal(member, signal.SIGCONT)


def test_state_constants_are_readable() -> None:
    """The examples print them."""
    assert Component.State.Name(Component.STATE_READY) == "STATE_READY"
