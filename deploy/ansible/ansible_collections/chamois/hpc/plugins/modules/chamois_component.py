#!/usr/bin/python
"""A node, or anything else that SMD tracks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: chamois_component
short_description: A node, or anything else that SMD tracks
description: Makes a component what the task says. What is not given stays as it is.
extends_documentation_fragment: chamois.hpc.connection
options:
  id:
    description: Its xname.
    type: str
    required: true
  state:
    description: Whether there is one.
    type: str
    choices: [present, absent]
    default: present
  component_state:
    description: SMD's state, e.g. C(Ready). A transition that SMD does not allow takes C(force). Of a new one C(Populated).
    type: str
  flag:
    description: SMD's flag, e.g. C(OK).
    type: str
  force:
    description: Whether any transition of the state is made.
    type: bool
    default: false
  role:
    description: E.g. C(Compute).
    type: str
  sub_role:
    description: E.g. C(Worker). Takes a role.
    type: str
  nid:
    description: Node id, unique in the cluster.
    type: int
  enabled:
    description: Whether it is in use.
    type: bool
  software_status:
    description: Free text.
    type: str
  arch:
    description: C(X86), C(ARM), C(Other) or C(UNKNOWN).
    type: str
  class_name:
    description: C(River), C(Mountain) or C(Hill).
    type: str
attributes:
  check_mode: {support: full, description: The cluster itself is asked.}
  diff_mode: {support: full, description: Shows both sides.}
"""
EXAMPLES = r"""
- chamois.hpc.chamois_component:
    id: x1000c0s0b0n0
    role: Compute
    nid: 1
    enabled: true
"""
RETURN = r"""
object:
  description: The component as it is now, or would be.
  returned: success
  type: dict
"""

from ansible_collections.chamois.hpc.plugins.module_utils import settle  # noqa: E402

try:
    from chamois import errors
    from chamois.smd.v1 import (
        Component,
        ComponentPatchServiceStub,
        ComponentServiceStub,
        CreateComponentsRequest,
        DeleteComponentRequest,
        GetComponentRequest,
        PatchEnabledRequest,
        PatchFlagOnlyRequest,
        PatchNidRequest,
        PatchRoleRequest,
        PatchSoftwareStatusRequest,
        PatchStateDataRequest,
        PutComponentRequest,
    )

    ENUMS = {
        "component_state": ("state", Component.State),
        "flag": ("flag", Component.Flag),
        "arch": ("arch", Component.Arch),
        "class_name": ("class", Component.Class),
    }
except ImportError:
    ENUMS = {}  # `settle.run` says so

# It is there, and nobody has seen yet what it does.
STATE_AT_FIRST = "Populated"
PLAIN = ("role", "sub_role", "nid", "enabled", "software_status")


class ComponentThing(settle.Thing):
    def __init__(self, client, module):
        self.stub, self.patch = ComponentServiceStub(client), ComponentPatchServiceStub(client)
        self.given = module.params
        self.id = self.given["id"].lower()
        self.stored = None
        for name, (_, enum) in ENUMS.items():
            if self.given[name] is not None and self.given[name] not in settle.names(enum):
                raise errors.ConfigError(f"{name}: {self.given[name]!r}: one of {', '.join(settle.names(enum))}")

    def read(self):
        try:
            self.stored = self.stub.GetComponent(GetComponentRequest(id=self.id))
        except errors.NotFound:
            self.stored = None
            return None
        shown = {"id": self.stored.id, **{name: getattr(self.stored, name) for name in PLAIN}}
        for name, (field, enum) in ENUMS.items():
            shown[name] = settle.name_of(enum, getattr(self.stored, field))
        return shown

    def wanted(self, before):
        if self.given["state"] == "absent":
            return None
        after = dict(before or {"id": self.id, "component_state": STATE_AT_FIRST})
        after.update({name: self.given[name] for name in (*PLAIN, *ENUMS) if self.given[name] is not None})
        return after

    def change(self, before, after, metadata):
        if after is None:
            request = DeleteComponentRequest(id=self.id, if_revision=self.stored.meta.modified.revision)
            self.stub.DeleteComponent(request, metadata=metadata)
        elif before is None:
            request = CreateComponentsRequest(components=[self.component(after)], if_revisions=[0])
            self.stub.CreateComponents(request, metadata=metadata)
        else:
            self.update({name for name in after if after[name] != before[name]}, after, metadata)

    def update(self, differ, after, metadata):
        """One call for each kind of property, each on top of the one before."""
        revision = self.stored.meta.modified.revision
        for call, request in self.steps(differ, after):
            request.if_revision = revision
            told = call(request, metadata=metadata)
            if isinstance(request, PatchStateDataRequest) and not told.applied:
                raise errors.ConfigError(
                    f"component_state: {self.id} cannot become {after['component_state']} from what it is; `force: true` makes it so"
                )
            # what is only tried out leaves the revision as it is
            revision = revision if metadata else told.revision

    def steps(self, differ, after):
        if differ & {"arch", "class_name"}:
            component = self.component(after)
            component.state, component.flag = self.stored.state, self.stored.flag
            component.subtype, component.net_type = self.stored.subtype, self.stored.net_type
            yield self.stub.PutComponent, PutComponentRequest(id=self.id, component=component, force=True)
        flag = settle.number_of(Component.Flag, after["flag"])
        if "component_state" in differ:
            state = settle.number_of(Component.State, after["component_state"])
            request = PatchStateDataRequest(id=self.id, state=state, flag=flag, force=self.given["force"])
            yield self.stub.PatchStateData, request
        elif "flag" in differ:
            yield self.patch.PatchFlagOnly, PatchFlagOnlyRequest(id=self.id, flag=flag)
        if differ & {"role", "sub_role"}:
            yield self.patch.PatchRole, PatchRoleRequest(id=self.id, role=after["role"], sub_role=after["sub_role"])
        if "nid" in differ:
            yield self.patch.PatchNid, PatchNidRequest(id=self.id, nid=after["nid"])
        if "enabled" in differ:
            yield self.patch.PatchEnabled, PatchEnabledRequest(id=self.id, enabled=after["enabled"])
        if "software_status" in differ:
            status = after["software_status"]
            yield self.patch.PatchSoftwareStatus, PatchSoftwareStatusRequest(id=self.id, software_status=status)

    def component(self, after):
        fields = {name: after[name] for name in PLAIN if after.get(name) is not None}
        for name, (field, enum) in ENUMS.items():
            if after.get(name) is not None:
                fields[field] = settle.number_of(enum, after[name])
        return Component(id=self.id, **fields)


def main():
    arguments = {
        "id": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "force": {"type": "bool", "default": False},
        **{name: {"type": "str"} for name in ("component_state", "flag", "role", "sub_role", "software_status", "arch", "class_name")},
        "nid": {"type": "int"},
        "enabled": {"type": "bool"},
    }
    settle.run(arguments, ComponentThing)


if __name__ == "__main__":
    main()
