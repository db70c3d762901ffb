"""The example reboots nodes behind emulated BMCs, waits for each wave, and stops when one fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from live_cluster import LiveCluster

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/reboot_in_waves.py"


@pytest.fixture(scope="module")
def hardware(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    folder = tmp_path_factory.mktemp("hardware")
    cluster = LiveCluster(folder, "--bmcs", "--nodes", "4", members=1, stands_still=False)
    yield cluster
    cluster.stop()


def run(cluster: LiveCluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLE), *arguments]
    return subprocess.run(command, env=cluster.environment(), text=True, capture_output=True)


def test_a_rack_is_rebooted_wave_by_wave(hardware: LiveCluster) -> None:
    done = run(hardware, "--rack", "s0", "--wave", "3", "--operation", "Hard-Restart")
    assert done.returncode == 0, done.stdout + done.stderr
    heads = [line.split(":")[0] for line in done.stdout.splitlines() if line.startswith("wave")]
    assert heads == ["wave 1", "wave 2"]
    assert done.stdout.count(" succeeded") == 4


def test_it_stops_at_a_failure_unless_some_are_allowed(hardware: LiveCluster) -> None:
    nodes = ("x9000c0s0b0n0", "x1000c0s0b0n[0-1]", "--wave", "1", "--operation", "Hard-Restart")
    stopped = run(hardware, *nodes)
    assert stopped.returncode == 1 and "wave 2" not in stopped.stdout, stopped.stdout
    assert "1 have failed, 0 are allowed" in stopped.stderr
    allowed = run(hardware, *nodes, "--failures", "1")
    assert allowed.returncode == 1 and allowed.stdout.count(" succeeded") == 2, allowed.stdout + allowed.stderr


def test_what_is_meant_must_be_said(hardware: LiveCluster) -> None:
    assert run(hardware).returncode == 2
    assert run(hardware, "x1000c0s0b0n0", "--rack", "s0").returncode == 2
