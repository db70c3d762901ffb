"""The Ansible modules against a live cluster: what they change, that a second run changes nothing, and what a check says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import chamois
from chamois.bss.v1 import BootParametersServiceStub, GetBootParametersRequest
from chamois.smd.v1 import Component, ComponentServiceStub, GetComponentRequest, GetGroupRequest, GroupServiceStub
from live_cluster import LiveCluster

COLLECTIONS = Path(__file__).resolve().parents[4] / "deploy/ansible"
PLACE = COLLECTIONS / "ansible_collections/chamois/hpc"


class Module:
    """Runs modules as ansible does on a host, without the seconds that a playbook takes."""

    def __init__(self, cluster: LiveCluster, name: str) -> None:
        self._file = PLACE / f"plugins/modules/{name}.py"
        paths = filter(None, (str(COLLECTIONS), os.environ.get("PYTHONPATH")))
        self._environment = {**cluster.environment(), "PYTHONPATH": os.pathsep.join(paths)}

    def __call__(self, check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check, "_ansible_diff": True}}
        run = subprocess.run(
            [sys.executable, str(self._file)], env=self._environment, text=True, capture_output=True, input=json.dumps(given)
        )
        assert run.stdout.startswith("\n{"), run.stdout + run.stderr
        result: dict[str, Any] = {"failed": False, **json.loads(run.stdout)}
        return result


@pytest.fixture
def module(cluster: LiveCluster) -> Any:
    return lambda name: Module(cluster, name)


def test_components(module: Any, client: chamois.Client) -> None:
    component = module("chamois_component")
    wanted: dict[str, Any] = {"id": "X5c0s0b0n0", "role": "Compute", "sub_role": "Worker", "nid": 501, "enabled": True, "arch": "ARM"}
    checked = component(check=True, **wanted)
    assert checked["changed"] and checked["diff"]["before"] == {}, checked
    stub = ComponentServiceStub(client)
    with pytest.raises(chamois.errors.NotFound):
        stub.GetComponent(GetComponentRequest(id="x5c0s0b0n0"))
    made = component(**wanted)
    assert made["changed"], made
    stored = stub.GetComponent(GetComponentRequest(id="x5c0s0b0n0"))
    assert (stored.role, stored.sub_role, stored.nid, stored.arch) == ("Compute", "Worker", 501, Component.ARCH_ARM)
    again = component(**wanted)
    assert not again["changed"], again
    changes = {"role": "Service", "sub_role": "", "nid": 502, "enabled": False, "arch": "X86", "software_status": "s", "class_name": "Hill"}
    assert component(check=True, id="x5c0s0b0n0", **changes)["changed"]
    assert stub.GetComponent(GetComponentRequest(id="x5c0s0b0n0")).nid == 501
    changed = component(id="x5c0s0b0n0", **changes)
    assert changed["changed"] and changed["diff"]["before"]["nid"] == 501 and changed["diff"]["after"]["nid"] == 502, changed
    assert not component(id="x5c0s0b0n0", **changes)["changed"]
    assert component(id="x5c0s0b0n0", state="absent")["changed"]
    assert not component(id="x5c0s0b0n0", state="absent")["changed"]


def test_states_of_components(module: Any) -> None:
    component = module("chamois_component")
    component(id="x5c0s1b0n0")
    assert component(id="x5c0s1b0n0", component_state="Off", force=True)["changed"]
    assert not component(id="x5c0s1b0n0", component_state="Off")["changed"]
    refused = component(id="x5c0s1b0n0", component_state="Halt")
    assert refused["failed"] and "force" in refused["msg"], refused
    unknown = component(id="x5c0s1b0n0", component_state="Sleepy")
    assert unknown["failed"] and "Standby" in unknown["msg"], unknown


def test_groups(module: Any, client: chamois.Client) -> None:
    component, group = module("chamois_component"), module("chamois_group")
    for slot in (0, 1):
        component(id=f"x6c0s{slot}b0n0")
    wanted: dict[str, Any] = {"label": "by-ansible", "description": "d", "tags": ["t"], "members": ["x6c0s0b0n0"]}
    assert group(check=True, **wanted)["changed"]
    assert group(**wanted)["changed"]
    assert not group(**wanted)["changed"]
    assert group(label="by-ansible", members=["x6c0s1b0n0"], append=True)["changed"]
    stub = GroupServiceStub(client)
    stored = stub.GetGroup(GetGroupRequest(label="by-ansible"))
    assert (list(stored.members.ids), stored.description) == (["x6c0s0b0n0", "x6c0s1b0n0"], "d")
    both = group(label="by-ansible", description="e", members=["x6c0s1b0n0"], tags=[])
    assert both["changed"] and both["object"]["tags"] == [], both
    unknown = group(check=True, label="by-ansible", members=["x999c0s0b0n0"])
    assert unknown["failed"] and "x999c0s0b0n0" in unknown["msg"], unknown
    assert group(label="by-ansible", state="absent")["changed"]
    assert not group(label="by-ansible", state="absent")["changed"]


def test_boot_parameters(module: Any, client: chamois.Client) -> None:
    module("chamois_component")(id="x7c0s0b0n0")
    entry = module("chamois_boot_parameters")
    for key in ("x7c0s0b0n0", "02:00:00:00:00:07", "nid7777"):
        wanted = {"key": key, "kernel": "http://f/k", "initrd": "http://f/i", "params": "console=ttyS0"}
        assert entry(check=True, **wanted)["changed"], key
        made = entry(**wanted)
        assert made["changed"], made
        assert not entry(**wanted)["changed"], key
        only_one = entry(key=key, params="quiet")
        assert only_one["changed"] and only_one["object"]["kernel"] == "http://f/k", only_one
        stub = BootParametersServiceStub(client)
        assert stub.GetBootParameters(GetBootParametersRequest(key=key)).params == "quiet"
        assert entry(key=key, state="absent")["changed"]
        assert not entry(key=key, state="absent")["changed"]


def test_what_cannot_be_reached_or_is_not_given_is_said(cluster: LiveCluster, module: Any) -> None:
    group = module("chamois_group")
    refused = group(label="by-ansible", token="not.a.token")
    assert refused["failed"] and refused["reason"] == "UNAUTHENTICATED", refused
    away = group(label="by-ansible", endpoints=["127.0.0.1:9"])
    assert away["failed"] and away["safe_to_retry"] and "127.0.0.1:9" in away["msg"], away
    nowhere = group(label="by-ansible", ca="/missing.pem")
    assert nowhere["failed"] and "/missing.pem" in nowhere["msg"], nowhere


def test_the_readmes_playbook_changes_what_it_says_and_then_nothing(cluster: LiveCluster, tmp_path: Path) -> None:
    book = tmp_path / "site.yml"
    book.write_text((PLACE / "README.md").read_text().split("```yaml\n")[1].split("```")[0])
    environment = {**cluster.environment(), "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_HOME": str(tmp_path)}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}"]
    recaps = []
    for _ in range(2):
        run = subprocess.run([*command, "-c", "local", "--diff", str(book)], env=environment, text=True, capture_output=True)
        assert run.returncode == 0, run.stdout + run.stderr
        recaps.append(run.stdout.split("changed=")[1].split()[0])
    assert recaps == ["3", "0"]


def test_the_documentation_is_what_ansible_reads(cluster: LiveCluster, tmp_path: Path) -> None:
    environment = {**cluster.environment(), "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_HOME": str(tmp_path)}
    names = [f"chamois.hpc.{file.stem}" for file in sorted((PLACE / "plugins/modules").glob("*.py"))]
    command = [str(Path(sys.executable).parent / "ansible-doc"), "--json", *names]
    documented = json.loads(subprocess.run(command, env=environment, text=True, capture_output=True, check=True).stdout)
    assert sorted(documented) == names
    assert all("token_file" in documented[name]["doc"]["options"] for name in names)
