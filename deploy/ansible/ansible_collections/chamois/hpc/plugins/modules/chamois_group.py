#!/usr/bin/python
"""A group of components."""

from __future__ import annotations

DOCUMENTATION = r"""
module: chamois_group
short_description: A group of components
description: Makes a group what the task says. What is not given stays as it is.
extends_documentation_fragment: chamois.hpc.connection
options:
  label:
    description: The group. Lower case letters, digits and C(-:._).
    type: str
    required: true
  state:
    description: Whether there is one.
    type: str
    choices: [present, absent]
    default: present
  description:
    description: What it is for.
    type: str
  tags:
    description: Free words. An empty list takes them away.
    type: list
    elements: str
  exclusive_group:
    description: A component is in one group at most of those with the same one. Only of a group that is created.
    type: str
  members:
    description: Xnames of its components, which exist. An empty list takes all away.
    type: list
    elements: str
  append:
    description: Whether C(members) are added to those that there are, instead of replacing them.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: The cluster itself is asked.}
  diff_mode: {support: full, description: Shows both sides.}
"""
EXAMPLES = r"""
- chamois.hpc.chamois_group:
    label: gpu
    description: Nodes with GPUs
    members: [x1000c0s0b0n0, x1000c0s1b0n0]
- chamois.hpc.chamois_group:
    label: gpu
    members: [x1000c0s2b0n0]
    append: true
"""
RETURN = r"""
object:
  description: The group as it is now, or would be.
  returned: success
  type: dict
"""

from ansible_collections.chamois.hpc.plugins.module_utils import settle  # noqa: E402

try:
    from chamois import errors
    from chamois.smd.v1 import (
        DeleteGroupRequest,
        GetGroupRequest,
        Group,
        GroupMembers,
        GroupServiceStub,
        PatchGroupRequest,
        ReplaceGroupMembersRequest,
    )
except ImportError:
    pass  # `settle.run` says so


class GroupThing(settle.Thing):
    def __init__(self, client, module):
        self.stub = GroupServiceStub(client)
        self.given = module.params
        self.revision = 0

    def read(self):
        try:
            group = self.stub.GetGroup(GetGroupRequest(label=self.given["label"]))
        except errors.NotFound:
            return None
        self.revision = group.meta.modified.revision
        return {
            "label": group.label,
            "description": group.description,
            "tags": list(group.tags),
            "exclusive_group": group.exclusive_group,
            "members": sorted(group.members.ids),
        }

    def wanted(self, before):
        if self.given["state"] == "absent":
            return None
        none = {"label": self.given["label"], "description": "", "tags": [], "exclusive_group": "", "members": []}
        after = dict(before or none)
        for name in ("description", "tags", "exclusive_group"):
            if self.given[name] is not None:
                after[name] = self.given[name]
        if self.given["members"] is not None:
            kept = after["members"] if self.given["append"] else []
            after["members"] = sorted({*kept, *(each.lower() for each in self.given["members"])})
        return after

    def change(self, before, after, metadata):
        label, revision = self.given["label"], self.revision
        if after is None:
            self.stub.DeleteGroup(DeleteGroupRequest(label=label, if_revision=revision), metadata=metadata)
            return
        if before is None:
            members = GroupMembers(ids=after["members"])
            self.stub.CreateGroup(Group(**{**after, "members": members}), metadata=metadata)
            return
        if before["exclusive_group"] != after["exclusive_group"]:
            raise errors.ConfigError(f"exclusive_group: {label} has {before['exclusive_group']!r}, which stays; delete the group first")
        if any(before[name] != after[name] for name in ("description", "tags")):
            request = PatchGroupRequest(label=label, description=after["description"], tags=after["tags"], replace_tags=True)
            request.if_revision = revision
            told = self.stub.PatchGroup(request, metadata=metadata).revision
            revision = revision if metadata else told
        if before["members"] != after["members"]:
            request = ReplaceGroupMembersRequest(label=label, ids=after["members"], if_revision=revision)
            self.stub.ReplaceGroupMembers(request, metadata=metadata)


def main():
    arguments = {
        "label": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "description": {"type": "str"},
        "tags": {"type": "list", "elements": "str"},
        "exclusive_group": {"type": "str"},
        "members": {"type": "list", "elements": "str"},
        "append": {"type": "bool", "default": False},
    }
    settle.run(arguments, GroupThing)


if __name__ == "__main__":
    main()
