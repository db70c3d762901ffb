from __future__ import annotations

from collections.abc import Iterator

import pytest

import chamois
from fake_member import FakeMember, Identity
from live_cluster import LiveCluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    cluster = LiveCluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture
def client(cluster: LiveCluster) -> Iterator[chamois.Client]:
    with chamois.Client(**cluster.arguments()) as client:
        yield client


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def members(identity: Identity) -> Iterator[list[FakeMember]]:
    """Two members that answer what a test tells them to."""
    members = [FakeMember(identity), FakeMember(identity)]
    yield members
    for member in members:
        member.stop()
