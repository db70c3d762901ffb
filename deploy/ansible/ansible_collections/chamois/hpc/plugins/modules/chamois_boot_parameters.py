#!/usr/bin/python
"""What nodes boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: chamois_boot_parameters
short_description: Boot parameters of a node, a MAC address, a NID, a role or by default
description: Makes one entry of BSS's boot parameters what the task says. What is not given stays as it is.
extends_documentation_fragment: chamois.hpc.connection
options:
  key:
    description: An xname, a MAC address, C(nid<N>), a role, or C(Default).
    type: str
    required: true
  state:
    description: Whether there is an entry.
    type: str
    choices: [present, absent]
    default: present
  kernel:
    description: URL of the kernel.
    type: str
  initrd:
    description: URL of the initial RAM disk.
    type: str
  params:
    description: The kernel's command line.
    type: str
attributes:
  check_mode: {support: full, description: The cluster itself is asked.}
  diff_mode: {support: full, description: Shows both sides.}
"""
EXAMPLES = r"""
- chamois.hpc.chamois_boot_parameters:
    key: x1000c0s0b0n0
    kernel: http://files.example/vmlinuz
    initrd: http://files.example/initrd
    params: console=ttyS0
"""
RETURN = r"""
object:
  description: The entry as it is now, or would be.
  returned: success
  type: dict
"""

import re  # noqa: E402

from ansible_collections.chamois.hpc.plugins.module_utils import settle  # noqa: E402

try:
    from chamois import errors
    from chamois.bss.v1 import (
        BootParameters,
        BootParametersServiceStub,
        GetBootParametersRequest,
        PutBootParametersRequest,
    )
except ImportError:
    pass  # `settle.run` says so

FIELDS = ("kernel", "initrd", "params")


class EntryThing(settle.Thing):
    def __init__(self, client, module):
        self.stub = BootParametersServiceStub(client)
        self.given = module.params
        self.key = self.given["key"]
        if re.fullmatch(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", self.key):
            self.key = self.key.lower().replace("-", ":")
        self.stored = None

    def read(self):
        try:
            self.stored = self.stub.GetBootParameters(GetBootParametersRequest(key=self.key))
        except errors.NotFound:
            self.stored = None
            return None
        return {"key": self.key, **{name: getattr(self.stored, name) for name in FIELDS}}

    def wanted(self, before):
        if self.given["state"] == "absent":
            return None
        after = dict(before or {"key": self.key, **dict.fromkeys(FIELDS, "")})
        after.update({name: self.given[name] for name in FIELDS if self.given[name] is not None})
        return after

    def change(self, before, after, metadata):
        revision = self.stored.meta.modified.revision if self.stored is not None else 0
        entry = self.named()
        if after is None:
            entry.if_revision = revision
            self.stub.DeleteBootParameters(entry, metadata=metadata)
            return
        if self.stored is not None and self.stored.HasField("cloud_init"):
            entry.cloud_init.CopyFrom(self.stored.cloud_init)
        for name in FIELDS:
            setattr(entry, name, after[name])
        request = PutBootParametersRequest(entries=[entry], if_revisions=[revision])
        self.stub.PutBootParameters(request, metadata=metadata)

    def named(self):
        nid = re.fullmatch(r"nid(\d+)", self.key)
        if nid:
            return BootParameters(nids=[int(nid[1])])
        return BootParameters(macs=[self.key]) if ":" in self.key else BootParameters(hosts=[self.key])


def main():
    arguments = {
        "key": {"type": "str", "required": True, "no_log": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        **{name: {"type": "str"} for name in FIELDS},
    }
    settle.run(arguments, EntryThing)


if __name__ == "__main__":
    main()
