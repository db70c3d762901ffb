"""A cluster of three members: what it is asked, what it refuses, what a client makes of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

import chamois
import chamois.aio
from chamois import errors
from chamois.bss.v1 import BootParameters, BootParametersServiceStub
from chamois.cluster.v1 import ClusterServiceStub, GetStatusRequest
from chamois.smd.v1 import (
    Component,
    ComponentServiceStub,
    CreateComponentsRequest,
    DeleteGroupRequest,
    GetComponentRequest,
    GetGroupRequest,
    Group,
    GroupServiceStub,
    ListComponentsRequest,
    ListGroupsRequest,
    PatchGroupRequest,
    PatchStateDataRequest,
)
from chamois.watch.v1 import WatchRequest, WatchServiceStub
from live_cluster import BINARY, LiveCluster

README = Path(__file__).resolve().parents[1] / "README.md"


def nodes(client: chamois.Client, cabinet: int, count: int) -> list[str]:
    """Creates nodes that no other test uses."""
    ids = [f"x{cabinet}c0s{slot}b0n0" for slot in range(count)]
    components = [Component(id=id, state=Component.STATE_ON) for id in ids]
    ComponentServiceStub(client).CreateComponents(CreateComponentsRequest(components=components))
    return ids


def test_pages_together_are_the_list(client: chamois.Client) -> None:
    ids = nodes(client, 1, 7)
    request = ListComponentsRequest(id=ids, page_size=3)
    stub = ComponentServiceStub(client)
    assert [len(page.components) for page in chamois.pages(stub.ListComponents, request)] == [3, 3, 1]
    listed = chamois.items(stub.ListComponents, request, lambda page: page.components)
    assert [component.id for component in listed] == ids
    assert request.page_token == ""
    with pytest.raises(ValueError, match="has no pages"):
        next(chamois.pages(stub.GetComponent, GetComponentRequest()))


def test_pages_of_tasks(cluster: LiveCluster, client: chamois.Client) -> None:
    ids = nodes(client, 2, 5)

    async def listed() -> list[str]:
        async with chamois.aio.Client(**cluster.arguments()) as tasks:
            stub = ComponentServiceStub(tasks)
            request = ListComponentsRequest(id=ids, page_size=2)
            found = chamois.aio.items(stub.ListComponents, request, lambda page: page.components)
            return [component.id async for component in found]

    assert asyncio.run(listed()) == ids


def test_what_is_only_tried_out_changes_nothing(cluster: LiveCluster, client: chamois.Client) -> None:
    group = Group(label="tried-out", description="d")
    stub = GroupServiceStub(client)
    _, call = stub.CreateGroup.with_call(group, metadata=(chamois.VALIDATE_ONLY,))
    changes = chamois.would_change(call).changes
    assert [(each.change, each.kind, each.id) for each in changes] == [("created", "group", "tried-out")]
    with pytest.raises(errors.NotFound):
        stub.GetGroup(GetGroupRequest(label="tried-out"))

    async def tried_out() -> list[str]:
        async with chamois.aio.Client(**cluster.arguments()) as tasks:
            trial = GroupServiceStub(tasks).CreateGroup(group, metadata=(chamois.VALIDATE_ONLY,))
            await trial
            return [each.change for each in (await chamois.aio.would_change(trial)).changes]

    assert asyncio.run(tried_out()) == ["created"]
    _, call = stub.ListGroups.with_call(ListGroupsRequest())
    with pytest.raises(ValueError, match="VALIDATE_ONLY"):
        chamois.would_change(call)


def test_refusals_are_typed(client: chamois.Client) -> None:
    [node] = nodes(client, 3, 1)
    components, groups = ComponentServiceStub(client), GroupServiceStub(client)
    with pytest.raises(errors.NotFound) as gone:
        components.GetComponent(GetComponentRequest(id="x999c0s0b0n0"))
    assert "x999c0s0b0n0" in str(gone.value) and not gone.value.safe_to_retry
    with pytest.raises(errors.RevisionMismatch) as stale:
        components.PatchStateData(PatchStateDataRequest(id=node, state=Component.STATE_READY, if_revision=1))
    assert stale.value.revision == components.GetComponent(GetComponentRequest(id=node)).meta.modified.revision
    groups.CreateGroup(Group(label="refusals", exclusive_group="e"))
    with pytest.raises(errors.AlreadyExists):
        groups.CreateGroup(Group(label="refusals"))
    with pytest.raises(errors.InvalidField) as invalid:
        components.PatchStateData(PatchStateDataRequest(id=node))
    assert invalid.value.fields and invalid.value.fields[0].description
    with pytest.raises(errors.Error) as other:
        BootParametersServiceStub(client).CreateBootParameters(BootParameters(hosts=["x0c0"], kernel="k"))
    assert not other.value.safe_to_retry
    with pytest.raises(errors.RevisionMismatch):
        groups.PatchGroup(PatchGroupRequest(label="refusals", description="x", if_revision=1))
    groups.DeleteGroup(DeleteGroupRequest(label="refusals"))


def test_a_list_and_a_watch_that_are_refused_say_why(client: chamois.Client) -> None:
    """Members before 0.10.0 send what gRPC's C core takes for a broken stream."""
    if ClusterServiceStub(client).GetStatus(GetStatusRequest()).version.startswith("0.9."):
        pytest.skip("of 0.10.0")
    with pytest.raises(errors.InvalidField) as invalid:
        GroupServiceStub(client).ListGroups(ListGroupsRequest(page_size=10_001))
    assert [each.field for each in invalid.value.fields] == ["page_size"]
    assert "at most 10000" in invalid.value.fields[0].description
    for refused in (WatchServiceStub(client).Watch, lambda request: chamois.Follow(client, request)):
        with pytest.raises(errors.InvalidField):
            next(refused(WatchRequest(progress_interval_ms=1)))


def test_strangers_are_told_so(cluster: LiveCluster) -> None:
    for token in (None, "not.a.token"):
        with chamois.Client(**cluster.arguments(token=token)) as client:
            with pytest.raises(errors.Unauthenticated) as raised:
                ComponentServiceStub(client).GetComponent(GetComponentRequest(id="x0"))
            assert not raised.value.safe_to_retry


def test_a_client_certificate_says_who_calls(cluster: LiveCluster, tmp_path: Path) -> None:
    cert, key = cluster.certificate("user/ada", tmp_path)
    with chamois.Client(**cluster.arguments(token=None, cert_file=cert, key_file=key)) as client:
        GroupServiceStub(client).CreateGroup(Group(label="made-by-ada"))
        made = GroupServiceStub(client).GetGroup(GetGroupRequest(label="made-by-ada"))
        assert made.meta.created.principal == "user/ada"


def test_a_certificate_of_another_ca_is_not_accepted(cluster: LiveCluster, tmp_path: Path) -> None:
    from fake_member import Identity

    foreign = Identity(tmp_path)
    with chamois.Client(**cluster.arguments(ca=foreign.ca)) as client:
        with pytest.raises(errors.Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            ClusterServiceStub(client).GetStatus(GetStatusRequest())
    with chamois.Client(**cluster.arguments(token=None, cert_file=foreign.ca, key_file=foreign.key)) as client:
        with pytest.raises(errors.Error) as raised:
            ClusterServiceStub(client).GetStatus(GetStatusRequest(), timeout=5)
        assert raised.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED)


def test_fields_that_there_are_not_are_refused_here_and_kept_from_newer_members() -> None:
    with pytest.raises(ValueError, match="colour"):
        Group(colour="blue")  # type: ignore[call-arg]
    newer = Group(label="a").SerializeToString() + b"\xfa\x3e\x03new"  # field 1007
    assert Group.FromString(newer).SerializeToString() == newer


def test_a_field_that_the_member_does_not_know_is_not_in_its_way(client: chamois.Client) -> None:
    known = GetGroupRequest(label="no-such-group").SerializeToString()
    with pytest.raises(errors.NotFound):
        GroupServiceStub(client).GetGroup(GetGroupRequest.FromString(known + b"\xfa\x3e\x03new"))


def test_messages_over_the_limit_say_so(client: chamois.Client) -> None:
    with pytest.raises(errors.Error) as raised:
        GroupServiceStub(client).CreateGroup(Group(label="large", description="x" * (17 << 20)))
    assert isinstance(raised.value, errors.TooLarge), raised.value
    assert not raised.value.safe_to_retry and not raised.value.outcome_unknown


def test_an_expired_deadline_says_what_is_known(cluster: LiveCluster) -> None:
    """A member that stands still answers nothing at all."""
    with chamois.Client(**cluster.arguments(endpoints=cluster.endpoints[:1])) as client:
        stub = GroupServiceStub(client)
        stub.ListGroups(ListGroupsRequest())
        import signal

        cluster.signal(1, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(errors.DeadlineExceeded) as read:
                stub.ListGroups(ListGroupsRequest(), timeout=0.3)
            assert time.monotonic() - began < 2
            assert read.value.safe_to_retry
            with pytest.raises(errors.Error) as write:
                stub.CreateGroup(Group(label="late"), timeout=0.3)
            assert write.value.outcome_unknown and not write.value.safe_to_retry
        finally:
            cluster.signal(1, signal.SIGCONT)


def test_a_method_that_there_is_not(client: chamois.Client) -> None:
    call = client.unary_unary("/chamois.smd.v1.ComponentService/Nonsense", lambda _request: b"", lambda answer: answer)
    with pytest.raises(errors.NoSuchMethod):
        call(None)


def test_local_reads_are_answered(client: chamois.Client) -> None:
    GroupServiceStub(client).ListGroups(ListGroupsRequest(), metadata=(chamois.LOCAL,))


def test_the_readmes_programs_run_as_they_are_written(cluster: LiveCluster, client: chamois.Client) -> None:
    nodes(client, 9, 2)
    programs = README.read_text().split("```python\n")[1:]
    assert programs
    for program in (text.split("```")[0] for text in programs):
        # a watch has no end
        program = program.replace("for told in watch:", "for told in [next(watch)]:")
        run = subprocess.run([sys.executable, "-c", program], env=cluster.environment(), text=True, capture_output=True)
        assert run.returncode == 0, f"{program}\n{run.stderr}"


def test_the_binary_is_there() -> None:
    assert BINARY.exists(), f"{BINARY}: build it with `cargo build`, or name one in CHAMOIS_BIN"
