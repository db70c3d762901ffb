#!/usr/bin/env python3
"""Reboots nodes in waves: `reboot_in_waves.py 'x1000c0s[0-31]b0n0' --wave 8`, or `--rack x1000`.

Each wave is one power transition; the next one begins when all of its nodes have been switched. It stops when more nodes
have failed than `--failures` allows, and when it is interrupted it aborts the wave that is under way. The cluster is the one
of CHAMOIS_ENDPOINTS, CHAMOIS_CA and CHAMOIS_TOKEN. Exit code: 0 if every node was rebooted, 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

import chamois
from chamois.power.v1 import (
    AbortTransitionRequest,
    GetTransitionRequest,
    StartTransitionRequest,
    Transition,
    TransitionServiceStub,
)
from chamois.smd.v1 import ComponentQueryServiceStub, QueryComponentsRequest

LOOK_S = 1.0
ENDED = ("completed", "aborted")


def main() -> int:
    arguments = parse()
    with chamois.Client.from_env() as client:
        targets = arguments.nodes or nodes_of(client, arguments.rack)
        failed = 0
        for number, wave in enumerate(waves(targets, arguments.wave), 1):
            print(f"wave {number}: {', '.join(wave)}", flush=True)
            failed += reboot(TransitionServiceStub(client), wave, arguments)
            if failed > arguments.failures:
                print(f"{failed} have failed, {arguments.failures} are allowed: stopped", file=sys.stderr)
                return 1
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Reboots nodes in waves.")
    parser.add_argument("nodes", nargs="*", help="xnames or nodesets; a nodeset is never split over two waves")
    parser.add_argument("--rack", help="all nodes below this xname instead, e.g. x1000")
    parser.add_argument("--wave", type=int, default=8, help="targets of one wave (default: 8)")
    parser.add_argument("--failures", type=int, default=0, help="failed nodes that do not stop it (default: 0)")
    parser.add_argument("--operation", default="Soft-Restart", help="any of the API's, e.g. Hard-Restart")
    parser.add_argument("--deadline", type=int, default=5, help="minutes for a graceful shutdown (default: 5)")
    arguments = parser.parse_args()
    if bool(arguments.nodes) == bool(arguments.rack):
        parser.error("name nodes, or a --rack")
    if arguments.wave < 1:
        parser.error("--wave: at least 1")
    return arguments


def nodes_of(client: chamois.Client, rack: str) -> list[str]:
    request = QueryComponentsRequest(component_ids=[rack], type=["Node"])
    found = ComponentQueryServiceStub(client).QueryComponents(request)
    return [component.id for component in found.components]


def waves(targets: list[str], size: int) -> Iterator[list[str]]:
    for at in range(0, len(targets), size):
        yield targets[at : at + size]


def reboot(stub: TransitionServiceStub, wave: list[str], arguments: argparse.Namespace) -> int:
    """One wave, to its end; the number of nodes that have failed."""
    request = StartTransitionRequest(operation=arguments.operation, task_deadline_minutes=arguments.deadline)
    for target in wave:
        request.location.add(xname=target)
    transition = stub.StartTransition(request).transition_id
    try:
        done = wait(stub, transition)
    except KeyboardInterrupt:
        stub.AbortTransition(AbortTransitionRequest(transition_id=transition))
        print(f"transition {transition} is aborted: what was begun is finished", file=sys.stderr)
        raise
    for task in done.tasks:
        detail = f": {task.error}" if task.error else ""
        print(f"  {task.xname} {task.task_status}{detail}", flush=True)
    return sum(task.task_status != "succeeded" for task in done.tasks)


def wait(stub: TransitionServiceStub, transition: str) -> Transition:
    while True:
        now = stub.GetTransition(GetTransitionRequest(transition_id=transition))
        if now.transition_status in ENDED:
            return now
        time.sleep(LOOK_S)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except chamois.Error as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)
